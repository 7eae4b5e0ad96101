//! What one log's follower tells the rest of the program: where it stands and how it fares.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::breaker::BreakerState;
use crate::log::Log;

/// Published positions are remembered at this grain; the resume overlap is exact to it.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// How a log is doing, by failures in a row against the configured thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Healthy,
    /// It failed lately, or has not answered often enough since.
    Degraded,
    /// It failed as often in a row as `unhealthy_threshold` says.
    Unhealthy,
}

impl Health {
    /// The word used in JSON and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Entries emitted.
    pub entries: AtomicU64,
    /// Requests, reads or checks that failed.
    pub errors: AtomicU64,
    /// Answers 429 and 503.
    pub limited: AtomicU64,
    /// Heads smaller than one seen before, which stale front ends serve.
    pub stale_heads: AtomicU64,
    /// Heads refused: signature, origin or two roots at one size.
    pub refused_heads: AtomicU64,
    /// Entries whose leaf or extra data could not be read; emitted without a certificate.
    pub undecodable: AtomicU64,
    /// Chain certificates that could not be had within the bound and were left out.
    pub missing_issuers: AtomicU64,
    /// Chains longer than any honest one, which were cut.
    pub cut_chains: AtomicU64,
    /// Times the follower failed by a defect of this program and was started again.
    pub panics: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// A followed log: who it is and where its follower stands. Shared by the follower, which writes,
/// and everybody who shows it.
#[derive(Debug)]
pub struct LogStatus {
    /// The log.
    pub log: Log,
    /// Its counts.
    pub counters: Counters,
    progress: Mutex<Progress>,
    retired: AtomicBool,
    /// By how much the saved position trails publishing.
    resume_overlap: Duration,
}

#[derive(Debug, Default)]
struct Progress {
    next_index: Option<u64>,
    tree_size: u64,
    head_timestamp: u64,
    failures: u32,
    successes: u32,
    health: Option<Health>,
    breaker: BreakerState,
    last_success: Option<u64>,
    last_error: Option<String>,
    /// (when, next index to publish), oldest first.
    published: VecDeque<(Instant, u64)>,
}

/// Where a log stands, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The next index to be emitted; `None` until the first head came.
    pub next_index: Option<u64>,
    /// The largest tree size seen.
    pub tree_size: u64,
    /// The time in the newest head, milliseconds since 1970; 0 before the first.
    pub head_timestamp: u64,
    /// How it is doing.
    pub health: Health,
    /// Its circuit breaker.
    pub breaker: BreakerState,
    /// When it last answered usefully, Unix seconds.
    pub last_success: Option<u64>,
    /// What went wrong last, while it is still wrong.
    pub last_error: Option<String>,
}

impl LogStatus {
    /// A log about to be followed, whose saved position trails publishing by `resume_overlap`.
    #[must_use]
    pub fn new(log: Log, resume_overlap: Duration) -> Self {
        Self {
            resume_overlap,
            log,
            counters: Counters::default(),
            progress: Mutex::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// Where it stands now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let progress = self.progress.lock();
        Snapshot {
            next_index: progress.next_index,
            tree_size: progress.tree_size,
            head_timestamp: progress.head_timestamp,
            health: progress.health.unwrap_or(Health::Degraded),
            breaker: progress.breaker,
            last_success: progress.last_success,
            last_error: progress.last_error.clone(),
        }
    }

    /// Notes that everything below `next_index` has been published.
    pub fn published(&self, next_index: u64) {
        let now = Instant::now();
        let marks = &mut self.progress.lock().published;
        // The newest mark is moved forward until it is old enough to stand for its moment.
        let recent = marks.len() > 1
            && marks.get(marks.len() - 2).is_some_and(|(at, _)| now - *at < MARK_EVERY);
        if recent {
            marks.pop_back();
        }
        marks.push_back((now, next_index));
        self.forget(marks, now);
    }

    /// Drops the marks that are too old to be saved, but for the newest of those.
    fn forget(&self, marks: &mut VecDeque<(Instant, u64)>, now: Instant) {
        while marks.get(1).is_some_and(|(at, _)| now - *at >= self.resume_overlap) {
            marks.pop_front();
        }
    }

    /// The next index to publish as it stood the resume overlap ago: the position to save, so that
    /// a restart repeats that much and leaves no hole. `None` until the follower began.
    #[must_use]
    pub fn resume_position(&self) -> Option<u64> {
        let marks = &mut self.progress.lock().published;
        self.forget(marks, Instant::now());
        marks.front().map(|(_, index)| *index)
    }

    /// Whether the log has left the list: then its follower stops once it has reached the last
    /// head.
    pub(crate) fn set_retired(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Sets where the follower begins.
    pub(crate) fn begin(&self, next_index: u64) {
        let mut progress = self.progress.lock();
        progress.next_index = Some(next_index);
        if progress.published.is_empty() {
            progress.published.push_back((Instant::now(), next_index));
        }
    }

    pub(crate) fn emitted(&self, next_index: u64, entries: u64) {
        add(&self.counters.entries, entries);
        self.progress.lock().next_index = Some(next_index);
    }

    pub(crate) fn head(&self, tree_size: u64, timestamp: u64) {
        let mut progress = self.progress.lock();
        progress.tree_size = progress.tree_size.max(tree_size);
        progress.head_timestamp = progress.head_timestamp.max(timestamp);
    }

    /// Notes an answer; `healthy_threshold` of them in a row make a log healthy again.
    pub(crate) fn succeeded(&self, healthy_threshold: u32) {
        let mut progress = self.progress.lock();
        progress.failures = 0;
        progress.successes = progress.successes.saturating_add(1);
        progress.breaker = BreakerState::Closed;
        progress.last_success =
            SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
        progress.last_error = None;
        let never_failed = progress.health.is_none();
        if never_failed || progress.successes >= healthy_threshold {
            progress.health = Some(Health::Healthy);
        }
    }

    pub(crate) fn failed(&self, error: String, breaker: BreakerState, unhealthy_threshold: u32) {
        add(&self.counters.errors, 1);
        let mut progress = self.progress.lock();
        progress.failures = progress.failures.saturating_add(1);
        progress.successes = 0;
        progress.breaker = breaker;
        progress.last_error = Some(error);
        let unhealthy = progress.failures >= unhealthy_threshold;
        progress.health = Some(if unhealthy { Health::Unhealthy } else { Health::Degraded });
    }

    pub(crate) fn attempting(&self) {
        let mut progress = self.progress.lock();
        if progress.breaker == BreakerState::Open {
            progress.breaker = BreakerState::HalfOpen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Protocol;

    fn status(overlap: u64) -> LogStatus {
        let log = Log::by_hand(Protocol::Rfc6962, "a", "http://a.example", None, None);
        LogStatus::new(log.expect("usable"), Duration::from_secs(overlap))
    }

    #[tokio::test(start_paused = true)]
    async fn the_saved_position_trails_publishing_by_the_overlap() {
        let status = status(10);
        assert_eq!(status.resume_position(), None);
        status.begin(100);
        for second in 1..=60_u64 {
            tokio::time::advance(Duration::from_secs(1)).await;
            status.published(100 + second);
        }
        assert_eq!(status.resume_position(), Some(150));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(status.resume_position(), Some(160));
    }

    #[tokio::test(start_paused = true)]
    async fn marks_are_thinned_but_never_run_ahead() {
        let status = status(5);
        status.begin(0);
        for tick in 1..=1000_u64 {
            tokio::time::advance(Duration::from_millis(10)).await;
            status.published(tick);
        }
        assert!(status.progress.lock().published.len() < 8);
        let saved = status.resume_position().expect("began");
        assert!((300..=500).contains(&saved), "{saved}");
    }

    #[test]
    fn health_follows_the_thresholds() {
        let status = status(0);
        assert_eq!(status.snapshot().health, Health::Degraded);
        status.succeeded(2);
        assert_eq!(status.snapshot().health, Health::Healthy);
        status.failed("x".into(), BreakerState::Closed, 2);
        assert_eq!(status.snapshot().health, Health::Degraded);
        status.failed("x".into(), BreakerState::Open, 2);
        assert_eq!(status.snapshot().health, Health::Unhealthy);
        status.attempting();
        assert_eq!(status.snapshot().breaker, BreakerState::HalfOpen);
        status.succeeded(2);
        assert_eq!(status.snapshot().health, Health::Unhealthy);
        status.succeeded(2);
        let snapshot = status.snapshot();
        assert_eq!((snapshot.health, snapshot.last_error), (Health::Healthy, None));
    }
}
