//! The rate limit of a log, or of a host with all its logs: a token bucket.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use parking_lot::Mutex;

use crate::http::answer::Answer;

/// The rate of accepted requests; those beyond it get status 429.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests in a second, in the long run.
    pub rate: f64,
    /// Requests that may come at once, after silence.
    pub burst: u32,
    /// True if a 429 carries `Retry-After`.
    pub retry_after: bool,
}

/// The limit of one log or host, off until it is set.
#[derive(Debug, Default)]
pub struct Limiter {
    bucket: Mutex<Option<Bucket>>,
    violations: AtomicU64,
}

#[derive(Debug)]
struct Bucket {
    limit: Limit,
    tokens: f64,
    filled: Instant,
}

impl Limiter {
    /// Sets the limit, with a full bucket; `None` ends it.
    pub fn set(&self, limit: Option<Limit>) {
        let now = Instant::now();
        let full = |limit: Limit| Bucket { limit, tokens: limit.burst.into(), filled: now };
        *self.bucket.lock() = limit.map(full);
    }

    /// Returns the number of requests beyond the limit.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    /// Takes a token; the answer where there is none.
    pub(crate) fn refusal(&self) -> Option<Answer> {
        let wait = self.bucket.lock().as_mut()?.take(Instant::now())?;
        self.violations.fetch_add(1, Ordering::Relaxed);
        let answer = Answer::text("too many requests\n").with_status(StatusCode::TOO_MANY_REQUESTS);
        let Some(wait) = wait else { return Some(answer) };
        Some(answer.retry_after(wait.as_secs_f64().ceil().to_string()))
    }
}

impl Bucket {
    /// Takes a token. Without one, returns the wait to announce, if the limit announces one.
    fn take(&mut self, now: Instant) -> Option<Option<Duration>> {
        let Limit { rate, burst, retry_after } = self.limit;
        let came = now.duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + came).min(burst.into());
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        let wait = Duration::try_from_secs_f64((1.0 - self.tokens) / rate);
        Some(retry_after.then(|| wait.unwrap_or(Duration::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_bucket_empties_and_refills() {
        let start = Instant::now();
        let limit = Limit { rate: 2.0, burst: 3, retry_after: true };
        let mut bucket = Bucket { limit, tokens: 3.0, filled: start };
        let half = Duration::from_millis(500);
        assert!((0..3).all(|_| bucket.take(start).is_none()));
        assert_eq!(bucket.take(start), Some(Some(half)));
        assert_eq!(bucket.take(start + half), None);
        assert_eq!(bucket.take(start + half), Some(Some(half)));
        let much_later = start + 100 * half;
        assert!((0..3).all(|_| bucket.take(much_later).is_none()));
        assert!(bucket.take(much_later).is_some());
    }

    #[test]
    fn a_limit_counts_its_violations_and_can_be_lifted() {
        let limiter = Limiter::default();
        assert_eq!(limiter.refusal(), None);
        limiter.set(Some(Limit { rate: 1e-9, burst: 1, retry_after: false }));
        assert_eq!(limiter.refusal(), None);
        assert_eq!(limiter.refusal().and_then(|answer| answer.field), None);
        assert_eq!(limiter.violations(), 1);
        limiter.set(None);
        assert_eq!(limiter.refusal(), None);
    }
}
