//! Log lines about what happens entry by entry, at a bounded rate.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// One line in this time.
const EVERY: Duration = Duration::from_secs(60);

/// Lets one line pass in a minute and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Passed>);

#[derive(Debug, Default)]
struct Passed {
    last: Option<Instant>,
    silenced: u64,
}

impl Throttle {
    /// Whether to write the line: then how many were not written since the last.
    pub(crate) fn pass(&self) -> Option<u64> {
        let mut passed = self.0.lock();
        let now = Instant::now();
        if passed.last.is_some_and(|last| now < last + EVERY) {
            passed.silenced += 1;
            return None;
        }
        passed.last = Some(now);
        Some(std::mem::take(&mut passed.silenced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_minute_passes() {
        let throttle = Throttle::default();
        assert_eq!(throttle.pass(), Some(0));
        assert_eq!((throttle.pass(), throttle.pass()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(throttle.pass(), Some(2));
        assert_eq!(throttle.pass(), None);
    }
}
