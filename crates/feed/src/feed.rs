use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::batch::{Batch, Room};
use crate::chunk::Chunk;
use crate::framing::Framing;
use crate::late::{self, Key};
use crate::matches::Sieve;

/// Late chunks may take this part of what live ones may.
const LATE_SHARE: usize = 4;

/// The stream in one rendering under one framing: the chunks of it that are held.
#[derive(Debug)]
pub(crate) struct Feed<R> {
    pub(crate) rendering: R,
    pub(crate) framing: Framing,
    /// Most bytes of live chunks to hold.
    limit: usize,
    /// How long to hold a live chunk.
    time: Duration,
    held: Mutex<Held>,
    /// The late work that readers wait for.
    waited_for: Mutex<BTreeMap<Key, Weak<late::Late<R>>>>,
}

#[derive(Debug, Default)]
struct Held {
    live: Live,
    late: Late,
}

/// The newest chunks, contiguous, rendered when their pages were published. Only newer ones push
/// them out: where there are too many bytes of them, and those that every reader who keeps up has had
/// for long.
#[derive(Debug, Default)]
struct Live {
    chunks: VecDeque<Arc<Chunk>>,
    /// When each came.
    since: VecDeque<Instant>,
    bytes: usize,
}

/// Chunks rendered again for readers that resume or are behind.
#[derive(Debug, Default)]
struct Late {
    /// By the first offset of the page.
    chunks: BTreeMap<u64, Arc<Chunk>>,
    /// Their keys in the order to drop them, rendered longest ago first. That is not the order of
    /// pages: what was rendered for a slow reader must not be the next to go.
    order: VecDeque<u64>,
    bytes: usize,
}

impl<R: Copy> Feed<R> {
    pub(crate) fn new(rendering: R, framing: Framing, limit: usize, time: Duration) -> Self {
        let (held, waited_for) = Default::default();
        Self { rendering, framing, limit, time, held, waited_for }
    }

    /// Adds to `batch` the chunks held from where it ends, up to the first that is missing, or has
    /// no room, or of which the `sieve` does not know what passes.
    pub(crate) fn collect(&self, batch: &mut Batch, room: Room, sieve: Option<&Sieve>) {
        if batch.end().offset >= room.head {
            return;
        }
        let held = self.held.lock();
        while batch.end().offset < room.head
            && let Some(chunk) = held.find(batch.end().offset)
            && batch.take(chunk, room, sieve)
        {}
    }

    /// Whether the chunk with the entry at `offset` is held.
    pub(crate) fn holds(&self, offset: u64) -> bool {
        self.held.lock().find(offset).is_some()
    }

    /// Offset at which the live chunks begin.
    pub(crate) fn oldest_live(&self) -> Option<u64> {
        self.held.lock().live.chunks.front().map(|chunk| chunk.first())
    }

    /// Holds the chunk of the newest page.
    pub(crate) fn push(&self, chunk: Chunk) {
        let mut held = self.held.lock();
        let dropped = held.live.push(Arc::new(chunk), Instant::now(), self.limit, self.time);
        drop(held);
        drop(dropped);
    }

    /// Most bytes of late chunks to hold, unless one alone is longer.
    pub(crate) const fn late_bytes(&self) -> usize {
        self.limit / LATE_SHARE
    }

    /// Holds chunks rendered again. Where not all fit, the first is the last to go: it is the one a
    /// reader waits for.
    pub(crate) fn hold_late(&self, chunks: Vec<Chunk>) {
        let chunks: Vec<_> = chunks.into_iter().rev().map(Arc::new).collect();
        let dropped = self.held.lock().late.insert(chunks, self.late_bytes());
        drop(dropped);
    }

    /// Returns the late work that others wait for, or else what `begin` does about it.
    pub(crate) fn late(
        &self,
        key: Key,
        begin: impl FnOnce() -> late::Late<R>,
    ) -> Arc<late::Late<R>> {
        // Declared first, so that it is dropped after the lock: its end takes the lock too.
        let known;
        let mut waited_for = self.waited_for.lock();
        known = waited_for.get(&key).and_then(Weak::upgrade);
        if let Some(late) = known.as_ref().filter(|late| late.is_pending()) {
            return Arc::clone(late);
        }
        let late = Arc::new(begin());
        waited_for.insert(key, Arc::downgrade(&late));
        late
    }

    /// Drops the chunks of pages that left the ring.
    pub(crate) fn drop_before(&self, oldest: u64) {
        let dropped = {
            let mut held = self.held.lock();
            (held.live.drop_before(oldest), held.late.drop_before(oldest))
        };
        drop(dropped);
    }

    /// Chunks held, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let Held { live, late } = &*self.held.lock();
        (live.chunks.len() + late.chunks.len(), live.bytes + late.bytes)
    }
}

impl<R> Feed<R> {
    /// Forgets late work that nobody waits for any more; not what has been begun since in its place.
    pub(crate) fn late_ends(&self, key: Key) {
        let mut waited_for = self.waited_for.lock();
        if waited_for.get(&key).is_some_and(|late| late.strong_count() == 0) {
            waited_for.remove(&key);
        }
    }
}

impl Held {
    fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        self.live.find(offset).or_else(|| self.late.find(offset))
    }
}

/// What leaves is returned, to be freed after the lock.
impl Live {
    fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        let index = self.chunks.partition_point(|chunk| chunk.end() <= offset);
        self.chunks.get(index).filter(|chunk| chunk.first() <= offset)
    }

    fn push(
        &mut self,
        chunk: Arc<Chunk>,
        now: Instant,
        limit: usize,
        time: Duration,
    ) -> Vec<Arc<Chunk>> {
        let follows = self.chunks.back().is_none_or(|last| last.end() == chunk.first());
        debug_assert!(follows, "live chunks are contiguous");
        self.bytes += chunk.weight();
        self.chunks.push_back(chunk);
        self.since.push_back(now);
        let is_old = |since: &Instant| now.saturating_duration_since(*since) > time;
        let mut dropped = Vec::new();
        while self.chunks.len() > 1
            && (self.bytes > limit || self.since.front().is_some_and(is_old))
        {
            dropped.extend(self.pop());
        }
        dropped
    }

    fn drop_before(&mut self, oldest: u64) -> Vec<Arc<Chunk>> {
        let mut dropped = Vec::new();
        while self.chunks.front().is_some_and(|chunk| chunk.first() < oldest) {
            dropped.extend(self.pop());
        }
        dropped
    }

    fn pop(&mut self) -> Option<Arc<Chunk>> {
        let oldest = self.chunks.pop_front()?;
        self.since.pop_front();
        self.bytes -= oldest.weight();
        Some(oldest)
    }
}

impl Late {
    fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        // The chunk with the offset inside is the last that begins no later.
        let (_, chunk) = self.chunks.range(..=offset).next_back()?;
        (offset < chunk.end()).then_some(chunk)
    }

    fn insert(&mut self, chunks: Vec<Arc<Chunk>>, limit: usize) -> Vec<Arc<Chunk>> {
        for chunk in chunks {
            if let Entry::Vacant(vacant) = self.chunks.entry(chunk.first()) {
                self.order.push_back(chunk.first());
                self.bytes += chunk.weight();
                vacant.insert(chunk);
            }
        }
        let mut dropped = Vec::new();
        while self.bytes > limit
            && self.order.len() > 1
            && let Some(first) = self.order.pop_front()
            && let Some(chunk) = self.chunks.remove(&first)
        {
            self.bytes -= chunk.weight();
            dropped.push(chunk);
        }
        dropped
    }

    fn drop_before(&mut self, oldest: u64) -> BTreeMap<u64, Arc<Chunk>> {
        if self.chunks.first_key_value().is_none_or(|(&first, _)| first >= oldest) {
            return BTreeMap::new();
        }
        let kept = self.chunks.split_off(&oldest);
        let dropped = std::mem::replace(&mut self.chunks, kept);
        self.order.retain(|&first| first >= oldest);
        self.bytes -= dropped.values().map(|chunk| chunk.weight()).sum::<usize>();
        dropped
    }
}
