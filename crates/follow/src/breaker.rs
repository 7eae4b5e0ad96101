//! A log's back-off, which is also its circuit breaker.
//!
//! There is one fact, the time of the next permitted attempt, and one way to show it: closed while
//! the log answers, open while there are no attempts, half-open while one attempt decides.

use std::time::Duration;

use ctclient::Backoff;
use ctclient::failure::bounded;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The state of the circuit to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// The log answers.
    #[default]
    Closed,
    /// The log failed often enough: no attempts for an interval.
    Open,
    /// The wait is over and one attempt decides.
    HalfOpen,
}

impl BreakerState {
    /// Returns the word used in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// The failures of a log in a row, and the wait that follows from them.
#[derive(Debug)]
pub(crate) struct Breaker {
    backoff: Backoff,
    /// Failures in a row at which the circuit opens.
    threshold: u32,
    /// The longest wait while it is open.
    open_wait: Duration,
    failures: u32,
    /// The first failure in the row.
    since: Option<Instant>,
}

impl Breaker {
    pub(crate) const fn new(backoff: Backoff, threshold: u32, open_wait: Duration) -> Self {
        Self { backoff, threshold, open_wait, failures: 0, since: None }
    }

    /// Records a response; returns whether the log had been failing.
    pub(crate) const fn success(&mut self) -> bool {
        let recovered = self.failures > 0;
        self.failures = 0;
        self.since = None;
        recovered
    }

    /// Records a failure; returns the wait before the next attempt, which is short at the beginning of
    /// a failure. A wait that the log itself asked for (`Retry-After`) is a lower bound.
    pub(crate) fn failure(&mut self, asked: Option<Duration>, entropy: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let max = if self.is_open() { self.open_wait } else { self.backoff.max };
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let backoff = bounded(Backoff { max, ..self.backoff }, Some(since), now);
        let wait = backoff.wait(self.failures, entropy);
        asked.map_or(wait, |asked| asked.max(wait))
    }

    /// Returns the number of failures in a row.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the time of the first of them.
    pub(crate) const fn since(&self) -> Option<Instant> {
        self.since
    }

    const fn is_open(&self) -> bool {
        self.failures >= self.threshold
    }

    /// Returns the state to show while waiting after a failure.
    pub(crate) const fn state(&self) -> BreakerState {
        if self.is_open() { BreakerState::Open } else { BreakerState::Closed }
    }
}

#[cfg(test)]
mod tests {
    use ctclient::failure::{BEGINNING, LONGEST_AT_FIRST};

    use super::*;

    const BACKOFF: Backoff =
        Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30) };

    #[tokio::test(start_paused = true)]
    async fn waits_are_short_in_the_first_minute_of_a_failure() {
        let slow = Backoff { initial: Duration::from_secs(20), ..BACKOFF };
        for backoff in [BACKOFF, slow] {
            let mut breaker = Breaker::new(backoff, 3, Duration::from_secs(300));
            for _ in 0..2 {
                let start = Instant::now();
                let asked = Duration::from_secs(90);
                assert_eq!(breaker.failure(Some(asked), 1023), asked, "the log's word counts");
                while (Instant::now() - start) < BEGINNING {
                    let wait = breaker.failure(None, 1023);
                    assert!(
                        wait <= LONGEST_AT_FIRST,
                        "{wait:?} after {:?}",
                        (Instant::now() - start)
                    );
                    tokio::time::sleep(wait).await;
                }
                let asked = Duration::from_secs(900);
                assert_eq!(breaker.failure(Some(asked), 1023), asked, "the log's word counts");
                assert!(breaker.failure(None, 1023) > LONGEST_AT_FIRST, "it lasts");
                breaker.success();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_at_the_threshold_and_closes_on_success() {
        let mut breaker = Breaker::new(BACKOFF, 2, Duration::from_secs(60));
        assert!(breaker.failure(None, 0) <= Duration::from_secs(1));
        assert_eq!(breaker.state(), BreakerState::Closed);
        let asked = Duration::from_secs(90);
        assert_eq!(breaker.failure(Some(asked), 0), asked);
        assert_eq!(breaker.state(), BreakerState::Open);
        for _ in 0..20 {
            breaker.failure(None, 1023);
        }
        tokio::time::advance(BEGINNING).await;
        assert_eq!(breaker.failure(None, 1023), Duration::from_secs(60));
        assert!(breaker.success());
        assert_eq!((breaker.state(), breaker.failures()), (BreakerState::Closed, 0));
        assert!(!breaker.success());
    }
}
