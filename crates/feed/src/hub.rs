use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::chunk::{Chunk, Texts, read};
use crate::feeds::{FeedOf, Feeds, Group};
use crate::framing::Framing;
use crate::reader::Reader;
use crate::ring::{Page, Ring};
use crate::stream::Stream;

/// The stream: where entries are published, and readers join.
///
/// Dropping it [closes](Self::close) the stream.
pub struct Hub<S: Stream> {
    shared: Arc<Shared<S>>,
}

/// Bounds on the memory of a [`Hub`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of entries the ring keeps, by [`Stream::weight`]. The newest page is kept whatever its
    /// weight.
    pub ring_bytes: usize,
    /// Entries the ring keeps even if that takes more than `ring_bytes`.
    pub min_messages: u64,
    /// Bytes of chunks that each feed keeps; at least one chunk. Should exceed what is published at
    /// once, or readers have to render some of it again.
    pub chunk_bytes: usize,
    /// How long a feed is still rendered after its last reader left.
    pub linger: Duration,
}

impl Default for Limits {
    /// 16 MiB of entries, at least 1,000 of them; 4 MiB of chunks a feed; 60 seconds.
    fn default() -> Self {
        Self {
            ring_bytes: 16 * 1024 * 1024,
            min_messages: 1000,
            chunk_bytes: 4 * 1024 * 1024,
            linger: Duration::from_secs(60),
        }
    }
}

/// A reader, and what it has missed already.
#[derive(Debug)]
pub struct Subscription<S: Stream> {
    /// The reader, where it can go on.
    pub reader: Reader<S>,
    /// Set if that is not where it asked to go on.
    pub gap: Option<Gap>,
}

/// Why a reader does not go on exactly where it asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Entries it misses, where that is known.
    pub dropped: Option<u64>,
    /// What happened.
    pub reason: GapReason,
}

/// What happened to the offset a reader asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// It fell off the ring. The reader goes on from the oldest entry.
    Evicted,
    /// It is older than this process, which cannot tell what was published before it. The reader
    /// goes on from the oldest entry.
    BeforeStart,
    /// It has not been published yet. The reader goes on with the next entry published.
    Ahead,
}

impl GapReason {
    /// A short name in lower case, for clients and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::BeforeStart => "before_start",
            Self::Ahead => "ahead",
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
    /// Bytes of the entries in the ring.
    pub bytes: usize,
    /// Feeds rendered.
    pub feeds: usize,
    /// Readers of all feeds.
    pub readers: usize,
    /// Chunks held by all feeds.
    pub chunks: usize,
    /// Bytes of these chunks.
    pub chunk_bytes: usize,
    /// Entries lost by readers too slow for the ring, since the start; one that two readers lost
    /// counts twice.
    pub dropped: u64,
}

/// What readers are woken for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Offset of the next entry to be published.
    pub(crate) next: u64,
    pub(crate) closed: bool,
}

/// What the hub and its readers share.
pub(crate) struct Shared<S: Stream> {
    pub(crate) stream: S,
    limits: Limits,
    /// The offset of the first entry of this process.
    first: u64,
    /// Held through a whole publish; what it guards is the publisher's scratch.
    publishing: Mutex<Texts>,
    pub(crate) feeds: Mutex<Feeds<S>>,
    pub(crate) ring: Mutex<Ring<S::Entry>>,
    /// Set after the ring has what it announces.
    head: watch::Sender<Head>,
    pub(crate) dropped: AtomicU64,
}

impl<S: Stream> Hub<S> {
    /// An empty stream, the first entry of which will have the offset `first_offset`. Offsets must
    /// not run out: JSON wants them below 2^53.
    #[must_use]
    pub fn new(stream: S, limits: Limits, first_offset: u64) -> Self {
        let shared = Shared {
            stream,
            limits,
            first: first_offset,
            publishing: Mutex::default(),
            feeds: Mutex::default(),
            ring: Mutex::new(Ring::new(first_offset)),
            head: watch::Sender::new(Head { next: first_offset, closed: false }),
            dropped: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn shared(&self) -> &Shared<S> {
        &self.shared
    }

    /// Appends entries to the stream and wakes every reader once. The offsets they got.
    ///
    /// Renders them for the feeds in use, in the calling thread; readers are not held up by that.
    /// Publishers wait for each other. Once the stream is closed nothing is published: the range is
    /// empty.
    pub fn publish(&self, entries: Vec<S::Entry>) -> Range<u64> {
        let shared = &*self.shared;
        let mut texts = shared.publishing.lock();
        let Head { next: first, closed } = *shared.head.borrow();
        let pages = Page::split(entries, first, |entry| shared.stream.weight(entry));
        let Some(next) = pages.last().map(|page| page.end()).filter(|_| !closed) else {
            return first..first;
        };
        let groups = shared.feeds_in_use();
        let chunks = shared.render(&pages, &groups, &mut texts);
        // From here on nothing can fail: a publish happens as a whole or not at all, even if the
        // caller's rendering panics.
        for (feed, chunk) in chunks {
            feed.insert(chunk);
        }
        let (evicted, oldest) = {
            let mut ring = shared.ring.lock();
            (ring.push(pages, &shared.limits), ring.oldest())
        };
        shared.head.send_modify(|head| head.next = next);
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
    pub fn subscribe(
        &self,
        rendering: S::Rendering,
        framing: Framing,
        since: Option<u64>,
    ) -> Subscription<S> {
        let shared = Arc::clone(&self.shared);
        let feed = shared.feeds.lock().join(rendering, framing, shared.limits.chunk_bytes);
        let head = shared.head.subscribe();
        let (offset, gap) = shared.place(since);
        Subscription { reader: Reader::new(shared, feed, head, offset), gap }
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
        let mut stats = Stats { readers, ..shared.ring_stats() };
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

    /// Reads each page once, renders it once for each rendering, and frames it for each feed.
    fn render<'g>(
        &self,
        pages: &[Arc<Page<S::Entry>>],
        groups: &'g [Group<S>],
        texts: &mut Texts,
    ) -> Vec<(&'g FeedOf<S>, Chunk)> {
        let mut chunks = Vec::new();
        if groups.is_empty() {
            return chunks;
        }
        for page in pages {
            let messages = read(&self.stream, page);
            for (rendering, feeds) in groups {
                texts.render(&self.stream, *rendering, page, &messages);
                chunks.extend(feeds.iter().map(|feed| (&**feed, texts.frame(feed.framing))));
            }
        }
        texts.trim();
        chunks
    }

    /// Where a reader that has everything up to `since` goes on.
    fn place(&self, since: Option<u64>) -> (u64, Option<Gap>) {
        let ring = self.ring.lock();
        let (oldest, next) = (ring.oldest(), ring.next());
        let Some(since) = since else { return (next, None) };
        let Some(wanted) = since.checked_add(1).filter(|&wanted| wanted <= next) else {
            return (next, Some(Gap { dropped: None, reason: GapReason::Ahead }));
        };
        if wanted < self.first {
            (oldest, Some(Gap { dropped: None, reason: GapReason::BeforeStart }))
        } else if wanted < oldest {
            let dropped = Some(oldest - wanted);
            (oldest, Some(Gap { dropped, reason: GapReason::Evicted }))
        } else {
            (wanted, None)
        }
    }

    fn ring_stats(&self) -> Stats {
        let ring = self.ring.lock();
        Stats {
            published: ring.next() - self.first,
            entries: ring.next() - ring.oldest(),
            pages: ring.len(),
            bytes: ring.weight(),
            dropped: self.dropped.load(Ordering::Relaxed),
            ..Stats::default()
        }
    }
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
