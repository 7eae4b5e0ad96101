//! A journal that can be searched: one that is open, or one that is read from outside.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;

use super::finder::{Finder, Order, Paused, Wanted};
use super::indexes::{binding, path};
use super::{Index, Indexes, SealedIndex};
use crate::damage::Damage;
use crate::error::ReadError;
use crate::format::SegmentName;
use crate::read::time::{self, Moment};
use crate::segment::{Segment, Store};

/// A look into an index.
pub(crate) type Look<'l> = dyn FnMut(&dyn Index) -> io::Result<()> + 'l;

/// Segments, and the indexes of some of them.
pub(crate) trait Source: Debug {
    fn store(&self) -> &Store;

    /// Returns the number of the last message that may be read.
    fn head(&self) -> u64;

    /// Returns the offset up to which everything can be found.
    fn end(&self) -> u64;

    /// Returns the offset after the last entry that is committed.
    fn committed(&self) -> u64 {
        self.end()
    }

    /// Looks into the index of a segment. Returns false if it has none that can be used.
    fn look(&self, segment: &Segment, look: &mut Look<'_>) -> bool;

    fn note(&self, damage: &Damage);
}

/// A journal as searches see it.
#[derive(Clone, Copy, Debug)]
pub struct Searchable<'s>(pub(crate) &'s dyn Source);

impl<'s> Searchable<'s> {
    /// Returns the offsets that can be found: from the oldest one kept up to the last one that is
    /// indexed.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let end = self.0.end();
        let first = self.0.store().first();
        let start = first.map_or(end, |first| first.header.totals.next_offset);
        start.min(end)..end
    }

    /// Returns the offset after the last entry that is committed: beyond the range if that is not indexed
    /// yet.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.0.committed().max(self.0.end())
    }

    /// Returns the newest time at which an entry was seen that is no longer kept, in milliseconds since
    /// 1970; `None` if all are kept.
    #[must_use]
    pub fn deleted(&self) -> Option<u64> {
        let totals = self.0.store().first()?.header.totals;
        (totals.entries > 0).then_some(totals.newest)
    }

    /// Returns the lowest offset of an entry seen at `time` or later, in milliseconds since 1970.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn at_time(&self, time: u64) -> Result<Option<u64>, ReadError> {
        Ok(self.moment(time)?.map(|moment| moment.offset))
    }

    /// Returns the offset from which on an entry may have been seen at `time` or later. It is before
    /// [`at_time`](Self::at_time) if such entries may be lost.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn from_time(&self, time: u64) -> Result<Option<u64>, ReadError> {
        Ok(self.moment(time)?.map(|moment| moment.lowest))
    }

    fn moment(&self, time: u64) -> Result<Option<Moment>, ReadError> {
        time::find(self.0.store(), self.0.head(), time, |damage| self.0.note(damage))
    }

    /// Begins a search in a range of offsets.
    #[must_use]
    pub fn find(&self, wanted: Wanted, order: Order, range: Range<u64>) -> Finder<'s> {
        Finder::new(self.0, wanted, order, range)
    }

    /// Continues a search of this journal.
    #[must_use]
    pub fn resume(&self, paused: Paused) -> Finder<'s> {
        Finder::resume(self.0, paused)
    }
}

impl Indexes {
    /// Returns the journal as searches see it.
    #[must_use]
    pub const fn searchable(&self) -> Searchable<'_> {
        Searchable(self)
    }
}

impl Source for Indexes {
    fn store(&self) -> &Store {
        &self.shared.store
    }

    fn head(&self) -> u64 {
        self.shared.head().number
    }

    fn end(&self) -> u64 {
        let open = self.open.read();
        let (segment, _) = Source::store(self).at(open.segment);
        let begin = segment.filter(|segment| segment.name() == open.segment);
        open.end.max(begin.map_or(0, |segment| segment.header.totals.next_offset))
    }

    fn committed(&self) -> u64 {
        let head = self.shared.head();
        if head.entries > 0 { head.entries_end } else { 0 }
    }

    fn look(&self, segment: &Segment, look: &mut Look<'_>) -> bool {
        self.look(segment, look).is_some()
    }

    fn note(&self, damage: &Damage) {
        self.shared.damage.note(damage);
    }
}

/// The index files of a journal that is read from outside. They are only read.
#[derive(Debug, Default)]
pub(crate) struct Files(Mutex<BTreeMap<SegmentName, Option<Arc<SealedIndex>>>>);

impl Files {
    /// Looks into the index file of a segment. Returns false if there is none that can be used.
    pub(crate) fn look(&self, store: &Store, segment: &Segment, look: &mut Look<'_>) -> bool {
        let name = segment.name();
        let open = || {
            let file = store.storage.open(&path(store, name)).ok()?;
            SealedIndex::open(file, &binding(store, segment)).ok().map(Arc::new)
        };
        let index = self.0.lock().entry(name).or_insert_with(open).clone();
        let Some(index) = index else { return false };
        look(&*index).map_or_else(
            |error| {
                tracing::warn!(segment = %name, %error, "the index is not used");
                self.0.lock().insert(name, None);
                false
            },
            |()| true,
        )
    }
}
