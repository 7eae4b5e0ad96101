//! The order of writes: append, sync, roll, and what follows a failure.

use std::io;
use std::sync::Arc;

use record::{Batch, BatchHash, Begin, State, StreamId};

use super::active::{Active, Appended};
use super::queue::{Item, Queue};
use super::retention;
use super::stage::Stage;
use crate::error::WriteError;
use crate::format::{SegmentHeader, SegmentName, Totals};
use crate::journal::Head;
use crate::read::blocks::first_block;
use crate::recovery::MAX_UNSYNCED;
use crate::segment::{AsideFile, Segment};
use crate::shared::Shared;

/// Bytes of frames that may be written and not synced.
const MAX_UNSYNCED_BYTES: usize = 32 << 20;

/// The state of writing. It is changed under one lock; only the sync of the active file happens outside
/// of it.
#[derive(Debug)]
pub(crate) struct Core {
    stage: Stage,
    queue: Queue,
    active: Option<Active>,
    /// The last segment tried, so that no name is used twice.
    last_name: SegmentName,
    /// Segments that cannot be read. They get other names once a term has begun without them: until
    /// then they show that something is missing.
    aside: Vec<SegmentName>,
    is_closed: bool,
    /// The batch that could not be written when it was appended. The caller appends it again; by then
    /// a sync may have written it.
    failed: Option<(Box<Batch>, BatchHash)>,
    /// Entries in the queue.
    unsynced: u64,
    /// Reason why nothing can be written any more.
    pub(crate) fatal: Option<WriteError>,
}

/// A sync of the active file that is under way.
#[derive(Debug)]
pub(crate) struct Sync {
    file: Arc<Appended>,
    segment: SegmentName,
    mark: u64,
}

impl Sync {
    /// Syncs the file.
    pub(crate) fn run(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Core {
    /// Continues after a state.
    pub(crate) fn new(state: State, totals: Totals, aside: Vec<SegmentName>) -> Self {
        Self {
            queue: Queue::new(state.clone(), totals),
            stage: Stage::new(state, totals),
            active: None,
            last_name: SegmentName::default(),
            aside,
            is_closed: false,
            failed: None,
            unsynced: 0,
            fatal: None,
        }
    }

    /// Returns the fold of everything appended.
    pub(crate) const fn state(&self) -> &State {
        &self.stage.state
    }

    /// Returns the newest time at which an entry was seen.
    pub(crate) const fn newest(&self) -> u64 {
        self.stage.totals.newest
    }

    /// Returns the end of what is durable.
    pub(crate) const fn synced(&self) -> Head {
        head(self.queue.base.number(), &self.queue.base_totals)
    }

    /// Returns the end of what has been written to a file.
    pub(crate) fn written(&self) -> Head {
        if !self.queue.has_unwritten() {
            return head(self.stage.state.number(), &self.stage.totals);
        }
        let item = self.queue.last_written();
        item.map_or_else(|| self.synced(), |item| head(item.frame.number, &item.frame.totals()))
    }

    /// Begins a term in a new segment.
    pub(crate) fn begin(&mut self, shared: &Shared, begin: &Begin) -> Result<(), WriteError> {
        self.check_open()?;
        if self.active.is_none() {
            if !self.queue.is_begin() {
                // The header of the segment names the first offset too: if all of its frames are
                // damaged, nothing else does.
                self.queue.base_totals.next_offset = begin.first_offset;
                let begin = self.stage.begin(begin)?;
                self.queue.push(begin);
                let checkpoint = self.stage.checkpoint()?;
                self.queue.push(checkpoint);
            }
            self.new_segment(shared)?;
        }
        self.set_aside(shared)
    }

    /// Gives segments that cannot be read names under which they are not found. The oldest ones first:
    /// as long as the newest one is there, it shows that something is missing.
    fn set_aside(&mut self, shared: &Shared) -> Result<(), WriteError> {
        self.aside.sort_unstable_by(|one, two| two.cmp(one));
        while let Some(name) = self.aside.last().copied() {
            let path = shared.store.path(name);
            let aside = shared.store.dir().join(name.aside());
            let renamed = shared.names.lock().rename(&shared.store, &path, &aside);
            renamed
                .map_err(|error| WriteError::Io(format!("rename {}: {error}", path.display())))?;
            tracing::warn!(file = %aside.display(), "a damaged segment is set aside");
            let bytes = shared.store.storage.open(&aside).and_then(|file| file.bytes());
            let bytes = bytes.unwrap_or_default();
            shared.store.add_aside(AsideFile { name: name.aside(), bytes });
            self.aside.pop();
        }
        Ok(())
    }

    /// Gives the stream another id, in a new segment.
    pub(crate) fn rename(&mut self, shared: &Shared, stream: StreamId) -> Result<(), WriteError> {
        self.check_open()?;
        self.stage.state = self.stage.state.clone().with_stream(stream);
        self.queue.base = self.queue.base.clone().with_stream(stream);
        self.new_segment(shared)
    }

    /// Appends a batch.
    pub(crate) fn append(
        &mut self,
        shared: &Shared,
        batch: &Batch,
    ) -> Result<BatchHash, WriteError> {
        self.check_open()?;
        if let Some((_, hash)) = self.failed.take_if(|(failed, _)| **failed == *batch) {
            return self.write_last(shared, batch, hash);
        }
        self.make_room(shared)?;
        let (item, hash) = self.stage.batch(batch)?;
        self.unsynced = self.unsynced.saturating_add(item.entries());
        self.queue.push(item);
        self.write_last(shared, batch, hash)
    }

    /// Writes the batch that was appended last, unless that was done meanwhile.
    fn write_last(
        &mut self,
        shared: &Shared,
        batch: &Batch,
        hash: BatchHash,
    ) -> Result<BatchHash, WriteError> {
        if self.queue.has_unwritten()
            && let Err(error) = self.write(shared)
        {
            self.failed = Some((Box::new(batch.clone()), hash));
            return Err(error);
        }
        Ok(hash)
    }

    /// Prepares the active segment for the next batch.
    fn make_room(&mut self, shared: &Shared) -> Result<(), WriteError> {
        let now = shared.host.monotonic();
        let settings = &shared.settings;
        let Some(active) = &self.active else { return Err(WriteError::Closed) };
        if active.is_closed || self.queue.has_unwritten() {
            return self.new_segment(shared);
        }
        if active.length >= settings.segment_bytes {
            return self.roll(shared);
        }
        if self.unsynced > MAX_UNSYNCED / 2 || self.queue.bytes() > MAX_UNSYNCED_BYTES {
            self.sync_active(shared);
        }
        if self
            .active
            .as_ref()
            .is_some_and(|active| active.is_block_full(settings.block_bytes, now))
        {
            let checkpoint = self.stage.checkpoint()?;
            self.queue.push(checkpoint);
        }
        Ok(())
    }

    /// Writes the frames that are not in a file yet.
    fn write(&mut self, shared: &Shared) -> Result<(), WriteError> {
        let Some(active) = &mut self.active else { return Err(WriteError::Closed) };
        if !active.is_closed {
            let synced = self.queue.base.number();
            match active.append(self.queue.unwritten(), synced, shared.host.monotonic()) {
                Ok(()) => {
                    self.queue.all_written();
                    return Ok(());
                }
                Err(error) => shared.failed("write to", active.segment.name(), &error),
            }
        }
        self.new_segment(shared)
    }

    /// Ends the active segment and begins another one.
    fn roll(&mut self, shared: &Shared) -> Result<(), WriteError> {
        let (number, synced) = (self.stage.state.number(), self.queue.base.number());
        if let Some(active) = &mut self.active {
            let time = shared.wall_millis();
            if let Err(error) = active.end(false, time, (number, synced), &self.stage.totals) {
                shared.failed("write to", active.segment.name(), &error);
            }
        }
        self.sync_active(shared);
        self.new_segment(shared)
    }

    /// Syncs the active file. If that fails, nothing is written to it any more.
    fn sync_active(&mut self, shared: &Shared) {
        if let Some(sync) = self.sync() {
            let started = shared.host.monotonic();
            let result = sync.run();
            shared.note_sync(started);
            self.synced_active(shared, &sync, &result);
        }
    }

    /// Starts a sync of everything written; `None` if everything is durable.
    pub(crate) fn sync(&self) -> Option<Sync> {
        let active = self.active.as_ref().filter(|active| !active.is_closed)?;
        let has_work = self.queue.last_written().is_some();
        has_work.then(|| Sync {
            file: Arc::clone(&active.file),
            segment: active.segment.name(),
            mark: self.queue.mark(),
        })
    }

    /// Ends a sync.
    pub(crate) fn synced_active(&mut self, shared: &Shared, sync: &Sync, result: &io::Result<()>) {
        let Some(active) = self.active.as_mut() else { return };
        if active.segment.name() != sync.segment {
            // What it contains was written again meanwhile, and synced.
            return;
        }
        match result {
            Ok(()) => {
                if let Err(refused) = self.queue.durable(sync.mark) {
                    self.fatal = Some(refused.into());
                }
                self.unsynced = self.queue.items().map(Item::entries).sum();
            }
            Err(error) => {
                shared.failed("sync", sync.segment, error);
                active.is_closed = true;
            }
        }
    }

    /// Writes what is not durable to a new segment, if the active one has failed.
    pub(crate) fn recover(&mut self, shared: &Shared) -> Result<(), WriteError> {
        self.check_open()?;
        let has_failed = self.active.as_ref().is_some_and(|active| active.is_closed);
        if has_failed && !self.queue.is_empty() { self.new_segment(shared) } else { Ok(()) }
    }

    /// Writes everything that is not durable to a new segment and continues there. Deletes the oldest
    /// segments if the disk is full.
    fn new_segment(&mut self, shared: &Shared) -> Result<(), WriteError> {
        if let Some(active) = &mut self.active {
            active.is_closed = true;
        }
        let active = loop {
            match self.try_new_segment(shared)? {
                Ok(active) => break active,
                Err(error) if is_full(&error) => {
                    if !retention::delete_oldest(shared) {
                        return Err(WriteError::Full);
                    }
                }
                Err(error) => {
                    let dir = shared.store.dir().display();
                    return Err(WriteError::Io(format!("write to {dir}: {error}")));
                }
            }
        };
        if let Some(old) = &self.active {
            old.segment.seal();
        }
        shared.store.push(Arc::clone(&active.segment));
        self.active = Some(active);
        self.unsynced = 0;
        self.queue.all_durable().map_err(|refused| {
            let error = WriteError::from(refused);
            self.fatal = Some(error.clone());
            error
        })
    }

    fn try_new_segment(&mut self, shared: &Shared) -> Result<io::Result<Active>, WriteError> {
        let header = self.next_header(shared);
        self.last_name = header.name;
        let mut out = Vec::new();
        header.write(&mut out);
        let first = self.first_checkpoint()?;
        let mut blocks = Vec::new();
        for item in first.iter().chain(self.queue.items()) {
            blocks.extend(item.write(&header.marker, self.queue.base.number(), 0, &mut out));
        }
        let segment = Arc::new(Segment::new(header, out.len() as u64, false));
        let first = first_block(&segment);
        blocks.retain(|block| block.at != first.at);
        segment.set_blocks(std::iter::once(first).chain(blocks).collect());
        let now = shared.host.monotonic();
        let length = out.len() as u64;
        Ok(create(shared, header.name, &out)
            .map(|file| Active::new(segment, Appended::new(file), length, now))
            .inspect_err(|error| shared.failed("create", header.name, error)))
    }

    /// Returns the checkpoint that a new segment begins with; a begin has its own behind it.
    fn first_checkpoint(&mut self) -> Result<Option<Item>, WriteError> {
        if self.queue.is_begin() {
            return Ok(None);
        }
        if self.queue.is_empty() {
            self.queue.forget_issuers();
            return self.stage.checkpoint().map(Some);
        }
        let issuers = self.queue.issuers(self.stage.issuers()).to_vec();
        let Queue { base, base_totals, .. } = &self.queue;
        self.stage.earlier_checkpoint(base, base_totals, &issuers).map(Some)
    }

    fn next_header(&self, shared: &Shared) -> SegmentHeader {
        let first = self.queue.base.number().saturating_add(1);
        let last = shared.store.last().map(|last| last.name()).unwrap_or_default();
        let taken = self.aside.iter().copied().chain([last, self.last_name]);
        let attempts = taken.filter(|name| name.first == first).map(|name| name.attempt);
        let attempt = attempts.max().map_or(0, |attempt| attempt.saturating_add(1));
        let last_item = self.queue.last().map(|item| item.frame.number);
        SegmentHeader {
            name: SegmentName { first, attempt },
            stream: self.stage.state.stream(),
            marker: shared.host.random().to_le_bytes(),
            totals: self.queue.base_totals,
            created: shared.wall_millis(),
            boot: shared.host.boot(),
            synced: last_item.unwrap_or_else(|| self.queue.base.number()),
            sync: shared.settings.sync,
            previous: last,
        }
    }

    /// Ends the journal cleanly.
    pub(crate) fn close(&mut self, shared: &Shared) -> Result<(), WriteError> {
        self.check_open()?;
        self.recover(shared)?;
        let Some(active) = &mut self.active else {
            self.is_closed = true;
            return Ok(());
        };
        let (number, synced) = (self.stage.state.number(), self.queue.base.number());
        let time = shared.wall_millis();
        let ended = match active.is_closed {
            true => Ok(()),
            false => active.end(true, time, (number, synced), &self.stage.totals),
        };
        let ended = ended.and_then(|()| active.file.sync());
        self.is_closed = true;
        ended.map_err(|error| WriteError::Io(format!("end the journal: {error}")))?;
        self.queue.all_durable()?;
        Ok(())
    }

    fn check_open(&self) -> Result<(), WriteError> {
        match &self.fatal {
            Some(error) => Err(error.clone()),
            None if self.is_closed => Err(WriteError::Closed),
            None => Ok(()),
        }
    }

    /// Reports whether the active file has another length than was written.
    pub(crate) fn is_changed(&self) -> bool {
        let active = self.active.as_ref().filter(|active| !active.is_closed);
        active.is_some_and(Active::is_changed)
    }
}

/// Creates a segment with its first bytes. It gets its name when they are durable.
fn create(
    shared: &Shared,
    name: SegmentName,
    bytes: &[u8],
) -> io::Result<Arc<dyn crate::storage::File>> {
    let storage = &shared.store.storage;
    let temporary = shared.store.dir().join(name.temporary());
    let path = shared.store.path(name);
    let mut names = shared.names.lock();
    let written = names.settle(&shared.store).and_then(|()| {
        names.change();
        let file = storage.create(&temporary)?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        storage.rename(&temporary, &path)?;
        names.settle(&shared.store)?;
        Ok(file)
    });
    if written.is_err() {
        // Whichever of the two names it has by now: it holds nothing that is not elsewhere.
        if let Err(error) = storage.remove(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %temporary.display(), %error, "an unfinished segment stays");
        }
        names.discard(&shared.store, name);
    }
    written
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

const fn head(number: u64, totals: &Totals) -> Head {
    let Totals { next_offset, entries_end, entries, .. } = *totals;
    Head { number, next_offset, entries_end, entries }
}
