//! What one log's follower tells the rest of the program: where it stands and how it fares.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ct::head::TreeHead;
use ct::leaf::LeafError;
use parking_lot::Mutex;

use crate::alarm::{Alarm, MOST_ALARMS};
use crate::breaker::BreakerState;
use crate::client::FetchError;
use crate::counters::{Counters, add};
use crate::failure::Failure;
use crate::integrity::Foreign;
use crate::listing::Listing;
use crate::log::Log;
use crate::resume::{Marks, Resume};
use crate::source::SourceError;
use crate::throttle::Throttle;

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

/// A followed log: who it is and where its follower stands. Shared by the follower, which writes,
/// and everybody who shows it.
#[derive(Debug)]
pub struct LogStatus {
    /// The log.
    pub log: Arc<Log>,
    /// Its counts.
    pub counters: Counters,
    progress: Mutex<Progress>,
    listing: Mutex<Listing>,
    retired: AtomicBool,
    /// By how much the saved position trails publishing.
    resume_overlap: Duration,
    /// Log lines about single entries.
    lines: [Throttle; 5],
    /// Since when it fails.
    failure: Arc<Failure>,
}

#[derive(Debug, Default)]
struct Progress {
    next_index: Option<u64>,
    tree_size: u64,
    head_timestamp: u64,
    last_timestamp: Option<u64>,
    failures: u32,
    successes: u32,
    health: Option<Health>,
    breaker: BreakerState,
    last_success: Option<u64>,
    last_error: Option<String>,
    marks: Marks,
    proved: Option<Range<u64>>,
    unproved: Option<String>,
    overdue: bool,
    alarms: Vec<Alarm>,
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
    /// The time of the newest entry read, milliseconds since 1970.
    pub last_timestamp: Option<u64>,
    /// How it is doing.
    pub health: Health,
    /// Its circuit breaker.
    pub breaker: BreakerState,
    /// When it last answered usefully, Unix seconds.
    pub last_success: Option<u64>,
    /// What went wrong last, while it is still wrong.
    pub last_error: Option<String>,
    /// The entries that are proved to be those under a signed head, from the first that was read.
    /// `None` while nothing is verified.
    pub proved: Option<Range<u64>>,
    /// Why nothing is being proved, although it should.
    pub unproved: Option<String>,
    /// Whether the newest head is older than the log's maximum merge delay allows.
    pub overdue: bool,
    /// What the log has to explain, oldest first.
    pub alarms: Vec<Alarm>,
}

impl LogStatus {
    /// A log about to be followed, whose saved position trails publishing by `resume_overlap`.
    #[must_use]
    pub fn new(log: Log, resume_overlap: Duration) -> Self {
        Self {
            resume_overlap,
            log: Arc::new(log),
            counters: Counters::default(),
            progress: Mutex::default(),
            listing: Mutex::default(),
            retired: AtomicBool::new(false),
            lines: Default::default(),
            failure: Arc::default(),
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
            last_timestamp: progress.last_timestamp,
            health: progress.health.unwrap_or(Health::Degraded),
            breaker: progress.breaker,
            last_success: progress.last_success,
            last_error: progress.last_error.clone(),
            proved: progress.proved.clone(),
            unproved: progress.unproved.clone(),
            overdue: progress.overdue,
            alarms: progress.alarms.clone(),
        }
    }

    /// What the log lists say of it.
    #[must_use]
    pub fn listing(&self) -> Listing {
        self.listing.lock().clone()
    }

    pub(crate) fn set_listing(&self, listing: Listing) {
        *self.listing.lock() = listing;
    }

    /// How far what was read is behind this head in time; zero while no entry was read.
    pub(crate) fn lag(&self, head: &TreeHead) -> Duration {
        lag(head.timestamp, self.progress.lock().last_timestamp)
    }

    /// Notes the time of the newest entry emitted.
    pub(crate) fn reached(&self, timestamp: u64) {
        let mut progress = self.progress.lock();
        // Entries that could not be decoded have no time, and times are only roughly in order.
        if timestamp > 0 {
            progress.last_timestamp = Some(timestamp);
        }
    }

    /// Notes that entries will never be read.
    pub(crate) fn skipped(&self, range: Range<u64>) {
        add(&self.counters.gaps, 1);
        add(&self.counters.skipped_entries, range.end.saturating_sub(range.start));
        self.progress.lock().next_index = Some(range.end);
    }

    /// Notes that everything below `next_index` has been published, with offsets up to
    /// `newest_offset`, the newest there is.
    pub fn published(&self, next_index: u64, newest_offset: u64) {
        self.progress.lock().marks.published(next_index, newest_offset, self.resume_overlap);
    }

    /// The next index to publish as it stood the resume overlap ago: the position to save, so that
    /// a restart repeats that much and leaves no hole. `None` until the follower began.
    #[must_use]
    pub fn resume_position(&self) -> Option<u64> {
        self.resume().map(|resume| resume.index)
    }

    /// The same with the tree of what was read.
    pub(crate) fn resume(&self) -> Option<Resume> {
        self.saved().map(|(resume, _)| resume)
    }

    /// The same with the offset after which all of the log's entries are read again from there.
    pub(crate) fn saved(&self) -> Option<(Resume, u64)> {
        self.progress.lock().marks.saved(self.resume_overlap)
    }

    /// The offset that all of the log's entries published so far are up to.
    pub(crate) fn newest_offset(&self) -> u64 {
        self.progress.lock().marks.newest_offset()
    }

    /// Whether something was sent to the publisher that is not published yet.
    pub(crate) fn has_unpublished(&self) -> bool {
        self.progress.lock().marks.has_unpublished()
    }

    /// Whether the log has left the list: then its follower stops once it has reached the last
    /// head.
    pub(crate) fn set_retired(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// Whether it has left the list and is only drained.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Sets where the follower begins.
    pub(crate) fn begin(&self, resume: Resume) {
        let mut progress = self.progress.lock();
        progress.next_index = Some(resume.index);
        progress.marks.begin(resume);
    }

    /// Notes what is about to be handed to the publisher, who may say at once that it is published.
    pub(crate) fn emitting(&self, resume: Resume) {
        self.progress.lock().marks.emitted(resume);
    }

    /// Notes that what was read beyond `size` contradicts a head, so that a restart does not go on
    /// from it.
    pub(crate) fn distrust(&self, size: u64) {
        self.progress.lock().marks.distrust(size);
    }

    pub(crate) fn emitted(&self, next_index: u64, entries: u64) {
        add(&self.counters.entries, entries);
        self.progress.lock().next_index = Some(next_index);
    }

    /// Notes that entries cannot be had.
    pub(crate) fn left_out(&self, range: Range<u64>) {
        add(&self.counters.unreadable, range.end.saturating_sub(range.start));
        self.progress.lock().next_index = Some(range.end);
    }

    /// Notes how far the log is proved, or why it is not being proved.
    pub(crate) fn set_proved(&self, proved: Result<Range<u64>, String>) {
        let mut progress = self.progress.lock();
        (progress.proved, progress.unproved) = match proved {
            Ok(proved) => (Some(proved), None),
            Err(why) => (None, Some(why)),
        };
    }

    /// Notes whether the newest head is too old; returns whether that is news.
    pub(crate) fn set_overdue(&self, overdue: bool) -> bool {
        std::mem::replace(&mut self.progress.lock().overdue, overdue) != overdue
    }

    /// Whether there are alarms nobody has acknowledged.
    #[must_use]
    pub fn has_alarms(&self) -> bool {
        !self.progress.lock().alarms.is_empty()
    }

    /// Notes alarms that were raised before a restart.
    pub(crate) fn restore_alarms(&self, alarms: Vec<Alarm>) {
        self.progress.lock().alarms = alarms;
    }

    /// Raises an alarm. Of more than can be kept, the first and the newest are.
    pub(crate) fn raise(&self, alarm: Alarm) {
        add(&self.counters.alarms, 1);
        let alarms = &mut self.progress.lock().alarms;
        if alarms.len() >= MOST_ALARMS {
            alarms.truncate(MOST_ALARMS - 1);
        }
        alarms.push(alarm);
    }

    /// Ends all alarms, because somebody has looked at them; returns how many there were.
    pub fn acknowledge(&self) -> usize {
        std::mem::take(&mut self.progress.lock().alarms).len()
    }

    /// Since when it fails, to be shared with who asks it.
    pub(crate) const fn failure(&self) -> &Arc<Failure> {
        &self.failure
    }

    /// Counts an answer that asks for fewer requests, and a request that was not made because it leads
    /// to a private address.
    pub(crate) fn note_refused(&self, error: &SourceError) {
        match error.fetch() {
            Some(FetchError::Limited { .. }) => add(&self.counters.limited, 1),
            Some(FetchError::PrivateAddress { .. }) => add(&self.counters.refused_addresses, 1),
            _ => {}
        }
    }

    /// Counts what of an entry is not what its leaf says.
    pub(crate) fn note_foreign(&self, index: u64, foreign: Foreign) {
        if !foreign.is_any() {
            return;
        }
        add(&self.counters.foreign_precertificates, foreign.precertificate.into());
        add(&self.counters.foreign_issuers, foreign.issuer.into());
        if let Some(silenced) = self.lines[0].pass() {
            let what = match (foreign.precertificate, foreign.issuer) {
                (true, true) => "precertificate and issuer",
                (true, false) => "precertificate",
                _ => "issuer",
            };
            let log = &self.log.name;
            tracing::warn!(log, index, what, silenced, "not what the entry's leaf was made of");
        }
    }

    /// Counts a leaf of a static log that does not carry its own index.
    pub(crate) fn note_leaf_index(&self, index: u64, found: Result<Option<u64>, LeafError>) {
        add(&self.counters.wrong_leaf_indexes, 1);
        if let Some(silenced) = self.lines[1].pass() {
            let found = match found {
                Ok(Some(found)) => found.to_string(),
                Ok(None) => "none".to_owned(),
                Err(error) => error.to_string(),
            };
            let log = &self.log.name;
            tracing::warn!(log, index, found, silenced, "leaf with another index than its own");
        }
    }

    /// Counts an entry that is passed on as it came.
    pub(crate) fn note_undecodable(&self, index: u64, error: &LeafError) {
        add(&self.counters.undecodable, 1);
        if let Some(silenced) = self.lines[2].pass() {
            let log = &self.log.name;
            let line = "entry could not be decoded, its bytes are passed on";
            tracing::warn!(log, index, %error, silenced, "{line}");
        }
    }

    /// Counts an entry whose certificate is whole while what goes with it cannot be read.
    pub(crate) fn note_malformed(&self, index: u64, error: &LeafError) {
        add(&self.counters.malformed, 1);
        if let Some(silenced) = self.lines[3].pass() {
            let log = &self.log.name;
            let line = "entry is not well-formed, its certificate is passed on without its chain";
            tracing::warn!(log, index, %error, silenced, "{line}");
        }
    }

    /// Logs that an answer was not taken because others fill the budget. That is no fault of the log,
    /// which is asked again.
    pub(crate) fn note_no_room(&self, error: &SourceError) {
        if let Some(silenced) = self.lines[4].pass() {
            let log = &self.log.name;
            tracing::warn!(log, %error, silenced, "the log waits until other answers are published");
        }
    }

    pub(crate) fn head(&self, tree_size: u64, timestamp: u64) {
        let mut progress = self.progress.lock();
        progress.tree_size = progress.tree_size.max(tree_size);
        progress.head_timestamp = progress.head_timestamp.max(timestamp);
    }

    /// Notes an answer; `healthy_threshold` of them in a row make a log healthy again.
    pub(crate) fn succeeded(&self, healthy_threshold: u32) {
        self.failure.end();
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
        self.failure.begin();
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

impl Snapshot {
    /// Entries of the tree that have not been read yet.
    #[must_use]
    pub fn lag_entries(&self) -> u64 {
        self.next_index.map_or(0, |next| self.tree_size.saturating_sub(next))
    }

    /// The age of the newest head at `now`, the time since 1970; zero before the first.
    #[must_use]
    pub fn head_age(&self, now: Duration) -> Duration {
        let newest = (self.head_timestamp > 0).then(|| Duration::from_millis(self.head_timestamp));
        newest.map_or(Duration::ZERO, |newest| now.saturating_sub(newest))
    }

    /// How far the newest entry read is behind the newest head in time; zero at the head.
    #[must_use]
    pub fn lag(&self) -> Duration {
        if self.lag_entries() == 0 {
            return Duration::ZERO;
        }
        lag(self.head_timestamp, self.last_timestamp)
    }
}

fn lag(head: u64, entry: Option<u64>) -> Duration {
    entry.map_or(Duration::ZERO, |entry| Duration::from_millis(head.saturating_sub(entry)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Protocol;

    fn status(overlap: u64) -> LogStatus {
        let log = Log::by_hand(Protocol::Rfc6962, "a", "http://a.example", None, None);
        LogStatus::new(log.expect("usable"), Duration::from_secs(overlap))
    }

    #[test]
    fn alarms_are_bounded_and_stay_until_they_are_acknowledged() {
        let status = status(0);
        let alarm = |at| Alarm {
            kind: crate::AlarmKind::Gap,
            at,
            text: String::new(),
            first: 0,
            end: 0,
            evidence: None,
        };
        for at in 0..100 {
            status.raise(alarm(at));
        }
        let alarms = status.snapshot().alarms;
        assert_eq!(alarms.len(), MOST_ALARMS);
        assert_eq!(alarms.iter().map(|alarm| alarm.at).take(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(alarms.last().map(|alarm| alarm.at), Some(99));
        assert_eq!(status.counters.alarms.load(Ordering::Relaxed), 100);
        assert!(status.has_alarms());
        assert_eq!((status.acknowledge(), status.acknowledge()), (MOST_ALARMS, 0));
        assert!(!status.has_alarms());
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
