//! The offsets of a page, and the cursor that a reader moves over them.

use std::ops::Range;
use std::sync::Arc;

use crate::ring::matches::Matches;

/// The offsets of a page, and the filters that its entries passed.
///
/// The offsets of its entries are contiguous. Between two pages there may be a hole, which belongs
/// to the page after it: so every offset belongs to one page, and there is nothing to find out about
/// the offset in a hole but that page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The end of the page before. From here up to `first` there is a hole.
    pub(crate) from: u64,
    /// Offset of the first entry.
    pub(crate) first: u64,
    /// Offset after the last entry.
    pub(crate) end: u64,
    /// Entries published before the first one, since the stream began.
    pub(crate) before: u64,
    pub(crate) matches: Arc<Matches>,
}

impl Span {
    /// Returns the span of `entries` entries that were published with the offset `first`, after
    /// `before` other ones that end at `from`; none if the offsets run out.
    pub(crate) fn new(from: u64, first: u64, entries: usize, before: u64) -> Option<Self> {
        let end = first.checked_add(entries as u64)?;
        (from <= first).then(|| Self { from, first, end, before, matches: Arc::default() })
    }

    /// Reports whether an offset is that of an entry, or in the hole before the first.
    pub(crate) const fn covers(&self, offset: u64) -> bool {
        self.from <= offset && offset < self.end
    }

    /// Returns the offset of the first entry at or after an offset that the span covers.
    pub(crate) fn entry_at(&self, offset: u64) -> u64 {
        offset.max(self.first)
    }

    /// Returns how many entries the stream has before an offset in here, or the end.
    pub(crate) fn entries_before(&self, offset: u64) -> u64 {
        self.before + (offset.clamp(self.first, self.end) - self.first)
    }

    /// Returns the first entry's offset, with the number of entries before it.
    pub(crate) const fn counted(&self) -> Counted {
        Counted { offset: self.first, entries: self.before }
    }

    /// Returns how many entries of `range` there are for a filter. Where it was not applied, any may
    /// be for it, so all of them count.
    pub(crate) fn count(&self, filter: u64, range: Range<u64>) -> u64 {
        let range = range.start.max(self.first)..range.end.min(self.end);
        if range.is_empty() {
            return 0;
        }
        match self.matches.of(filter) {
            Some(positions) => {
                let before = |offset: u64| positions.partition_point(|&p| self.at(p) < offset);
                (before(range.end) - before(range.start)) as u64
            }
            None => range.end - range.start,
        }
    }

    /// Returns the offset of a position.
    pub(crate) fn at(&self, position: u32) -> u64 {
        self.first + u64::from(position)
    }
}

/// An offset, and how many entries the stream has before it.
///
/// Two of them tell a hole from a loss: across a hole the offsets grow by more than the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) offset: u64,
    entries: u64,
}

impl Counted {
    /// Stands for a number of entries that is not known.
    const UNKNOWN: u64 = u64::MAX;
    /// The place of a reader that knows no offset: no hole follows it.
    pub(crate) const NONE: Self = Self { offset: u64::MAX, entries: Self::UNKNOWN };

    /// Makes a place from the number of entries before it, if that is known.
    pub(crate) fn new(offset: u64, entries: Option<u64>) -> Self {
        Self { offset, entries: entries.unwrap_or(Self::UNKNOWN) }
    }

    /// Reports whether the number of entries is known.
    pub(crate) const fn is_known(self) -> bool {
        self.entries != Self::UNKNOWN
    }

    /// Reports whether a hole lies between this and a later one.
    pub(crate) const fn is_hole_before(self, later: Self) -> bool {
        self.is_known()
            && later.is_known()
            && later.offset.saturating_sub(self.offset) > later.entries.saturating_sub(self.entries)
    }
}

/// The place that a reader has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Offset of the next entry, or an offset in the hole before it.
    pub(crate) offset: u64,
    /// Entries before it that were for the reader. With a filter only differences mean something;
    /// without one it counts all entries since the stream began.
    pub(crate) passed: u64,
}

impl Cursor {
    /// Returns the cursor in or after the page `span` that a reader with this `filter` moves to at
    /// `offset`.
    pub(crate) fn pass(self, span: &Span, offset: u64, filter: Option<u64>) -> Self {
        let passed = match filter {
            Some(filter) => self.passed + span.count(filter, self.offset..offset),
            None => span.entries_before(offset),
        };
        Self { offset, passed }
    }
}
