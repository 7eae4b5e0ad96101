use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::chunk::Chunk;
use crate::gzip::Checksum;
use crate::matches::{Place, Sieve};

/// Most slices a [`Batch`] has.
pub const MAX_SLICES: usize = 64;

/// Of which a reader's own bytes take at most this many.
const OWN_SLICES: usize = 2;

/// Pieces whose list a batch keeps when it is cleared: a reader that is up to date has one.
const KEPT_PIECES: usize = 8;

/// What a [`Reader`](crate::Reader) is about to write: shared slices of chunks, nothing copied.
///
/// It pins the chunks it points into, so it should not outlive the attempt to write it.
#[derive(Debug, Default)]
pub struct Batch {
    /// What remains of a message begun.
    pub(crate) unfinished: Bytes,
    /// The connection's own frames.
    pub(crate) interjected: Bytes,
    pub(crate) pieces: Vec<Piece>,
    bytes: usize,
    /// Where the reader has come to when all is written.
    end: Place,
}

/// Some messages of a chunk, in a row; never none.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) chunk: Arc<Chunk>,
    messages: Range<usize>,
    /// Where the reader is before it.
    start: Place,
}

/// How much a batch may take.
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

    /// Where the reader is when the piece is written.
    pub(crate) fn end(&self, sieve: Option<&Sieve>) -> Place {
        self.place(self.messages.end, sieve)
    }

    /// Where the reader is when it has all messages before `message`.
    pub(crate) fn place(&self, message: usize, sieve: Option<&Sieve>) -> Place {
        if message == self.messages.start {
            return self.start;
        }
        self.start.pass(self.chunk.span(), self.chunk.offset_before(message), sieve)
    }

    /// Returns the checksum of what its messages before `message` inflate to.
    pub(crate) fn checksum(&self, message: usize) -> Checksum {
        self.chunk.checksum(self.messages.start..message)
    }

    /// The message after its last.
    pub(crate) const fn end_message(&self) -> usize {
        self.messages.end
    }

    fn as_slice(&self) -> &[u8] {
        self.chunk.bytes().get(self.range()).unwrap_or_default()
    }
}

impl Batch {
    /// Number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The bytes in the order to write them, at most [`MAX_SLICES`] slices, none of them empty.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let own = [&self.unfinished, &self.interjected].into_iter().map(|own| &own[..]);
        let own = own.filter(|own| !own.is_empty());
        own.chain(self.pieces.iter().map(Piece::as_slice))
    }

    /// Lets go of all chunks.
    pub fn clear(&mut self) {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        *self = Self::default();
        if pieces.capacity() <= KEPT_PIECES {
            self.pieces = pieces;
        }
    }

    pub(crate) fn start(&mut self, unfinished: &Bytes, interjected: &Bytes, place: Place) {
        self.pieces.clear();
        self.unfinished = unfinished.clone();
        self.interjected = interjected.clone();
        self.bytes = unfinished.len() + interjected.len();
        self.end = place;
    }

    pub(crate) const fn end(&self) -> Place {
        self.end
    }

    /// Takes what there is room for of the chunk's messages from where the batch ends, those that
    /// pass the `sieve`: a piece for each run of them; at least one message if the batch has no
    /// bytes yet. Whether the chunk was taken to its end, so that the next may follow.
    pub(crate) fn take(&mut self, chunk: &Arc<Chunk>, room: Room, sieve: Option<&Sieve>) -> bool {
        let selection = match sieve.map(|sieve| sieve.select(chunk.span())) {
            Some(None) => return false, // not known yet
            Some(selection) => selection,
            None => None,
        };
        let mut from = chunk.message_at(self.end.offset);
        while let Some(run) = chunk.run(from, selection) {
            from = self.fit(chunk, &run, room);
            if from > run.start {
                let piece =
                    Piece { chunk: Arc::clone(chunk), messages: run.start..from, start: self.end };
                self.bytes += piece.range().len();
                self.end = piece.end(sieve);
                self.pieces.push(piece);
            }
            if from < run.end {
                return false;
            }
        }
        self.end = self.end.pass(chunk.span(), chunk.end(), sieve);
        true
    }

    /// How far into a run of messages there is room.
    fn fit(&self, chunk: &Chunk, run: &Range<usize>, room: Room) -> usize {
        if self.pieces.len() >= room.pieces {
            return run.start;
        }
        let limit = chunk.start(run.start).saturating_add(room.bytes.saturating_sub(self.bytes));
        let least = if self.bytes == 0 { run.start + 1 } else { run.start };
        chunk.message_of(limit).clamp(least, run.end)
    }

    /// The first slice, shared.
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
