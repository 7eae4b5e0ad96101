//! The status of one followed log: written by its follower, read by everybody who shows it.

pub(crate) mod counters;
mod lines;
pub(crate) mod listing;
pub(crate) mod progress;
pub(crate) mod resume;
mod throttle;

use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ct::head::TreeHead;
use ctclient::failure::Failure;
use ctclient::{FailureCounts, Findings, Log};
use parking_lot::Mutex;
use record::Tree;

use crate::alarm::Alarm;
use crate::breaker::BreakerState;
use crate::status::counters::{Counters, add};
use crate::status::lines::Lines;
use crate::status::listing::Listing;
use crate::status::progress::{Progress, Snapshot};
use crate::status::resume::{Marks, Resume};

/// A followed log: its identity, its counters and its progress.
#[derive(Debug)]
pub struct LogStatus {
    /// The log's identity.
    pub log: Arc<Log>,
    /// Counts since the start of the process.
    pub counters: Counters,
    progress: Mutex<Progress>,
    listing: Mutex<Listing>,
    retired: AtomicBool,
    /// Positions between emitting and saving.
    marks: Mutex<Marks>,
    /// The position to read again from, if a page was refused.
    refused: Mutex<Option<u64>>,
    /// The time by which the saved position trails publishing.
    resume_overlap: Duration,
    lines: Lines,
    /// The beginning of the present failure, if there is one.
    failure: Arc<Failure>,
}

impl LogStatus {
    /// Returns the status of a log about to be followed, whose saved position trails publishing by
    /// `resume_overlap`.
    #[must_use]
    pub fn new(log: Log, resume_overlap: Duration) -> Self {
        Self {
            log: Arc::new(log),
            counters: Counters::default(),
            progress: Mutex::default(),
            listing: Mutex::default(),
            retired: AtomicBool::new(false),
            marks: Mutex::default(),
            refused: Mutex::default(),
            resume_overlap,
            lines: Lines::default(),
            failure: Arc::default(),
        }
    }

    /// Returns the log's progress and health now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.progress.lock().snapshot()
    }

    /// Returns the log's description in the log lists.
    #[must_use]
    pub fn listing(&self) -> Listing {
        self.listing.lock().clone()
    }

    pub(crate) fn set_listing(&self, listing: Listing) {
        *self.listing.lock() = listing;
    }

    /// Sets whether the log has left the list: then its follower stops once it has reached the last
    /// head.
    pub(crate) fn set_retired(&self, retired: bool) {
        self.retired.store(retired, Ordering::Relaxed);
    }

    /// Reports whether the log has left the list and is only drained.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Returns the beginning of the present failure, which the log's HTTP client reads too.
    pub(crate) const fn failure(&self) -> &Arc<Failure> {
        &self.failure
    }
}

/// Positions, from the follower through the publisher to the state file.
impl LogStatus {
    /// Sets where the follower begins.
    pub(crate) fn begin(&self, resume: Resume) {
        self.progress.lock().next_index = Some(resume.index);
        self.marks.lock().begin(resume);
    }

    /// Notes the end of a page about to be sent to the publisher, who may report at once that it is
    /// published.
    pub(crate) fn emitting(&self, end: u64) {
        self.marks.lock().emitting(end);
    }

    /// Notes a committed position: everything below `next_index` has been published, with offsets up
    /// to `newest_offset`, the newest there is. `tree` is that of the entries below it.
    pub fn published(&self, next_index: u64, tree: Option<Tree>, newest_offset: u64) {
        let resume = Resume { index: next_index, tree };
        self.marks.lock().published(resume, newest_offset, self.resume_overlap);
    }

    /// Notes that a page was refused because it does not begin at the log's position, which is a
    /// defect: the follower reads again from there.
    pub fn refused(&self, position: u64) {
        add(&self.counters.errors, 1);
        *self.refused.lock() = Some(position);
    }

    /// Takes the position to read again from, if a page was refused since the last call.
    pub(crate) fn take_refused(&self) -> Option<u64> {
        self.refused.lock().take()
    }

    /// Returns the next index to publish as it was the resume overlap ago: the position to save, so
    /// that a restart repeats that much and leaves no hole. `None` until the follower began.
    #[must_use]
    pub fn resume_position(&self) -> Option<u64> {
        self.resume().map(|resume| resume.index)
    }

    /// Returns that position with the tree of the entries below it.
    pub(crate) fn resume(&self) -> Option<Resume> {
        self.saved().map(|(resume, _)| resume)
    }

    /// Returns that position with the offset after which all of the log's entries are read again from
    /// there.
    pub(crate) fn saved(&self) -> Option<(Resume, u64)> {
        self.marks.lock().saved(self.resume_overlap)
    }

    /// Returns the offset that all of the log's entries published so far are up to.
    pub(crate) fn newest_offset(&self) -> u64 {
        self.marks.lock().newest_offset()
    }

    /// Reports whether something was sent to the publisher that is not published yet.
    pub(crate) fn has_unpublished(&self) -> bool {
        self.marks.lock().has_unpublished()
    }

    /// Notes that the entries read beyond `size` contradict a head, so that a restart does not resume
    /// from their tree.
    pub(crate) fn reset_proof(&self, size: u64) {
        self.marks.lock().reset_proof(size);
    }
}

/// Progress, as the follower reports it.
impl LogStatus {
    pub(crate) fn head(&self, tree_size: u64, timestamp: u64) {
        self.progress.lock().head(tree_size, timestamp);
    }

    /// Returns the largest tree size that a head has named.
    pub(crate) fn largest_head(&self) -> u64 {
        self.progress.lock().tree_size
    }

    /// Returns the time from the newest entry read to this head; zero while no entry was read.
    pub(crate) fn lag(&self, head: &TreeHead) -> Duration {
        self.progress.lock().lag_to(head.timestamp)
    }

    /// Notes that a page was emitted: its end, its number of entries, the time of the last one.
    pub(crate) fn emitted(&self, next_index: u64, entries: u64, timestamp: u64) {
        add(&self.counters.entries, entries);
        let mut progress = self.progress.lock();
        progress.next_index = Some(next_index);
        progress.entry(timestamp);
    }

    /// Notes that entries will never be read, because the log is too far behind.
    pub(crate) fn skipped(&self, range: Range<u64>) {
        add(&self.counters.gaps, 1);
        add(&self.counters.skipped_entries, range.end.saturating_sub(range.start));
        self.progress.lock().next_index = Some(range.end);
    }

    /// Notes that entries are skipped because they cannot be read.
    pub(crate) fn skipped_unreadable(&self, range: Range<u64>) {
        add(&self.counters.unreadable, range.end.saturating_sub(range.start));
        self.progress.lock().next_index = Some(range.end);
    }

    /// Notes the entries that are proved, or the reason why nothing is being proved.
    pub(crate) fn set_proved(&self, proved: Result<Range<u64>, String>) {
        self.progress.lock().set_proved(proved);
    }

    /// Notes whether the newest head is too old; returns whether that changed.
    pub(crate) fn set_overdue(&self, overdue: bool) -> bool {
        self.progress.lock().set_overdue(overdue)
    }

    /// Notes that an attempt begins.
    pub(crate) fn attempting(&self) {
        self.progress.lock().attempting();
    }

    /// Notes a useful response; `healthy_threshold` of them in a row make a log healthy again.
    pub(crate) fn succeeded(&self, healthy_threshold: u32) {
        self.failure.end();
        self.progress.lock().succeeded(healthy_threshold);
    }

    /// Notes a failure; `unhealthy_threshold` of them in a row make a log unhealthy.
    pub(crate) fn failed(&self, error: String, breaker: BreakerState, unhealthy_threshold: u32) {
        add(&self.counters.errors, 1);
        self.failure.begin();
        self.progress.lock().failed(error, breaker, unhealthy_threshold);
    }

    /// Counts and logs the defects of entries.
    pub(crate) fn note_findings(&self, findings: &Findings) {
        let counters = &self.counters;
        add(&counters.malformed, findings.malformed.count);
        add(&counters.undecodable, findings.undecodable.count);
        add(&counters.wrong_leaf_indexes, findings.wrong_leaf_indexes.count);
        add(&counters.foreign_precertificates, findings.mismatched_precertificates);
        add(&counters.foreign_issuers, findings.mismatched_issuers);
        add(&counters.cut_chains, findings.cut_chains.count);
        add(&counters.missing_issuers, findings.missing_issuers);
        add(&counters.forged_issuers, findings.forged_issuers);
        self.lines.findings(&self.log.name, findings);
    }

    /// Counts requests that failed.
    pub(crate) fn note_failures(&self, failures: FailureCounts) {
        add(&self.counters.errors, failures.retried);
        add(&self.counters.limited, failures.limited);
        add(&self.counters.refused_addresses, failures.refused_addresses);
    }

    /// Logs that a response was not read because others fill the budget.
    pub(crate) fn note_no_room(&self, error: &impl Display) {
        self.lines.no_room(&self.log.name, error);
    }
}

/// Alarms: raised by the follower, acknowledged by an operator.
impl LogStatus {
    /// Reports whether there are alarms that are not acknowledged.
    #[must_use]
    pub fn has_alarms(&self) -> bool {
        !self.progress.lock().alarms.is_empty()
    }

    /// Restores alarms that were raised before a restart.
    pub(crate) fn restore_alarms(&self, alarms: Vec<Alarm>) {
        self.progress.lock().alarms = alarms;
    }

    /// Raises an alarm. If there are too many, the oldest ones and the newest one are kept.
    pub(crate) fn raise(&self, alarm: Alarm) {
        add(&self.counters.alarms, 1);
        self.progress.lock().raise(alarm);
    }

    /// Ends all alarms, because an operator acknowledges them; returns how many there were.
    pub fn acknowledge(&self) -> usize {
        std::mem::take(&mut self.progress.lock().alarms).len()
    }
}

#[cfg(test)]
mod tests {
    use ctclient::{AlarmKind, Protocol};

    use super::*;
    use crate::alarm::MOST_ALARMS;
    use crate::status::progress::Health;

    fn status(overlap: u64) -> LogStatus {
        let log = Log::configured(Protocol::Rfc6962, "a", "http://a.example", None, None);
        LogStatus::new(log.expect("usable"), Duration::from_secs(overlap))
    }

    #[test]
    fn alarms_are_bounded_and_stay_until_they_are_acknowledged() {
        let status = status(0);
        let alarm = |at| Alarm {
            kind: AlarmKind::Gap,
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
