mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::coop;

use crate::batch::Batch;
use crate::feeds::FeedOf;
use crate::framing::Framing;
use crate::gzip::Checksum;
use crate::hub::Shared;
use crate::late::{Late, Wanted};
use crate::matches::{Place, Sieve};
use crate::signals::Head;
use crate::stream::Stream;
use crate::subscription::Owner;

use write::Unfinished;
pub use write::{WRITE_BUDGET, Written};

/// Bytes of [interjected](Reader::interject) frames that may wait.
pub const MAX_INTERJECTED: usize = 4096;

/// One client's place in a feed.
///
/// All it owns is the offset of the next entry to send, and what remains of a message the socket
/// took only a part of. Dropping it counts the reader out.
///
/// To serve it is to wait until it is [`ready`](Self::ready), and to write once:
/// [`write_some`](Self::write_some) to a socket, [`next_bytes`](Self::next_bytes) for what something
/// else writes. Writing never renders: what is missing is waited for.
pub struct Reader<S: Stream> {
    shared: Arc<Shared<S>>,
    feed: Arc<FeedOf<S>>,
    /// What to read before the feed, which is compressed and cannot be entered inside a chunk.
    detour: Option<Detour<S>>,
    filter: Option<Box<Filtered<S>>>,
    head: watch::Receiver<Head>,
    at: Place,
    owner: Owner,
    /// Whether the place is inside a chunk that was begun.
    inside: bool,
    /// What it waits for, or gave up waiting for.
    late: Option<Arc<Late<S::Rendering>>>,
    unfinished: Unfinished,
    interjected: Bytes,
    /// Entries lost and not yet reported.
    lost: u64,
    /// Of what was begun and not yet reported.
    inflated: Checksum,
    /// Empty but while something is written.
    batch: Batch,
}

/// The rest of one page, plain.
struct Detour<S: Stream> {
    feed: Arc<FeedOf<S>>,
    /// Where the page ends.
    end: u64,
}

struct Filtered<S: Stream> {
    filter: Arc<S::Filter>,
    sieve: Sieve,
}

/// What a [`Reader`] has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There is something to write.
    More,
    /// The stream is closed, and everything that was published is written.
    Closed,
}

/// What a reader goes on with.
enum Due {
    /// Bytes at hand.
    Now,
    /// The page that begins at this offset, which something has to be done for.
    Late(u64),
    /// What has not been published yet, if anything will be.
    Nothing { closed: bool },
}

impl<S: Stream> Reader<S> {
    pub(crate) fn new(
        shared: Arc<Shared<S>>,
        feed: Arc<FeedOf<S>>,
        filter: Option<S::Filter>,
        head: watch::Receiver<Head>,
        at: Place,
        owner: Owner,
    ) -> Self {
        let filter = filter.map(|filter| {
            let sieve = Sieve { filter: S::filter_id(&filter), looked: None };
            Box::new(Filtered { filter: Arc::new(filter), sieve })
        });
        Self {
            shared,
            feed,
            detour: None,
            filter,
            head,
            at,
            owner,
            inside: false,
            late: None,
            unfinished: Unfinished::default(),
            interjected: Bytes::new(),
            lost: 0,
            inflated: Checksum::default(),
            batch: Batch::default(),
        }
    }

    /// Reads the rest of a page, up to `end`, from a plain feed.
    pub(crate) fn detour(&mut self, feed: Arc<FeedOf<S>>, end: u64) {
        self.detour = Some(Detour { feed, end });
    }

    /// Offset of the next entry to send. A message begun counts as sent.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.at.offset
    }

    /// Returns the last offset that is done with: everything up to it was written to this reader
    /// (a message begun counts), or searched and not for it, or counted as lost. None before the
    /// first entry there ever was.
    ///
    /// In the middle of a replay it is this reader's own place, never the head of the hub. A
    /// connection that announces it, at a [boundary](Self::at_boundary), has to announce what was
    /// [lost](Self::take_lost) first.
    ///
    /// It never steps back: the reader moves past what was searched.
    pub fn searched(&mut self) -> Option<u64> {
        if self.filter.is_some() {
            let offset = {
                let signals = self.shared.signals.lock();
                let head = *self.head.borrow();
                signals.searched(&head, self.at.offset)
            };
            // Nothing for it lies between, so it has passed no more than before.
            self.move_to(Place { offset, ..self.at });
        }
        self.at.offset.checked_sub(1)
    }

    /// Takes what was counted as lost since it was last reported, so that it can be announced before
    /// any later message: ask after each [`ready`](Self::ready), also where that was dropped. What
    /// was taken is in no [`Written`].
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// The framing of the bytes that the next [`fill`](Self::fill) or
    /// [`next_bytes`](Self::next_bytes) gives, if asked after [`ready`](Self::ready). Plain for a
    /// reader with a filter, and for one that was to be compressed as long as it is inside the page
    /// it joined in.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.feed().framing
    }

    /// Whether the connection may write frames of its own here: no message and no
    /// [interjected](Self::interject) frame is half written, nor, under [`Framing::SseGzip`], a
    /// chunk.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.unfinished.is_empty() && !(self.inside && self.framing() == Framing::SseGzip)
    }

    /// Whether something has to be written before the connection may end: the rest of what was
    /// begun, or what was [interjected](Self::interject).
    #[must_use]
    pub const fn owes(&self) -> bool {
        !self.unfinished.is_empty() || !self.interjected.is_empty()
    }

    /// Has `frame`, bytes of the connection's own (a pong, a heartbeat, a close frame), written at
    /// the next [boundary](Self::at_boundary), before any further message. It is never compressed;
    /// under [`Framing::SseGzip`] it goes out as [stored blocks](crate::gzip::stored). Whether it
    /// was taken: when [`MAX_INTERJECTED`] bytes wait already, the client does not read, and `frame`
    /// is dropped.
    pub fn interject(&mut self, frame: &[u8]) -> bool {
        let room = MAX_INTERJECTED.saturating_sub(self.interjected.len());
        if frame.len() > room {
            return false;
        }
        self.interjected = [&self.interjected[..], frame].concat().into();
        true
    }

    /// Waits until there is something to write, or the stream has ended. Woken at most once per
    /// publish, with a filter only if something passed it.
    ///
    /// What is not live has to be rendered again, which is done for all readers together with a
    /// quarter of one core; this waits for that too, without holding up the thread. A reader that
    /// fell off the ring meanwhile goes on from the oldest live chunk, and what it misses is counted
    /// as [lost](Written::lost).
    ///
    /// Cancel safe: a reader keeps its turn. Needs a Tokio runtime with time enabled.
    ///
    /// # Panics
    ///
    /// If the [`Stream`] does.
    pub async fn ready(&mut self) -> Ready {
        loop {
            match self.due() {
                Due::Now => {
                    // A reader far behind is always ready; let the task's others have their turn.
                    coop::consume_budget().await;
                    return Ready::More;
                }
                Due::Late(first) => {
                    if !self.wait_for(first).await {
                        return Ready::Closed;
                    }
                }
                Due::Nothing { closed } => {
                    if closed || self.head.changed().await.is_err() {
                        return Ready::Closed;
                    }
                }
            }
        }
    }

    fn feed(&self) -> &Arc<FeedOf<S>> {
        self.detour.as_ref().map_or(&self.feed, |detour| &detour.feed)
    }

    fn sieve(&self) -> Option<&Sieve> {
        self.filter.as_ref().map(|filtered| &filtered.sieve)
    }

    /// Finds what to go on with, past what is not for this reader or was lost to it.
    fn due(&mut self) -> Due {
        let head = *self.head.borrow_and_update();
        if !self.unfinished.is_empty() || (!self.interjected.is_empty() && self.at_boundary()) {
            return Due::Now;
        }
        self.at.offset = head.skip(self.at.offset);
        if self.at.offset >= head.next {
            return Due::Nothing { closed: head.closed };
        }
        if self.filter.is_none() && self.feed().holds(self.at.offset) {
            return Due::Now;
        }
        self.seek(&head)
    }

    /// The same by the pages themselves.
    fn seek(&mut self, head: &Head) -> Due {
        let live = self.feed.oldest_live();
        let sieve = self.filter.as_ref().map(|filtered| &filtered.sieve);
        let mut at = self.at;
        let mut lost = 0;
        let page = {
            let ring = self.shared.ring.lock();
            let place = |offset: u64| {
                let offset = offset.max(ring.oldest()).min(head.next);
                let passed = head.passed(offset, sieve.map(|sieve| sieve.filter), &ring);
                Place { offset, passed }
            };
            if at.offset < ring.oldest() {
                at = place(0);
                if at.passed > self.at.passed {
                    at = place(live.unwrap_or(0));
                    lost = at.passed.saturating_sub(self.at.passed);
                }
                self.inside = false;
            }
            ring.seek(&mut at, head.next, sieve)
        };
        self.lose(lost);
        self.move_to(at);
        let Some(page) = page else { return Due::Nothing { closed: head.closed } };
        let offset = self.at.offset.max(page.first());
        let known = self.sieve().is_none_or(|sieve| sieve.select(page.span()).is_some());
        if known && self.feed().holds(offset) { Due::Now } else { Due::Late(page.first()) }
    }

    fn lose(&mut self, entries: u64) {
        self.lost += entries;
        self.shared.dropped.fetch_add(entries, Ordering::Relaxed);
    }

    fn move_to(&mut self, place: Place) {
        self.at = place;
        // The end of a message begun is still in the old framing.
        if self.unfinished.is_empty() {
            self.detour.take_if(|detour| detour.end <= place.offset);
        }
        if let Some(filtered) = &mut self.filter {
            filtered.sieve.looked.take_if(|looked| looked.end <= place.offset);
        }
    }

    /// Waits for late work on the page that begins at `first`; false if the runtime shuts down.
    async fn wait_for(&mut self, first: u64) -> bool {
        let on = || (&self.feed, self.head.borrow().next);
        let (feed, end) = self.detour.as_ref().map_or_else(on, |to| (&to.feed, to.end));
        let filter = self.filter.as_ref().map(|filtered| Arc::clone(&filtered.filter));
        let wanted = Wanted { feed: Arc::clone(feed), first, end, filter };
        let late = self.late.insert(Late::of(&self.shared, wanted, self.owner));
        let looked = late.done().await;
        self.late = None;
        let done = looked.is_some();
        if let Some((filtered, looked)) = self.filter.as_mut().zip(looked) {
            filtered.sieve.looked = Some(looked);
        }
        done
    }
}

impl<S: Stream> Drop for Reader<S> {
    fn drop(&mut self) {
        self.shared.feeds.lock().leave(&self.feed);
        if let Some(filtered) = &self.filter {
            self.shared.signals.lock().leave(filtered.sieve.filter);
        }
    }
}

impl<S: Stream> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("rendering", &self.feed.rendering)
            .field("framing", &self.feed.framing)
            .field("filter", &self.sieve().map(|sieve| sieve.filter))
            .field("offset", &self.at.offset)
            .finish_non_exhaustive()
    }
}
