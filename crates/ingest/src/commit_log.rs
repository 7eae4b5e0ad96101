//! The commit log: the only place that decides what was published and in which order.

use std::task::{Context, Poll};

use record::{Batch, BatchHash, Begin, Refused, State, StreamId, SyncMode};
use thiserror::Error;

/// Accepts batches in order, and reports up to which one they are committed.
pub trait CommitLog: std::fmt::Debug + Send {
    /// Appends a batch after those appended before. It may be committed later. Returns its hash, which
    /// the next batch names; [`BatchHash::NONE`] if the log encodes no batches.
    ///
    /// # Errors
    /// If the log accepts no more batches of this term. Batches that are not committed by then are
    /// void.
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError>;

    /// Returns the number of the last committed batch once it is larger than `after`; otherwise wakes
    /// the context when that may have changed.
    ///
    /// # Errors
    /// If batches that were appended will never be committed.
    fn poll_committed(
        &mut self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>>;

    /// Returns how many batches may be appended and not committed.
    fn depth(&self) -> usize;
}

impl<L: CommitLog + ?Sized> CommitLog for Box<L> {
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError> {
        (**self).append(batch)
    }

    fn poll_committed(
        &mut self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>> {
        (**self).poll_committed(after, context)
    }

    fn depth(&self) -> usize {
        (**self).depth()
    }
}

/// The commit log has failed; nothing more can be committed in this term.
#[derive(Debug, Error)]
#[error("the commit log has failed: {0}")]
pub struct CommitError(pub String);

/// A commit log that stores nothing: what is appended is committed.
#[derive(Debug)]
pub struct MemoryLog {
    last: u64,
}

impl MemoryLog {
    /// Begins a term of a stream, whose first record gets `first_offset`. Returns the state to begin
    /// with.
    ///
    /// # Errors
    /// If the offset is beyond [`record::MAX_OFFSET`].
    pub fn begin(first_offset: u64, stream: StreamId) -> Result<(Self, State), Refused> {
        let mut state = State::new(stream);
        let mut header = state.next_header();
        header.term += 1;
        let begin = Begin {
            header,
            first_offset,
            nonce: [0; 16],
            boot: [0; 16],
            sync: SyncMode::Memory,
            configuration: [0; 32],
        };
        state.begin(&begin, BatchHash::NONE)?;
        Ok((Self { last: state.number() }, state))
    }
}

impl CommitLog for MemoryLog {
    fn append(&mut self, batch: &Batch) -> Result<BatchHash, CommitError> {
        self.last = batch.header.number;
        Ok(BatchHash::NONE)
    }

    fn poll_committed(
        &mut self,
        after: u64,
        _context: &mut Context<'_>,
    ) -> Poll<Result<u64, CommitError>> {
        if self.last > after { Poll::Ready(Ok(self.last)) } else { Poll::Pending }
    }

    fn depth(&self) -> usize {
        1
    }
}
