//! The settings of a journal.

use std::time::Duration;

use record::SyncMode;

/// The settings of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The moment at which a batch becomes durable: [`SyncMode::Batch`] (before it is shown) or
    /// [`SyncMode::Interval`] (at intervals; it may be shown before). Others count as `Interval`.
    pub sync: SyncMode,
    /// Time between two syncs of [`SyncMode::Interval`].
    pub sync_interval: Duration,
    /// Bytes of all segments and their sidecar files, beyond which the oldest are deleted. At least
    /// four segments.
    pub max_bytes: u64,
    /// Age of its newest record at which a segment is deleted.
    pub max_age: Option<Duration>,
    /// Bytes at which a new segment begins.
    pub segment_bytes: u64,
    /// Bytes at which a new checkpoint is written inside a segment. Damage costs no more than what
    /// lies between two, and a reader that begins somewhere decodes no more than that.
    pub block_bytes: u64,
}

impl Settings {
    /// Default of [`max_bytes`](Self::max_bytes).
    pub const MAX_BYTES: u64 = 10 << 30;
    /// Default of [`segment_bytes`](Self::segment_bytes).
    pub const SEGMENT_BYTES: u64 = 64 << 20;
    /// Default of [`block_bytes`](Self::block_bytes).
    pub const BLOCK_BYTES: u64 = 2 << 20;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sync: SyncMode::Interval,
            sync_interval: Duration::from_secs(1),
            max_bytes: Self::MAX_BYTES,
            max_age: None,
            segment_bytes: Self::SEGMENT_BYTES,
            block_bytes: Self::BLOCK_BYTES,
        }
    }
}
