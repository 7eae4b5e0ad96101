//! The indexes of all segments: made while batches are committed, and where they are missing.

mod failures;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use record::BatchHash;
use record::encoding::Message;

use self::failures::Failures;
use super::{Binding, Index, OpenIndex, SealedIndex};
use crate::error::ReadError;
use crate::format::SegmentName;
use crate::journal::Journal;
use crate::read::blocks;
use crate::read::walk::{Step, Walk};
use crate::segment::{Segment, Store};
use crate::shared::Shared;

/// Pause between two looks for new batches.
const PAUSE: Duration = Duration::from_millis(50);
/// Messages that are added between two times that a reader may look.
const AT_ONCE: usize = 64;

/// The indexes of all segments of an open journal.
///
/// [`follow`](Self::follow) makes them, in a thread of its own; until it has come to a batch, nothing
/// finds that batch. Look-ups are in `search`.
#[derive(Debug)]
pub struct Indexes {
    pub(super) shared: Arc<Shared>,
    pub(super) sealed: RwLock<BTreeMap<SegmentName, Arc<SealedIndex>>>,
    pub(super) open: RwLock<Open>,
    walk: Mutex<Option<Walk>>,
    failures: Mutex<Failures>,
}

/// The index of the newest segment, as far as it has been made.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) segment: SegmentName,
    pub(super) index: OpenIndex,
    /// Number of the last message in it, or looked at since.
    pub(super) number: u64,
    /// The offset after the last record in it, or in the index before it.
    pub(super) end: u64,
    /// Number of the last message in the index before it. A failed write may have repeated some in this
    /// segment: without them, the index would rule out what was found before.
    repeated: u64,
}

impl Indexes {
    /// Creates the indexes of a journal; none is there before [`follow`](Self::follow) runs.
    #[must_use]
    pub fn new(journal: &Journal) -> Self {
        Self {
            shared: Arc::clone(journal.shared()),
            sealed: RwLock::default(),
            open: RwLock::default(),
            walk: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Makes and keeps indexes until `is_over`, which is asked several times a second. For a thread of
    /// its own.
    pub fn follow(&self, is_over: impl Fn() -> bool) {
        while !is_over() {
            let is_idle = self.step().unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot make the index of the journal, which makes look-ups slow");
                true
            });
            if is_idle {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Reports whether everything that is committed is indexed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let open = self.open.read();
        let newest = self.store().last().map(|last| last.name()).unwrap_or_default();
        let is_repeated = newest > open.segment && newest.first <= open.number;
        !is_repeated
            && open.number >= self.shared.head().number
            && self.missing(open.segment).is_empty()
    }

    /// Indexes what is new, and makes one index that is missing. Returns true if there is nothing left
    /// to do for now.
    pub(super) fn step(&self) -> Result<bool, ReadError> {
        let caught_up = self.catch_up();
        let is_at_head = *caught_up.as_ref().unwrap_or(&true);
        let current = self.open.read().segment;
        let missing = self.missing(current);
        let kept: Vec<SegmentName> = self.store().list().iter().map(|s| s.name()).collect();
        let is_kept = |name| kept.binary_search(&name).is_ok();
        self.sealed.write().retain(|name, _| is_kept(*name));
        self.failures.lock().retain(is_kept);
        // The newest first: that is where most is looked for. One that fails lets older ones go first.
        let due = missing.iter().rev().find(|segment| self.is_due(segment.name()));
        let is_idle = match due {
            Some(segment) if is_at_head => {
                let provided = self.provide(segment);
                if !matches!(provided, Ok(true)) {
                    self.note_failure(segment.name());
                }
                provided? && missing.len() == 1
            }
            Some(_) => false,
            None => true,
        };
        caught_up.map(|is_at_head| is_at_head && is_idle)
    }

    fn is_due(&self, segment: SegmentName) -> bool {
        self.failures.lock().is_due(segment, self.shared.host.monotonic())
    }

    fn note_failure(&self, segment: SegmentName) {
        self.failures.lock().note(segment, self.shared.host.monotonic());
    }

    pub(super) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Returns the segments without an index before the one that is being indexed.
    fn missing(&self, current: SegmentName) -> Vec<Arc<Segment>> {
        let sealed = self.sealed.read();
        let mut segments = self.store().list();
        segments.retain(|each| each.name() < current && !sealed.contains_key(&each.name()));
        segments
    }

    /// Adds committed batches to the open index. Returns false if there may be more.
    pub(super) fn catch_up(&self) -> Result<bool, ReadError> {
        let mut place = self.walk.lock();
        let walk = match &mut *place {
            Some(walk) => walk,
            none => {
                let Some(last) = self.store().last() else { return Ok(true) };
                let mut open = self.open.write();
                *open = open.before(last.name());
                none.insert(Walk::of_segments(last.name()))
            }
        };
        let (segment, _) = walk.place();
        if !self.is_due(segment) {
            return Ok(true);
        }
        let followed = self.follow_walk(walk);
        if followed.is_err() {
            let (segment, _) = walk.place();
            self.note_failure(segment);
            // Once it has ended, its index is made like those that are missing.
            if self.store().last().is_some_and(|last| last.name() > segment) {
                *place = None;
            }
        }
        followed
    }

    fn follow_walk(&self, walk: &mut Walk) -> Result<bool, ReadError> {
        let limit = self.shared.head().number;
        for _ in 0..AT_ONCE {
            let Some(step) = walk.step(self.store(), limit)? else {
                self.open.write().number = limit;
                walk.close();
                return Ok(true);
            };
            let (name, after) = walk.place();
            if name != self.open.read().segment {
                self.change_to(name);
            }
            if let Step::Message(message, header) = step {
                let mut open = self.open.write();
                open.number = header.number;
                open.index.pass(&header);
                if let Message::Batch(batch) = message {
                    open.index.add(&batch, after.saturating_sub(header.frame_bytes()));
                    open.end = open.end.max(batch.next_offset());
                }
            }
        }
        Ok(false)
    }

    /// Writes the index of the segment that ended, and begins that of another one.
    fn change_to(&self, name: SegmentName) {
        let next = {
            let mut open = self.open.write();
            let next = open.before(name);
            let (segment, _) = self.store().at(name);
            let entries_end = segment.map_or(0, |segment| segment.header.totals.entries_end);
            open.truncate(name.first, entries_end);
            next
        };
        let ended = self.open.read().segment;
        self.seal(ended);
        *self.open.write() = next;
    }

    /// Writes the index of a segment that ended.
    fn seal(&self, name: SegmentName) {
        let (Some(segment), _) = self.store().at(name) else { return };
        if segment.name() != name {
            return; // It was deleted.
        }
        let binding = binding(self.store(), &segment);
        let file = self.open.read().index.to_file(&binding);
        if !self.keep(&segment, &binding, file) {
            self.note_failure(name);
        }
    }

    /// Opens the index of a segment, or makes it. Returns false if it cannot be written.
    fn provide(&self, segment: &Segment) -> Result<bool, ReadError> {
        let path = self.path(segment.name());
        let binding = binding(self.store(), segment);
        let opened = self.store().storage.open(&path).and_then(|file| {
            let bytes = file.bytes()?;
            Ok((SealedIndex::open(file, &binding)?, bytes))
        });
        match opened {
            Ok((index, bytes)) => {
                segment.set_sidecars(bytes);
                self.sealed.write().insert(segment.name(), Arc::new(index));
                return Ok(true);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the index is made again");
            }
        }
        let mut index = OpenIndex::new(segment.name().first);
        let mut walk = Walk::of_segments(segment.name());
        let limit = self.shared.head().number;
        while let Some(step) = walk.step(self.store(), limit)? {
            let (name, after) = walk.place();
            if name != segment.name() {
                break;
            }
            if let Step::Message(message, header) = step {
                index.pass(&header);
                if let Message::Batch(batch) = message {
                    index.add(&batch, after.saturating_sub(header.frame_bytes()));
                }
            }
        }
        Ok(self.keep(segment, &binding, index.to_file(&binding)))
    }

    /// Forgets a damaged index and deletes its file, so that it is made again rather than opened again.
    pub(super) fn discard(&self, name: SegmentName) {
        self.sealed.write().remove(&name);
        let path = self.path(name);
        if let Err(error) = self.store().storage.remove(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.note_failure(name);
            tracing::warn!(path = %path.display(), %error, "cannot delete a damaged index");
        }
    }

    /// Writes an index and opens it. Returns false if that fails: then its segment is not ruled out.
    fn keep(&self, segment: &Segment, binding: &Binding, contents: io::Result<Vec<u8>>) -> bool {
        let kept = contents.and_then(|contents| {
            self.write(segment.name(), &contents)?;
            let file = self.store().storage.open(&self.path(segment.name()))?;
            segment.set_sidecars(contents.len() as u64);
            SealedIndex::open(file, binding)
        });
        match kept {
            Ok(index) => {
                self.sealed.write().insert(segment.name(), Arc::new(index));
                self.failures.lock().forget(segment.name());
                true
            }
            Err(error) => {
                let segment = segment.name();
                tracing::warn!(%segment, %error, "cannot write the index of a segment");
                false
            }
        }
    }

    fn write(&self, name: SegmentName, contents: &[u8]) -> io::Result<()> {
        let storage = &self.store().storage;
        let (path, temporary) = (self.path(name), self.store().dir().join(temporary(name)));
        match storage.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = storage.create(&temporary)?;
        file.write_at(contents, 0)?;
        file.sync()?;
        // If the name is lost with the power, the index is made again.
        storage.rename(&temporary, &path)
    }

    fn path(&self, name: SegmentName) -> PathBuf {
        path(self.store(), name)
    }
}

impl Open {
    /// Returns the index of a segment that follows this one, without any message.
    fn before(&self, segment: SegmentName) -> Self {
        let first = segment.first;
        Self {
            segment,
            index: OpenIndex::new(first),
            number: first.saturating_sub(1),
            end: self.end,
            repeated: self.number,
        }
    }

    /// Removes the messages that the next segment has too.
    fn truncate(&mut self, first: u64, entries_end: u64) {
        if self.number >= first {
            self.index.truncate(first, entries_end);
            self.number = first.saturating_sub(1);
        }
    }

    /// Reports whether it rules out nothing that was found before.
    const fn is_usable(&self) -> bool {
        self.number >= self.repeated
    }
}

/// Returns the path of the index of a segment.
pub(super) fn path(store: &Store, name: SegmentName) -> PathBuf {
    store.dir().join(format!("{}.index", name.stem()))
}

fn temporary(name: SegmentName) -> String {
    format!("{}.index.new", name.stem())
}

/// Returns the segment as its index names it.
pub(super) fn binding(store: &Store, segment: &Segment) -> Binding {
    Binding {
        marker: segment.header.marker,
        first: segment.name().first,
        bytes: segment.file_bytes(),
        last: blocks::last_hash(store, segment).unwrap_or(BatchHash::NONE),
    }
}

impl Indexes {
    /// Returns the index of a segment with a shared lock, if there is one.
    pub(super) fn with<T>(
        &self,
        name: SegmentName,
        look: impl FnOnce(&dyn Index) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let sealed = || self.sealed.read().get(&name).cloned();
        if let Some(index) = sealed() {
            return Some(look(&*index));
        }
        {
            let open = self.open.read();
            if open.segment == name && open.is_usable() {
                return Some(look(&open.index));
            }
        }
        // It may have been sealed since the first look.
        sealed().map(|index| look(&*index))
    }
}
