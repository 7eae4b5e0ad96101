//! The handle of an open journal: what readers and syncs use.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use record::{State, StreamId};

use crate::damage::Damage;
use crate::error::{OpenError, ReadError, WriteError};
use crate::host::Host;
use crate::reader::{Reader, StoredBatch};
use crate::settings::Settings;
use crate::stats::{SegmentStats, Stats};
use crate::storage::Storage;
use crate::writer::Writer;

/// A handle of an open journal, cheap to clone. All methods may be called from any thread.
#[derive(Clone, Debug)]
pub struct Journal {
    _private: (),
}

/// A journal that was opened and recovered.
#[derive(Debug)]
pub struct Opened {
    /// The handle for readers and syncs.
    pub journal: Journal,
    /// The writer; there is one.
    pub writer: Writer,
    /// The fold of everything recovered, before the new term begins.
    pub state: State,
    /// Nothing that was shown can be lost, so the next term continues offsets at the last one + 1.
    /// Otherwise it jumps.
    pub is_lossless: bool,
    /// Damage found. It costs what it covers; the rest is served.
    pub damage: Vec<Damage>,
    /// The journal was empty, so `state` is that of a stream before its first term.
    pub is_new: bool,
}

/// The end of what may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last committed batch or begin.
    pub number: u64,
    /// Offset after the last committed entry.
    pub next_offset: u64,
    /// Entries up to there since the stream began.
    pub entries: u64,
}

impl Journal {
    /// Opens the journal in `data_dir`, creates it if there is none, and recovers what is there.
    /// Blocks for as long as reading one segment takes.
    ///
    /// # Errors
    /// If the directory cannot be used, another process uses it, or a newer program wrote it. Damage
    /// is no error.
    pub fn open(
        storage: Arc<dyn Storage>,
        host: Arc<dyn Host>,
        data_dir: &Path,
        settings: Settings,
    ) -> Result<Opened, OpenError> {
        drop((storage, host, settings));
        todo!("{}", data_dir.display())
    }

    /// Gives the journal in `data_dir` a new stream id, so that its offsets are not taken for those of
    /// the stream it was copied from. For a backup that was restored. Everything in it stays readable,
    /// under the new id. Returns the old id and the new one.
    ///
    /// # Errors
    /// As those of [`open`](Self::open), or if there is no journal.
    pub fn new_id(
        storage: Arc<dyn Storage>,
        host: Arc<dyn Host>,
        data_dir: &Path,
    ) -> Result<(StreamId, StreamId), OpenError> {
        drop((storage, host));
        todo!("{}", data_dir.display())
    }

    /// Returns the id of the stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        todo!()
    }

    /// Returns the offset from which on entries are kept; `None` where nothing is. It never decreases.
    /// Takes no lock and reads no file.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        todo!()
    }

    /// Returns the end of what may be shown: of what was appended ([`SyncMode::Interval`]), or of what
    /// is durable ([`SyncMode::Batch`]).
    ///
    /// [`SyncMode::Interval`]: record::SyncMode::Interval
    /// [`SyncMode::Batch`]: record::SyncMode::Batch
    #[must_use]
    pub fn head(&self) -> Head {
        todo!()
    }

    /// Reads the batch with the entry at `offset`, or the next one if no batch has that, and those
    /// that follow, ascending: at most `max_bytes` bytes of records (by [`Record::weight`]), at least
    /// one batch; none that begins at `end` or after, and none that is not committed. Batches without
    /// records are left out. What is damaged is skipped: the `from` of the next batch shows it.
    ///
    /// Consecutive calls for consecutive ranges are cheap: the journal keeps a few readers where they
    /// stopped.
    ///
    /// # Errors
    /// If a file cannot be read.
    ///
    /// [`Record::weight`]: record::Record::weight
    pub fn read(
        &self,
        offset: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, ReadError> {
        todo!("{offset} {end} {max_bytes}")
    }

    /// Returns a reader of all batches from the one with the entry at `offset` on, or from the next
    /// one.
    #[must_use]
    pub fn reader(&self, offset: u64) -> Reader {
        todo!("{offset}")
    }

    /// Returns the lowest offset of an entry seen at `time` or later, in milliseconds since 1970;
    /// `None` if there is none. Entries after it may have been seen before `time`, if the clock
    /// stepped.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn at_time(&self, time: u64) -> Result<Option<u64>, ReadError> {
        todo!("{time}")
    }

    /// Makes everything appended so far durable, and returns the number of the last durable batch.
    /// Appending continues meanwhile. Also deletes segments beyond the limits.
    ///
    /// # Errors
    /// If the sync failed and what is not durable could not be written to a new segment either.
    pub fn sync(&self) -> Result<u64, WriteError> {
        todo!()
    }

    /// Syncs until the journal is closed, for a thread of its own: at intervals, or in
    /// [`SyncMode::Batch`] as soon as something is appended. Retries what may succeed later, and logs
    /// it.
    ///
    /// # Errors
    /// If nothing can be written any more.
    ///
    /// [`SyncMode::Batch`]: record::SyncMode::Batch
    pub fn sync_until_closed(&self) -> Result<(), WriteError> {
        todo!()
    }

    /// Returns the number of the last committed batch once it is larger than `after`; otherwise wakes
    /// the context when that may have changed. For one task: the last one that polled is woken.
    ///
    /// # Errors
    /// If batches that were appended will never be committed.
    pub fn poll_committed(
        &self,
        after: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<u64, WriteError>> {
        todo!("{after} {context:?}")
    }

    /// Returns figures about the journal.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Returns figures about each segment, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentStats> {
        todo!()
    }
}
