//! The range of a search, and how far it has come.

use std::ops::Range;

use journal::{Finder, Next, Order, ReadError, Searchable, Wanted};
use record::Batch;

/// The bounds that a search is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Only larger offsets.
    pub(crate) since: Option<u64>,
    /// Only offsets up to this one.
    pub(crate) until: Option<u64>,
    /// Only from the first entry on that was seen at this time or later, in milliseconds since 1970.
    pub(crate) since_time: Option<u64>,
    /// Only before the first entry that was seen at this time or later.
    pub(crate) until_time: Option<u64>,
}

impl Bounds {
    /// Returns the offset after the last entry that is asked for, of those committed now.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn end(&self, journal: Searchable<'_>) -> Result<u64, ReadError> {
        let mut end = journal.committed();
        if let Some(until) = self.until {
            end = end.min(until.saturating_add(1));
        }
        if let Some(time) = self.until_time
            && let Some(first) = journal.at_time(time)?
        {
            end = end.min(first);
        }
        Ok(end)
    }
}

/// The progress of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// The offsets that are searched in all.
    pub(crate) range: Range<u64>,
    /// Those that are not searched yet.
    pub(crate) left: Range<u64>,
    /// A part of what was asked for is damaged, no longer kept, or not indexed yet.
    pub(crate) has_lost: bool,
}

/// The part that was searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Searched {
    pub(crate) range: Range<u64>,
    /// The times at which its first entry and the one after its last were seen, in milliseconds since
    /// 1970; in place of the latter that of the last one where the next is not indexed yet.
    pub(crate) times: Option<(u64, Option<u64>)>,
}

impl Position {
    /// Begins a search. Its end is fixed here: what is committed later does not belong to it.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn begin(journal: Searchable<'_>, bounds: &Bounds) -> Result<Self, ReadError> {
        Self::begin_until(journal, bounds, bounds.end(journal)?)
    }

    /// Begins a search up to its end, the [`Bounds::end`] of earlier. What is not indexed counts as lost.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn begin_until(
        journal: Searchable<'_>,
        bounds: &Bounds,
        end: u64,
    ) -> Result<Self, ReadError> {
        let kept = journal.range();
        let deleted = journal.deleted();
        let (mut start, mut has_lost) = (kept.start, false);
        if let Some(since) = bounds.since {
            let first = since.saturating_add(1);
            has_lost |= deleted.is_some() && first < kept.start;
            start = start.max(first);
        }
        if let Some(time) = bounds.since_time {
            has_lost |= deleted.is_some_and(|newest| newest >= time);
            start = start.max(journal.from_time(time)?.unwrap_or(end));
        }
        if bounds.since.is_none() && bounds.since_time.is_none() {
            has_lost |= deleted.is_some();
        }
        let indexed = end.min(kept.end);
        has_lost |= start.max(indexed) < end;
        let range = start.min(indexed)..indexed;
        Ok(Self { left: range.clone(), range, has_lost })
    }

    /// Returns a position, of which the parameters of a request are believed, without what is not there;
    /// `None` if a part of its range is not indexed yet.
    pub(crate) fn within(self, journal: Searchable<'_>) -> Option<Self> {
        let (committed, end) = (journal.committed(), journal.range().end);
        if self.range.end.min(committed) > end {
            return None;
        }
        let until = |range: Range<u64>| range.start.min(end)..range.end.min(end);
        let has_lost = self.has_lost || self.range.end > committed;
        Some(Self { range: until(self.range), left: until(self.left), has_lost })
    }

    /// Reports whether the whole range is searched.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.left.start >= self.left.end
    }

    /// Marks an offset, and those before it in the order, as searched.
    pub(super) fn pass(&mut self, offset: u64, order: Order) {
        let Range { start, end } = self.left;
        self.left = match order {
            Order::Newest => start..offset.clamp(start, end),
            Order::Oldest => offset.saturating_add(1).clamp(start, end)..end,
        };
    }

    /// Returns the offsets of the range that come before one in the order.
    pub(super) fn before(&self, offset: u64, order: Order) -> Range<u64> {
        match order {
            Order::Newest => offset.saturating_add(1)..self.range.end,
            Order::Oldest => self.range.start..offset,
        }
    }

    /// Returns the part that is searched, with its times.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn searched(
        &self,
        journal: Searchable<'_>,
        order: Order,
    ) -> Result<Searched, ReadError> {
        let range = match order {
            Order::Newest => self.left.end..self.range.end,
            Order::Oldest => self.range.start..self.left.start,
        };
        let first = seen(journal, range.start)?.filter(|_| !range.is_empty());
        let times = match first {
            Some(first) => Some((first, seen_after(journal, &range)?)),
            None => None,
        };
        Ok(Searched { range, times })
    }
}

/// Returns the time at which the entry at an offset was seen, or that of the next one.
fn seen(journal: Searchable<'_>, offset: u64) -> Result<Option<u64>, ReadError> {
    let mut finder = journal.find(Wanted::default(), Order::Oldest, offset..journal.range().end);
    let batch = next_batch(&mut finder)?;
    Ok(batch.and_then(|batch| {
        let mut records = (batch.first_offset..).zip(&batch.records);
        records.find(|(each, _)| *each >= offset).map(|(_, record)| record.seen)
    }))
}

/// Returns the time at which the entry after a range was seen, or that of the last one in the range if the
/// next is not indexed yet; `None` if there is no other.
fn seen_after(journal: Searchable<'_>, range: &Range<u64>) -> Result<Option<u64>, ReadError> {
    let next = seen(journal, range.end)?;
    if next.is_some() || range.end >= journal.committed() {
        return Ok(next);
    }
    let mut finder = journal.find(Wanted::default(), Order::Newest, range.clone());
    let batch = next_batch(&mut finder)?;
    Ok(batch.and_then(|batch| {
        let records = (batch.first_offset..).zip(&batch.records);
        records.take_while(|(each, _)| *each < range.end).last().map(|(_, record)| record.seen)
    }))
}

/// Returns the next batch.
pub(super) fn next_batch(finder: &mut Finder<'_>) -> Result<Option<Batch>, ReadError> {
    loop {
        match finder.next_step()? {
            Next::Batch(batch) => return Ok(Some(batch)),
            Next::Nothing => {}
            Next::End => return Ok(None),
        }
    }
}
