//! Who asks: one log's claim on the shared HTTP client, the pause it has been told to make, and how
//! long its answers usually take.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::breaker::{Backoff, jitter};

/// A caller that nothing else is known of.
const BACKOFF: Backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(60) };

/// A body of a page that was not asked for before may be as large as this.
const FIRST_PAGE: usize = 2 << 20;

/// However quickly a log answers, it is given so long to begin an answer or to go on with one.
const LEAST_PATIENCE: Duration = Duration::from_secs(3);
/// How many times longer than the slowest answer lately another one may take to begin.
const PATIENCE: u32 = 8;

/// One log, or the log lists.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Differs from caller to caller.
    pub(crate) id: u64,
    pub(crate) backoff: Backoff,
    pause: Mutex<Pause>,
    /// How large a page is expected to be, in bytes.
    page: Mutex<usize>,
    patience: Mutex<Patience>,
}

/// How long to wait for an answer to begin. A request that is left without one would otherwise keep
/// its log from being read until the time limit of whole requests.
#[derive(Debug, Default)]
struct Patience {
    /// The time until the slowest answer lately began; `None` before the first.
    slowest: Option<Duration>,
    /// Requests in a row that were left without an answer.
    unanswered: u32,
    since: Option<Instant>,
}

/// The pause after refusals (429, or 503 with `Retry-After`).
#[derive(Debug, Default)]
struct Pause {
    /// Refusals in a row.
    refusals: u32,
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Caller {
    pub(crate) fn new(id: u64, backoff: Option<Backoff>) -> Self {
        let backoff = backoff.unwrap_or(BACKOFF);
        let (pause, page, patience) = (Mutex::default(), Mutex::new(FIRST_PAGE), Mutex::default());
        Self { id, backoff, pause, page, patience }
    }

    /// Waits until a pause is over, however often it is made longer meanwhile.
    pub(crate) async fn wait(&self) {
        loop {
            let until = self.paused_until();
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return };
            tokio::time::sleep_until(until).await;
        }
    }

    /// When the pause ends, or ended.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.pause.lock().until
    }

    /// A request sent at `sent` was refused; the answer asked for a pause of `asked`.
    pub(crate) fn refused(&self, sent: Instant, asked: Option<Duration>) {
        self.pause.lock().refused(sent, asked, &self.backoff, Instant::now());
    }

    pub(crate) fn answered(&self) {
        self.pause.lock().refusals = 0;
    }

    /// How long to wait for an answer to begin, or for more of it, `longest` at most.
    pub(crate) fn patience(&self, longest: Duration) -> Duration {
        self.patience.lock().wait(longest)
    }

    /// An answer, of whatever kind, began so long after its request was sent.
    pub(crate) fn began(&self, after: Duration) {
        self.patience.lock().began(after);
    }

    /// A request sent at `sent` was given up for want of an answer.
    pub(crate) fn unanswered(&self, sent: Instant) {
        self.patience.lock().unanswered(sent, Instant::now());
    }

    /// How large the body of an answer is likely to be that may be `limit` at most.
    pub(crate) fn expected(&self, limit: usize) -> usize {
        if limit < FIRST_PAGE { limit.min(64 << 10) } else { *self.page.lock() }
    }

    /// An answer that might have had `limit` bytes had `length`.
    pub(crate) fn received(&self, limit: usize, length: usize) {
        if limit >= FIRST_PAGE {
            let mut page = self.page.lock();
            *page = (*page - *page / 16).max(length + length / 4);
        }
    }
}

impl Pause {
    fn refused(&mut self, sent: Instant, asked: Option<Duration>, backoff: &Backoff, now: Instant) {
        // What was sent before the pause began says nothing new.
        let known = self.since.is_some_and(|since| sent < since);
        if !known {
            self.refusals = self.refusals.saturating_add(1);
            self.since = Some(now);
        } else if asked.is_none() {
            return;
        }
        let wait = asked.unwrap_or_else(|| backoff.wait(self.refusals, jitter()));
        let until = now + wait;
        self.until = Some(self.until.map_or(until, |before| before.max(until)));
    }
}

impl Patience {
    fn wait(&self, longest: Duration) -> Duration {
        let usual = self.slowest.map_or(longest, |slowest| slowest * PATIENCE);
        let doubled = usual.max(LEAST_PATIENCE).saturating_mul(1 << self.unanswered.min(16));
        doubled.min(longest)
    }

    fn began(&mut self, after: Duration) {
        let fading = self.slowest.unwrap_or_default();
        self.slowest = Some((fading - fading / 32).max(after));
        self.unanswered = 0;
    }

    fn unanswered(&mut self, sent: Instant, now: Instant) {
        // Requests that were under way together are one.
        if self.since.is_none_or(|since| sent >= since) {
            self.unanswered = self.unanswered.saturating_add(1);
            self.since = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_requests_under_way_together_are_one() {
        let mut pause = Pause::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for _ in 0..8 {
            pause.refused(start, None, &BACKOFF, at(10));
        }
        assert_eq!(pause.refusals, 1);
        assert!(pause.until <= Some(at(1010)));
        pause.refused(at(2000), None, &BACKOFF, at(2010));
        assert_eq!(pause.refusals, 2);
        let until = pause.until.expect("paused");
        assert!((at(3000)..=at(4010)).contains(&until), "the second pause is twice as long");
    }

    #[test]
    fn a_pause_asked_for_is_kept_even_if_a_shorter_one_follows() {
        let mut pause = Pause::default();
        let start = Instant::now();
        pause.refused(start, Some(Duration::from_secs(90)), &BACKOFF, start);
        pause.refused(start, Some(Duration::from_secs(5)), &BACKOFF, start);
        assert_eq!(pause.until, Some(start + Duration::from_secs(90)));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_the_end_of_the_pause() {
        let caller = Caller::new(1, None);
        let start = Instant::now();
        caller.wait().await;
        assert_eq!(Instant::now(), start);
        caller.refused(start, Some(Duration::from_secs(7)));
        caller.wait().await;
        assert_eq!(Instant::now(), start + Duration::from_secs(7));
    }

    #[test]
    fn the_expected_size_follows_the_pages_slowly_down_and_at_once_up() {
        let caller = Caller::new(1, None);
        assert_eq!((caller.expected(1000), caller.expected(64 << 20)), (1000, FIRST_PAGE));
        for _ in 0..200 {
            caller.received(64 << 20, 100_000);
        }
        assert_eq!(caller.expected(64 << 20), 125_000);
        caller.received(64 << 20, 8_000_000);
        assert_eq!(caller.expected(64 << 20), 10_000_000);
        caller.received(1000, 900);
        assert_eq!(caller.expected(64 << 20), 10_000_000);
    }

    #[test]
    fn patience_is_a_multiple_of_the_usual_and_doubles_while_nothing_comes() {
        let [longest, ms] = [Duration::from_secs(30), Duration::from_millis(1)];
        let mut patience = Patience::default();
        let start = Instant::now();
        assert_eq!(patience.wait(longest), longest, "nothing is known yet");
        patience.began(40 * ms);
        assert_eq!(patience.wait(longest), LEAST_PATIENCE);
        patience.began(1000 * ms);
        assert_eq!(patience.wait(longest), 8000 * ms);
        for _ in 0..200 {
            patience.began(40 * ms);
        }
        assert_eq!(patience.wait(longest), LEAST_PATIENCE, "one slow answer is forgotten");
        for _ in 0..8 {
            patience.unanswered(start, start + 3000 * ms);
        }
        assert_eq!(patience.wait(longest), 2 * LEAST_PATIENCE, "under way together");
        for again in 2..40 {
            patience.unanswered(start + 10_000 * ms * again, start + 10_001 * ms * again);
        }
        assert_eq!(patience.wait(longest), longest);
        patience.began(40 * ms);
        assert_eq!(patience.wait(longest), LEAST_PATIENCE);
    }
}
