//! One log as a caller of the shared HTTP client: its pause after refusals, and the usual time and size
//! of its responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::{Backoff, jitter};
use crate::failure::{Failure, LONGEST_AT_FIRST, bounded};

/// The back-off of a caller without its own.
const BACKOFF: Backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(60) };

/// The expected size of the first page, in bytes.
const FIRST_PAGE: usize = 2 << 20;

/// The shortest patience with a log, however quickly it answers.
const LEAST_PATIENCE: Duration = Duration::from_secs(3);
/// Patience as a multiple of the slowest recent response while the log fails: a short one notices
/// sooner when the failure is over.
const PATIENCE_AT_FIRST: u32 = 2;
/// Patience as a multiple of the slowest recent response; after that the log counts as failing. Logs
/// differ: most answer within a second, and get 4 s at most; a few take 25 s and more for entries, and
/// could never be read if each request had to be answered in 4 s.
const PATIENCE: u32 = 4;

/// One log, or the log lists.
#[derive(Debug)]
pub(super) struct Caller {
    /// Differs from caller to caller.
    pub(super) id: u64,
    pub(super) backoff: Backoff,
    pause: Mutex<Pause>,
    /// The expected size of a page, in bytes.
    page: Mutex<usize>,
    patience: Mutex<Patience>,
    failure: Arc<Failure>,
    /// Responses received to their end.
    received: AtomicU64,
}

/// The time to wait for a response to begin. A stalled request would otherwise keep its log from being
/// read until the time limit of whole requests.
#[derive(Debug, Default)]
struct Patience {
    /// The time until the slowest recent response began; `None` before the first.
    slowest: Option<Duration>,
    /// Requests in a row without a response.
    unanswered: u32,
    since: Option<Instant>,
}

/// The pause after refusals (429, or 503 with `Retry-After`).
#[derive(Debug, Default)]
struct Pause {
    /// Refusals in a row, and the time of the first.
    refusals: u32,
    first: Option<Instant>,
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Caller {
    /// Makes a caller. `failure` is the log's present failure.
    pub(super) fn new(id: u64, backoff: Option<Backoff>, failure: Arc<Failure>) -> Self {
        Self {
            id,
            backoff: backoff.unwrap_or(BACKOFF),
            pause: Mutex::default(),
            page: Mutex::new(FIRST_PAGE),
            patience: Mutex::default(),
            failure,
            received: AtomicU64::new(0),
        }
    }

    /// Waits until the pause is over, however often it is extended meanwhile.
    pub(super) async fn wait(&self) {
        loop {
            let until = self.paused_until();
            let Some(until) = until.filter(|until| *until > Instant::now()) else { return };
            tokio::time::sleep_until(until).await;
        }
    }

    /// Returns the end of the pause, which may be over.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.pause.lock().until
    }

    /// Notes that a request sent at `sent` was refused; the response asked for a pause of `asked`.
    pub(super) fn refused(&self, sent: Instant, asked: Option<Duration>) {
        self.pause.lock().refused(sent, asked, &self.backoff, Instant::now());
    }

    pub(super) fn answered(&self) {
        let mut pause = self.pause.lock();
        pause.refusals = 0;
        pause.first = None;
    }

    /// Notes that a request failed, for a reason that may pass.
    pub(super) fn failed(&self) {
        self.failure.begin();
    }

    /// Returns the number of responses received to their end.
    pub(super) fn answers(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Returns the time to wait for a response to begin, or for more of it, at most `longest`.
    pub(super) fn patience(&self, longest: Duration) -> Duration {
        self.patience.lock().wait(longest, self.failure.is_beginning())
    }

    /// Notes the time from a request to the beginning of its response.
    pub(super) fn began(&self, after: Duration) {
        self.patience.lock().began(after);
    }

    /// Notes that a request sent at `sent` was cancelled without a response.
    pub(super) fn unanswered(&self, sent: Instant) {
        self.patience.lock().unanswered(sent, Instant::now());
    }

    /// Returns the likely size of a body of at most `limit` bytes.
    pub(super) fn expected(&self, limit: usize) -> usize {
        if limit < FIRST_PAGE { limit.min(64 << 10) } else { *self.page.lock() }
    }

    /// Notes the `length` of a body of at most `limit` bytes.
    pub(super) fn received(&self, limit: usize, length: usize) {
        self.received.fetch_add(1, Ordering::Relaxed);
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
            self.first.get_or_insert(now);
            self.since = Some(now);
        } else if asked.is_none() {
            return;
        }
        let wait = asked
            .unwrap_or_else(|| bounded(*backoff, self.first, now).wait(self.refusals, jitter()));
        let until = now + wait;
        self.until = Some(self.until.map_or(until, |before| before.max(until)));
    }
}

impl Patience {
    /// Returns the time to wait. `is_failing`: the log is in the first minute of a failure. Then a
    /// request is cancelled soon, but not before a response as slow as other recent ones could begin.
    fn wait(&self, longest: Duration, is_failing: bool) -> Duration {
        let usual = self.slowest.map_or(longest, |slowest| slowest * PATIENCE);
        let doubled = usual.max(LEAST_PATIENCE).saturating_mul(1 << self.unanswered.min(16));
        let slow = self.slowest.unwrap_or_default() * PATIENCE_AT_FIRST;
        let most = if is_failing { LONGEST_AT_FIRST.max(slow) } else { longest };
        doubled.min(most).min(longest)
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
    use crate::failure::BEGINNING;
    use crate::http::pace::{Kind, Paces};

    #[test]
    fn refusals_of_concurrent_requests_count_once() {
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
    fn a_shorter_pause_does_not_replace_a_longer_one() {
        let mut pause = Pause::default();
        let start = Instant::now();
        pause.refused(start, Some(Duration::from_secs(90)), &BACKOFF, start);
        pause.refused(start, Some(Duration::from_secs(5)), &BACKOFF, start);
        assert_eq!(pause.until, Some(start + Duration::from_secs(90)));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_the_end_of_the_pause() {
        let caller = Caller::new(1, None, Arc::default());
        let start = Instant::now();
        caller.wait().await;
        assert_eq!(Instant::now(), start);
        caller.refused(start, Some(Duration::from_secs(7)));
        caller.wait().await;
        assert_eq!(Instant::now(), start + Duration::from_secs(7));
    }

    #[test]
    fn the_expected_page_size_grows_at_once_and_shrinks_slowly() {
        let caller = Caller::new(1, None, Arc::default());
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
    fn patience_is_a_multiple_of_the_slowest_response_and_doubles_without_one() {
        let [longest, ms] = [Duration::from_secs(30), Duration::from_millis(1)];
        let mut patience = Patience::default();
        let start = Instant::now();
        assert_eq!(patience.wait(longest, false), longest, "nothing is known yet");
        patience.began(40 * ms);
        assert_eq!(patience.wait(longest, false), LEAST_PATIENCE);
        patience.began(1000 * ms);
        assert_eq!(patience.wait(longest, false), 4000 * ms);
        for _ in 0..200 {
            patience.began(40 * ms);
        }
        assert_eq!(patience.wait(longest, false), LEAST_PATIENCE, "one slow answer is forgotten");
        for _ in 0..8 {
            patience.unanswered(start, start + 3000 * ms);
        }
        assert_eq!(patience.wait(longest, false), 2 * LEAST_PATIENCE, "under way together");
        for again in 2..40 {
            patience.unanswered(start + 10_000 * ms * again, start + 10_001 * ms * again);
        }
        assert_eq!(patience.wait(longest, false), longest);
        patience.began(40 * ms);
        assert_eq!(patience.wait(longest, false), LEAST_PATIENCE);
    }
    #[test]
    fn a_stalled_request_is_cancelled_soon_while_the_log_fails() {
        let [longest, ms] = [Duration::from_secs(30), Duration::from_millis(1)];
        let start = Instant::now();
        let mut patience = Patience::default();
        assert_eq!(patience.wait(longest, true), LONGEST_AT_FIRST, "before any answer");
        patience.began(40 * ms);
        for again in 0..40 {
            patience.unanswered(start + 10_000 * ms * again, start + 10_001 * ms * again);
            assert_eq!(patience.wait(longest, true), LONGEST_AT_FIRST);
        }
        assert_eq!(patience.wait(longest, false), longest, "after a minute there is time");
        patience.began(5_000 * ms);
        assert_eq!(patience.wait(longest, true), 10_000 * ms, "a slow log is slow");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_answers_429_is_asked_every_few_seconds_in_the_first_minute() {
        let caller = Caller::new(1, None, Arc::default());
        let pace = Paces::default().of("host");
        let start = Instant::now();
        while (Instant::now() - start) < BEGINNING {
            let before = Instant::now();
            caller.wait().await;
            let turn = pace.turn(caller.id, Kind::Small).await;
            assert!(
                (Instant::now() - before) <= LONGEST_AT_FIRST,
                "{:?}",
                (Instant::now() - before)
            );
            turn.limited();
            caller.refused(Instant::now(), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_without_retry_after_are_short_in_the_first_minute() {
        let caller = Caller::new(1, None, Arc::default());
        for _ in 0..2 {
            let start = Instant::now();
            while (Instant::now() - start) < BEGINNING {
                let sent = Instant::now();
                caller.refused(sent, None);
                caller.wait().await;
                assert!(
                    (Instant::now() - sent) <= LONGEST_AT_FIRST,
                    "{:?}",
                    (Instant::now() - sent)
                );
            }
            let sent = Instant::now();
            caller.refused(sent, None);
            caller.wait().await;
            assert!((Instant::now() - sent) > LONGEST_AT_FIRST, "it lasts");
            caller.answered();
        }
    }
}
