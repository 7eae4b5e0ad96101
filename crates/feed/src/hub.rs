use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::chunk::{Chunk, Texts, read};
use crate::feeds::{FeedOf, Feeds, Group};
use crate::lane::Lane;
use crate::matches::{Matches, Place, Span};
use crate::reader::Reader;
use crate::ring::{Page, Ring};
use crate::signals::{Head, Signals};
use crate::stream::Stream;
use crate::subscription::{Gap, GapReason, Request, Subscription};

/// The stream: where entries are published, and readers join.
///
/// Dropping it [closes](Self::close) the stream.
pub struct Hub<S: Stream> {
    shared: Arc<Shared<S>>,
}

/// Bounds on the memory of a [`Hub`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of entries the ring keeps, by [`Stream::weight`], with what filters found in them. What
    /// the last two publishes brought is kept whatever its weight, so that no reader that is up to
    /// date loses anything: the ring never exceeds this, or these two if they weigh more.
    pub ring_bytes: usize,
    /// Bytes of live chunks that each feed keeps, with their tables of messages; at least one chunk.
    /// Should exceed what is published at once, or readers have to wait for some of it to be rendered
    /// again. For that each feed keeps up to a quarter more; at least one chunk.
    pub chunk_bytes: usize,
    /// How long a live chunk is kept at most, once there is a newer one. Whoever is further behind has
    /// it rendered again.
    pub chunk_time: Duration,
    /// How long a feed is still rendered after its last reader left.
    pub linger: Duration,
}

impl Default for Limits {
    /// 16 MiB of entries; 4 MiB of chunks a feed, for 3 seconds; 60 seconds.
    fn default() -> Self {
        Self {
            ring_bytes: 16 * 1024 * 1024,
            chunk_bytes: 4 * 1024 * 1024,
            chunk_time: Duration::from_secs(3),
            linger: Duration::from_secs(60),
        }
    }
}

/// What a [`Hub`] holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries published.
    pub published: u64,
    /// Entries in the ring.
    pub entries: u64,
    /// Pages in the ring.
    pub pages: usize,
    /// Bytes of the entries in the ring, and of what filters found in them.
    pub bytes: usize,
    /// Time between the oldest and the newest entry in the ring: how long a client may be away and
    /// still resume without a gap.
    pub time: Duration,
    /// Feeds rendered.
    pub feeds: usize,
    /// Readers of all feeds.
    pub readers: usize,
    /// Chunks held by all feeds.
    pub chunks: usize,
    /// Bytes of these chunks, and of their tables of messages.
    pub chunk_bytes: usize,
    /// Filters that have readers.
    pub filters: usize,
    /// Entries lost by readers too slow for the ring, since the start; one that two readers lost
    /// counts twice.
    pub dropped: u64,
    /// Chunks rendered again for readers that resumed or were behind, since the start.
    pub late_chunks: u64,
}

/// What the hub and its readers share.
pub(crate) struct Shared<S: Stream> {
    pub(crate) stream: S,
    limits: Limits,
    /// The offset of the first entry of this process.
    first: u64,
    /// Every entry after this offset that was published before this process is published again.
    resent_from: u64,
    /// Held through a whole publish; what it guards is the publisher's scratch.
    publishing: Mutex<Texts>,
    pub(crate) feeds: Mutex<Feeds<S>>,
    pub(crate) signals: Mutex<Signals>,
    pub(crate) ring: Mutex<Ring<S::Entry>>,
    /// What readers without a filter are woken for. Set, like the signals, after the ring has what
    /// it announces.
    head: watch::Sender<Head>,
    pub(crate) lane: Lane,
    pub(crate) dropped: AtomicU64,
    pub(crate) late_chunks: AtomicU64,
}

impl<S: Stream> Hub<S> {
    /// An empty stream, the first entry of which will have the offset `first_offset`. Offsets must
    /// not run out: JSON wants them below 2^53.
    #[must_use]
    pub fn new(stream: S, limits: Limits, first_offset: u64) -> Self {
        Self::resumed(stream, limits, first_offset, None)
    }

    /// The same for a stream that had a process before this one, which publishes again every entry
    /// that was published after the offset `resent_from`; none where it publishes nothing again.
    ///
    /// So a reader that has everything up to an offset from there on misses nothing.
    #[must_use]
    pub fn resumed(stream: S, limits: Limits, first_offset: u64, resent_from: Option<u64>) -> Self {
        let shared = Shared {
            stream,
            limits,
            first: first_offset,
            resent_from: resent_from.unwrap_or_else(|| first_offset.saturating_sub(1)),
            publishing: Mutex::default(),
            feeds: Mutex::default(),
            signals: Mutex::default(),
            ring: Mutex::new(Ring::new(first_offset)),
            head: watch::Sender::new(Head::new(first_offset)),
            lane: Lane::default(),
            dropped: AtomicU64::new(0),
            late_chunks: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Shared<S> {
        &self.shared
    }

    /// Appends entries to the stream and wakes every reader that wants one of them, once. The
    /// offsets they got.
    ///
    /// Renders them for the feeds in use, in the calling thread; readers are not held up by that.
    /// Publishers wait for each other. Once the stream is closed nothing is published: the range is
    /// empty.
    pub fn publish(&self, entries: Vec<S::Entry>) -> Range<u64> {
        let shared = &*self.shared;
        let mut texts = shared.publishing.lock();
        let Head { next: first, closed, .. } = *shared.head.borrow();
        let mut pages = Page::split(entries, first, |entry| shared.stream.weight(entry));
        let Some(next) = pages.last().map(Page::end).filter(|_| !closed) else {
            return first..first;
        };
        let groups = shared.feeds_in_use();
        let chunks = shared.render(&mut pages, &groups, &mut texts);
        // From here on nothing can fail: a publish happens as a whole or not at all, even if the
        // caller's rendering panics.
        for (feed, chunk) in chunks {
            feed.push(chunk);
        }
        let pages: Vec<_> = pages.into_iter().map(Arc::new).collect();
        let (evicted, oldest) = {
            let mut ring = shared.ring.lock();
            (ring.push(&pages, &shared.limits), ring.oldest())
        };
        shared.head.send_modify(|head| head.advance(next));
        shared.signals.lock().announce(&pages);
        drop(evicted);
        for feed in groups.iter().flat_map(|(_, feeds)| feeds) {
            feed.drop_before(oldest);
        }
        first..next
    }

    /// Joins the stream: after entry `since`, or else with the next entry published.
    ///
    /// Nothing is missed and nothing doubled between this call and the reader's first read.
    #[must_use]
    pub fn subscribe(&self, request: Request<S>) -> Subscription<S> {
        let Request { rendering, framing, since, filter, owner } = request;
        let framing = if filter.is_some() { framing.plain() } else { framing };
        let shared = Arc::clone(&self.shared);
        let feed = shared.feeds.lock().join(rendering, framing, &shared.limits);
        let (head, Start { at, mut gap, inside }) = match &filter {
            None => (shared.head.subscribe(), shared.start(since, &shared.ring.lock())),
            Some(filter) => shared.start_filtered(since, S::filter_id(filter)),
        };
        if let Some(gap) = gap.as_mut().filter(|_| filter.is_some()) {
            gap.dropped = None;
        }
        let mut reader = Reader::new(shared, feed, filter, head, at, owner);
        if let Some(end) = inside.filter(|_| framing.keeps_context()) {
            let plain = framing.plain();
            let feed = self.shared.feeds.lock().lend(rendering, plain, &self.shared.limits);
            reader.detour(feed, end);
        }
        Subscription { reader, gap }
    }

    /// Offset of the last entry published; none before the first.
    #[must_use]
    pub fn head(&self) -> Option<u64> {
        let next = self.shared.head.borrow().next;
        (next > self.shared.first).then(|| next - 1)
    }

    /// Ends the stream: readers still get what was published, then
    /// [`Ready::Closed`](crate::Ready::Closed). Waits for a publish under way.
    pub fn close(&self) {
        let publishing = self.shared.publishing.lock();
        self.shared.head.send_modify(|head| head.closed = true);
        self.shared.signals.lock().close();
        drop(publishing);
    }

    /// What the hub holds at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &*self.shared;
        let (groups, readers) = {
            let feeds = shared.feeds.lock();
            (feeds.groups(), feeds.readers())
        };
        let mut stats = Stats {
            readers,
            filters: shared.signals.lock().len(),
            dropped: shared.dropped.load(Ordering::Relaxed),
            late_chunks: shared.late_chunks.load(Ordering::Relaxed),
            ..shared.ring_stats()
        };
        for feed in groups.iter().flat_map(|(_, feeds)| feeds) {
            let (chunks, bytes) = feed.size();
            stats.feeds += 1;
            stats.chunks += chunks;
            stats.chunk_bytes += bytes;
        }
        stats
    }
}

impl<S: Stream> Shared<S> {
    /// The feeds to render for, after those nobody reads any more have ended.
    fn feeds_in_use(&self) -> Vec<Group<S>> {
        let (retired, groups) = {
            let mut feeds = self.feeds.lock();
            (feeds.retire(self.limits.linger), feeds.groups())
        };
        drop(retired);
        groups
    }

    /// Reads each page once, filters it if anybody does, renders it once for each rendering, and
    /// frames it for each feed.
    fn render<'g>(
        &self,
        pages: &mut [Page<S::Entry>],
        groups: &'g [Group<S>],
        texts: &mut Texts,
    ) -> Vec<(&'g FeedOf<S>, Chunk)> {
        let mut chunks = Vec::new();
        let filtered = self.signals.lock().len() > 0;
        for page in pages {
            if groups.is_empty() && !filtered {
                break;
            }
            let messages = read(&self.stream, page);
            let matches = if filtered { self.matches(&messages) } else { Arc::default() };
            let span = Span { matches, ..page.span().clone() };
            for (rendering, feeds) in groups {
                texts.render(&self.stream, *rendering, span.first, &messages);
                chunks.extend(feeds.iter().map(|feed| (&**feed, texts.frame(feed.framing, &span))));
            }
            drop(messages);
            page.matched(span.matches);
        }
        let feeds = || groups.iter().flat_map(|(_, feeds)| feeds);
        texts.trim(feeds().any(|feed| feed.framing.is_compressed()));
        chunks
    }

    fn matches(&self, messages: &[S::Message<'_>]) -> Arc<Matches> {
        let mut found = Vec::new();
        let covered = self.stream.matching(messages, &mut found);
        Arc::new(Matches::new(covered, found, messages.len()))
    }

    /// Where a reader that has everything up to `since` goes on.
    fn start(&self, since: Option<u64>, ring: &Ring<S::Entry>) -> Start {
        let (offset, gap) = self.place(since, ring);
        let page = ring.page(offset).filter(|page| page.first() < offset);
        Start { at: Place { offset, passed: offset }, gap, inside: page.map(Page::end) }
    }

    /// The same for a reader with a filter, which is told of what passes from there on: whoever
    /// publishes after this has looked at the ring finds the filter among the signals.
    fn start_filtered(&self, since: Option<u64>, filter: u64) -> (watch::Receiver<Head>, Start) {
        let mut signals = self.signals.lock();
        let ring = self.ring.lock();
        let head = signals.join(filter, &ring, self.head.borrow().closed);
        let mut start = self.start(since, &ring);
        start.at.passed = head.borrow().passed(start.at.offset, Some(filter), &ring);
        (head, start)
    }

    fn place(&self, since: Option<u64>, ring: &Ring<S::Entry>) -> (u64, Option<Gap>) {
        let (oldest, next) = (ring.oldest(), ring.next());
        let Some(since) = since else { return (next, None) };
        let gap = |dropped, reason| (oldest, Some(Gap { dropped, reason }));
        let Some(wanted) = since.checked_add(1).filter(|&wanted| wanted <= next) else {
            return gap(None, GapReason::Ahead);
        };
        if wanted >= oldest {
            (wanted, None)
        } else if wanted >= self.first {
            gap(Some(oldest - wanted), GapReason::Evicted)
        } else if since < self.resent_from {
            gap(None, GapReason::BeforeStart)
        } else if oldest > self.first {
            // What is published again after it is in part gone again.
            gap(None, GapReason::Evicted)
        } else {
            (oldest, None)
        }
    }

    fn ring_stats(&self) -> Stats {
        let ring = self.ring.lock();
        Stats {
            published: ring.next() - self.first,
            entries: ring.next() - ring.oldest(),
            pages: ring.len(),
            bytes: ring.weight(),
            time: ring.time(),
            ..Stats::default()
        }
    }
}

/// Where a reader begins.
struct Start {
    at: Place,
    gap: Option<Gap>,
    /// The end of the page, if that is inside one.
    inside: Option<u64>,
}

impl<S: Stream> Drop for Hub<S> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<S: Stream> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
