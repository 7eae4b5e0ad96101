//! The slices of chunks that one write takes.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::chunk::Chunk;
use crate::protocol::gzip::Checksum;
use crate::ring::filter::FilterCursor;
use crate::ring::span::Cursor;

/// Most slices a [`Batch`] has.
pub const MAX_SLICES: usize = 64;

/// Most of these that a reader's own bytes take.
const OWN_SLICES: usize = 2;

/// Pieces whose list a batch keeps when it is cleared: a reader that is up to date has one.
const KEPT_PIECES: usize = 8;

/// The bytes a [`Reader`](crate::Reader) is about to write: shared slices of chunks, nothing copied.
///
/// It pins the chunks it points into, so it should not outlive the attempt to write it.
#[derive(Debug, Default)]
pub struct Batch {
    /// The rest of a message begun.
    pub(crate) unfinished: Bytes,
    /// The connection's own frames.
    pub(crate) interjected: Bytes,
    pub(crate) pieces: Vec<Piece>,
    bytes: usize,
    /// The cursor of the reader once all is written.
    end: Cursor,
}

/// Some messages of a chunk, in a row; never none.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) chunk: Arc<Chunk>,
    messages: Range<usize>,
    /// The cursor of the reader before it.
    start: Cursor,
}

/// The bounds of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Bytes, the reader's own included.
    pub(crate) bytes: usize,
    /// Pieces of chunks.
    pub(crate) pieces: usize,
    /// Offset not to pass.
    pub(crate) head: u64,
}

impl Room {
    pub(crate) const ALL_PIECES: usize = MAX_SLICES - OWN_SLICES;
}

impl Piece {
    pub(crate) fn range(&self) -> Range<usize> {
        self.chunk.start(self.messages.start)..self.chunk.start(self.messages.end)
    }

    pub(crate) const fn count(&self) -> usize {
        self.messages.end - self.messages.start
    }

    pub(crate) const fn first_message(&self) -> usize {
        self.messages.start
    }

    /// Returns the cursor of the reader once the piece is written.
    pub(crate) fn end(&self, filter: Option<u64>) -> Cursor {
        self.cursor(self.messages.end, filter)
    }

    /// Returns the cursor of a reader that has all messages before `message`.
    pub(crate) fn cursor(&self, message: usize, filter: Option<u64>) -> Cursor {
        if message == self.messages.start {
            return self.start;
        }
        self.start.pass(self.chunk.span(), self.chunk.offset_before(message), filter)
    }

    /// Returns the checksum of what its messages before `message` inflate to.
    pub(crate) fn checksum(&self, message: usize) -> Checksum {
        self.chunk.checksum(self.messages.start..message)
    }

    /// Returns the message after its last.
    pub(crate) const fn end_message(&self) -> usize {
        self.messages.end
    }

    fn as_slice(&self) -> &[u8] {
        self.chunk.bytes().get(self.range()).unwrap_or_default()
    }
}

impl Batch {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Reports whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns the bytes in the order to write them, at most [`MAX_SLICES`] slices, none of them empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let own = [&self.unfinished, &self.interjected].into_iter().map(|own| &own[..]);
        let own = own.filter(|own| !own.is_empty());
        own.chain(self.pieces.iter().map(Piece::as_slice))
    }

    /// Releases all chunks.
    pub fn clear(&mut self) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        *self = Self::default();
        if pieces.capacity() <= KEPT_PIECES {
            self.pieces = pieces;
        }
    }

    pub(crate) fn start(&mut self, unfinished: &Bytes, interjected: &Bytes, at: Cursor) {
        self.pieces.clear();
        self.unfinished = unfinished.clone();
        self.interjected = interjected.clone();
        self.bytes = unfinished.len() + interjected.len();
        self.end = at;
    }

    pub(crate) const fn end(&self) -> Cursor {
        self.end
    }

    /// Takes, as far as there is room, those of the chunk's messages from the batch's end on that
    /// pass the `filter`: a piece for each run of them; at least one message if the batch has no
    /// bytes yet. Reports whether the chunk was taken to its end, so that the next may follow.
    pub(crate) fn take(
        &mut self,
        chunk: &Arc<Chunk>,
        room: Room,
        filter: Option<&FilterCursor>,
    ) -> bool {
        let selection = match filter.map(|filter| filter.select(chunk.span())) {
            Some(None) => return false, // not known yet
            Some(selection) => selection,
            None => None,
        };
        let filter = filter.map(|filter| filter.filter);
        let mut from = chunk.message_at(self.end.offset);
        while let Some(run) = chunk.run(from, selection) {
            from = self.fit(chunk, &run, room);
            if from > run.start {
                let piece =
                    Piece { chunk: Arc::clone(chunk), messages: run.start..from, start: self.end };
                self.bytes += piece.range().len();
                self.end = piece.end(filter);
                self.pieces.push(piece);
            }
            if from < run.end {
                return false;
            }
        }
        self.end = self.end.pass(chunk.span(), chunk.end(), filter);
        true
    }

    /// Returns the message up to which there is room for a run of messages.
    fn fit(&self, chunk: &Chunk, run: &Range<usize>, room: Room) -> usize {
        if self.pieces.len() >= room.pieces {
            return run.start;
        }
        let limit = chunk.start(run.start).saturating_add(room.bytes.saturating_sub(self.bytes));
        let least = if self.bytes == 0 { run.start + 1 } else { run.start };
        chunk.message_of(limit).clamp(least, run.end)
    }

    /// Returns the first slice, shared.
    pub(crate) fn first(&self) -> Option<Bytes> {
        let own = [&self.unfinished, &self.interjected].into_iter().find(|own| !own.is_empty());
        own.cloned().or_else(|| {
            let piece = self.pieces.first()?;
            Some(piece.chunk.bytes().slice(piece.range()))
        })
    }

    /// Writes what the socket takes in one call; never waits holding more than the task's waker.
    pub(crate) fn poll_write<W: AsyncWrite + Unpin + ?Sized>(
        &self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let mut slices = self.slices();
        let wrote = match (slices.next(), slices.next()) {
            (Some(one), None) => io.poll_write(cx, one), // most often, and cheaper
            _ => self.poll_write_vectored(io, cx),
        };
        match ready!(wrote) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            result => Poll::Ready(result),
        }
    }

    fn poll_write_vectored<W: AsyncWrite + ?Sized>(
        &self,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        for (slot, slice) in slices.iter_mut().zip(self.slices()) {
            *slot = IoSlice::new(slice);
            count += 1;
        }
        io.poll_write_vectored(cx, &slices[..count])
    }
}
