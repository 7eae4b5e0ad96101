//! How long to wait before the next attempt.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// However many failures there were.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a server can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// Doubles from half a second to half a minute, with jitter, so that the clients of a server that
/// comes back do not all come at once.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// There is news from the server.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The pause after another failure: between half of the step and the whole of it, and no
    /// shorter than the server asks for.
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        let jittered = step / 2 + (step / 2).mul_f64(random());
        jittered.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

/// Between 0 and 1. Spreading clients needs no better randomness than the standard library's.
fn random() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_limit_and_begins_anew() {
        let mut backoff = Backoff::default();
        for step in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let pause = backoff.failed(None);
            let step = Duration::from_millis(step);
            assert!((step / 2..=step).contains(&pause), "{pause:?} of {step:?}");
        }
        assert_eq!(backoff.failed(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.failed(Some(Duration::MAX)), LONGEST_ASKED);
        backoff.succeeded();
        assert!(backoff.failed(None) <= FIRST);
    }
}
