//! The newest pages, bounded in bytes.

pub(crate) mod filter;
pub(crate) mod matches;
pub(crate) mod page;
mod runs;
pub(crate) mod span;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::Limits;
use filter::FilterCursor;
use page::Page;
use runs::Runs;
use span::Cursor;

/// Pages that are kept whatever they weigh: a reader that is up to date may still have to write the
/// page before the newest.
const LEAST_PAGES: usize = 2;

/// The newest pages. Their [spans](crate::ring::span::Span) follow each other without a gap: a hole
/// in the offsets belongs to the page after it.
#[derive(Debug)]
pub(crate) struct Ring<E> {
    pages: VecDeque<Arc<Page<E>>>,
    runs: Runs,
    next: u64,
    /// Entries published since the stream began.
    entries: u64,
    weight: usize,
    /// The latest time at which one of the entries taken out was seen; none before the first.
    evicted_seen: Option<u64>,
}

impl<E> Ring<E> {
    /// Makes an empty ring, whose first entry has the offset `next` or a later one, after `entries`
    /// others.
    pub(crate) fn new(next: u64, entries: u64) -> Self {
        let (pages, runs) = (VecDeque::new(), Runs::new(next, entries));
        Self { pages, runs, next, entries, weight: 0, evicted_seen: None }
    }

    /// Returns the offset from which on nothing is missing: that of the oldest entry, or an offset
    /// in the hole before it; [`next`](Self::next) if there is no page.
    pub(crate) fn oldest(&self) -> u64 {
        self.pages.front().map_or(self.next, |page| page.span().from)
    }

    /// Returns the offset after the newest entry.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Returns how many entries were published since the stream began.
    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns how many pages there are.
    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Returns the bytes of the entries, and of the matches of filters.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    /// Returns the time between the oldest and the newest page.
    pub(crate) fn time(&self) -> Duration {
        let ends = self.pages.front().zip(self.pages.back());
        ends.map_or(Duration::ZERO, |(old, new)| new.time_since(old))
    }

    /// Appends a page, whose span begins where the last one ends, then takes out what is too much,
    /// oldest first. The caller drops the pages taken out, after the lock.
    pub(crate) fn push(&mut self, page: Arc<Page<E>>, limits: &Limits) -> Vec<Arc<Page<E>>> {
        let span = page.span();
        debug_assert_eq!(
            (span.from, span.before),
            (self.next, self.entries),
            "spans are contiguous"
        );
        if span.first > span.from {
            self.runs.begin(span.first, span.before);
        }
        self.next = span.end;
        self.entries = span.entries_before(span.end);
        self.weight = self.weight.saturating_add(page.weight());
        self.pages.push_back(page);
        let mut evicted = Vec::new();
        while self.weight > limits.ring_bytes
            && self.pages.len() > LEAST_PAGES
            && let Some(oldest) = self.pages.pop_front()
        {
            self.weight -= oldest.weight();
            self.evicted_seen = self.evicted_seen.max(Some(oldest.seen()));
            evicted.push(oldest);
        }
        evicted
    }

    /// Reports whether one of the entries taken out was seen at `time` or later.
    pub(crate) const fn has_evicted_since(&self, time: u64) -> bool {
        match self.evicted_seen {
            Some(seen) => seen >= time,
            None => false,
        }
    }

    /// Returns the first page with an entry that was seen at `time` or later.
    pub(crate) fn page_seen(&self, time: u64) -> Option<Arc<Page<E>>> {
        self.pages.iter().find(|page| page.seen() >= time).cloned()
    }

    /// Returns how many entries were published a second, as far as the ring reaches back; none if
    /// that is less than a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        let time = self.time();
        let entries = self.entries.saturating_sub(self.entries_before(self.oldest()));
        (time >= Duration::from_secs(1)).then(|| entries as f64 / time.as_secs_f64())
    }

    /// Returns the newest page whose entries are all older than `offset`; without one the newest.
    pub(crate) fn newest_page(&self, offset: Option<u64>) -> Option<Arc<Page<E>>> {
        let older = |page: &&Arc<Page<E>>| offset.is_none_or(|offset| page.first() < offset);
        self.pages.iter().rev().find(older).cloned()
    }

    /// Returns the pages from the one that covers `offset`, or from the oldest if that is gone; none
    /// at or past the head.
    fn from(&self, offset: u64) -> impl Iterator<Item = &Arc<Page<E>>> {
        let index = self.pages.partition_point(|page| page.end() <= offset);
        self.pages.range(index..)
    }

    /// Returns the page that covers `offset`.
    pub(crate) fn page(&self, offset: u64) -> Option<&Page<E>> {
        let page = self.from(offset).next()?;
        page.span().covers(offset).then_some(&**page)
    }

    /// Returns the first of the pages [from](Self::from) `offset`, and as many more as do not pass
    /// `weight`.
    pub(crate) fn pages(&self, offset: u64, weight: usize) -> Vec<Arc<Page<E>>> {
        let mut taken = 0_usize;
        let fits = |page: &&Arc<Page<E>>| {
            let first = taken == 0;
            taken = taken.saturating_add(page.weight());
            first || taken <= weight
        };
        self.from(offset).take_while(fits).cloned().collect()
    }

    /// Moves a reader past the pages before `end` that have nothing for it, to the first entry of
    /// the page that has something, or that its filter has to be applied to.
    pub(crate) fn seek(
        &self,
        at: &mut Cursor,
        end: u64,
        filter: Option<&FilterCursor>,
    ) -> Option<Arc<Page<E>>> {
        for page in self.from(at.offset).take_while(|page| page.first() < end) {
            match filter.map(|filter| (filter.filter, filter.select(page.span()))) {
                Some((filter, Some(selection))) if selection.next(at.offset).is_none() => {
                    *at = at.pass(page.span(), page.end(), Some(filter));
                }
                _ => {
                    at.offset = page.span().entry_at(at.offset);
                    return Some(Arc::clone(page));
                }
            }
        }
        None
    }

    /// Returns how many entries of `range` there are for a filter, [as far as is
    /// known](crate::ring::span::Span::count).
    pub(crate) fn count(&self, filter: u64, range: Range<u64>) -> u64 {
        let pages = self.from(range.start).take_while(|page| page.first() < range.end);
        pages.map(|page| page.span().count(filter, range.clone())).sum()
    }

    /// Returns how many entries the stream has before `offset`, which must not be evicted.
    pub(crate) fn entries_before(&self, offset: u64) -> u64 {
        let page = self.from(offset).next();
        page.map_or(self.entries, |page| page.span().entries_before(offset))
    }

    /// Returns how many entries the stream has before `offset`, which may be evicted; none where
    /// that is no longer known.
    pub(crate) fn entries_before_any(&self, offset: u64) -> Option<u64> {
        self.runs.entries_before(offset, self.entries)
    }
}

#[cfg(test)]
mod tests;
