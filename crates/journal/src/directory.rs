//! Reading a journal from outside of the process that writes it, for tools.

use std::path::Path;
use std::sync::Arc;

use record::{Begin, Checkpoint, State, StreamId};

use crate::damage::Damage;
use crate::error::{OpenError, ReadError};
use crate::reader::StoredBatch;
use crate::stats::{SegmentStats, Stats};
use crate::storage::Storage;

/// A journal read from outside: of a stopped server, or beside one that runs. Changes nothing.
#[derive(Debug)]
pub struct Directory {
    _private: (),
}

/// Something in a journal, in the order of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The begin of a term.
    Begin(Begin),
    /// A batch.
    Batch(Box<StoredBatch>),
    /// A checkpoint, with whether it agrees with the fold of what precedes it.
    Checkpoint(Box<Checkpoint>),
    /// Damage, which was skipped.
    Damage(Damage),
}

/// The contents of a journal from some offset on. It stops at what a failed write may still take back:
/// the last frame of a running journal, until another frame covers it or the journal is closed.
#[derive(Debug)]
pub struct Contents {
    _private: (),
}

impl Directory {
    /// Opens the journal in `data_dir`.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or a newer program wrote it.
    pub fn open(storage: Arc<dyn Storage>, data_dir: &Path) -> Result<Self, OpenError> {
        drop(storage);
        todo!("{}", data_dir.display())
    }

    /// Returns the id of the stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        todo!()
    }

    /// Reports whether a process has the journal open for writing.
    #[must_use]
    pub fn is_running(&self) -> bool {
        todo!()
    }

    /// Returns figures about each segment, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentStats> {
        todo!()
    }

    /// Returns figures about the journal; those of a running process (syncs, failures) are 0.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Returns the fold of the journal.
    #[must_use]
    pub fn state(&self) -> &State {
        todo!()
    }

    /// Reads from the batch with the entry at `offset` on.
    #[must_use]
    pub fn contents(&self, offset: u64) -> Contents {
        todo!("{offset}")
    }

    /// Returns the lowest offset of an entry seen at `time` or later, as
    /// [`Journal::at_time`](crate::Journal::at_time).
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn at_time(&self, time: u64) -> Result<Option<u64>, ReadError> {
        todo!("{time}")
    }
}

impl Contents {
    /// Returns the next item; `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        todo!()
    }

    /// Returns how many bytes of how many have been read, for a progress bar.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        todo!()
    }
}
