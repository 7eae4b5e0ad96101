//! Pauses after failures.

use std::time::{Duration, Instant};

/// The pause after the first failure. It doubles with each that follows.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// The time without a failure after which the next one is a first one again. A success alone is no
/// reason: what fails again as soon as it is used may be repaired each time.
const QUIET: Duration = Duration::from_secs(300);

/// Pauses after failures, which are longer the more there are.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// The last failure, and the pause after it.
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    /// Notes a failure.
    pub(super) fn fail(&mut self, now: Instant) {
        let pause = match self.last {
            Some((last, pause)) if now.saturating_duration_since(last) < QUIET => {
                pause.saturating_mul(2).min(LONGEST)
            }
            _ => FIRST,
        };
        self.last = Some((now, pause));
    }

    /// Returns the end of the present pause, if there is one.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let (last, pause) = self.last?;
        last.checked_add(pause).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_failures_follow_each_other() {
        let start = Instant::now();
        let mut pauses = Pauses::default();
        assert_eq!(pauses.until(start), None);
        let mut pause_after = |second: u64| {
            let now = start + Duration::from_secs(second);
            pauses.fail(now);
            let until = pauses.until(now).expect("a pause");
            assert_eq!(pauses.until(until), None, "it ends");
            (until - now).as_secs()
        };
        let seconds = [0, 1, 3, 7, 15, 31, 63, 123, 422, 722, 723];
        assert_eq!(seconds.map(&mut pause_after), [1, 2, 4, 8, 16, 32, 60, 60, 60, 1, 2]);
    }
}
