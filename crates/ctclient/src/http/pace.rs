//! Requests are paced per host, because an operator's logs share a front end.
//!
//! A host has a number of requests in flight at most and, once it has answered 429, a rate. A 429
//! cuts the rate to half, answers raise it again (additive increase, multiplicative decrease):
//! quickly up to where the host last objected, slowly past that point, so that it settles just
//! under what the host allows. What the host's other logs are being answered is no reason for its
//! 429s, so a cut never goes below that.
//!
//! One 429 among very many answers, below the rate at which the host objected before, says nothing of
//! the rate, as busy front ends send them to anyone; the log that got it pauses, and that is all.
//! Were such strays heeded they would bring the rate down for good, because each comes long before
//! the cut for the one before has grown back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Queue, Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Requests in flight to one host at most.
pub(crate) const IN_FLIGHT: usize = 32;
/// What a host is taken to allow that answers 429 before much is known of it, in requests per
/// second.
const FIRST_RATE: f64 = 8.0;
/// The lowest rate, in requests per second: slower than this a log cannot be followed at all.
const LOWEST_RATE: f64 = 1.0;
/// A host that bears this rate is not limited any more.
const UNLIMITED_RATE: f64 = 500.0;
/// How much the rate grows in a second of answers: so many requests, ...
const GROWTH: f64 = 2.0;
/// ... and this share of itself.
const GROWTH_SHARE: f64 = 0.1;
/// The share of the rate that met the last 429 from which on it grows slowly.
const NEAR: f64 = 0.9;
/// How much the rate then grows in a second of answers, as a share of itself: some two minutes from
/// [`NEAR`] to the rate that met the last 429, and as long again until that is forgotten.
const CREEP: f64 = 0.001;
/// 429s within this time are one: those requests were under way together.
const ONE_LIMIT: Duration = Duration::from_secs(1);
/// The number of answers that count as lately, where the share of 429s among them is taken.
const LATELY: f64 = 200.0;
/// Up to this share of 429s lately they are strays.
const STRAY: f64 = 0.03;
/// By how much a rate that meets 429s is taken to be beyond what the host allows: by the share of
/// 429s, this at most.
const MOST_BEYOND: f64 = 0.1;
/// For so long after a 429 a log does not count as one that is being answered.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Callers of one host after which those are forgotten that ask no more.
const MANY_CALLERS: usize = 256;
/// The room that a cut leaves to the host's other logs above what they have been answered.
const ROOM: f64 = 1.25;

/// A request this soon after the moment at which it might have been sent counts as sent then: timers
/// are late by milliseconds, which would add up.
const LATE: Duration = Duration::from_millis(20);

/// The pace of one host.
#[derive(Debug)]
pub(crate) struct HostPace {
    in_flight: Semaphore,
    /// The requests that wait for their turn, first come, first served. Only the first takes a moment,
    /// when it has come: whoever gives up costs the others nothing.
    queue: Queue<()>,
    /// Requests for pages, of which the first stands in the queue: heads wait for no more than one.
    pages: Queue<()>,
    schedule: Mutex<Schedule>,
    requests: AtomicU64,
    limited: AtomicU64,
}

/// How a host is being asked, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSnapshot {
    /// Host, and port where it is not the scheme's.
    pub host: String,
    /// Requests per second to which the host has brought us; `None` while it has not objected.
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

/// What a request asks for.
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
    /// Whether the request had to wait for the rate: then an answer is news about the rate.
    waited: bool,
    _slot: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// The host answered.
    pub(crate) fn answered(&self) {
        self.pace.schedule.lock().answered(self.caller, self.waited, Instant::now());
    }

    /// The host said that it is asked too often.
    pub(crate) fn limited(&self) {
        self.pace.limited.fetch_add(1, Ordering::Relaxed);
        self.pace.schedule.lock().limited(self.caller, Instant::now());
    }
}

impl HostPace {
    fn new() -> Self {
        Self {
            in_flight: Semaphore::new(IN_FLIGHT),
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
            in_flight: IN_FLIGHT - self.in_flight.available_permits(),
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
    /// What each caller has been answered lately.
    callers: HashMap<u64, Answers>,
}

/// A caller's answers lately.
#[derive(Debug, Default)]
struct Answers {
    meter: Meter,
    refused: Option<Instant>,
}

/// Answers of a host lately, those long ago counting less and less.
#[derive(Debug, Default)]
struct Lately {
    all: f64,
    refused: f64,
}

impl Lately {
    fn add(&mut self, refused: bool) {
        let keep = 1.0 - LATELY.recip();
        self.all = self.all * keep + 1.0;
        self.refused = self.refused * keep + f64::from(u8::from(refused));
    }

    /// The share of 429s among them.
    fn share(&self) -> f64 {
        if self.all > 0.0 { self.refused / self.all } else { 0.0 }
    }

    /// Whether 429s are so few that they are nobody's limit.
    fn strays(&self) -> bool {
        self.share() <= STRAY
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
        let due = self.next.filter(|next| now.saturating_duration_since(*next) <= LATE);
        self.next = Some((due.unwrap_or(now) + of_rate).max(now + self.interval));
        due.is_some()
    }

    /// Only an answer to a request that waited for its turn tells that a higher rate may do.
    fn answered(&mut self, caller: u64, waited: bool, now: Instant) {
        self.lately.add(false);
        self.caller(caller, now).meter.add(now);
        let Some(rate) = self.rate.filter(|_| waited) else { return };
        let near = self.objected.is_some_and(|objected| rate >= objected * NEAR);
        // A second's answers, of which there are `rate`, together make the growth of a second.
        let rate = rate + if near { CREEP } else { GROWTH / rate + GROWTH_SHARE };
        if self.objected.is_some_and(|objected| rate > objected * (2.0 - NEAR)) {
            self.objected = None;
        }
        self.rate = Some(rate).filter(|rate| *rate < UNLIMITED_RATE);
    }

    fn limited(&mut self, caller: u64, now: Instant) {
        self.lately.add(true);
        self.caller(caller, now).refused = Some(now);
        if self.lately.strays() && !self.is_at_limit() {
            return;
        }
        if self.limited.is_some_and(|last| now < last + ONE_LIMIT) {
            return;
        }
        self.limited = Some(now);
        let known =
            self.rate.or_else(|| Some(self.answered_rate(now)).filter(|it| *it > FIRST_RATE));
        let rate = known.unwrap_or(FIRST_RATE);
        let others = self.needed_by_others(caller, now) * ROOM;
        // A guess, or the lowest rate there is, is no limit to stay just below.
        // What is answered is what the host allows; a rate that it refuses in part is beyond that.
        let beyond = self.rate.map_or(0.0, |_| self.lately.share().min(MOST_BEYOND));
        self.objected = known.filter(|rate| *rate > LOWEST_RATE).map(|rate| rate * (1.0 - beyond));
        self.rate = Some((rate / 2.0).max(others.min(rate)).max(LOWEST_RATE));
    }

    /// Whether the host is asked as often as when it last objected: then one 429 says enough.
    fn is_at_limit(&self) -> bool {
        self.rate.zip(self.objected).is_some_and(|(rate, objected)| rate >= objected)
    }

    /// A caller's answers. Callers come and go with logs; those that have fallen silent are
    /// forgotten when there are many.
    fn caller(&mut self, id: u64, now: Instant) -> &mut Answers {
        if self.callers.len() >= MANY_CALLERS && !self.callers.contains_key(&id) {
            self.callers.retain(|_, answers| answers.meter.rate(now) > 1e-3);
        }
        self.callers.entry(id).or_default()
    }

    fn answered_rate(&self, now: Instant) -> f64 {
        self.callers.values().map(|answers| answers.meter.rate(now)).sum()
    }

    /// Answers per second to callers that are not refused, but for this one.
    fn needed_by_others(&self, caller: u64, now: Instant) -> f64 {
        let refused = |answers: &Answers| answers.refused.is_some_and(|at| now < at + REFUSED_FOR);
        let others =
            self.callers.iter().filter(|(id, answers)| **id != caller && !refused(answers));
        others.map(|(_, answers)| answers.meter.rate(now)).sum()
    }
}

/// Events per second, of which those long ago count less and less.
#[derive(Debug, Default)]
struct Meter {
    level: f64,
    at: Option<Instant>,
    began: Option<Instant>,
}

impl Meter {
    /// The time in which an event's weight falls to a third, in seconds.
    const MEMORY: f64 = 5.0;

    fn add(&mut self, now: Instant) {
        self.level = self.level_at(now) + 1.0;
        self.at = Some(now);
        self.began.get_or_insert(now);
    }

    fn rate(&self, now: Instant) -> f64 {
        // What a meter in its first seconds has seen so far is not all it will see.
        let age = self.began.map_or(0.0, |began| seconds_since(began, now)).max(1.0);
        self.level_at(now) / (Self::MEMORY * -(-age / Self::MEMORY).exp_m1())
    }

    fn level_at(&self, now: Instant) -> f64 {
        let since = self.at.map_or(0.0, |at| seconds_since(at, now));
        self.level * (-since / Self::MEMORY).exp()
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

    /// How each host is being asked, by host.
    pub(crate) fn snapshots(&self) -> Vec<HostSnapshot> {
        let hosts = self.hosts.lock();
        let mut all: Vec<_> = hosts.iter().map(|(host, pace)| pace.snapshot(host)).collect();
        all.sort_by(|a, b| a.host.cmp(&b.host));
        all
    }
}

#[cfg(test)]
mod tests;
