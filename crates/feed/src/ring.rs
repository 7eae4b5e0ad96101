use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::Limits;
use crate::matches::{Matches, Place, Sieve, Span};

/// Bytes of entries a page takes before the next begins. It keeps chunks, which are rendered,
/// compressed and dropped as a whole, at a size worth handling.
pub(crate) const PAGE_WEIGHT: usize = 128 * 1024;

/// Entries published at once, or a part of them; never empty.
#[derive(Debug)]
pub(crate) struct Page<E> {
    span: Span,
    weight: usize,
    published: Instant,
    entries: Box<[E]>,
}

impl<E> Page<E> {
    /// Offset of the first entry.
    pub(crate) const fn first(&self) -> u64 {
        self.span.first
    }

    /// Offset after the last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.span.end
    }

    pub(crate) const fn span(&self) -> &Span {
        &self.span
    }

    /// Says which filters the entries passed. That takes memory too.
    pub(crate) fn matched(&mut self, matches: Arc<Matches>) {
        self.weight = self.weight.saturating_add(matches.weight());
        self.span.matches = matches;
    }

    /// The entries with their offsets.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = (u64, &E)> + DoubleEndedIterator {
        self.entries.iter().enumerate().map(|(i, entry)| (self.span.first + i as u64, entry))
    }

    /// Cuts `entries`, the first of which gets the offset `first`, into pages of at most
    /// [`PAGE_WEIGHT`], or of one entry if that is heavier.
    pub(crate) fn split(entries: Vec<E>, first: u64, weigh: impl Fn(&E) -> usize) -> Vec<Self> {
        let published = Instant::now();
        let mut pages: Vec<Self> = Vec::new();
        let mut open = Vec::new();
        let mut weight = 0_usize;
        let mut close = |open: Vec<E>, weight| {
            let first = pages.last().map_or(first, Self::end);
            let end = first + open.len() as u64;
            let span = Span { first, end, matches: Arc::default() };
            pages.push(Self { span, weight, published, entries: open.into() });
        };
        for entry in entries {
            // An entry that claims to weigh nothing would make the ring's bound void.
            let more = weigh(&entry).max(size_of::<E>()).max(1);
            if !open.is_empty() && weight.saturating_add(more) > PAGE_WEIGHT {
                close(std::mem::take(&mut open), std::mem::take(&mut weight));
            }
            open.push(entry);
            weight = weight.saturating_add(more);
        }
        if !open.is_empty() {
            close(open, weight);
        }
        pages
    }
}

/// The newest pages, contiguous, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Ring<E> {
    pages: VecDeque<Arc<Page<E>>>,
    /// First offset of what was pushed last.
    newest: u64,
    next: u64,
    weight: usize,
}

impl<E> Ring<E> {
    /// An empty ring; the first entry will have the offset `next`.
    pub(crate) const fn new(next: u64) -> Self {
        Self { pages: VecDeque::new(), newest: next, next, weight: 0 }
    }

    /// Offset of the oldest entry held; [`next`](Self::next) if there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.pages.front().map_or(self.next, |page| page.first())
    }

    /// Offset the next entry will have.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Pages held.
    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Bytes of the entries held, and of what filters matched.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    /// Time between the oldest and the newest page.
    pub(crate) fn time(&self) -> Duration {
        let ends = self.pages.front().zip(self.pages.back());
        ends.map_or(Duration::ZERO, |(old, new)| new.published.duration_since(old.published))
    }

    /// Appends the pages of one publish, which follow on, then takes out what is too much, oldest
    /// first. The caller drops the pages taken out, after the lock.
    ///
    /// These pages stay, and so do those of the publish before: a reader that is up to date may still
    /// have to write them, however much comes at once.
    pub(crate) fn push(&mut self, pages: &[Arc<Page<E>>], limits: &Limits) -> Vec<Arc<Page<E>>> {
        let stays = std::mem::replace(&mut self.newest, self.next);
        for page in pages {
            debug_assert_eq!(page.first(), self.next, "pages are contiguous");
            self.next = page.end();
            self.weight = self.weight.saturating_add(page.weight);
            self.pages.push_back(Arc::clone(page));
        }
        let mut evicted = Vec::new();
        while self.weight > limits.ring_bytes
            && self.pages.front().is_some_and(|oldest| oldest.first() < stays)
            && let Some(oldest) = self.pages.pop_front()
        {
            self.weight -= oldest.weight;
            evicted.push(oldest);
        }
        evicted
    }

    /// The newest page whose entries are all older than `offset`; without one the newest.
    pub(crate) fn newest_page(&self, offset: Option<u64>) -> Option<Arc<Page<E>>> {
        let older = |page: &&Arc<Page<E>>| offset.is_none_or(|offset| page.first() < offset);
        self.pages.iter().rev().find(older).cloned()
    }

    /// The pages from the one that holds `offset`, or from the oldest if that is gone; none at or
    /// past the head.
    fn from(&self, offset: u64) -> impl Iterator<Item = &Arc<Page<E>>> {
        let index = self.pages.partition_point(|page| page.end() <= offset);
        self.pages.range(index..)
    }

    /// The page that holds `offset`.
    pub(crate) fn page(&self, offset: u64) -> Option<&Page<E>> {
        self.from(offset).next().map(|page| &**page).filter(|page| page.first() <= offset)
    }

    /// The first of the pages [from](Self::from) `offset`, and as many more as do not pass `weight`.
    pub(crate) fn pages(&self, offset: u64, weight: usize) -> Vec<Arc<Page<E>>> {
        let mut taken = 0_usize;
        let fits = |page: &&Arc<Page<E>>| {
            let first = taken == 0;
            taken = taken.saturating_add(page.weight);
            first || taken <= weight
        };
        self.from(offset).take_while(fits).cloned().collect()
    }

    /// Takes a reader past the pages before `end` that have nothing for it, to the page that has,
    /// or that has to be looked at.
    pub(crate) fn seek(
        &self,
        place: &mut Place,
        end: u64,
        sieve: Option<&Sieve>,
    ) -> Option<Arc<Page<E>>> {
        for page in self.from(place.offset).take_while(|page| page.first() < end) {
            let selection = sieve.map(|sieve| sieve.select(page.span()));
            match selection {
                Some(Some(selection)) if selection.next(place.offset).is_none() => {
                    *place = place.pass(page.span(), page.end(), sieve);
                }
                _ => return Some(Arc::clone(page)),
            }
        }
        None
    }

    /// How many entries of `range` there are for a filter, [as far as is known](Span::count).
    pub(crate) fn count(&self, filter: u64, range: Range<u64>) -> u64 {
        let pages = self.from(range.start).take_while(|page| page.first() < range.end);
        pages.map(|page| page.span().count(filter, range.clone())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_ring_is_that_between_its_oldest_and_its_newest_page() {
        let limits = Limits { ring_bytes: 250, ..Limits::default() };
        let mut ring = Ring::new(1);
        assert_eq!(ring.time(), Duration::ZERO);
        let start = Instant::now();
        let mut push = |seconds| {
            let mut page = Page::split(vec![()], ring.next(), |()| 100).remove(0);
            page.published = start + Duration::from_secs(seconds);
            ring.push(&[Arc::new(page)], &limits);
            ring.time().as_secs()
        };
        assert_eq!([3, 10, 14, 100].map(&mut push), [0, 7, 4, 86], "two pages are kept");
    }
}
