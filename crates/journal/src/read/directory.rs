//! Reading a journal from outside of the process that writes it, for tools.

use std::path::Path;
use std::sync::Arc;

use record::encoding::Message;
use record::{Begin, Checkpoint, State, StreamId};

use crate::damage::{Damage, DamageKind};
use crate::error::{OpenError, ReadError};
use crate::format::Totals;
use crate::host::Host;
use crate::index::{Files, Look, Searchable, Source};
use crate::journal::Head;
use crate::journal::open::{find_stream, lock_path, read_failed, stream_dir};
use crate::read::walk::{Step, Walk};
use crate::read::{LogTable, StoredBatch, blocks, time};
use crate::recovery::{Fold, Listing, Recovered, recover};
use crate::segment::{Segment, Store};
use crate::settings::Settings;
use crate::stats::{SegmentStats, Stats};
use crate::storage::Storage;

/// A journal read from outside: of a stopped server, or beside one that runs. Changes nothing.
///
/// Of a running journal it reads up to the frame before the last one: a failed write may still take the
/// last one back.
#[derive(Debug)]
pub struct Directory {
    store: Arc<Store>,
    stream: StreamId,
    is_running: bool,
    state: State,
    totals: Totals,
    /// Number of the last message to read.
    limit: u64,
    damage: Vec<Damage>,
    indexes: Files,
}

/// Something in a journal, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The begin of a term.
    Begin(Begin),
    /// A batch.
    Batch(Box<StoredBatch>),
    /// A checkpoint.
    Checkpoint(Box<Checkpoint>),
    /// Damage: bytes that were skipped.
    Damage(Damage),
    /// The message returned before does not fit those before it: its place, and the reason.
    Misfit(Damage, String),
}

/// The contents of a journal from an offset on.
#[derive(Debug)]
pub struct Contents {
    store: Arc<Store>,
    walk: Option<Walk>,
    limit: u64,
    fold: Fold,
    logs: LogTable,
    /// The next item, if the last message shows it.
    waiting: Option<Item>,
}

impl Directory {
    /// Opens the journal in `data_dir`.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or a newer program wrote it.
    pub fn open(
        storage: Arc<dyn Storage>,
        host: &dyn Host,
        data_dir: &Path,
    ) -> Result<Self, OpenError> {
        let none = || OpenError::NoJournal(data_dir.to_owned());
        let stream = find_stream(&*storage, data_dir)?.ok_or_else(none)?;
        let dir = stream_dir(data_dir, stream);
        let is_running = storage.is_locked(&lock_path(data_dir)).unwrap_or(false);
        let listing = Listing::read(&*storage, &dir, stream)?;
        let stream = listing.segments.last().map_or(stream, |last| last.header.stream);
        let store = Arc::new(Store::new(storage, dir, listing.segments, listing.aside));
        let recovered = recover(&store, stream, host, is_running).map_err(read_failed)?;
        let Recovered { state, totals, kept, damage: found, .. } = recovered;
        let damage = listing.damage.into_iter().chain(found).collect();
        let indexes = Files::default();
        Ok(Self { store, stream, is_running, state, totals, limit: kept, damage, indexes })
    }

    /// Returns the id of the stream.
    #[must_use]
    pub const fn stream(&self) -> StreamId {
        self.stream
    }

    /// Reports whether a process has the journal open for writing.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.is_running
    }

    /// Returns the damage found on opening: headers, and the last segment. [`contents`](Self::contents)
    /// finds the rest.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Returns figures about each segment, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentStats> {
        self.store.list().iter().map(|segment| segment.stats()).collect()
    }

    /// Returns figures about the journal under these limits; those of a running process (syncs,
    /// failures) are 0.
    #[must_use]
    pub fn stats(&self, settings: &Settings) -> Stats {
        let Totals { next_offset, entries_end, entries, newest } = self.totals;
        let head = Head { number: self.limit, next_offset, entries_end, entries };
        let damaged = self.damage.len() as u64;
        let (written, synced) = (self.limit, self.limit);
        Stats { damaged, written, synced, ..Stats::of(&self.store, &head, newest, settings) }
    }

    /// Returns the fold of the journal.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Returns the contents, from the last checkpoint on at or before the batch with the entry at
    /// `offset`: some batches may come before it.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn contents(&self, offset: u64) -> Result<Contents, ReadError> {
        let walk = blocks::start(&self.store, |block| block.totals.next_offset <= offset)?;
        let (store, limit) = (Arc::clone(&self.store), self.limit);
        let (fold, logs) = (Fold::default(), LogTable::default());
        Ok(Contents { store, walk, limit, fold, logs, waiting: None })
    }

    /// Returns the lowest offset of an entry seen at `time` or later, as
    /// [`Journal::at_time`](crate::Journal::at_time).
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn at_time(&self, time: u64) -> Result<Option<u64>, ReadError> {
        let found = time::find(&self.store, self.limit, time, |_| {})?;
        Ok(found.map(|moment| moment.offset))
    }
}

impl Directory {
    /// Returns the journal as searches see it. Where a segment has no index, it is read.
    #[must_use]
    pub const fn searchable(&self) -> Searchable<'_> {
        Searchable(self)
    }
}

impl Source for Directory {
    fn store(&self) -> &Store {
        &self.store
    }

    fn head(&self) -> u64 {
        self.limit
    }

    fn end(&self) -> u64 {
        self.totals.next_offset
    }

    fn look(&self, segment: &Segment, look: &mut Look<'_>) -> bool {
        self.indexes.look(&self.store, segment, look)
    }

    fn note(&self, damage: &Damage) {
        tracing::warn!("the journal is damaged: {damage}");
    }
}

impl Contents {
    /// Returns the next item; `None` at the end. Folds what it returns: a message that does not fit those
    /// before it, by its hash, its number or its entries, is followed by [`Item::Misfit`].
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_item(&mut self) -> Result<Option<Item>, ReadError> {
        if let Some(item) = self.waiting.take() {
            return Ok(Some(item));
        }
        let Some(walk) = &mut self.walk else { return Ok(None) };
        let Some(step) = walk.step(&self.store, self.limit)? else { return Ok(None) };
        let (message, header) = match step {
            Step::Damage(damage) => return Ok(Some(Item::Damage(damage))),
            Step::Message(message, header) => (message, header),
        };
        let (segment, end) = walk.place();
        if let Err(misfit) = self.fold.apply(&message, &header, walk.encoded()) {
            let (file, kind) = (segment.to_string(), DamageKind::Message);
            let at = end.saturating_sub(header.frame_bytes());
            let (damage, number) = (Damage { file, at, end, kind }, header.number);
            self.waiting = Some(Item::Misfit(damage, format!("message {number}: {misfit}")));
        }
        Ok(Some(match message {
            Message::Begin(begin) => Item::Begin(begin),
            Message::Checkpoint(checkpoint) => {
                self.logs.replace(&checkpoint.state);
                Item::Checkpoint(Box::new(checkpoint))
            }
            Message::Batch(batch) => {
                self.logs.change(&batch.logs);
                let (from, before, logs) = (header.from, header.before, self.logs.clone());
                Item::Batch(Box::new(StoredBatch { batch, from, before, logs }))
            }
        }))
    }

    /// Returns how many bytes of how many have been read, for a progress bar.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let all = self.store.bytes();
        let Some(walk) = &self.walk else { return (all, all) };
        let (name, at) = walk.place();
        let segments = self.store.list();
        let before = segments.iter().filter(|segment| segment.name() < name);
        let read: u64 = before.map(|segment| segment.all_bytes()).sum();
        (read.saturating_add(at).min(all), all)
    }
}
