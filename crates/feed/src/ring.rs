use std::collections::VecDeque;
use std::sync::Arc;

use crate::hub::Limits;

/// Bytes of entries a page takes before the next begins. It keeps chunks, which are rendered,
/// compressed and dropped as a whole, at a size worth handling.
pub(crate) const PAGE_WEIGHT: usize = 128 * 1024;

/// Entries published at once, or a part of them; never empty.
#[derive(Debug)]
pub(crate) struct Page<E> {
    first: u64,
    weight: usize,
    entries: Box<[E]>,
}

impl<E> Page<E> {
    /// Offset of the first entry.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Offset after the last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The entries with their offsets.
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = (u64, &E)> + DoubleEndedIterator {
        self.entries.iter().enumerate().map(|(i, entry)| (self.first + i as u64, entry))
    }

    /// Cuts `entries`, the first of which gets the offset `first`, into pages of at most
    /// [`PAGE_WEIGHT`], or of one entry if that is heavier.
    pub(crate) fn split(
        entries: Vec<E>,
        first: u64,
        weigh: impl Fn(&E) -> usize,
    ) -> Vec<Arc<Self>> {
        let mut pages: Vec<Arc<Self>> = Vec::new();
        let mut open = Vec::new();
        let mut weight = 0_usize;
        let mut close = |open: Vec<E>, weight| {
            let first = pages.last().map_or(first, |page| page.end());
            pages.push(Arc::new(Self { first, weight, entries: open.into() }));
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
    next: u64,
    weight: usize,
}

impl<E> Ring<E> {
    /// An empty ring; the first entry will have the offset `next`.
    pub(crate) const fn new(next: u64) -> Self {
        Self { pages: VecDeque::new(), next, weight: 0 }
    }

    /// Offset of the oldest entry held; [`next`](Self::next) if there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.pages.front().map_or(self.next, |page| page.first)
    }

    /// Offset the next entry will have.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Pages held.
    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    /// Bytes of the entries held.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    /// Appends pages that follow on, then takes out what is too much, oldest first, but never the
    /// last page. The caller drops the pages taken out, after the lock.
    pub(crate) fn push(&mut self, pages: Vec<Arc<Page<E>>>, limits: &Limits) -> Vec<Arc<Page<E>>> {
        for page in pages {
            debug_assert_eq!(page.first, self.next, "pages are contiguous");
            self.next = page.end();
            self.weight = self.weight.saturating_add(page.weight);
            self.pages.push_back(page);
        }
        let floor = limits.min_messages.max(1);
        let mut evicted = Vec::new();
        while self.weight > limits.ring_bytes
            && self.pages.front().is_some_and(|oldest| self.next - oldest.end() >= floor)
            && let Some(oldest) = self.pages.pop_front()
        {
            self.weight -= oldest.weight;
            evicted.push(oldest);
        }
        evicted
    }

    /// The newest page whose entries are all older than `offset`; without one the newest.
    pub(crate) fn newest_page(&self, offset: Option<u64>) -> Option<Arc<Page<E>>> {
        let older = |page: &&Arc<Page<E>>| offset.is_none_or(|offset| page.first < offset);
        self.pages.iter().rev().find(older).cloned()
    }

    /// The page that holds `offset`, or the oldest if that is gone; none at or past the head.
    pub(crate) fn page_at(&self, offset: u64) -> Option<Arc<Page<E>>> {
        let index = self.pages.partition_point(|page| page.end() <= offset);
        self.pages.get(index).cloned()
    }
}
