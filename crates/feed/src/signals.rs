//! Waking readers: the head of the stream, and for each filter what is new for it.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::ring::Ring;
use crate::ring::page::Page;
use crate::ring::span::Span;

/// The news that readers are woken for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Offset after the newest entry for the reader.
    pub(crate) next: u64,
    /// The [`passed`](crate::ring::span::Cursor::passed) of a reader that has come there.
    passed: u64,
    /// The `next` before this one. From there up to `news` nothing is for the reader.
    before: u64,
    news: u64,
    pub(crate) closed: bool,
}

impl Head {
    /// Makes the head of a stream whose first entry has the offset `next` or a later one, after
    /// `entries` others.
    pub(crate) const fn new(next: u64, entries: u64) -> Self {
        Self { next, passed: entries, before: next, news: next, closed: false }
    }

    /// Appends a page whose entries are all for the reader.
    pub(crate) fn advance(&mut self, span: &Span) {
        self.before = self.next;
        (self.next, self.news) = (span.end, self.next);
        self.passed = span.entries_before(span.end);
    }

    /// Returns how many entries there were for a reader up to `next`.
    pub(crate) const fn entries(&self) -> u64 {
        self.passed
    }

    /// Returns the offset at which a reader at `offset` continues, as nothing for it lies between.
    pub(crate) const fn skip(&self, offset: u64) -> u64 {
        if self.before <= offset && offset < self.news { self.news } else { offset }
    }

    /// Returns what a reader has passed that is at `offset`; the ring must have it, or it is no less
    /// than `next`.
    pub(crate) fn passed<E>(&self, offset: u64, filter: Option<u64>, ring: &Ring<E>) -> u64 {
        let Some(filter) = filter else { return ring.entries_before(offset) };
        if offset < self.next {
            self.passed.saturating_sub(ring.count(filter, offset..self.next))
        } else {
            self.passed + ring.count(filter, self.next..offset)
        }
    }
}

/// The filters of readers, and their signals: nothing wakes a filtered reader but entries that pass,
/// or that the filter has to be applied to.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    by_filter: BTreeMap<u64, Channel>,
    /// Offset after the newest entry that every filter here was notified of, or has nothing of.
    announced: u64,
}

#[derive(Debug)]
struct Channel {
    head: watch::Sender<Head>,
    readers: usize,
}

/// The part of a page that is news for one filter.
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
            let head = Head { closed, ..Head::new(ring.next(), passed) };
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

    /// Returns how many filters have readers.
    pub(crate) fn len(&self) -> usize {
        self.by_filter.len()
    }

    /// Wakes those readers that a published page has something for. The ring has the page already,
    /// so a filter that came since, and found it there, is not notified again.
    pub(crate) fn announce<E>(&mut self, page: &Page<E>) {
        let span = page.span();
        self.announced = span.end;
        if self.by_filter.is_empty() {
            return;
        }
        for (filter, positions) in span.matches.all() {
            if let Some(channel) = self.by_filter.get(&filter)
                && let ([first, ..], [.., last]) = (positions, positions)
            {
                let (first, end) = (span.at(*first), span.at(*last) + 1);
                channel.notify(&News { first, end, entries: positions.len() as u64 });
            }
        }
        let &Span { first, end, .. } = span;
        for channel in self.by_filter.range(span.matches.covered()..).map(|(_, channel)| channel) {
            channel.notify(&News { first, end, entries: end - first });
        }
    }

    /// Returns the offset up to which nothing is left for a reader at `offset` whose filter has come
    /// as far as `head`: that of the newest page announced, unless the reader is behind its filter.
    ///
    /// The ring and the hub's head have a page before the filters are notified of it, so neither
    /// knows what was searched.
    pub(crate) fn searched(&self, head: &Head, offset: u64) -> u64 {
        let offset = head.skip(offset);
        if offset < head.next { offset } else { offset.max(self.announced) }
    }

    /// Notifies all readers that the stream has ended.
    pub(crate) fn close(&self) {
        for channel in self.by_filter.values() {
            channel.head.send_modify(|head| head.closed = true);
        }
    }
}

impl Channel {
    /// Appends news for the filter and wakes its readers, unless it has them already.
    fn notify(&self, news: &News) {
        self.head.send_if_modified(|head| head.extend(news));
    }
}

impl Head {
    /// Appends the news, and reports whether they are any.
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
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::limits::Limits;
    use crate::ring::matches::Matches;

    /// A page of three entries, of which filter 7 found the second and no other filter any.
    fn page(ring: &Ring<u64>) -> Arc<Page<u64>> {
        let span = Span::new(ring.next(), ring.next(), 3, ring.entries()).unwrap();
        let mut page = Page::new(span, [1, 2, 3].into(), 24, Instant::now());
        page.set_matches(Arc::new(Matches::new(9, vec![(7, 1)], 3)));
        Arc::new(page)
    }

    #[test]
    fn a_filter_that_found_a_page_in_the_ring_is_not_notified_of_it_again() {
        let (mut ring, mut signals) = (Ring::new(100, 0), Signals::default());
        let limits = Limits::default();
        let early = signals.join(7, &ring, false);
        let first = page(&ring);
        ring.push(Arc::clone(&first), &limits);
        // The ring has the page, and the filters have not been notified of it.
        let searched = |signals: &Signals, head: &watch::Receiver<Head>, offset| {
            signals.searched(&head.borrow(), offset)
        };
        assert_eq!(searched(&signals, &early, 100), 100);
        // Between the ring and the announcement.
        let between = [7, 8, 9].map(|filter| signals.join(filter, &ring, false));
        signals.announce(&first);
        let second = page(&ring);
        ring.push(Arc::clone(&second), &limits);
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
        assert_eq!(searched(&signals, uncovered, 103), 103, "it was not applied");
        assert!(none.has_changed().is_ok_and(|changed| !changed));
        assert!(uncovered.has_changed().is_ok_and(|changed| changed));
        // Nothing for the filter lies between its news before and now.
        let head = *early.borrow();
        assert_eq!([101, 102, 103, 104, 105].map(|o| head.skip(o)), [101, 104, 104, 104, 105]);
    }
}
