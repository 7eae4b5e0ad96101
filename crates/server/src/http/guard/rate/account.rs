//! What one client has asked for lately.

use std::time::Duration;

use tokio::time::Instant;

use super::super::auth::Tier;
use super::window::Window;

/// Sums of floats that should be whole are whole to within this.
const EXACT: f64 = 1e-6;

/// What clients of a tier may ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Allowance {
    pub(in super::super) tier: Tier,
    /// Size of the bucket, in requests.
    pub(in super::super) max_tokens: f64,
    /// Requests a second that come back; more than 0.
    pub(in super::super) refill_rate: f64,
    /// Requests more in each burst window.
    pub(in super::super) burst: f64,
    pub(in super::super) burst_window: Duration,
    pub(in super::super) window: Duration,
    /// Most requests in any window.
    pub(in super::super) window_max: u32,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Limit {
    Bucket,
    Window,
}

/// Where a client stands, as headers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Standing {
    pub(in super::super) tier: Tier,
    /// Most requests at once: bucket and burst, or the window where that is smaller.
    pub(in super::super) limit: u64,
    /// Requests left at once.
    pub(in super::super) remaining: u64,
    /// Until the bucket is full again.
    pub(in super::super) reset: Duration,
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// It may, perhaps only by the burst.
    Allowed { standing: Standing, by_burst: bool },
    /// It may not, for as long as this.
    Refused { standing: Standing, limit: Limit, wait: Duration },
}

impl Allowance {
    /// After this long without a request an account is as new.
    pub(in super::super) fn horizon(&self) -> Duration {
        let refill = seconds(self.max_tokens / self.refill_rate);
        refill.max(self.burst_window).max(self.window * 2)
    }

    fn limit(&self) -> u64 {
        whole(self.max_tokens + self.burst).min(self.window_max.into())
    }
}

/// The state of one client. It holds what was used, not what is left, so that other limits hold at
/// once.
#[derive(Debug, Clone)]
pub(super) struct Account {
    used: f64,
    /// When that was true.
    at: Instant,
    burst_used: f64,
    /// When the burst window began.
    burst_since: Instant,
    window: Window,
}

impl Account {
    pub(super) const fn new(allowance: &Allowance, now: Instant) -> Self {
        let window = Window::new(allowance.window, now);
        Self { used: 0.0, at: now, burst_used: 0.0, burst_since: now, window }
    }

    /// One request. It costs nothing when it is refused.
    pub(super) fn ask(&mut self, allowance: &Allowance, now: Instant) -> Verdict {
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

    /// Until bucket or burst has one again.
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

/// Whether one more fits in.
fn fits(used: f64, most: f64) -> bool {
    used + 1.0 <= most + EXACT
}

/// Requests that a number allows.
fn whole(number: f64) -> u64 {
    (number + EXACT).floor() as u64
}

/// A time, a hundred years at most.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |time| time.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALLOWANCE: Allowance = Allowance {
        tier: Tier::Free,
        max_tokens: 5.0,
        refill_rate: 2.0,
        burst: 3.0,
        burst_window: Duration::from_secs(10),
        window: Duration::from_secs(60),
        window_max: 1000,
    };

    fn allowed(account: &mut Account, allowance: &Allowance, now: Instant) -> u32 {
        let asks = std::iter::repeat_with(|| account.ask(allowance, now));
        let allowed = asks.take_while(|verdict| matches!(verdict, Verdict::Allowed { .. })).count();
        u32::try_from(allowed).expect("few")
    }

    #[test]
    fn bucket_then_burst_then_time() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut account = Account::new(&ALLOWANCE, start);
        assert_eq!(allowed(&mut account, &ALLOWANCE, start), 8, "bucket and burst");
        let refused = account.ask(&ALLOWANCE, start);
        let Verdict::Refused { standing, limit: Limit::Bucket, wait } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((standing.limit, standing.remaining), (8, 0));
        assert_eq!(standing.reset, Duration::from_millis(2500));
        assert_eq!(wait, Duration::from_millis(500));
        for (ms, expected) in [(499, 0), (500, 1), (1500, 2), (9999, 5), (10_000, 3), (60_000, 8)] {
            assert_eq!(allowed(&mut account, &ALLOWANCE, after(ms)), expected, "after {ms} ms");
        }
    }

    #[test]
    fn the_window_holds_although_there_are_tokens() {
        let start = Instant::now();
        let allowance = Allowance { window_max: 3, ..ALLOWANCE };
        let mut account = Account::new(&allowance, start);
        assert_eq!(allowed(&mut account, &allowance, start), 3);
        let later = start + Duration::from_secs(30);
        let refused = account.ask(&allowance, later);
        assert!(
            matches!(refused, Verdict::Refused { limit: Limit::Window, wait, .. }
                if wait == Duration::from_secs(35)),
            "{refused:?}"
        );
        assert_eq!(allowed(&mut account, &allowance, start + Duration::from_secs(65)), 3);
    }

    #[test]
    fn other_limits_hold_at_once_and_forget_nothing() {
        let start = Instant::now();
        let mut account = Account::new(&ALLOWANCE, start);
        assert_eq!(allowed(&mut account, &ALLOWANCE, start), 8);
        let larger = Allowance { max_tokens: 9.0, ..ALLOWANCE };
        assert_eq!(allowed(&mut account, &larger, start), 4, "four more than before");
        let smaller = Allowance { max_tokens: 1.0, burst: 0.0, ..ALLOWANCE };
        assert_eq!(allowed(&mut account, &smaller, start), 0);
        let refilled = start + Duration::from_millis(500);
        assert_eq!(allowed(&mut account, &smaller, refilled), 1, "no debt from before");
    }

    proptest! {
        /// Over any time at most bucket, refill and one burst for each burst window begun.
        #[test]
        fn never_more_than_the_limits_say(pauses in prop::collection::vec(0_u64..3000, 1..300)) {
            let start = Instant::now();
            let mut now = start;
            let mut account = Account::new(&ALLOWANCE, start);
            let mut count = 0.0;
            for pause in pauses {
                now += Duration::from_millis(pause);
                let verdict = account.ask(&ALLOWANCE, now);
                let passed = (now - start).as_secs_f64();
                match verdict {
                    Verdict::Allowed { standing, .. } => {
                        count += 1.0;
                        prop_assert!(standing.remaining < standing.limit);
                    }
                    Verdict::Refused { wait, .. } => {
                        let mut later = account.clone();
                        let at = now + wait + Duration::from_micros(1);
                        let then = later.ask(&ALLOWANCE, at);
                        let is_allowed = matches!(then, Verdict::Allowed { .. });
                        prop_assert!(is_allowed);
                    }
                }
                let bursts = (passed / 10.0).floor() + 1.0;
                prop_assert!(count <= 5.0 + passed * 2.0 + bursts * 3.0 + EXACT);
            }
        }
    }
}
