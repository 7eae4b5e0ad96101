//! A bound on the rate of one kind of log line.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(60);

/// Permits one line a minute and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Passed>);

#[derive(Debug, Default)]
struct Passed {
    last: Option<Instant>,
    silenced: u64,
}

impl Throttle {
    /// Counts some events, at least one. Returns the number of events since the last line that have
    /// none, if a line about the first of these may be written; `None` otherwise.
    pub(crate) fn pass(&self, events: u64) -> Option<u64> {
        let mut passed = self.0.lock();
        let now = Instant::now();
        if passed.last.is_some_and(|last| now < last + EVERY) {
            passed.silenced += events;
            return None;
        }
        passed.last = Some(now);
        Some(std::mem::replace(&mut passed.silenced, events.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_passes() {
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(1), Some(0));
        assert_eq!((throttle.pass(1), throttle.pass(1)), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.pass(1), Some(2));
        assert_eq!(throttle.pass(3), None);
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.pass(5), Some(3), "a line stands for the first of several");
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.pass(1), Some(4));
    }
}
