//! The pages that were read last from the stream: readers at nearly the same place share them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use feed::HistoryPage;
use tokio::time::{Duration, Instant};

/// Most bytes of the pages together.
pub(super) const MOST_BYTES: usize = 32 << 20;
/// Time for which a page is kept.
const KEPT: Duration = Duration::from_secs(10);

/// Pages of a stream, bounded in bytes and in age.
#[derive(Debug)]
pub(super) struct Pages<E> {
    by_first: BTreeMap<u64, Kept<E>>,
    /// The pages in the order in which they were read, and the times of that.
    order: VecDeque<(u64, Instant)>,
    bytes: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Kept<E> {
    page: HistoryPage<E>,
    weight: usize,
}

impl<E> Kept<E> {
    fn entries(&self) -> u64 {
        self.page.entries.len() as u64
    }

    /// Returns the offset after its last entry.
    fn end(&self) -> u64 {
        self.page.first.saturating_add(self.entries())
    }

    /// Reports whether the stream has nothing between this page and another one.
    fn precedes(&self, next: &Self) -> bool {
        let before = self.page.before.saturating_add(self.entries());
        next.page.from == self.end() && next.page.before == before
    }
}

impl<E> Pages<E> {
    pub(super) const fn new(most_bytes: usize) -> Self {
        Self { by_first: BTreeMap::new(), order: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Returns the page with the entry at `offset`, or after the hole there, and those known that follow
    /// it: at most `bytes` bytes, or one page; none that begins at `end` or after. Nothing if the page is
    /// not known.
    pub(super) fn find(&self, offset: u64, end: u64, bytes: usize) -> Vec<HistoryPage<E>> {
        let Some(start) = self.covering(offset).filter(|start| start.page.first < end) else {
            return Vec::new();
        };
        let (mut last, mut left) = (start, bytes.saturating_sub(start.weight));
        let mut pages = vec![start.page.clone()];
        let later = (Bound::Excluded(start.page.first), Bound::Unbounded);
        for (first, next) in self.by_first.range(later) {
            if *first >= end || !last.precedes(next) || next.weight > left {
                break;
            }
            left = left.saturating_sub(next.weight);
            pages.push(next.page.clone());
            last = next;
        }
        pages
    }

    /// Returns the page with the entry at `offset`, or after the hole there.
    fn covering(&self, offset: u64) -> Option<&Kept<E>> {
        let before = self.by_first.range(..=offset).next_back().map(|(_, before)| before);
        let after = || {
            let (_, next) = self.by_first.range(offset..).next()?;
            (next.page.from <= offset).then_some(next)
        };
        before.filter(|kept| kept.end() > offset).or_else(after)
    }

    /// Keeps a page that was read, of such a weight.
    pub(super) fn keep(&mut self, page: HistoryPage<E>, weight: usize) {
        let first = page.first;
        if let Some(known) = self.by_first.insert(first, Kept { page, weight }) {
            self.bytes = self.bytes.saturating_sub(known.weight);
        } else {
            self.order.push_back((first, Instant::now()));
        }
        self.bytes = self.bytes.saturating_add(weight);
        while self.bytes > self.most_bytes && self.drop_oldest() {}
    }

    /// Drops the pages that were read some time ago.
    pub(super) fn drop_old(&mut self) {
        let now = Instant::now();
        let is_old = |(_, read): &(u64, Instant)| now.duration_since(*read) >= KEPT;
        while self.order.front().is_some_and(is_old) && self.drop_oldest() {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((first, _)) = self.order.pop_front() else { return false };
        if let Some(dropped) = self.by_first.remove(&first) {
            self.bytes = self.bytes.saturating_sub(dropped.weight);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a page of so many entries, after others that end at `from`.
    fn page(from: u64, first: u64, before: u64, entries: usize) -> HistoryPage<u64> {
        HistoryPage { from, first, before, entries: vec![0; entries].into() }
    }

    fn firsts(pages: &Pages<u64>, offset: u64, end: u64, bytes: usize) -> Vec<u64> {
        pages.find(offset, end, bytes).iter().map(|page| page.first).collect()
    }

    /// Three pages with a hole before the second, and one that does not follow them.
    fn pages() -> Pages<u64> {
        let mut pages = Pages::new(100);
        for page in [page(10, 10, 5, 3), page(13, 20, 8, 2), page(22, 22, 10, 4)] {
            pages.keep(page, 10);
        }
        pages.keep(page(30, 30, 17, 1), 10);
        pages
    }

    #[tokio::test]
    async fn pages_are_found_by_any_offset_up_to_the_first_that_is_missing() {
        let pages = pages();
        assert_eq!(firsts(&pages, 9, 99, 99), [0; 0]);
        for offset in [10, 12] {
            assert_eq!(firsts(&pages, offset, 99, 99), [10, 20, 22]);
        }
        for offset in [13, 19, 21] {
            assert_eq!(firsts(&pages, offset, 99, 99), [20, 22], "{offset}");
        }
        assert_eq!(firsts(&pages, 26, 99, 99), [0; 0], "entries are missing after it");
        assert_eq!(firsts(&pages, 30, 99, 99), [30]);
    }

    #[tokio::test]
    async fn no_more_are_found_than_are_wanted() {
        let pages = pages();
        assert_eq!(firsts(&pages, 10, 22, 99), [10, 20]);
        assert_eq!(firsts(&pages, 10, 21, 99), [10, 20], "it begins before the end");
        assert_eq!(firsts(&pages, 10, 10, 99), [0; 0]);
        assert_eq!(firsts(&pages, 10, 99, 29), [10, 20]);
        assert_eq!(firsts(&pages, 10, 99, 0), [10], "one page always is");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_pages_go_when_there_are_too_many_bytes_or_after_some_time() {
        let mut pages = pages();
        pages.keep(page(22, 22, 10, 4), 65);
        assert_eq!((pages.bytes, pages.order.len()), (95, 4), "the same page again");
        pages.keep(page(31, 31, 18, 1), 10);
        assert_eq!((pages.bytes, pages.order.len()), (95, 4));
        assert_eq!(firsts(&pages, 10, 99, 99), [0; 0]);
        tokio::time::advance(KEPT - Duration::from_millis(1)).await;
        pages.keep(page(32, 32, 19, 1), 5);
        pages.drop_old();
        assert_eq!(pages.order.len(), 5);
        tokio::time::advance(Duration::from_millis(1)).await;
        pages.drop_old();
        assert_eq!((pages.bytes, pages.by_first.len()), (5, 1));
        assert_eq!(firsts(&pages, 32, 99, 99), [32]);
    }
}
