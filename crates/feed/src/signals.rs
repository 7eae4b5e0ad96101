use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::ring::{Page, Ring};

/// What readers are woken for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Offset after the newest entry for the reader.
    pub(crate) next: u64,
    /// What a reader has [passed](crate::matches::Place::passed) that has come there.
    passed: u64,
    /// Where `next` was before. From there up to `news` nothing is for the reader.
    before: u64,
    news: u64,
    pub(crate) closed: bool,
}

impl Head {
    /// Nothing published but what may have been before `next`.
    pub(crate) const fn new(next: u64) -> Self {
        Self { next, passed: next, before: next, news: next, closed: false }
    }

    /// Appends entries that are all for the reader.
    pub(crate) const fn advance(&mut self, next: u64) {
        (self.next, self.passed, self.before, self.news) = (next, next, self.next, self.next);
    }

    /// The offset that a reader at `offset` may go on from, as nothing for it lies between.
    pub(crate) const fn skip(&self, offset: u64) -> u64 {
        if self.before <= offset && offset < self.news { self.news } else { offset }
    }

    /// What a reader has passed that is at `offset`; the ring must have it, or no less than `next`.
    pub(crate) fn passed<E>(&self, offset: u64, filter: Option<u64>, ring: &Ring<E>) -> u64 {
        let Some(filter) = filter else { return offset };
        if offset < self.next {
            self.passed.saturating_sub(ring.count(filter, offset..self.next))
        } else {
            self.passed + ring.count(filter, self.next..offset)
        }
    }
}

/// The filters of readers, and what wakes these: nothing but entries that pass, or that have to be
/// looked at.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    by_filter: BTreeMap<u64, Channel>,
    /// Offset after the newest entry that every filter here was told of, or has nothing of.
    announced: u64,
}

#[derive(Debug)]
struct Channel {
    head: watch::Sender<Head>,
    readers: usize,
}

/// What a publish has for one filter.
struct News {
    first: u64,
    end: u64,
    entries: u64,
}

impl Signals {
    /// Counts a reader of a filter. All that is in the ring may be news to it.
    pub(crate) fn join<E>(
        &mut self,
        filter: u64,
        ring: &Ring<E>,
        closed: bool,
    ) -> watch::Receiver<Head> {
        let channel = self.by_filter.entry(filter).or_insert_with(|| {
            // So much that no reader that joins in the ring has passed less than nothing.
            let passed = ring.count(filter, ring.oldest()..ring.next());
            let head = Head { passed, closed, ..Head::new(ring.next()) };
            Channel { head: watch::Sender::new(head), readers: 0 }
        });
        channel.readers += 1;
        channel.head.subscribe()
    }

    /// Counts a reader out.
    pub(crate) fn leave(&mut self, filter: u64) {
        if let Some(channel) = self.by_filter.get_mut(&filter) {
            channel.readers -= 1;
            if channel.readers == 0 {
                self.by_filter.remove(&filter);
            }
        }
    }

    /// Filters that have readers.
    pub(crate) fn len(&self) -> usize {
        self.by_filter.len()
    }

    /// Wakes those readers that published pages have something for, each once. The ring has the
    /// pages already, so a filter that came since, and found them there, is not told again.
    pub(crate) fn announce<E>(&mut self, pages: &[Arc<Page<E>>]) {
        self.announced = pages.last().map_or(self.announced, |page| page.end());
        if self.by_filter.is_empty() {
            return;
        }
        let mut news: BTreeMap<u64, News> = BTreeMap::new();
        let mut note = |filter, first, end, entries| {
            let news = news.entry(filter).or_insert(News { first, end, entries: 0 });
            news.end = end;
            news.entries += entries;
        };
        for span in pages.iter().map(|page| page.span()) {
            for (filter, positions) in span.matches.all() {
                if let ([first, ..], [.., last]) = (positions, positions) {
                    note(filter, span.at(*first), span.at(*last) + 1, positions.len() as u64);
                }
            }
            for (&filter, _) in self.by_filter.range(span.matches.covered()..) {
                note(filter, span.first, span.end, span.end - span.first);
            }
        }
        for (filter, news) in news {
            if let Some(channel) = self.by_filter.get(&filter) {
                channel.head.send_if_modified(|head| head.extend(&news));
            }
        }
    }

    /// Returns the offset up to which nothing is left for a reader at `offset` whose filter has come
    /// as far as `head`: that of the newest page announced, unless the reader is behind its filter.
    ///
    /// The ring and the hub's head have a page before the filters are told of it, so neither says
    /// what was searched.
    pub(crate) fn searched(&self, head: &Head, offset: u64) -> u64 {
        let offset = head.skip(offset);
        if offset < head.next { offset } else { offset.max(self.announced) }
    }

    /// Tells all readers that the stream has ended.
    pub(crate) fn close(&self) {
        for channel in self.by_filter.values() {
            channel.head.send_modify(|head| head.closed = true);
        }
    }
}

impl Head {
    /// Appends the news; whether they are any.
    fn extend(&mut self, news: &News) -> bool {
        if news.first < self.next {
            return false;
        }
        *self = Self {
            next: news.end,
            passed: self.passed + news.entries,
            before: self.next,
            news: news.first,
            closed: self.closed,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Limits;
    use crate::matches::Matches;

    /// A page of three entries, of which filter 7 found the second and no other filter any.
    fn page(ring: &Ring<u64>) -> Arc<Page<u64>> {
        let mut page = Page::split(vec![1, 2, 3], ring.next(), |_| 8).pop().unwrap();
        page.matched(Arc::new(Matches::new(9, vec![(7, 1)], 3)));
        Arc::new(page)
    }

    #[test]
    fn what_a_filter_found_in_the_ring_is_not_told_again() {
        let (mut ring, mut signals) = (Ring::new(100), Signals::default());
        let limits = Limits::default();
        let early = signals.join(7, &ring, false);
        let first = [page(&ring)];
        ring.push(&first, &limits);
        // The ring has the page, and the filters have not been told of it.
        let searched = |signals: &Signals, head: &watch::Receiver<Head>, offset| {
            signals.searched(&head.borrow(), offset)
        };
        assert_eq!(searched(&signals, &early, 100), 100);
        // Between the ring and the announcement.
        let between = [7, 8, 9].map(|filter| signals.join(filter, &ring, false));
        signals.announce(&first);
        let second = [page(&ring)];
        ring.push(&second, &limits);
        let passed = |head: &watch::Receiver<Head>, filter| {
            [103, 106].map(|offset| head.borrow().passed(offset, Some(filter), &ring))
        };
        let [same, none, uncovered] = &between;
        let before = [passed(none, 8), passed(uncovered, 9)];
        signals.announce(&second);
        for (head, filter, next, each) in
            [(&early, 7, 105, 1), (same, 7, 105, 1), (none, 8, 103, 0), (uncovered, 9, 106, 3)]
        {
            assert_eq!(head.borrow().next, next, "filter {filter}");
            let [at_first, at_second] = passed(head, filter);
            assert_eq!(at_second - at_first, each, "filter {filter}");
        }
        assert_eq!(before, [passed(none, 8), passed(uncovered, 9)]);
        assert_eq!(searched(&signals, none, 103), 106, "searched, and nothing passed");
        assert_eq!(searched(&signals, &early, 102), 104, "104 passed and was not written");
        assert_eq!(searched(&signals, &early, 105), 106);
        assert_eq!(searched(&signals, uncovered, 103), 103, "nobody has looked");
        assert!(none.has_changed().is_ok_and(|changed| !changed));
        assert!(uncovered.has_changed().is_ok_and(|changed| changed));
        // Nothing for the filter lies between what it was told of before and now.
        let head = *early.borrow();
        assert_eq!([101, 102, 103, 104, 105].map(|o| head.skip(o)), [101, 104, 104, 104, 105]);
    }
}
