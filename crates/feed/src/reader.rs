//! A client's place in the stream, and finding what to write next.

mod replay;
mod write;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::coop;

use crate::chunk::batch::Batch;
use crate::feed::feeds::FeedOf;
use crate::late::RenderRequest;
use crate::late::budget::Owner;
use crate::late::past::Past;
use crate::late::registry::LateWork;
use crate::protocol::framing::Framing;
use crate::protocol::gzip::Checksum;
use crate::ring::filter::FilterCursor;
use crate::ring::span::{Counted, Cursor};
use crate::shared::Shared;
use crate::signals::Head;
use crate::stream::Stream;

use replay::Replay;
use write::Unfinished;
pub use write::{WRITE_BUDGET, Written};

/// Bytes of [interjected](Reader::interject) frames that may wait.
pub const MAX_INTERJECTED: usize = 4096;

/// One client's place in a feed.
///
/// All it owns is the offset of the next entry to send, and the rest of a message the socket took
/// only a part of. Dropping it counts the reader out.
///
/// To serve it is to wait until it is [`ready`](Self::ready), and to write once:
/// [`write_some`](Self::write_some) to a socket, [`next_bytes`](Self::next_bytes) for what something
/// else writes. Writing never renders: what is missing is waited for.
pub struct Reader<S: Stream> {
    shared: Arc<Shared<S>>,
    feed: Arc<FeedOf<S>>,
    /// The rest of a page to read before the feed, which is compressed and cannot be entered inside
    /// a chunk.
    tail: Option<Box<PlainTail<S>>>,
    /// Set while it reads the history.
    replay: Option<Box<Replay>>,
    filter: Option<Box<Filtered<S>>>,
    head: watch::Receiver<Head>,
    at: Cursor,
    owner: Owner,
    /// True while the cursor is inside a chunk that was begun.
    inside: bool,
    /// The work it waits for, or gave up waiting for.
    late: Option<Arc<LateWork>>,
    unfinished: Unfinished,
    interjected: Bytes,
    /// Entries lost and not yet reported.
    lost: u64,
    /// The last offset that the reader knows, up to which every hole is noted.
    counted: Counted,
    /// A hole was passed and not yet reported.
    renumbered: bool,
    /// Checksum of what was begun and not yet reported.
    inflated: Checksum,
    /// Empty but while something is written.
    batch: Batch,
}

/// The rest of one page, plain.
struct PlainTail<S: Stream> {
    feed: Arc<FeedOf<S>>,
    /// The end of the page.
    end: u64,
}

struct Filtered<S: Stream> {
    filter: Arc<S::Filter>,
    cursor: FilterCursor,
}

/// The next step of a [`Reader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There is something to write.
    More,
    /// The stream is closed, and everything that was published is written.
    Closed,
}

/// The next thing that a reader needs.
enum Due {
    /// Bytes at hand.
    Now,
    /// Late work on the page that begins at this offset.
    Late(u64),
    /// A read of the history.
    History,
    /// Entries that have not been published yet, if any will be.
    Nothing { closed: bool },
}

impl<S: Stream> Reader<S> {
    pub(crate) fn new(
        shared: Arc<Shared<S>>,
        feed: Arc<FeedOf<S>>,
        filter: Option<S::Filter>,
        head: watch::Receiver<Head>,
        at: Cursor,
        owner: Owner,
    ) -> Self {
        let filter = filter.map(|filter| {
            let cursor = FilterCursor { filter: S::filter_id(&filter), backfilled: None };
            Box::new(Filtered { filter: Arc::new(filter), cursor })
        });
        Self {
            shared,
            feed,
            tail: None,
            replay: None,
            filter,
            head,
            at,
            owner,
            inside: false,
            late: None,
            unfinished: Unfinished::default(),
            interjected: Bytes::new(),
            lost: 0,
            counted: Counted::NONE,
            renumbered: false,
            inflated: Checksum::default(),
            batch: Batch::default(),
        }
    }

    /// Notes the last offset that the reader has before it begins, so that it is notified of a hole
    /// after it.
    pub(crate) const fn knows(&mut self, counted: Counted) {
        self.counted = counted;
    }

    /// Reads the rest of a page, up to `end`, from a plain feed.
    pub(crate) fn begin_plain(&mut self, feed: Arc<FeedOf<S>>, end: u64) {
        self.tail = Some(Box::new(PlainTail { feed, end }));
    }

    /// Returns the offset of the next entry to send, or one in the hole before it. A message begun
    /// counts as sent.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.at.offset
    }

    /// Returns how many published entries this reader has not come to, whether its filter passes
    /// them or not.
    #[must_use]
    pub fn unread(&self) -> u64 {
        let ring = self.shared.ring.lock();
        let before = ring.entries_before_any(self.at.offset).unwrap_or_else(|| {
            if self.filter.is_none() { self.at.passed } else { self.shared.first_entries }
        });
        ring.entries().saturating_sub(before)
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
            self.move_to(Cursor { offset, ..self.at });
        }
        let offset = self.at.offset;
        let in_history = self.replay.as_ref().and_then(|replay| replay.entries_at(offset));
        let entries = in_history.or_else(|| self.shared.ring.lock().entries_before_any(offset));
        self.come_to(Counted::new(offset, entries));
        offset.checked_sub(1)
    }

    /// Takes the note that offsets continue after a hole: nothing is missing, but all later offsets
    /// are larger than those that follow the last one. To be announced before any later message or
    /// [offset](Self::searched): ask after each [`ready`](Self::ready) and `searched`.
    pub const fn take_renumbered(&mut self) -> bool {
        std::mem::replace(&mut self.renumbered, false)
    }

    /// Notes that the reader comes to a place, perhaps across a hole.
    const fn come_to(&mut self, place: Counted) {
        self.renumbered |= self.counted.is_hole_before(place);
        if place.is_known() {
            self.counted = place;
        }
    }

    /// Takes what was counted as lost since it was last reported, so that it can be announced before
    /// any later message: ask after each [`ready`](Self::ready), also where that was dropped. What
    /// was taken is in no [`Written`].
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Returns the framing of the bytes that the next [`fill`](Self::fill) or
    /// [`next_bytes`](Self::next_bytes) gives, if asked after [`ready`](Self::ready). Plain for a
    /// reader with a filter, and for one that was to be compressed as long as it is inside the page
    /// it joined in.
    #[must_use]
    pub fn framing(&self) -> Framing {
        match &self.replay {
            Some(replay) => replay.framing(),
            None => self.feed().framing,
        }
    }

    /// Reports whether the connection may write frames of its own here: no message and no
    /// [interjected](Self::interject) frame is half written, nor, under [`Framing::SseGzip`], a
    /// chunk.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.unfinished.is_empty() && !(self.inside && self.framing() == Framing::SseGzip)
    }

    /// Reports whether something has to be written before the connection may end: the rest of what was
    /// begun, or what was [interjected](Self::interject).
    #[must_use]
    pub const fn owes(&self) -> bool {
        !self.unfinished.is_empty() || !self.interjected.is_empty()
    }

    /// Has `frame`, bytes of the connection's own (a pong, a heartbeat, a close frame), written at
    /// the next [boundary](Self::at_boundary), before any further message. It is never compressed;
    /// under [`Framing::SseGzip`] it goes out as [stored blocks](crate::gzip::stored). Reports
    /// whether it was taken: when [`MAX_INTERJECTED`] bytes wait already, the client does not read, and `frame`
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
    /// Chunks that are not live have to be rendered again, which is done for all readers together
    /// with a quarter of one core; this waits for that too, without holding up the thread. A reader
    /// that fell off the ring meanwhile reads the [history](crate::History), if there is one.
    /// Otherwise it continues with the oldest live chunk, and what it misses is counted as
    /// [lost](Written::lost).
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
                Due::History => {
                    if !self.read_history().await {
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
        self.tail.as_ref().map_or(&self.feed, |tail| &tail.feed)
    }

    fn filter_cursor(&self) -> Option<&FilterCursor> {
        self.filter.as_ref().map(|filtered| &filtered.cursor)
    }

    fn filter_id(&self) -> Option<u64> {
        self.filter_cursor().map(|cursor| cursor.filter)
    }

    /// Finds what this reader needs next, past what is not for it or was lost to it.
    fn due(&mut self) -> Due {
        let head = *self.head.borrow_and_update();
        if !self.unfinished.is_empty() || (!self.interjected.is_empty() && self.at_boundary()) {
            return Due::Now;
        }
        self.at.offset = head.skip(self.at.offset);
        if self.replay.is_some()
            && let Some(due) = self.due_in_history(&head)
        {
            return due;
        }
        if self.at.offset >= head.next {
            return Due::Nothing { closed: head.closed };
        }
        if self.filter.is_none()
            && let Some(place) = self.feed().holds(self.at.offset)
        {
            self.come_to(place);
            self.at.offset = self.at.offset.max(place.offset);
            return Due::Now;
        }
        self.seek(&head)
    }

    /// Finds the same by the pages of the ring.
    fn seek(&mut self, head: &Head) -> Due {
        let live = self.feed.oldest_live();
        let past = self.shared.oldest_in_history();
        let filter = self.filter.as_ref().map(|filtered| &filtered.cursor);
        let mut at = self.at;
        let mut lost = 0;
        let page = {
            let ring = self.shared.ring.lock();
            let cursor = |offset: u64| {
                let offset = offset.max(ring.oldest()).min(head.next);
                let passed = head.passed(offset, filter.map(|filter| filter.filter), &ring);
                Cursor { offset, passed }
            };
            if at.offset < ring.oldest() {
                at = cursor(0);
                if at.passed > self.at.passed {
                    if past.is_some_and(|past| past < ring.oldest()) {
                        let entries = ring.entries_before_any(self.at.offset);
                        drop(ring);
                        self.replay(self.shared.past.as_ref().and_then(Past::place), entries);
                        return Due::History;
                    }
                    at = cursor(live.unwrap_or(0));
                    lost = at.passed.saturating_sub(self.at.passed);
                }
                self.inside = false;
            }
            ring.seek(&mut at, head.next, filter)
        };
        self.lose(lost);
        self.move_to(at);
        let Some(page) = page else { return Due::Nothing { closed: head.closed } };
        self.come_to(page.span().counted());
        let known = self.filter_cursor().is_none_or(|filter| filter.select(page.span()).is_some());
        if known && self.feed().holds(self.at.offset).is_some() {
            Due::Now
        } else {
            Due::Late(page.first())
        }
    }

    fn lose(&mut self, entries: u64) {
        self.lost += entries;
        self.shared.lose(entries);
    }

    fn move_to(&mut self, cursor: Cursor) {
        self.at = cursor;
        // The end of a message begun is still in the old framing.
        if self.unfinished.is_empty() {
            self.tail.take_if(|tail| tail.end <= cursor.offset);
        }
        if let Some(replay) = &mut self.replay {
            replay.drop_before(cursor.offset);
        }
        if let Some(filtered) = &mut self.filter {
            filtered.cursor.backfilled.take_if(|backfilled| backfilled.end <= cursor.offset);
        }
    }

    /// Waits for late work on the page that begins at `first`; false if the runtime shuts down.
    async fn wait_for(&mut self, first: u64) -> bool {
        let live = || (&self.feed, self.head.borrow().next);
        let (feed, end) = self.tail.as_ref().map_or_else(live, |tail| (&tail.feed, tail.end));
        let filter = self.filter.as_ref().map(|filtered| Arc::clone(&filtered.filter));
        let request = RenderRequest { feed: Arc::clone(feed), first, end, filter };
        let work = self.late.insert(request.submit(&self.shared, self.owner));
        let backfilled = work.job.done().await;
        self.late = None;
        let done = backfilled.is_some();
        if let Some((filtered, backfilled)) = self.filter.as_mut().zip(backfilled) {
            filtered.cursor.backfilled = Some(backfilled);
        }
        done
    }
}

impl<S: Stream> Drop for Reader<S> {
    fn drop(&mut self) {
        self.shared.feeds.lock().leave(&self.feed);
        if let Some(filtered) = &self.filter {
            self.shared.signals.lock().leave(filtered.cursor.filter);
        }
    }
}

impl<S: Stream> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("rendering", &self.feed.rendering)
            .field("framing", &self.feed.framing)
            .field("filter", &self.filter_id())
            .field("offset", &self.at.offset)
            .finish_non_exhaustive()
    }
}
