//! Requests are paced per host, because an operator's shards share a front end.
//!
//! Each host has a number of requests in flight at most and, once it has answered 429, a rate. A
//! 429 halves the rate, answers raise it again by so much a second (additive increase,
//! multiplicative decrease), so that it settles just under what the host allows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests in flight to one host at most.
const IN_FLIGHT: usize = 32;
/// The rate, in requests per second, that a host's first 429 halves.
const FIRST_RATE: f64 = 50.0;
/// The lowest rate: slower than this a log cannot be followed at all.
const LOWEST_RATE: f64 = 1.0;
/// A host that bears this rate is not limited any more.
const UNLIMITED_RATE: f64 = 100.0;
/// How much the rate grows in a second of answers.
const GROWTH: f64 = 2.0;
/// 429s within this time are one: those requests were under way together.
const ONE_LIMIT: Duration = Duration::from_secs(1);

/// The pace of one host.
#[derive(Debug)]
pub(crate) struct HostPace {
    in_flight: Semaphore,
    schedule: Mutex<Schedule>,
}

#[derive(Debug, Default)]
struct Schedule {
    /// Requests per second; `None` while the host has not objected.
    rate: Option<f64>,
    next: Option<Instant>,
    limited: Option<Instant>,
}

impl HostPace {
    fn new() -> Self {
        Self { in_flight: Semaphore::new(IN_FLIGHT), schedule: Mutex::default() }
    }

    /// Waits for this request's turn; the host's slot is held until the permit is dropped.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let at = self.schedule.lock().reserve(Instant::now());
        if let Some(at) = at {
            tokio::time::sleep_until(at).await;
        }
        // The semaphore is never closed; `None` would only mean an unbounded request.
        self.in_flight.acquire().await.ok()
    }

    /// The host answered.
    pub(crate) fn answered(&self) {
        self.schedule.lock().answered();
    }

    /// The host said that it is asked too often.
    pub(crate) fn limited(&self) {
        self.schedule.lock().limited(Instant::now());
    }
}

impl Schedule {
    /// Takes the next free moment; `None` means at once.
    fn reserve(&mut self, now: Instant) -> Option<Instant> {
        let Some(rate) = self.rate else {
            self.next = None;
            return None;
        };
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + Duration::from_secs_f64(rate.recip()));
        (at > now).then_some(at)
    }

    /// A second's answers together raise the rate by [`GROWTH`].
    fn answered(&mut self) {
        self.rate =
            self.rate.map(|rate| rate + GROWTH / rate).filter(|rate| *rate < UNLIMITED_RATE);
    }

    fn limited(&mut self, now: Instant) {
        if self.limited.is_some_and(|last| now < last + ONE_LIMIT) {
            return;
        }
        self.limited = Some(now);
        self.rate = Some((self.rate.unwrap_or(FIRST_RATE) / 2.0).max(LOWEST_RATE));
    }
}

/// The paces of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    hosts: Mutex<HashMap<String, Arc<HostPace>>>,
}

impl Paces {
    /// The pace of `host`, made at the first request to it.
    pub(crate) fn of(&self, host: &str) -> Arc<HostPace> {
        let mut hosts = self.hosts.lock();
        if let Some(pace) = hosts.get(host) {
            return Arc::clone(pace);
        }
        let pace = Arc::new(HostPace::new());
        hosts.insert(host.to_owned(), Arc::clone(&pace));
        pace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_spreads_requests_and_answers_bring_the_rate_back() {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        assert_eq!(schedule.reserve(now), None);
        schedule.limited(now);
        schedule.limited(now + ONE_LIMIT / 2);
        assert_eq!(schedule.rate, Some(FIRST_RATE / 2.0), "429s of one moment count once");
        assert_eq!(schedule.reserve(now), None);
        assert_eq!(schedule.reserve(now), Some(now + Duration::from_millis(40)));
        assert_eq!(schedule.reserve(now), Some(now + Duration::from_millis(80)));
        // A second's worth of answers.
        for _ in 0..25 {
            schedule.answered();
        }
        let rate = schedule.rate.expect("still limited");
        assert!((26.5..27.5).contains(&rate), "{rate}");
        for second in 2..40 {
            schedule.limited(now + ONE_LIMIT * second);
        }
        assert_eq!(schedule.rate, Some(LOWEST_RATE));
        for _ in 0..10_000 {
            schedule.answered();
        }
        assert_eq!(schedule.reserve(now), None, "the host bears it");
    }
}
