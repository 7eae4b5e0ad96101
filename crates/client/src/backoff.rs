//! The pause before the next attempt.

use std::time::Duration;

/// The pause after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause, however many failures there were.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a server can request.
const LONGEST_REQUESTED: Duration = Duration::from_secs(3600);

/// Exponential back-off from half a second to half a minute, with jitter, so that the clients of a
/// server that restarts do not all connect at once.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Resets the pause after a success.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Returns the pause after another failure: between half of the step and the whole of it, and no
    /// shorter than the server requests.
    pub fn failed(&mut self, requested: Option<Duration>) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        let jittered = step / 2 + (step / 2).mul_f64(random());
        jittered.max(requested.unwrap_or_default().min(LONGEST_REQUESTED))
    }
}

/// Returns a number between 0 and 1. Spreading clients needs no better randomness than the standard
/// library's.
fn random() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_restart_after_a_success() {
        let mut backoff = Backoff::default();
        for step in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let pause = backoff.failed(None);
            let step = Duration::from_millis(step);
            assert!((step / 2..=step).contains(&pause), "{pause:?} of {step:?}");
        }
        assert_eq!(backoff.failed(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.failed(Some(Duration::MAX)), LONGEST_REQUESTED);
        backoff.succeeded();
        assert!(backoff.failed(None) <= FIRST);
    }
}
