//! Rates: a token bucket with a burst beyond it, and a sliding window, for each client.
//!
//! Not taken from `governor`: there the limits are part of the state, so a reload would lose the
//! request history; bucket, burst and window must be checked together, and a refusal by one must not
//! charge the others; and its map of clients has no bound.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use ct::Hash;
use tokio::time::Instant;

use super::address::ClientKey;
use super::auth::Tier;

/// The tolerance within which a sum of floats counts as whole.
const EXACT: f64 = 1e-6;

/// The limits of the clients of a tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Allowance {
    pub(super) tier: Tier,
    /// Size of the bucket, in requests.
    pub(super) max_tokens: f64,
    /// Requests a second that come back; more than 0.
    pub(super) refill_rate: f64,
    /// Additional requests in each burst window.
    pub(super) burst: f64,
    pub(super) burst_window: Duration,
    pub(super) window: Duration,
    /// Most requests in any window.
    pub(super) window_max: u32,
}

/// The limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Bucket,
    Window,
}

/// The standing of a client, as shown in response headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) tier: Tier,
    /// Most requests at once: bucket and burst, or the window where that is smaller.
    pub(super) limit: u64,
    /// Requests left at once.
    pub(super) remaining: u64,
    /// Time until the bucket is full again.
    pub(super) reset: Duration,
}

/// The decision about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request is allowed, perhaps only by the burst.
    Allowed { standing: Standing, by_burst: bool },
    /// The request is refused, as further ones are for `wait`.
    Refused { standing: Standing, limit: Limit, wait: Duration },
}

impl Allowance {
    /// Returns the time without a request after which an account is as new.
    pub(super) fn horizon(&self) -> Duration {
        let refill = seconds(self.max_tokens / self.refill_rate);
        refill.max(self.burst_window).max(self.window * 2)
    }

    fn limit(&self) -> u64 {
        whole(self.max_tokens + self.burst).min(self.window_max.into())
    }
}

/// The state of one client. It counts the requests used, not those left, so that new limits apply at
/// once.
#[derive(Debug, Clone)]
struct Account {
    used: f64,
    /// The time of `used`.
    at: Instant,
    burst_used: f64,
    /// The start of the burst window.
    burst_since: Instant,
    window: Window,
}

impl Account {
    const fn new(allowance: &Allowance, now: Instant) -> Self {
        let window = Window::new(allowance.window, now);
        Self { used: 0.0, at: now, burst_used: 0.0, burst_since: now, window }
    }

    /// Decides about one request. A refused one costs nothing.
    fn ask(&mut self, allowance: &Allowance, now: Instant) -> Verdict {
        self.pass_time(allowance, now);
        let refused = |account: &Self, limit, wait| Verdict::Refused {
            standing: account.standing(allowance, 0),
            limit,
            wait,
        };
        let in_window = self.window.total(allowance.window, now);
        if in_window >= allowance.window_max {
            let wait = self.window.wait(allowance.window_max, now);
            return refused(self, Limit::Window, wait);
        }
        let by_burst = !fits(self.used, allowance.max_tokens);
        if by_burst && !fits(self.burst_used, allowance.burst) {
            return refused(self, Limit::Bucket, self.wait(allowance, now));
        }
        if !by_burst {
            self.used += 1.0;
        } else {
            if self.burst_used == 0.0 {
                self.burst_since = now;
            }
            self.burst_used += 1.0;
        }
        self.window.add();
        let left = allowance.window_max - in_window - 1;
        Verdict::Allowed { standing: self.standing(allowance, left.into()), by_burst }
    }

    fn pass_time(&mut self, allowance: &Allowance, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let refilled = (self.used - passed * allowance.refill_rate).max(0.0);
        self.used = refilled.min(allowance.max_tokens);
        self.at = self.at.max(now);
        if now.saturating_duration_since(self.burst_since) >= allowance.burst_window {
            self.burst_used = 0.0;
        }
    }

    /// Returns the time until bucket or burst allow a request again.
    fn wait(&self, allowance: &Allowance, now: Instant) -> Duration {
        let missing = (self.used + 1.0 - allowance.max_tokens).max(0.0);
        let refill = seconds(missing / allowance.refill_rate);
        if allowance.burst < 1.0 {
            return refill;
        }
        let passed = now.saturating_duration_since(self.burst_since);
        refill.min(allowance.burst_window.saturating_sub(passed))
    }

    fn standing(&self, allowance: &Allowance, left_in_window: u64) -> Standing {
        let bucket = whole(allowance.max_tokens - self.used);
        let burst = whole(allowance.burst - self.burst_used);
        Standing {
            tier: allowance.tier,
            limit: allowance.limit(),
            remaining: bucket.saturating_add(burst).min(left_in_window),
            reset: seconds(self.used / allowance.refill_rate),
        }
    }
}

/// Reports whether one more fits in.
fn fits(used: f64, most: f64) -> bool {
    used + 1.0 <= most + EXACT
}

/// Returns the whole requests in a number.
fn whole(number: f64) -> u64 {
    (number + EXACT).floor() as u64
}

/// Returns a time, a hundred years at most.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST))
}

/// The identity of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Address(ClientKey),
    /// The token with this hash.
    Token(Hash),
}

/// The accounts of all clients, in bounded space.
///
/// They are kept in two generations. An account that is used is young. When the young are half of what
/// may be kept, or after the time in which an account becomes as new, they become the old generation,
/// and the old one is dropped. So eviction never searches.
#[derive(Debug)]
pub(super) struct Accounts {
    young: HashMap<Key, Account>,
    old: HashMap<Key, Account>,
    /// The start of the young generation.
    began: Instant,
}

impl Accounts {
    pub(super) fn new(now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), began: now }
    }

    /// Decides about one request of a client. Also returns the number of accounts that were evicted
    /// early for it.
    pub(super) fn ask(
        &mut self,
        key: Key,
        allowance: &Allowance,
        most: usize,
        horizon: Duration,
        now: Instant,
    ) -> (Verdict, usize) {
        let forgotten = self.start_generation_if_due(most, horizon, now);
        let old = &mut self.old;
        let account = self
            .young
            .entry(key)
            .or_insert_with(|| old.remove(&key).unwrap_or_else(|| Account::new(allowance, now)));
        (account.ask(allowance, now), forgotten)
    }

    /// Returns the number of accounts.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn start_generation_if_due(&mut self, most: usize, horizon: Duration, now: Instant) -> usize {
        let is_due = now.saturating_duration_since(self.began) >= horizon;
        if !is_due && self.young.len() < (most / 2).max(1) {
            return 0;
        }
        self.began = now;
        let forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
        if is_due { 0 } else { forgotten.len() }
    }
}

/// The number of slots in a window.
const SLOTS: u32 = 12;
/// The number of slots kept: a window that ends inside a slot also begins inside one.
const KEPT: usize = SLOTS as usize + 1;

/// A sliding window of requests, in constant space: counts by slot of time.
///
/// A slot counts until it lies outside the window altogether, so no interval as long as the window has
/// more requests than allowed; a request stops counting at most a twelfth of the window late.
#[derive(Debug, Clone)]
struct Window {
    /// The start of slot 0.
    began: Instant,
    length: Duration,
    /// The number of the newest slot.
    newest: u64,
    /// Requests in it and in those before it, at their number modulo [`KEPT`].
    counts: [u32; KEPT],
}

impl Window {
    const fn new(length: Duration, now: Instant) -> Self {
        Self { began: now, length, newest: 0, counts: [0; KEPT] }
    }

    /// Returns the requests that count now, in a window of this length.
    fn total(&mut self, length: Duration, now: Instant) -> u32 {
        self.slide(length, now);
        self.counts.iter().sum()
    }

    /// Counts one more, after [`Self::total`] for the same moment.
    fn add(&mut self) {
        self.counts[slot(self.newest)] += 1;
    }

    /// Returns the time until fewer than `max` count, if none is added.
    fn wait(&self, max: u32, now: Instant) -> Duration {
        let mut total: u32 = self.counts.iter().sum();
        let mut last = self.newest;
        for age in (0..KEPT as u64).rev() {
            if total < max {
                break;
            }
            let Some(number) = self.newest.checked_sub(age) else { continue };
            total -= self.counts[slot(number)];
            last = number;
        }
        let slots = u32::try_from(last + KEPT as u64).unwrap_or(u32::MAX);
        let freed = (self.length / SLOTS).checked_mul(slots).unwrap_or(Duration::MAX);
        freed.saturating_sub(now.saturating_duration_since(self.began))
    }

    fn slide(&mut self, length: Duration, now: Instant) {
        if length != self.length {
            self.stretch(length, now);
        }
        let width = (length / SLOTS).as_nanos().max(1);
        let passed = now.saturating_duration_since(self.began).as_nanos();
        let newest = u64::try_from(passed / width).unwrap_or(u64::MAX);
        let skipped = newest.saturating_sub(self.newest).min(KEPT as u64);
        for number in (0..skipped).map(|back| newest - back) {
            self.counts[slot(number)] = 0;
        }
        self.newest = self.newest.max(newest);
    }

    /// Changes the length: what counted so far continues to count, as of now.
    fn stretch(&mut self, length: Duration, now: Instant) {
        let total = self.counts.iter().sum();
        *self = Self::new(length, now);
        self.counts[0] = total;
    }
}

/// Returns the place of a slot.
const fn slot(number: u64) -> usize {
    (number % KEPT as u64) as usize
}
