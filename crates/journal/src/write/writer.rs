//! The writer of a journal.

use std::sync::Arc;

use record::{Batch, BatchHash, Begin, State};

use crate::error::WriteError;
use crate::recovery::{Recovered, first_offset};
use crate::shared::Shared;

/// The beginning of a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// SHA-256 of what of the configuration decides the contents of batches.
    pub configuration: [u8; 32],
    /// The first offset is this one at least: that of a stream whose state is imported.
    pub min_offset: u64,
}

/// The writer of a journal. There is one; it may move between threads. If it is dropped without
/// [`close`](Self::close), the journal ends as if the process had been killed.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    recovered: Recovered,
}

impl Writer {
    pub(crate) const fn new(shared: Arc<Shared>, recovered: Recovered) -> Self {
        Self { shared, recovered }
    }

    /// Begins a term in a new segment, and returns the fold after it: the state to stage the next
    /// batch against. When it returns, the begin is durable. It is called once, before any
    /// [`append`](Self::append).
    ///
    /// # Errors
    /// If it cannot be written. If that is retriable, call it again.
    pub fn begin(&mut self, start: &Start) -> Result<State, WriteError> {
        let host = &*self.shared.host;
        let mut header = self.recovered.state.next_header();
        header.term = header.term.saturating_add(1);
        let nonce = (u128::from(host.random()) << 64) | u128::from(host.random());
        let begin = Begin {
            header,
            first_offset: first_offset(&self.recovered, host.now(), start.min_offset),
            nonce: nonce.to_be_bytes(),
            boot: host.boot(),
            sync: self.shared.settings.sync,
            configuration: start.configuration,
        };
        self.shared.change(|core| {
            core.begin(&self.shared, &begin)?;
            Ok(core.state().clone())
        })
    }

    /// Gives the stream another id and closes the journal.
    pub(crate) fn rename(self, stream: record::StreamId) -> Result<(), WriteError> {
        self.shared.change(|core| core.rename(&self.shared, stream))?;
        self.close()
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
        self.shared.change(|core| core.append(&self.shared, batch))
    }

    /// Syncs everything and marks the journal as stopped cleanly, so that the next term continues
    /// without a hole in the offsets.
    ///
    /// # Errors
    /// If that fails. Nothing is lost, but the next term may begin with other offsets.
    pub fn close(self) -> Result<(), WriteError> {
        self.shared.check_owner()?;
        self.shared.change(|core| core.close(&self.shared))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.progress.close();
        self.shared.owner.release();
    }
}
