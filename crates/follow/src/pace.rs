//! Requests are paced per host, because an operator's shards share a front end.
//!
//! Each host has a number of requests in flight at most and an interval between requests. A 429
//! doubles the interval, an answer shortens it by a fixed step (additive increase of the rate,
//! multiplicative decrease), so that the rate settles just under what the host allows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests in flight to one host at most.
const IN_FLIGHT: usize = 32;
/// The interval a host gets at its first 429.
const FIRST_INTERVAL: Duration = Duration::from_millis(20);
/// The longest interval: slower than this a log cannot be followed at all.
const LONGEST_INTERVAL: Duration = Duration::from_secs(2);
/// How much an answer shortens the interval.
const STEP: Duration = Duration::from_micros(500);

/// The pace of one host.
#[derive(Debug)]
pub(crate) struct HostPace {
    in_flight: Semaphore,
    schedule: Mutex<Schedule>,
}

#[derive(Debug, Default)]
struct Schedule {
    interval: Duration,
    next: Option<Instant>,
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
        let mut schedule = self.schedule.lock();
        schedule.interval = schedule.interval.saturating_sub(STEP);
    }

    /// The host said that it is asked too often.
    pub(crate) fn limited(&self) {
        let mut schedule = self.schedule.lock();
        schedule.interval = (schedule.interval * 2).clamp(FIRST_INTERVAL, LONGEST_INTERVAL);
    }
}

impl Schedule {
    /// Takes the next free moment; `None` means at once.
    fn reserve(&mut self, now: Instant) -> Option<Instant> {
        if self.interval.is_zero() {
            self.next = None;
            return None;
        }
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + self.interval);
        (at > now).then_some(at)
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
        let pace = HostPace::new();
        let now = Instant::now();
        assert_eq!(pace.schedule.lock().reserve(now), None);
        pace.limited();
        assert_eq!(pace.schedule.lock().reserve(now), None);
        assert_eq!(pace.schedule.lock().reserve(now), Some(now + FIRST_INTERVAL));
        pace.limited();
        assert_eq!(pace.schedule.lock().interval, FIRST_INTERVAL * 2);
        for _ in 0..80 {
            pace.answered();
        }
        assert_eq!(pace.schedule.lock().reserve(now), None);
        for _ in 0..80 {
            pace.limited();
        }
        assert_eq!(pace.schedule.lock().interval, LONGEST_INTERVAL);
    }
}
