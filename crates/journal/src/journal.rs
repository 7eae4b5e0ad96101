//! The handle of an open journal: what readers and syncs use.

pub(crate) mod open;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use record::{State, StreamId, SyncMode};

use crate::damage::Damage;
use crate::error::{OpenError, ReadError, WriteError};
use crate::host::Host;
use crate::read::time;
use crate::read::{Cursor, Reader, StoredBatch};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::stats::{SegmentStats, Stats};
use crate::storage::Storage;
use crate::write::Writer;

/// A handle of an open journal, cheap to clone. All methods may be called from any thread.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

/// Readers kept where they stopped.
const MAX_PARKED: usize = 16;
/// Pause after a failure, before the next attempt.
const RETRY: Duration = Duration::from_secs(1);

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
    /// The offset that the next entry gets. A begin may have moved it.
    pub next_offset: u64,
    /// Offset after the last committed entry: less than the next offset after a jump.
    pub entries_end: u64,
    /// Entries up to there since the stream began.
    pub entries: u64,
}

impl Head {
    /// Returns the offset before the next one.
    pub(crate) const fn last_offset(&self) -> u64 {
        self.next_offset.saturating_sub(1)
    }
}

impl Journal {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

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
        open::open(storage, host, data_dir, settings)
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
        open::new_id(storage, host, data_dir)
    }

    /// Returns the directory of the stream.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.shared.store.dir()
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.shared.store.storage
    }

    /// Returns the id of the stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.shared.stream
    }

    /// Returns the offset from which on entries are kept; `None` where nothing is. It never decreases.
    /// Takes no lock and reads no file.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.shared.oldest()
    }

    /// Returns the end of what may be shown: of what was appended ([`SyncMode::Interval`]), or of what
    /// is durable ([`SyncMode::Batch`]).
    #[must_use]
    pub fn head(&self) -> Head {
        self.shared.head()
    }

    /// Reads the batch with the entry at `offset`, or the next one if no batch has that, and those
    /// that follow, ascending: at most `max_bytes` bytes of records (by [`StoredBatch::weight`]), at
    /// least one batch; none that begins at `end` or after, and none that is not committed. Batches
    /// without records are left out. What is damaged is skipped: the `from` of the next batch shows it.
    ///
    /// Consecutive calls for consecutive ranges are cheap: the journal keeps a few readers where they
    /// stopped.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(
        &self,
        offset: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, ReadError> {
        let mut cursor = self.unpark(offset);
        let (mut batches, mut bytes) = (Vec::new(), 0_usize);
        loop {
            let before = cursor.offset();
            let Some(batch) = cursor.next(&self.shared, end)? else { break };
            if batch.batch.records.is_empty() {
                continue;
            }
            bytes = bytes.saturating_add(batch.weight());
            if bytes > max_bytes && !batches.is_empty() {
                cursor.put_back(batch, before);
                break;
            }
            batches.push(batch);
        }
        self.park(cursor);
        Ok(batches)
    }

    /// Takes a reader that stopped at an offset, or makes one.
    fn unpark(&self, offset: u64) -> Cursor {
        let mut parked = self.shared.parked.lock();
        let place = parked.iter().position(|cursor| cursor.offset() == offset);
        place.map_or_else(|| Cursor::new(offset), |place| parked.remove(place))
    }

    fn park(&self, mut cursor: Cursor) {
        cursor.park();
        let mut parked = self.shared.parked.lock();
        if parked.len() >= MAX_PARKED {
            parked.remove(0);
        }
        parked.push(cursor);
    }

    /// Returns a reader of all batches from the one with the entry at `offset` on, or from the next
    /// one.
    #[must_use]
    pub fn reader(&self, offset: u64) -> Reader {
        Reader::new(Arc::clone(&self.shared), offset)
    }

    /// Returns the lowest offset of an entry seen at `time` or later, in milliseconds since 1970;
    /// `None` if there is none. Entries after it may have been seen before `time`, if the clock
    /// stepped.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn at_time(&self, time: u64) -> Result<Option<u64>, ReadError> {
        let note = |damage: &Damage| self.shared.damage.note(damage);
        let found = time::find(&self.shared.store, self.shared.head().number, time, note)?;
        Ok(found.map(|moment| moment.offset))
    }

    /// Makes everything appended so far durable, and returns the number of the last durable batch.
    /// Appending continues meanwhile. Also deletes segments beyond the limits.
    ///
    /// # Errors
    /// If the sync failed and what is not durable could not be written to a new segment either.
    pub fn sync(&self) -> Result<u64, WriteError> {
        self.shared.sync()
    }

    /// Syncs until the writer is closed or dropped, for a thread of its own: at intervals, or in
    /// [`SyncMode::Batch`] as soon as something is appended. Retries what may succeed later, and logs
    /// it.
    ///
    /// # Errors
    /// If nothing can be written any more.
    pub fn sync_until_closed(&self) -> Result<(), WriteError> {
        let progress = &self.shared.progress;
        let is_batch = self.shared.settings.sync == SyncMode::Batch;
        while progress.wait_for_work() {
            if !is_batch && !progress.pause(self.shared.settings.sync_interval) {
                break;
            }
            match self.sync() {
                Ok(_) => {}
                Err(error) if error.is_retriable() => {
                    tracing::warn!(%error, "the journal cannot be synced; trying again");
                    if !progress.pause(RETRY) {
                        break;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        progress.fatal().map_or(Ok(()), Err)
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
        self.shared.progress.poll(after, context)
    }

    /// Returns figures about the journal.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (shared, counters) = (&self.shared, &self.shared.counters);
        let (written, synced) = shared.progress.numbers();
        let sync_micros = counters.sync_micros.load(Ordering::Relaxed);
        let latency = sync_micros.checked_sub(1).map(Duration::from_micros);
        let newest = shared.newest();
        Stats {
            damaged: shared.damage.count(),
            deleted: counters.deleted.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            written,
            synced,
            sync_latency: latency,
            syncs: counters.syncs.load(Ordering::Relaxed),
            ..Stats::of(&shared.store, &shared.head(), newest, &shared.settings)
        }
    }

    /// Returns figures about each segment, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentStats> {
        self.shared.store.list().iter().map(|segment| segment.stats()).collect()
    }
}
