//! The time of the next request for a log's head.
//!
//! Logs publish in a rhythm: static-ct logs every second or so, RFC 6962 logs every few seconds or
//! minutes. The time between changed heads and the time it takes for one to appear are learned,
//! and the next request is sent when a new head is due. Requests that find nothing new are bounded
//! by an allowance: one a second for an idle log, and as many as configured while a log grows.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The wait after a request that found nothing new; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The shortest wait after a head with new entries, unless the configured interval is shorter.
const AFTER_NEWS: Duration = Duration::from_millis(500);
/// The time by which a request is sent earlier after one that found a new head, in milliseconds.
const EARLIER: i64 = 25;
/// The most requests a second that may find nothing while a log grows, however short the configured
/// wait.
const MOST_A_SECOND: f64 = 20.0;
/// Requests that may find nothing in quick succession.
const BURST: f64 = 3.0;
/// The time after a change in which a log counts as growing.
const MOVING: Duration = Duration::from_secs(3);
/// Changes whose distances are remembered.
const REMEMBERED: usize = 8;

/// The schedule of one log's head requests.
#[derive(Debug)]
pub(crate) struct Poll {
    longest: Duration,
    /// The time by which the second request is put off.
    stagger: Duration,
    size: Option<u64>,
    rhythm: Rhythm,
    allowance: Allowance,
    /// Requests in a row that found nothing although a new head was due.
    vain: u32,
    /// The previous request, if it found nothing.
    missed: Option<Instant>,
    next: Instant,
}

impl Poll {
    /// Makes a schedule. `longest` is the longest wait between two requests to a log that grows; an
    /// idle log gets at most one a second.
    pub(crate) fn new(longest: Duration, now: Instant) -> Self {
        let allowance = Allowance::new(longest, now);
        let rhythm = Rhythm::new(now);
        let stagger = Duration::ZERO;
        Self { longest, stagger, size: None, rhythm, allowance, vain: 0, missed: None, next: now }
    }

    /// Puts the second request off, by log number `number` of a fleet: requests of logs that begin
    /// together are evenly spread from then on. Multiples of the golden ratio leave no large gaps
    /// between them, for any number of logs.
    pub(crate) fn staggered(self, number: usize) -> Self {
        const GOLDEN_RATIO: f64 = 0.618_033_988_749_895;
        let share = (number as f64 * GOLDEN_RATIO).fract();
        Self { stagger: self.longest.mul_f64(share), ..self }
    }

    /// Returns the time of the next request.
    pub(crate) const fn next(&self) -> Instant {
        self.next
    }

    /// Notes the response to a request sent at `now`: the tree size and the head's time in milliseconds
    /// since 1970.
    pub(crate) fn answered(&mut self, size: u64, timestamp: u64, now: Instant) {
        let changed = self.size.is_some_and(|before| size > before);
        if changed {
            let missed = self.missed.take().map(|missed| now.saturating_duration_since(missed));
            self.rhythm.changed(timestamp, now, missed);
            self.allowance.moved(now);
            self.vain = 0;
        } else {
            self.allowance.spend(now);
            self.missed = Some(now);
        }
        self.size = Some(self.size.map_or(size, |before| before.max(size)));
        self.next = self.plan(changed, now) + std::mem::take(&mut self.stagger);
    }

    fn plan(&mut self, changed: bool, now: Instant) -> Instant {
        let due = self.rhythm.due().filter(|due| *due > now);
        let shortest = match (changed, due) {
            (true, _) => AFTER_NEWS,
            (false, Some(_)) => Duration::ZERO,
            // The log is late, has no rhythm, or has fallen quiet.
            (false, None) => {
                self.vain = self.vain.saturating_add(1);
                FIRST_WAIT.saturating_mul(1 << (self.vain - 1).min(16))
            }
        };
        let shortest = now + shortest.min(self.longest);
        let wanted = due.map_or(shortest, |due| due.max(shortest)).min(now + self.longest);
        wanted.max(self.allowance.ready(now))
    }
}

/// The interval between changes of a log's head, and the time until a change is visible.
#[derive(Debug)]
struct Rhythm {
    /// Moments are counted in milliseconds from here.
    base: Instant,
    /// The time in the newest head with new entries.
    newest: Option<u64>,
    /// Distances of such times, in milliseconds.
    distances: VecDeque<u64>,
    /// The time from the time in a head until it is available, in milliseconds: the delay of publishing
    /// plus the difference of the clocks.
    lag: Option<i64>,
}

impl Rhythm {
    const fn new(base: Instant) -> Self {
        Self { base, newest: None, distances: VecDeque::new(), lag: None }
    }

    /// Notes a head with new entries; `missed` is the time since the last request that did not find it.
    fn changed(&mut self, timestamp: u64, now: Instant, missed: Option<Duration>) {
        let distance = self.newest.and_then(|newest| timestamp.checked_sub(newest));
        if let Some(distance) = distance.filter(|distance| *distance > 0) {
            if self.distances.len() == REMEMBERED {
                self.distances.pop_front();
            }
            self.distances.push_back(distance);
        }
        self.newest = Some(timestamp);
        let moment = now.saturating_duration_since(self.base).as_millis();
        let seen = (moment as i64).wrapping_sub(timestamp as i64);
        // It was not there yet at the last request that did not find it.
        let earliest =
            missed.map_or(i64::MIN, |missed| seen.wrapping_sub(missed.as_millis() as i64));
        self.lag = Some(match self.lag {
            // It came when it was due or before: the next request is sent a little earlier.
            Some(lag) if lag > earliest => lag.min(seen).wrapping_sub(EARLIER).max(earliest),
            // It came in between.
            _ => missed.map_or(seen, |missed| seen.wrapping_sub(missed.as_millis() as i64 / 2)),
        });
    }

    /// Returns the time at which the next change is likely to be visible.
    fn due(&self) -> Option<Instant> {
        // Requests miss some changes, so distances are often multiples.
        let distance = *self.distances.iter().min()?;
        let next = (self.newest?.checked_add(distance)? as i64).wrapping_add(self.lag?);
        self.base.checked_add(Duration::from_millis(u64::try_from(next).ok()?))
    }
}

/// The requests that may find nothing: one a second, more while the log grows, and a few saved up.
#[derive(Debug)]
struct Allowance {
    left: f64,
    at: Instant,
    /// Requests a second while the log grows.
    while_moving: f64,
    moving_until: Instant,
}

impl Allowance {
    fn new(longest: Duration, now: Instant) -> Self {
        let while_moving = longest.as_secs_f64().recip().clamp(1.0, MOST_A_SECOND);
        Self { left: BURST, at: now, while_moving, moving_until: now }
    }

    fn moved(&mut self, now: Instant) {
        (self.left, self.at) = (self.left_at(now), now);
        self.moving_until = now + MOVING;
    }

    fn spend(&mut self, now: Instant) {
        (self.left, self.at) = (self.left_at(now) - 1.0, now);
    }

    fn left_at(&self, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at);
        let moving = self.moving_until.saturating_duration_since(self.at).min(since);
        let earned = moving.as_secs_f64() * self.while_moving + (since - moving).as_secs_f64();
        (self.left + earned).min(BURST)
    }

    /// Returns the time at which a request is permitted.
    fn ready(&self, now: Instant) -> Instant {
        let lacking = (1.0 - self.left_at(now)).clamp(0.0, BURST);
        let soon = now + Duration::from_secs_f64(lacking / self.while_moving);
        if soon <= self.moving_until { soon } else { now + Duration::from_secs_f64(lacking) }
    }
}

#[cfg(test)]
mod tests;
