//! Since when a log fails, which bounds every wait at its beginning: most failures are short, and who
//! looks again often is back at the head soon after their end.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::Backoff;

/// The beginning of a failure, in which waits are short.
pub const BEGINNING: Duration = Duration::from_secs(60);
/// The longest wait then, jitter included, unless the log asks for more.
pub const LONGEST_AT_FIRST: Duration = Duration::from_secs(4);

/// Since when a log fails, shared by all that ask it.
#[derive(Debug, Default)]
pub struct Failure(Mutex<Option<Instant>>);

impl Failure {
    /// Notes a failure; it began at the first since the log recovered.
    pub fn begin(&self) {
        self.0.lock().get_or_insert_with(Instant::now);
    }

    /// Notes that the log does what it should again.
    pub fn end(&self) {
        *self.0.lock() = None;
    }

    /// Whether the log fails, and has not for long.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        is_beginning(*self.0.lock(), Instant::now())
    }
}

/// Whether something that fails since then has not failed for long.
#[must_use]
pub fn is_beginning(since: Option<Instant>, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) < BEGINNING)
}

/// A back-off, whose waits are short at the beginning of a failure. They keep their jitter.
#[must_use]
pub fn bounded(backoff: Backoff, since: Option<Instant>, now: Instant) -> Backoff {
    let max = backoff.max.min(LONGEST_AT_FIRST);
    if is_beginning(since, now) { Backoff { max, ..backoff } } else { backoff }
}

/// What is left of a wait after a request that was waited for in vain: at the beginning of a failure
/// that time counts, so that attempts follow each other as often however they fail.
#[must_use]
pub fn left_of(wait: Duration, waited: Duration, since: Option<Instant>, now: Instant) -> Duration {
    let waited = if is_beginning(since, now) { waited } else { Duration::ZERO };
    wait.saturating_sub(waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_begins_once_and_ends() {
        let failure = Failure::default();
        assert!(!failure.is_beginning());
        failure.begin();
        tokio::time::advance(BEGINNING / 2).await;
        failure.begin();
        assert!(failure.is_beginning());
        tokio::time::advance(BEGINNING / 2).await;
        assert!(!failure.is_beginning(), "it counts from the first");
        failure.end();
        failure.begin();
        assert!(failure.is_beginning());
    }
}
