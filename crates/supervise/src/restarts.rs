//! The pauses between the restarts of one task.

use std::time::Duration;

/// The pause after the first panic.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// A task that ran this long has recovered: its next panic is a first one.
const RECOVERED: Duration = Duration::from_secs(60);

/// Counts a task's panics that came soon after its start.
#[derive(Debug, Default)]
pub(crate) struct Restarts(u32);

impl Restarts {
    /// Returns the pause after a panic of a task that had run for so long: a second, then twice as
    /// much each time, at most a minute.
    pub(crate) fn wait(&mut self, ran: Duration) -> Duration {
        if ran >= RECOVERED {
            self.0 = 0;
        }
        let wait = FIRST.saturating_mul(1 << self.0.min(6)).min(LONGEST);
        self.0 = self.0.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_again_after_a_good_run() {
        let mut restarts = Restarts::default();
        let waits: Vec<u64> = (0..9).map(|_| restarts.wait(Duration::ZERO).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(restarts.wait(RECOVERED), FIRST);
        assert_eq!(restarts.wait(RECOVERED / 2), FIRST * 2);
    }
}
