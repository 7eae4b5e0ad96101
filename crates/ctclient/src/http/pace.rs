//! Requests are paced per host, because an operator's logs share a front end.
//!
//! A host has a bound on requests in flight and, once it has answered 429, a rate. A 429 halves the
//! rate, responses raise it again (additive increase, multiplicative decrease): quickly up to where
//! the host last objected, slowly past that point, so that it settles just below the host's limit.
//! The responses to the host's other logs are no reason for its 429s, so a cut never goes below
//! their rate.
//!
//! One 429 among very many responses, below the rate at which the host objected before, says nothing
//! about the rate, as busy front ends send them to any client; only the log that received it pauses.
//! If such strays counted, they would keep the rate down for good, because each comes long before the
//! cut for the one before has grown back.

mod tuning;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Queue, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use self::tuning::TUNING;

/// The pace of one host.
#[derive(Debug)]
pub(crate) struct HostPace {
    in_flight: Semaphore,
    /// The requests that wait for their turn, first come, first served. Only the first one takes a time
    /// slot, when that has come: a request that is cancelled costs the others nothing.
    queue: Queue<()>,
    /// Requests for pages, of which the first stands in the queue: heads wait for no more than one.
    pages: Queue<()>,
    schedule: Mutex<Schedule>,
    requests: AtomicU64,
    limited: AtomicU64,
}

/// The pace of requests to a host at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSnapshot {
    /// Host, and port where it is not the scheme's.
    pub host: String,
    /// Requests per second after the host has objected; `None` while it has not.
    pub rate: Option<f64>,
    /// The fixed time between requests that the configuration asks for; zero for none.
    pub interval: Duration,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests since the start.
    pub requests: u64,
    /// Answers 429 since the start.
    pub limited: u64,
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A head, a proof or an issuer.
    Small,
    /// Entries.
    Page,
}

/// A request's turn at its host, held until the answer is complete.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pace: &'a HostPace,
    caller: u64,
    /// True if the request had to wait for the rate: then a response says something about the rate.
    waited: bool,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// Notes that the host answered.
    pub(crate) fn answered(&self) {
        self.pace.schedule.lock().answered(self.caller, self.waited, Instant::now());
    }

    /// Notes a 429.
    pub(crate) fn limited(&self) {
        self.pace.limited.fetch_add(1, Ordering::Relaxed);
        self.pace.schedule.lock().limited(self.caller, Instant::now());
    }
}

impl HostPace {
    fn new() -> Self {
        Self {
            in_flight: Semaphore::new(TUNING.in_flight),
            queue: Queue::default(),
            pages: Queue::default(),
            schedule: Mutex::default(),
            requests: AtomicU64::new(0),
            limited: AtomicU64::new(0),
        }
    }

    /// Waits for the turn of a request by `caller`.
    pub(crate) async fn turn(&self, caller: u64, kind: Kind) -> Turn<'_> {
        let _first_page = match kind {
            Kind::Page => Some(self.pages.lock().await),
            Kind::Small => None,
        };
        let _first = self.queue.lock().await;
        let mut waited = false;
        while let Some(at) = self.not_before() {
            waited = true;
            tokio::time::sleep_until(at).await;
        }
        // The semaphore is never closed; `None` would only mean an unbounded request.
        let slot = self.in_flight.acquire().await.ok();
        waited |= self.schedule.lock().take(Instant::now());
        self.requests.fetch_add(1, Ordering::Relaxed);
        Turn { pace: self, caller, waited, _slot: slot }
    }

    fn not_before(&self) -> Option<Instant> {
        self.schedule.lock().not_before(Instant::now())
    }

    /// Leaves at least `interval` between two requests, whatever the host allows.
    pub(crate) fn at_least(&self, interval: Duration) {
        let mut schedule = self.schedule.lock();
        schedule.interval = schedule.interval.max(interval);
    }

    pub(crate) fn snapshot(&self, host: &str) -> HostSnapshot {
        let schedule = self.schedule.lock();
        HostSnapshot {
            host: host.to_owned(),
            rate: schedule.rate,
            interval: schedule.interval,
            in_flight: TUNING.in_flight - self.in_flight.available_permits(),
            requests: self.requests.load(Ordering::Relaxed),
            limited: self.limited.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default)]
struct Schedule {
    interval: Duration,
    /// Requests per second; `None` while the host has not objected.
    rate: Option<f64>,
    /// The rate that met the last 429.
    objected: Option<f64>,
    next: Option<Instant>,
    limited: Option<Instant>,
    lately: Lately,
    /// The recent responses to each caller.
    callers: HashMap<u64, Answers>,
}

/// A caller's recent responses.
#[derive(Debug, Default)]
struct Answers {
    meter: Meter,
    refused: Option<Instant>,
}

/// Recent responses of a host; older ones count less and less.
#[derive(Debug, Default)]
struct Lately {
    all: f64,
    refused: f64,
}

impl Lately {
    fn add(&mut self, refused: bool) {
        let keep = 1.0 - TUNING.recent_responses.recip();
        self.all = self.all * keep + 1.0;
        self.refused = self.refused * keep + f64::from(u8::from(refused));
    }

    /// Returns the share of 429s among them.
    fn share(&self) -> f64 {
        if self.all > 0.0 { self.refused / self.all } else { 0.0 }
    }

    /// Reports whether 429s are so few that they are no limit.
    fn strays(&self) -> bool {
        self.share() <= TUNING.stray_share
    }
}

impl Schedule {
    /// Returns the next free moment; `None` means now.
    fn not_before(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next > now)
    }

    /// Takes the moment that is free now. Returns whether it had only just become free, so that the
    /// request was sent as soon as the rate allows.
    fn take(&mut self, now: Instant) -> bool {
        let of_rate =
            self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(rate.recip()));
        if of_rate.max(self.interval).is_zero() {
            self.next = None;
            return false;
        }
        let due =
            self.next.filter(|next| now.saturating_duration_since(*next) <= TUNING.timer_slack);
        self.next = Some((due.unwrap_or(now) + of_rate).max(now + self.interval));
        due.is_some()
    }

    /// Raises the rate, if the request waited for its turn: only then a higher rate may be possible.
    fn answered(&mut self, caller: u64, waited: bool, now: Instant) {
        self.lately.add(false);
        self.caller(caller, now).meter.add(now);
        let Some(rate) = self.rate else { return };
        if !waited {
            return;
        }
        let near = self.objected.is_some_and(|objected| rate >= objected * TUNING.slow_from);
        // A second's answers, of which there are `rate`, together make the growth of a second.
        let rate = rate
            + if near { TUNING.slow_growth } else { TUNING.growth / rate + TUNING.growth_share };
        if self.objected.is_some_and(|objected| rate > objected * (2.0 - TUNING.slow_from)) {
            self.objected = None;
        }
        self.rate = Some(rate).filter(|rate| *rate < TUNING.unlimited_rate);
    }

    fn limited(&mut self, caller: u64, now: Instant) {
        self.lately.add(true);
        self.caller(caller, now).refused = Some(now);
        if self.lately.strays() && !self.is_at_limit() {
            return;
        }
        if self.limited.is_some_and(|last| now < last + TUNING.one_limit) {
            return;
        }
        self.limited = Some(now);
        let known = self
            .rate
            .or_else(|| Some(self.answered_rate(now)).filter(|it| *it > TUNING.first_rate));
        let rate = known.unwrap_or(TUNING.first_rate);
        let others = self.needed_by_others(caller, now) * TUNING.headroom;
        // A guess, or the lowest rate there is, is no limit to stay just below.
        // What is answered is what the host allows; a rate that it refuses in part is beyond that.
        let beyond = self.rate.map_or(0.0, |_| self.lately.share().min(TUNING.most_excess));
        self.objected =
            known.filter(|rate| *rate > TUNING.lowest_rate).map(|rate| rate * (1.0 - beyond));
        self.rate = Some((rate / 2.0).max(others.min(rate)).max(TUNING.lowest_rate));
    }

    /// Reports whether the rate is that at which the host last objected: then one 429 is enough.
    fn is_at_limit(&self) -> bool {
        self.rate.zip(self.objected).is_some_and(|(rate, objected)| rate >= objected)
    }

    /// Returns a caller's responses. Callers come and go with logs; silent ones are forgotten when
    /// there are many.
    fn caller(&mut self, id: u64, now: Instant) -> &mut Answers {
        if self.callers.len() >= TUNING.many_callers && !self.callers.contains_key(&id) {
            self.callers.retain(|_, answers| answers.meter.rate(now) > 1e-3);
        }
        self.callers.entry(id).or_default()
    }

    fn answered_rate(&self, now: Instant) -> f64 {
        self.callers.values().map(|answers| answers.meter.rate(now)).sum()
    }

    /// Returns the responses per second to all other callers that are not refused.
    fn needed_by_others(&self, caller: u64, now: Instant) -> f64 {
        let refused =
            |answers: &Answers| answers.refused.is_some_and(|at| now < at + TUNING.refused_for);
        let others =
            self.callers.iter().filter(|(id, answers)| **id != caller && !refused(answers));
        others.map(|(_, answers)| answers.meter.rate(now)).sum()
    }
}

/// Events per second; older ones count less and less.
#[derive(Debug, Default)]
struct Meter {
    level: f64,
    at: Option<Instant>,
    began: Option<Instant>,
}

impl Meter {
    fn add(&mut self, now: Instant) {
        self.level = self.level_at(now) + 1.0;
        self.at = Some(now);
        self.began.get_or_insert(now);
    }

    fn rate(&self, now: Instant) -> f64 {
        // What a meter in its first seconds has seen so far is not all it will see.
        let age = self.began.map_or(0.0, |began| seconds_since(began, now)).max(1.0);
        self.level_at(now) / (TUNING.meter_memory * -(-age / TUNING.meter_memory).exp_m1())
    }

    fn level_at(&self, now: Instant) -> f64 {
        let since = self.at.map_or(0.0, |at| seconds_since(at, now));
        self.level * (-since / TUNING.meter_memory).exp()
    }
}

fn seconds_since(earlier: Instant, now: Instant) -> f64 {
    now.saturating_duration_since(earlier).as_secs_f64()
}

/// The paces of all hosts.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    hosts: Mutex<HashMap<String, Arc<HostPace>>>,
}

impl Paces {
    /// Returns the pace of `host`, which is created at the first request to it.
    pub(crate) fn of(&self, host: &str) -> Arc<HostPace> {
        let mut hosts = self.hosts.lock();
        if let Some(pace) = hosts.get(host) {
            return Arc::clone(pace);
        }
        let pace = Arc::new(HostPace::new());
        hosts.insert(host.to_owned(), Arc::clone(&pace));
        pace
    }

    /// Returns the pace of each host, by host.
    pub(crate) fn snapshots(&self) -> Vec<HostSnapshot> {
        let hosts = self.hosts.lock();
        let mut all: Vec<_> = hosts.iter().map(|(host, pace)| pace.snapshot(host)).collect();
        all.sort_by(|a, b| a.host.cmp(&b.host));
        all
    }
}

#[cfg(test)]
mod tests;
