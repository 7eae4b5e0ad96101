//! Figures about a journal.

use std::time::Duration;

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
    /// Bytes of all files.
    pub bytes: u64,
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
