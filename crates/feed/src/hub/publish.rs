//! Publishing: a page into the ring, its chunks into the feeds, and its readers woken.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Hub;
use crate::chunk::{Chunk, Texts, read};
use crate::feed::feeds::{FeedOf, Group};
use crate::ring::matches::Matches;
use crate::ring::page::Page;
use crate::ring::span::Span;
use crate::shared::Shared;
use crate::signals::Head;
use crate::stream::Stream;

/// Reasons why entries were not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The stream is [closed](Hub::close).
    #[error("the stream is closed")]
    Closed,
    /// An offset may already have been given to another entry.
    #[error("offset {first} is not free: the next one is {next}")]
    OffsetTaken {
        /// The offset of the first entry.
        first: u64,
        /// The least offset that it may have.
        next: u64,
    },
    /// There are not as many offsets as entries.
    #[error("no offsets are left for {entries} entries from {first}")]
    OutOfOffsets {
        /// The offset of the first entry.
        first: u64,
        /// Number of entries.
        entries: usize,
    },
}

impl<S: Stream> Hub<S> {
    /// Appends entries to the stream and wakes every reader that needs one of them, once. Returns
    /// their offsets: entry `i` has the offset `first_offset + i`.
    ///
    /// The caller numbers: `first_offset` may leave a hole after what was published before, but not
    /// step back. JSON needs offsets below 2^53.
    ///
    /// The entries become one page, which is rendered, compressed and dropped as a whole. So the
    /// caller bounds it: in this product a batch has at most 256 entries and 512 KiB of
    /// certificates, or one entry. Larger ones are published too, at the cost of memory: neither the
    /// ring nor a feed keeps less than a page.
    ///
    /// Renders the entries for the feeds in use, in the calling thread; readers are not held up by
    /// that. Publishers wait for each other.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; then nothing was published.
    ///
    /// # Panics
    ///
    /// If the [`Stream`] does; then nothing was published either.
    pub fn publish(
        &self,
        first_offset: u64,
        entries: Vec<S::Entry>,
    ) -> Result<Range<u64>, PublishError> {
        self.append(first_offset, entries, Instant::now())
    }

    /// Appends entries that were published before this process, so long ago, so that readers which
    /// resume after them need not read the history. As [`publish`](Self::publish), but the ring counts
    /// the entries of a second by their age, however fast it is filled.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; then nothing was appended.
    ///
    /// # Panics
    ///
    /// If the [`Stream`] does; then nothing was appended either.
    pub fn restore(
        &self,
        first_offset: u64,
        entries: Vec<S::Entry>,
        age: Duration,
    ) -> Result<Range<u64>, PublishError> {
        let now = Instant::now();
        self.append(first_offset, entries, now.checked_sub(age).unwrap_or(now))
    }

    fn append(
        &self,
        first_offset: u64,
        entries: Vec<S::Entry>,
        published: Instant,
    ) -> Result<Range<u64>, PublishError> {
        let shared = &*self.shared;
        let mut texts = shared.publishing.lock();
        let head = *shared.head.borrow();
        let span = next_span(&head, first_offset, entries.len())?;
        let offsets = span.first..span.end;
        if entries.is_empty() {
            return Ok(offsets);
        }
        let mut page = shared.page(span, entries, published);
        let groups = shared.feeds_in_use();
        let chunks = shared.render(&mut page, &groups, &mut texts);
        // From here on nothing can fail: a publish happens as a whole or not at all, even if the
        // caller's rendering panics.
        for (feed, chunk) in chunks {
            feed.push(chunk);
        }
        let page = Arc::new(page);
        let (evicted, oldest) = {
            let mut ring = shared.ring.lock();
            (ring.push(Arc::clone(&page), &shared.limits), ring.oldest())
        };
        shared.head.send_modify(|head| head.advance(page.span()));
        shared.signals.lock().announce(&page);
        drop(evicted);
        for feed in groups.iter().flat_map(|(_, feeds)| feeds) {
            feed.drop_before(oldest);
        }
        Ok(offsets)
    }
}

/// Returns the span of the next page.
fn next_span(head: &Head, first: u64, entries: usize) -> Result<Span, PublishError> {
    let next = head.next;
    if head.closed {
        return Err(PublishError::Closed);
    }
    if first < next {
        return Err(PublishError::OffsetTaken { first, next });
    }
    let span = Span::new(next, first, entries, head.entries());
    span.ok_or(PublishError::OutOfOffsets { first, entries })
}

impl<S: Stream> Shared<S> {
    fn page(&self, span: Span, entries: Vec<S::Entry>, published: Instant) -> Page<S::Entry> {
        // An entry that claims to weigh nothing would make the ring's bound void.
        let weigh = |entry| self.stream.weight(entry).max(size_of::<S::Entry>()).max(1);
        let weight = entries.iter().map(weigh).fold(0, usize::saturating_add);
        let mut page = Page::new(span, entries.into(), weight, published);
        page.set_seen(|entry| self.stream.seen(entry));
        page
    }

    /// Returns the feeds to render for, after those without readers have ended.
    fn feeds_in_use(&self) -> Vec<Group<S>> {
        let (retired, groups) = {
            let mut feeds = self.feeds.lock();
            (feeds.retire(self.limits.linger), feeds.groups())
        };
        drop(retired);
        groups
    }

    /// Reads the page once, applies the filters if there are any, renders it once for each
    /// rendering, and frames it for each feed.
    fn render<'g>(
        &self,
        page: &mut Page<S::Entry>,
        groups: &'g [Group<S>],
        texts: &mut Texts,
    ) -> Vec<(&'g FeedOf<S>, Chunk)> {
        let mut chunks = Vec::new();
        let filtered = self.signals.lock().len() > 0;
        if groups.is_empty() && !filtered {
            return chunks;
        }
        let messages = read(&self.stream, page);
        let matches = if filtered { self.matches(&messages) } else { Arc::default() };
        let span = Span { matches, ..page.span().clone() };
        for (rendering, feeds) in groups {
            texts.render(&self.stream, *rendering, span.first, &messages);
            chunks.extend(feeds.iter().map(|feed| (&**feed, texts.frame(feed.framing, &span))));
        }
        drop(messages);
        page.set_matches(span.matches);
        let feeds = || groups.iter().flat_map(|(_, feeds)| feeds);
        texts.trim(feeds().any(|feed| feed.framing.is_compressed()));
        chunks
    }

    fn matches(&self, messages: &[S::Message<'_>]) -> Arc<Matches> {
        let mut found = Vec::new();
        let covered = self.stream.matching(messages, &mut found);
        Arc::new(Matches::new(covered, found, messages.len()))
    }
}
