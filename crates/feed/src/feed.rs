//! A feed: the stream in one rendering under one framing, as the chunks of it that are kept.

pub(crate) mod feeds;
mod late;
mod live;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::chunk::Chunk;
use crate::chunk::batch::{Batch, Room};
use crate::protocol::framing::Framing;
use crate::ring::filter::FilterCursor;
use crate::ring::span::Counted;
use late::LateChunks;
use live::LiveChunks;

/// Late chunks may take this part of what live ones may.
const LATE_SHARE: usize = 4;

/// The stream in one rendering under one framing: the chunks of it that are kept.
#[derive(Debug)]
pub(crate) struct Feed<R> {
    /// Tells it from every other feed of the hub, also one of the same kind that ended.
    pub(crate) id: u64,
    pub(crate) rendering: R,
    pub(crate) framing: Framing,
    /// Most bytes of live chunks to keep.
    limit: usize,
    /// Longest time to keep a live chunk.
    time: Duration,
    chunks: Mutex<Chunks>,
}

#[derive(Debug, Default)]
struct Chunks {
    live: LiveChunks,
    late: LateChunks,
}

impl<R: Copy> Feed<R> {
    pub(crate) fn new(
        id: u64,
        rendering: R,
        framing: Framing,
        limit: usize,
        time: Duration,
    ) -> Self {
        Self { id, rendering, framing, limit, time, chunks: Mutex::default() }
    }

    /// Adds to `batch` the chunks kept from where it ends, up to the first that is missing, or has
    /// no room, or of which the `filter` does not know what passes, or up to a hole: that has to be
    /// announced before what follows it.
    pub(crate) fn collect(&self, batch: &mut Batch, room: Room, filter: Option<&FilterCursor>) {
        if batch.end().offset >= room.head {
            return;
        }
        let chunks = self.chunks.lock();
        while batch.end().offset < room.head
            && let Some(chunk) = chunks.find(batch.end().offset)
            && chunk.first() <= batch.end().offset
            && batch.take(chunk, room, filter)
        {}
    }

    /// Returns the place at which the page that covers `offset` begins, if its chunk is kept.
    pub(crate) fn holds(&self, offset: u64) -> Option<Counted> {
        self.chunks.lock().find(offset).map(|chunk| chunk.span().counted())
    }

    /// Returns the offset at which the live chunks begin.
    pub(crate) fn oldest_live(&self) -> Option<u64> {
        self.chunks.lock().live.oldest()
    }

    /// Keeps the chunk of the newest page.
    pub(crate) fn push(&self, chunk: Chunk) {
        let mut chunks = self.chunks.lock();
        let dropped = chunks.live.push(Arc::new(chunk), Instant::now(), self.limit, self.time);
        drop(chunks);
        drop(dropped);
    }

    /// Returns the most bytes of late chunks to keep, unless one alone is longer.
    pub(crate) const fn late_bytes(&self) -> usize {
        self.limit / LATE_SHARE
    }

    /// Keeps chunks rendered again. If not all fit, the first is the last to go: it is the one a
    /// reader waits for.
    pub(crate) fn keep_late(&self, chunks: Vec<Chunk>) {
        let chunks: Vec<_> = chunks.into_iter().rev().map(Arc::new).collect();
        let dropped = self.chunks.lock().late.insert(chunks, self.late_bytes());
        drop(dropped);
    }

    /// Drops the chunks of pages that left the ring, whose oldest offset is now `oldest`.
    pub(crate) fn drop_before(&self, oldest: u64) {
        let dropped = {
            let mut chunks = self.chunks.lock();
            (chunks.live.drop_before(oldest), chunks.late.drop_before(oldest))
        };
        drop(dropped);
    }

    /// Returns how many chunks are kept, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let Chunks { live, late } = &*self.chunks.lock();
        (live.len() + late.len(), live.bytes() + late.bytes())
    }
}

impl Chunks {
    fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        self.live.find(offset).or_else(|| self.late.find(offset))
    }
}
