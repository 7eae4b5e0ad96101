//! Batches as a replay returns them.

use std::sync::Arc;

use record::{Batch, LogIdentity, Record};

use crate::protocol::Totals;

/// A committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The batch.
    pub batch: Batch,
    /// The offset after the last entry before it. From here up to the batch's first offset nothing was
    /// published: a hole, not a loss. If what precedes it is gone, this is larger than the end of the
    /// batch that was returned before.
    pub from: u64,
    /// Entries published before its first one, since the stream began.
    pub before: u64,
    /// The identities of the logs by their numbers, after its changes of the log table.
    pub logs: Arc<Vec<LogIdentity>>,
}

impl StoredBatch {
    pub(super) fn new(batch: Batch, before: Totals, logs: Arc<Vec<LogIdentity>>) -> Self {
        let Totals { entries, end, .. } = before;
        let from = if entries == 0 { batch.first_offset } else { end.min(batch.first_offset) };
        Self { batch, from, before: entries, logs }
    }

    /// Returns the bytes of memory that its records take (by [`Record::weight`]).
    #[must_use]
    pub fn weight(&self) -> usize {
        self.batch.records.iter().map(Record::weight).fold(0, usize::saturating_add)
    }
}
