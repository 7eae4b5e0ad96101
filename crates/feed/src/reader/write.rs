//! Gathering what a reader writes, and moving past what was written.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::Reader;
use crate::chunk::batch::{Batch, Piece, Room};
use crate::protocol::framing::Framing;
use crate::protocol::gzip::{self, Checksum};
use crate::stream::Stream;

/// Bytes one [`Reader::write_some`] offers the socket, at most, unless one message alone is longer.
pub const WRITE_BUDGET: usize = 256 * 1024;

/// The result of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub bytes: usize,
    /// Messages the last byte of which was written.
    pub messages: usize,
    /// Entries that fell off the ring, since the last report, before this reader came to them. They
    /// lay before all messages written, but for the end of one begun earlier.
    ///
    /// For a reader with a filter: those that passed it. Entries that were published before the
    /// filter was registered, and lost before it was applied to them, count in full.
    pub lost: u64,
    /// The checksum of what the bytes inflate to, under [`Framing::SseGzip`], for the
    /// [end](gzip::Member::end) of the stream. A message or frame begun counts in full.
    pub inflated: Checksum,
}

/// The rest of something the socket took only a part of; copied, so that no chunk is pinned.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    bytes: Bytes,
    /// True if it is the end of a message (and not of an interjected frame).
    message: bool,
}

impl Unfinished {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<S: Stream> Reader<S> {
    /// Gathers what is to be written, whole messages up to the head: at most `budget` bytes (or one
    /// message if that is longer), at most [`MAX_SLICES`](crate::MAX_SLICES) slices. No more than
    /// is at hand: so wait for [`ready`](Self::ready) first, and do so again where it gathers
    /// nothing.
    ///
    /// Nothing counts as written until [`advance`](Self::advance) says so.
    pub fn fill(&mut self, batch: &mut Batch, budget: usize) {
        self.gather(batch, budget, Room::ALL_PIECES);
    }

    fn gather(&mut self, batch: &mut Batch, bytes: usize, pieces: usize) {
        self.store_interjected();
        let none = Bytes::new();
        let deflated = self.framing() == Framing::SseGzip;
        let interjected = if deflated { &none } else { &self.interjected };
        batch.start(&self.unfinished.bytes, interjected, self.at);
        let head = self.head.borrow().next;
        let head = self.tail.as_ref().map_or(head, |tail| head.min(tail.end));
        let room = Room { bytes, pieces, head };
        match &self.replay {
            Some(replay) => replay.collect(batch, room, self.filter_cursor()),
            None => self.feed().collect(batch, room, self.filter_cursor()),
        }
        // Entries without a message. What is interjected is written first: it is in the framing of
        // the place where it was gathered.
        if batch.is_empty() {
            self.move_to(batch.end());
        }
    }

    /// Begins what is interjected as stored blocks if everything is deflated and this is a boundary;
    /// elsewhere it waits.
    fn store_interjected(&mut self) {
        if self.framing() == Framing::SseGzip && self.at_boundary() {
            let mut bytes = Vec::new();
            let interjected = std::mem::take(&mut self.interjected);
            gzip::stored(&interjected, &mut bytes);
            self.inflated = self.inflated.then(Checksum::of(&interjected));
            self.unfinished = Unfinished { bytes: bytes.into(), message: false };
        }
    }

    /// Moves past the first `written` bytes of the `batch` that this reader [filled](Self::fill)
    /// last, and clears it. Of a message cut in two, the rest is copied.
    pub fn advance(&mut self, batch: &mut Batch, written: usize) -> Written {
        let bytes = written.min(batch.len());
        let (left, mut messages) = self.advance_own(batch, bytes);
        messages += self.advance_chunks(batch, left);
        if bytes == batch.len() && batch.end().offset > self.at.offset {
            self.at = batch.end();
        }
        self.move_to(self.at);
        batch.clear();
        let lost = std::mem::take(&mut self.lost);
        Written { bytes, messages, lost, inflated: std::mem::take(&mut self.inflated) }
    }

    /// Moves past the reader's own bytes. Returns the part of `written` that is left for chunks, and
    /// the messages finished.
    fn advance_own(&mut self, batch: &Batch, written: usize) -> (usize, usize) {
        let begun = written.min(batch.unfinished.len());
        self.unfinished.bytes.advance(begun);
        if !self.unfinished.is_empty() {
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

    /// Moves past `written` bytes of chunks. Returns the messages finished.
    fn advance_chunks(&mut self, batch: &Batch, mut written: usize) -> usize {
        let mut messages = 0;
        for piece in &batch.pieces {
            let range = piece.range();
            if written < range.len() {
                return messages + self.cut(piece, range.start + written);
            }
            written -= range.len();
            messages += piece.count();
            self.inflated = self.inflated.then(piece.checksum(piece.end_message()));
            self.at = piece.end(self.filter_id());
            self.inside = self.at.offset < piece.chunk.end();
        }
        messages
    }

    /// Moves past the bytes of a piece before `position`. Returns the messages finished.
    fn cut(&mut self, piece: &Piece, position: usize) -> usize {
        let chunk = &piece.chunk;
        let message = chunk.message_of(position);
        let begun = chunk.start(message) < position;
        if begun {
            let rest = chunk.bytes().get(position..chunk.start(message + 1)).unwrap_or_default();
            self.unfinished = Unfinished { bytes: Bytes::copy_from_slice(rest), message: true };
        }
        self.inflated = self.inflated.then(piece.checksum(message + usize::from(begun)));
        if begun || message > piece.first_message() {
            self.at = piece.cursor(message + usize::from(begun), self.filter_id());
            self.inside = self.at.offset < chunk.end();
        }
        message - piece.first_message()
    }

    /// Writes once: as much as the socket takes at once of what is at hand, waiting only for the
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
    /// of an HTTP response. What is lost lies before the bytes. None if nothing is at hand; then
    /// wait for [`ready`](Self::ready).
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
