//! Reading a journal in order.

use record::Batch;

use crate::error::ReadError;

/// A committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The batch.
    pub batch: Batch,
    /// The offset after the last entry before it. From here up to the batch's first offset nothing was
    /// published: a hole, not a loss. If what precedes it in the journal is damaged, this is larger
    /// than the end of the batch that was returned before.
    pub from: u64,
    /// Entries published before its first one, since the stream began.
    pub before: u64,
}

/// Reads committed batches in order, from disk. It keeps its place: what it has read is not read again.
/// It keeps no file open between two calls.
#[derive(Debug)]
pub struct Reader {
    _private: (),
}

impl Reader {
    /// Returns the next committed batch that begins before `end`, those without records included;
    /// `None` if there is none yet. It can be called again.
    ///
    /// Skips and reports what is damaged. If retention overtakes the reader, it continues at the oldest
    /// batch kept.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_batch(&mut self, end: u64) -> Result<Option<StoredBatch>, ReadError> {
        todo!("{end}")
    }

    /// Returns the offset from which on the next batch has entries.
    #[must_use]
    pub fn offset(&self) -> u64 {
        todo!()
    }
}
