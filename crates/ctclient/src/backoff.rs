//! Exponential back-off with jitter.

use std::time::{Duration, SystemTime};

/// Exponential back-off with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// Returns the wait before attempt `failures + 1`: doubling from `initial` up to `max`, of which a
    /// random half is kept so that logs which failed together do not come back together.
    /// `entropy` is any number that differs from call to call.
    #[must_use]
    pub fn wait(&self, failures: u32, entropy: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let full = self.initial.saturating_mul(1 << doublings).min(self.max);
        let half = full / 2;
        let share = (entropy % 1024) as u32;
        half + half * share / 1023
    }
}

/// Returns a number that differs from call to call, for jitter only.
#[must_use]
pub fn jitter() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::from(since.subsec_nanos()) / 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30) };

    #[test]
    fn waits_double_up_to_the_limit_and_jitter_keeps_half() {
        for (failures, full) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (400, 30)] {
            let full = Duration::from_secs(full);
            assert_eq!(BACKOFF.wait(failures, 0), full / 2);
            assert_eq!(BACKOFF.wait(failures, 1023), full);
        }
    }
}
