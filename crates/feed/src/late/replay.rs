//! Late work for readers of the history: pages read from there, and rendered for the readers at one
//! place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::budget::{Owner, Permit};
use super::job::Job;
use super::{WORK_WEIGHT, backfill};
use crate::chunk::{Chunk, Texts, read};
use crate::feed::feeds::FeedOf;
use crate::history::{Fetched, HistoryPage};
use crate::protocol::framing::Framing;
use crate::ring::filter::Backfilled;
use crate::ring::page::Page;
use crate::ring::span::Span;
use crate::shared::Shared;
use crate::stream::Stream;

/// The pages that a reader of the history needs next.
pub(crate) struct ReplayRequest<S: Stream> {
    /// The feed whose rendering and framing the chunks get. It does not keep them.
    pub(crate) feed: Arc<FeedOf<S>>,
    pub(crate) filter: Option<Arc<S::Filter>>,
    /// The reader's offset.
    pub(crate) offset: u64,
    /// Pages that the history rules out need not be read.
    pub(crate) skips: bool,
    /// The reader has not begun a compressed chunk: if it is inside a page, it gets the rest plain.
    pub(crate) begins: bool,
}

/// The result: what was read for a reader at `asked`.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The offset that was asked for.
    pub(crate) asked: u64,
    /// The first page; none where there was nothing to read before the ring.
    pub(crate) start: Option<Span>,
    /// The last page.
    pub(crate) end: Option<Span>,
    /// The offset from which on it was read: nothing before it passes the filter.
    pub(crate) skipped_to: u64,
    /// The oldest offset of the ring then: nothing from there on was read.
    pub(crate) until: u64,
    pub(crate) framing: Framing,
    /// The chunks of those pages that have something for the reader.
    pub(crate) chunks: Vec<Arc<Chunk>>,
    pub(crate) backfilled: Arc<Backfilled>,
}

impl<S: Stream> ReplayRequest<S> {
    /// Begins to wait for the lane in the `owner`'s queue.
    pub(crate) fn submit(self, shared: &Arc<Shared<S>>, owner: Owner) -> Job<Arc<Replayed>> {
        let until = shared.ring.lock().oldest();
        let history = shared.past.as_ref().map(|past| Arc::clone(&past.history));
        let fetch = history.and_then(|history| history.fetch(self.offset, until, WORK_WEIGHT));
        let (working, lane) = (Arc::clone(shared), shared.lanes.replays.clone());
        let Some(fetch) = fetch else {
            let work = move |permit: Permit| Arc::new(permit.spend(|| self.work(&working)));
            let job = Job::start(work);
            lane.join(job.ticket(), owner);
            return job;
        };
        Job::start_after(
            fetch,
            move |ticket| lane.join(ticket, owner),
            move |fetched, permit: Permit| {
                Arc::new(permit.spend(|| self.take(&working, fetched, until)))
            },
        )
    }

    /// Reads and renders the pages.
    fn work(&self, shared: &Shared<S>) -> Replayed {
        let (since, until) = (Instant::now(), shared.ring.lock().oldest());
        let offset = self.skip(shared, until);
        let history = shared.past.as_ref().map(|past| &past.history);
        let pages = history.map(|history| history.pages(offset, until, WORK_WEIGHT));
        let pages = contiguous(pages.unwrap_or_default(), offset, until);
        let replayed = self.render(shared, pages, offset, until);
        replayed.note_time(shared, since.elapsed());
        replayed
    }

    /// Renders the pages that were fetched up to `until`.
    fn take(&self, shared: &Shared<S>, fetched: Fetched<S::Entry>, until: u64) -> Replayed {
        let (since, Fetched { pages, time }) = (Instant::now(), fetched);
        let pages = contiguous(pages, self.offset, until);
        let replayed = self.render(shared, pages, self.offset, until);
        // Meanwhile the next ones are fetched.
        replayed.note_time(shared, time.max(since.elapsed()));
        replayed
    }

    /// Returns the offset from which on something may be for the reader.
    fn skip(&self, shared: &Shared<S>, end: u64) -> u64 {
        let (Some(filter), Some(past)) = (&self.filter, &shared.past) else { return self.offset };
        if self.offset >= end || !self.skips {
            return self.offset;
        }
        past.history.skip(filter, self.offset, end).clamp(self.offset, end)
    }

    /// Renders the pages, up to the bytes that late chunks may take.
    fn render(
        &self,
        shared: &Shared<S>,
        pages: Vec<Page<S::Entry>>,
        skipped_to: u64,
        until: u64,
    ) -> Replayed {
        let first = pages.first().map_or(skipped_to, Page::first);
        // Of a page begun plain, the rest is plain, and what follows is for another read.
        let context = self.feed.framing.keeps_context();
        let is_plain = context && self.begins && self.offset > first && !pages.is_empty();
        let framing = if is_plain { self.feed.framing.plain() } else { self.feed.framing };
        let (mut start, mut end) = (None, None);
        let (mut passed, mut chunks, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut texts = Texts::default();
        for page in pages {
            if let Some(chunk) = self.chunk(shared, &page, framing, &mut texts, &mut passed) {
                bytes += chunk.weight();
                chunks.push(chunk);
            }
            start.get_or_insert_with(|| page.span().clone());
            end = Some(page.span().clone());
            if is_plain || bytes >= self.feed.late_bytes() {
                break;
            }
        }
        let after = end.as_ref().map_or(first, |span: &Span| span.end);
        let backfilled = Arc::new(Backfilled { first, end: after, passed: passed.into() });
        let asked = self.offset;
        Replayed { asked, start, end, skipped_to, until, framing, chunks, backfilled }
    }

    /// Returns the chunk of a page: that of another reader, or else a new one; none if nothing passes the
    /// filter. Appends the offsets that do.
    fn chunk(
        &self,
        shared: &Shared<S>,
        page: &Page<S::Entry>,
        framing: Framing,
        texts: &mut Texts,
        passed: &mut Vec<u64>,
    ) -> Option<Arc<Chunk>> {
        let held = shared.past.as_ref().map(|past| &past.held);
        let found = held.and_then(|held| held.find(self.feed.id, framing, page.span()));
        if self.filter.is_none() && found.is_some() {
            return found;
        }
        let messages = read(&shared.stream, page);
        if !backfill(&shared.stream, self.filter.as_deref(), page, &messages, passed) {
            return None;
        }
        if found.is_some() {
            return found;
        }
        texts.render(&shared.stream, self.feed.rendering, page.first(), &messages);
        let chunk = Arc::new(texts.frame(framing, page.span()));
        shared.late_chunks.fetch_add(1, Ordering::Relaxed);
        if let Some(held) = held {
            held.note(self.feed.id, framing, &chunk);
        }
        Some(chunk)
    }
}

impl Replayed {
    /// Notes how long it took, by which readers are admitted.
    fn note_time<S: Stream>(&self, shared: &Shared<S>, time: Duration) {
        if let (Some(past), Some(start), Some(last)) = (&shared.past, &self.start, &self.end) {
            let entries = last.entries_before(last.end).saturating_sub(start.before);
            past.has_read(entries, time);
        }
    }
}

/// Returns the pages from the one that covers `offset`, or else the next, up to the first that does
/// not follow the one before it, or follows it after a hole: whether something is missing there, the
/// next read decides.
fn contiguous<E>(pages: Vec<HistoryPage<E>>, offset: u64, end: u64) -> Vec<Page<E>> {
    let now = Instant::now();
    let mut contiguous: Vec<Page<E>> = Vec::with_capacity(pages.len());
    for HistoryPage { from, first, before, entries } in pages {
        let Some(span) = Span::new(from, first, entries.len(), before) else { break };
        if entries.is_empty() || span.end <= offset {
            continue;
        }
        let follows = contiguous.last().is_none_or(|last| {
            let last = last.span();
            from == last.end && first == from && before == last.entries_before(last.end)
        });
        if !follows || span.end > end {
            break;
        }
        contiguous.push(Page::new(span, entries, 0, now));
    }
    contiguous
}
