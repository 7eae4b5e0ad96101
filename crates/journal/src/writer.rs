//! The writer of a journal.

use record::{Batch, BatchHash, State};

use crate::error::WriteError;

/// What a term begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// SHA-256 of what of the configuration decides the contents of batches.
    pub configuration: [u8; 32],
    /// The first offset is this one at least: that of a stream whose state is imported.
    pub min_offset: u64,
}

/// The writer of a journal. There is one; it may move between threads.
#[derive(Debug)]
pub struct Writer {
    _private: (),
}

impl Writer {
    /// Begins a term in a new segment, and returns the fold after it: the state to stage the next
    /// batch against. When it returns, the begin is durable.
    ///
    /// # Errors
    /// If it cannot be written. If that is retriable, call it again.
    pub fn begin(&mut self, start: &Start) -> Result<State, WriteError> {
        todo!("{start:?}")
    }

    /// Appends a batch and returns its hash, the `prev` of the next one. When it returns, the batch
    /// outlives the process; once [`Journal::sync`](crate::Journal::sync) has covered it, it outlives a
    /// loss of power.
    ///
    /// May begin a new segment, and then syncs the old one.
    ///
    /// # Errors
    /// If the batch does not fit, or cannot be written. If that is retriable, append the same batch
    /// again.
    pub fn append(&mut self, batch: &Batch) -> Result<BatchHash, WriteError> {
        todo!("{batch:?}")
    }

    /// Syncs everything and marks the journal as stopped cleanly, so that the next term continues
    /// without a hole in the offsets.
    ///
    /// # Errors
    /// If that fails. Nothing is lost, but the next term may begin with other offsets.
    pub fn close(self) -> Result<(), WriteError> {
        todo!()
    }
}
