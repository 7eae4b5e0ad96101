//! The pauses between the restarts of one task.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after the first panic.
const FIRST: Duration = Duration::from_secs(1);
/// The beginning of a failure, in which pauses are short.
const BEGINNING: Duration = Duration::from_secs(60);
/// The longest pause then.
const LONGEST_AT_FIRST: Duration = Duration::from_secs(4);
/// The longest pause later.
const LONGEST: Duration = Duration::from_secs(60);
/// A task that ran this long has done what it is for: its next panic is a first one.
const RECOVERED: Duration = Duration::from_secs(10);

/// Counts a task's panics that came soon after its start.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    panics: u32,
    /// The first of them.
    since: Option<Instant>,
}

impl Restarts {
    /// Returns the pause after a panic, at `now`, of a task that had run for so long: a second, then
    /// twice as much each time. It is 4 s at most while the first panic is less than a minute ago,
    /// and a minute at most later.
    pub(crate) fn wait(&mut self, ran: Duration, now: Instant) -> Duration {
        if ran >= RECOVERED {
            *self = Self::default();
        }
        let since = *self.since.get_or_insert(now);
        let is_beginning = now.saturating_duration_since(since) < BEGINNING;
        let longest = if is_beginning { LONGEST_AT_FIRST } else { LONGEST };
        let wait = FIRST.saturating_mul(1 << self.panics.min(6)).min(longest);
        self.panics = self.panics.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_four_seconds_in_the_first_minute_and_to_a_minute_later() {
        let mut restarts = Restarts::default();
        let start = Instant::now();
        let mut now = start;
        let mut waits = Vec::new();
        while now < start + BEGINNING {
            let wait = restarts.wait(Duration::ZERO, now);
            now += wait;
            waits.push(wait.as_secs());
        }
        assert_eq!(waits[..4], [1, 2, 4, 4]);
        assert!(waits.iter().all(|wait| *wait <= 4), "{waits:?}");
        assert_eq!(restarts.wait(Duration::ZERO, now), LONGEST, "it lasts");
        let later = now + Duration::from_secs(3600);
        assert_eq!(restarts.wait(RECOVERED, later), FIRST);
        assert_eq!(restarts.wait(RECOVERED / 2, later), FIRST * 2);
    }

    #[test]
    fn a_task_that_panics_every_fifty_seconds_is_soon_started_again_each_time() {
        let mut restarts = Restarts::default();
        let ran = Duration::from_secs(50);
        let mut now = Instant::now();
        for _ in 0..100 {
            now += ran;
            let wait = restarts.wait(ran, now);
            assert_eq!(wait, FIRST);
            now += wait;
        }
    }
}
