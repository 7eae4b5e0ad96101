use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use tokio::task::coop;

use crate::batch::{Batch, Piece, Room};
use crate::chunk::Chunk;
use crate::feed::Feed;
use crate::feeds::FeedOf;
use crate::hub::{Head, Shared};
use crate::stream::Stream;

/// Bytes one [`Reader::write_some`] offers the socket, at most, unless one message alone is longer.
pub const WRITE_BUDGET: usize = 256 * 1024;

/// Bytes of [interjected](Reader::interject) frames that may wait.
pub const MAX_INTERJECTED: usize = 4096;

/// One client's place in a feed.
///
/// All it owns is the offset of the next entry to send, and what remains of a message the socket
/// took only a part of. Dropping it counts the reader out.
pub struct Reader<S: Stream> {
    shared: Arc<Shared<S>>,
    feed: Arc<FeedOf<S>>,
    head: watch::Receiver<Head>,
    /// Offset of the next entry to send.
    offset: u64,
    unfinished: Unfinished,
    interjected: Bytes,
    /// Messages lost and not yet reported.
    lost: u64,
    /// Empty but while something is written.
    batch: Batch,
}

/// What the socket did not take of something it began to take; copied, so that no chunk is pinned.
#[derive(Debug, Default)]
struct Unfinished {
    bytes: Bytes,
    /// Whether it is the end of a message (and not of an interjected frame).
    message: bool,
}

/// What a [`Reader`] has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// There is something to write.
    More,
    /// The stream is closed, and everything that was published is written.
    Closed,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub bytes: usize,
    /// Messages the last byte of which was written.
    pub messages: usize,
    /// Entries that fell off the ring, since the last report, before this reader came to them.
    /// They lay before all messages written, but for the end of one begun earlier.
    pub lost: u64,
}

impl<S: Stream> Reader<S> {
    pub(crate) fn new(
        shared: Arc<Shared<S>>,
        feed: Arc<FeedOf<S>>,
        head: watch::Receiver<Head>,
        offset: u64,
    ) -> Self {
        Self {
            shared,
            feed,
            head,
            offset,
            unfinished: Unfinished::default(),
            interjected: Bytes::new(),
            lost: 0,
            batch: Batch::default(),
        }
    }

    /// Offset of the next entry to send. A message begun counts as sent.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether no message, and no [interjected](Self::interject) frame, is half written, so that the
    /// connection may write frames of its own.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.unfinished.bytes.is_empty()
    }

    /// Has `frame`, bytes of the connection's own (a pong, a heartbeat, a close frame), written at
    /// the next message boundary, before any further message. Whether it was taken: when
    /// [`MAX_INTERJECTED`] bytes wait already, the client does not read, and `frame` is dropped.
    pub fn interject(&mut self, frame: &[u8]) -> bool {
        let room = MAX_INTERJECTED.saturating_sub(self.interjected.len());
        if frame.len() > room {
            return false;
        }
        self.interjected = [&self.interjected[..], frame].concat().into();
        true
    }

    /// Waits until there is something to write, or the stream has ended. Woken at most once per
    /// publish. Cancel safe.
    pub async fn ready(&mut self) -> Ready {
        loop {
            let head = *self.head.borrow_and_update();
            if self.offset < head.next || !self.at_boundary() || !self.interjected.is_empty() {
                // A reader far behind is always ready; let the task's others have their turn.
                coop::consume_budget().await;
                return Ready::More;
            }
            if head.closed || self.head.changed().await.is_err() {
                return Ready::Closed;
            }
        }
    }

    /// Gathers what is to be written, whole messages up to the head: at most `budget` bytes (or one
    /// message if that is longer), at most [`MAX_SLICES`](crate::MAX_SLICES) slices. Shorter than
    /// the budget allows where a chunk has to be rendered, which is done for one chunk a call; even
    /// empty, where that chunk had no message.
    ///
    /// Nothing counts as written until [`advance`](Self::advance) says so.
    pub fn fill(&mut self, batch: &mut Batch, budget: usize) {
        self.gather(batch, budget, Room::ALL_PIECES);
    }

    fn gather(&mut self, batch: &mut Batch, bytes: usize, pieces: usize) {
        batch.start(&self.unfinished.bytes, &self.interjected, self.offset);
        let head = self.head.borrow().next;
        let room = Room { bytes, pieces, head };
        self.feed.collect(batch, room);
        if batch.pieces.is_empty()
            && batch.end() < head
            && let Some(chunk) = self.missing_chunk(batch)
        {
            batch.take(&chunk, room);
        }
        if batch.pieces.is_empty() {
            self.offset = batch.end(); // entries without a message
        }
    }

    /// The chunk to go on with, which the feed does not hold; from the oldest page if the right one
    /// is gone.
    fn missing_chunk(&mut self, batch: &mut Batch) -> Option<Arc<Chunk>> {
        let page = self.shared.ring.lock().page_at(batch.end())?;
        if let Some(lost @ 1..) = page.first().checked_sub(batch.end()) {
            self.lost += lost;
            self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
            batch.skip_to(page.first());
            self.offset = page.first();
        }
        let Feed { rendering, framing, .. } = *self.feed;
        let render = || Chunk::render(&self.shared.stream, rendering, framing, &page);
        Some(self.feed.chunk(page.first(), render))
    }

    /// Moves past the first `written` bytes of the `batch` that this reader [filled](Self::fill)
    /// last, and clears it. Of a message cut in two, the rest is copied.
    pub fn advance(&mut self, batch: &mut Batch, written: usize) -> Written {
        let bytes = written.min(batch.len());
        let (left, mut messages) = self.advance_own(batch, bytes);
        messages += self.advance_chunks(batch, left);
        if bytes == batch.len() {
            self.offset = self.offset.max(batch.end());
        }
        batch.clear();
        Written { bytes, messages, lost: std::mem::take(&mut self.lost) }
    }

    /// Moves past the reader's own bytes; what of `written` is left for chunks, and the messages
    /// finished.
    fn advance_own(&mut self, batch: &Batch, written: usize) -> (usize, usize) {
        let begun = written.min(batch.unfinished.len());
        self.unfinished.bytes.advance(begun);
        if !self.at_boundary() {
            return (0, 0);
        }
        let finished = std::mem::take(&mut self.unfinished).message;
        let written = written - begun;
        let own = written.min(batch.interjected.len());
        self.interjected.advance(own);
        if (1..batch.interjected.len()).contains(&own) {
            let bytes = std::mem::take(&mut self.interjected);
            self.unfinished = Unfinished { bytes, message: false };
        }
        (written - own, usize::from(finished))
    }

    /// Moves past `written` bytes of chunks; the messages finished.
    fn advance_chunks(&mut self, batch: &Batch, mut written: usize) -> usize {
        let mut messages = 0;
        for piece in &batch.pieces {
            let range = piece.range();
            if written < range.len() {
                return messages + self.cut(piece, range.start + written);
            }
            written -= range.len();
            messages += piece.count();
            self.offset = piece.end();
        }
        messages
    }

    /// The socket took the bytes of a piece before `position`; the messages that finished.
    fn cut(&mut self, piece: &Piece, position: usize) -> usize {
        let chunk = &piece.chunk;
        let message = chunk.message_of(position);
        if chunk.start(message) == position {
            if message > piece.first_message() {
                self.offset = chunk.offset_before(message);
            }
        } else {
            let rest = chunk.bytes().get(position..chunk.start(message + 1)).unwrap_or_default();
            self.unfinished = Unfinished { bytes: Bytes::copy_from_slice(rest), message: true };
            self.offset = chunk.offset_before(message + 1);
        }
        message - piece.first_message()
    }

    /// Writes once: as much as the socket takes at once of what there is, waiting only for the
    /// socket. Writes nothing if there is nothing, so wait for [`ready`](Self::ready) first.
    ///
    /// Cancel safe, and holds no chunk while it waits. Does not flush: a writer that buffers (TLS)
    /// has to be flushed when the reader is up to date.
    ///
    /// # Errors
    ///
    /// Those of the socket; [`WriteZero`](io::ErrorKind::WriteZero) if it takes nothing.
    pub async fn write_some<W>(&mut self, io: &mut W) -> io::Result<Written>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        poll_fn(|cx| self.poll_write(io, cx)).await
    }

    fn poll_write<W>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<Written>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let mut batch = std::mem::take(&mut self.batch);
        self.fill(&mut batch, WRITE_BUDGET);
        let wrote = if batch.is_empty() { Poll::Ready(Ok(0)) } else { batch.poll_write(io, cx) };
        let result = wrote.map_ok(|bytes| self.advance(&mut batch, bytes));
        batch.clear();
        self.batch = batch;
        result
    }

    /// Takes the next bytes to send, at most `budget` of them (or one message if that is longer),
    /// and counts them as written: for a connection that something else writes to, such as the body
    /// of an HTTP response. What is lost lies before the bytes. None if there is nothing to send at
    /// this moment; then wait for [`ready`](Self::ready).
    ///
    /// The bytes are a part of a shared chunk, which they pin until they are dropped.
    pub fn next_bytes(&mut self, budget: usize) -> Option<(Bytes, Written)> {
        let mut batch = std::mem::take(&mut self.batch);
        self.gather(&mut batch, budget, 1);
        let first = batch.first();
        let taken = first.map(|bytes| (self.advance(&mut batch, bytes.len()), bytes));
        batch.clear();
        self.batch = batch;
        taken.map(|(written, bytes)| (bytes, written))
    }
}

impl<S: Stream> Drop for Reader<S> {
    fn drop(&mut self) {
        self.shared.feeds.lock().leave(&self.feed);
    }
}

impl<S: Stream> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("rendering", &self.feed.rendering)
            .field("framing", &self.feed.framing)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
