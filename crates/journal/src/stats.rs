//! Figures about a journal.

use std::time::Duration;

use crate::journal::Head;
use crate::segment::Store;
use crate::settings::Settings;

/// Figures about a journal as it is now. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Offset from which on entries are kept; `None` where nothing is.
    pub first_offset: Option<u64>,
    /// Offset of the last entry.
    pub last_offset: Option<u64>,
    /// Entries kept.
    pub entries: u64,
    /// Time from which on entries are kept: before it, nothing is.
    pub first_time: Option<u64>,
    /// Time at which the newest entry was seen.
    pub last_time: Option<u64>,
    /// Bytes of all files, those set aside included.
    pub bytes: u64,
    /// Damaged segments that are set aside. They are the first to be deleted.
    pub set_aside: usize,
    /// Segments.
    pub segments: usize,
    /// Damaged parts found since the journal was opened, those of recovery included.
    pub damaged: u64,
    /// Segments deleted since the journal was opened.
    pub deleted: u64,
    /// Writes and syncs that have failed since the journal was opened.
    pub failures: u64,
    /// Number of the last batch appended, and of the last one synced.
    pub written: u64,
    /// Number of the last batch that is durable.
    pub synced: u64,
    /// Duration of the last sync.
    pub sync_latency: Option<Duration>,
    /// Syncs since the journal was opened.
    pub syncs: u64,
    /// Time span that `max_bytes` and `max_age` will cover at the present rate; `None` until it can
    /// be estimated.
    pub coverage: Option<Duration>,
}

/// Figures about a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentStats {
    /// Name of the file.
    pub name: String,
    /// Number of its first batch.
    pub first: u64,
    /// Next offset at its start.
    pub first_offset: u64,
    /// Entries before its first one, since the stream began.
    pub before: u64,
    /// Newest time at which an entry before it was seen, milliseconds since 1970.
    pub newest_before: u64,
    /// Bytes, sidecar files included.
    pub bytes: u64,
    /// Nothing is appended to it any more.
    pub is_sealed: bool,
}

/// Time that the figures of a rate need to span.
const MIN_SPAN: u64 = 10_000;

impl Stats {
    /// Returns the figures of segments up to a head, whose newest entry was seen at `newest`.
    pub(crate) fn of(store: &Store, head: &Head, newest: u64, settings: &Settings) -> Self {
        let first = store.first();
        let totals = first.map(|first| first.header.totals).unwrap_or_default();
        let entries = head.entries.saturating_sub(totals.entries);
        let has_entries = entries > 0;
        let created = store.first().map(|first| first.header.created);
        let first_time = created.map(|created| totals.newest.max(created).min(newest));
        let bytes = store.bytes();
        let span = first_time.map_or(0, |first| newest.saturating_sub(first));
        let coverage = (span >= MIN_SPAN).then(|| {
            let ratio = settings.max_bytes as f64 / bytes.max(1) as f64;
            let by_bytes = Duration::from_millis((span as f64 * ratio) as u64);
            settings.max_age.map_or(by_bytes, |max_age| max_age.min(by_bytes))
        });
        Self {
            first_offset: has_entries.then_some(totals.next_offset),
            last_offset: has_entries.then(|| head.last_offset()),
            entries,
            first_time: first_time.filter(|_| has_entries),
            last_time: has_entries.then_some(newest),
            bytes,
            set_aside: store.count_aside(),
            segments: store.count(),
            coverage,
            ..Self::default()
        }
    }
}
