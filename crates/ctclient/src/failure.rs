//! The age of a log's failure, which bounds every wait at its beginning: most failures are short, and
//! frequent attempts bring a log back to its head soon after their end.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::Backoff;

/// The beginning of a failure, in which waits are short.
pub const BEGINNING: Duration = Duration::from_secs(60);
/// The longest wait then, jitter included, unless the log asks for more.
pub const LONGEST_AT_FIRST: Duration = Duration::from_secs(4);

/// The beginning of a log's present failure, shared by all who send requests to it.
#[derive(Debug, Default)]
pub struct Failure(Mutex<Option<Instant>>);

impl Failure {
    /// Notes a failure; it began at the first since the log recovered.
    pub fn begin(&self) {
        self.0.lock().get_or_insert_with(Instant::now);
    }

    /// Ends the failure.
    pub fn end(&self) {
        *self.0.lock() = None;
    }

    /// Reports whether the log fails, and not for long.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        is_beginning(*self.0.lock(), Instant::now())
    }
}

/// Reports whether a failure that began at `since` is in its first minute.
#[must_use]
pub fn is_beginning(since: Option<Instant>, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) < BEGINNING)
}

/// Bounds the waits of a back-off at the beginning of a failure. They keep their jitter.
#[must_use]
pub fn bounded(backoff: Backoff, since: Option<Instant>, now: Instant) -> Backoff {
    let max = backoff.max.min(LONGEST_AT_FIRST);
    if is_beginning(since, now) { Backoff { max, ..backoff } } else { backoff }
}

/// Returns the rest of a wait after a request that got no response for `waited`: at the beginning of a
/// failure that time counts, so that attempts are as frequent however they fail.
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
