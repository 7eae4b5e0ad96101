use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::batch::{Batch, Room};
use crate::chunk::Chunk;
use crate::framing::Framing;

/// A chunk, or the place where the first that needs it will render it.
pub(crate) type Slot = Arc<OnceLock<Arc<Chunk>>>;

/// The stream in one rendering under one framing: the chunks of it that are held.
#[derive(Debug)]
pub(crate) struct Feed<R> {
    pub(crate) rendering: R,
    pub(crate) framing: Framing,
    /// Most bytes of chunks to hold.
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By the first offset of the page.
    slots: BTreeMap<u64, Slot>,
    /// The rendered ones, longest ago first. That is not the order of pages: a chunk rendered again
    /// for a slow reader must not be the next to go, or the slow reader after it renders it anew.
    rendered: VecDeque<u64>,
    bytes: usize,
}

impl<R: Copy> Feed<R> {
    pub(crate) fn new(rendering: R, framing: Framing, limit: usize) -> Self {
        Self { rendering, framing, limit, held: Mutex::default() }
    }

    /// Adds to `batch` the chunks held from where it ends, up to the first that is missing, or has
    /// no room.
    pub(crate) fn collect(&self, batch: &mut Batch, room: Room) {
        let start = batch.end();
        if start >= room.head {
            return;
        }
        let held = self.held.lock();
        // The chunk with `start` inside is the last that begins no later.
        let Some((&first, _)) = held.slots.range(..=start).next_back() else { return };
        for chunk in held.slots.range(first..room.head).map_while(|(_, slot)| slot.get()) {
            let follows = (chunk.first()..chunk.end()).contains(&batch.end());
            if !follows || !batch.take(chunk, room) {
                break;
            }
        }
    }

    /// Holds a chunk rendered ahead of any reader.
    pub(crate) fn insert(&self, chunk: Chunk) {
        let first = chunk.first();
        let slot = Slot::from(OnceLock::from(Arc::new(chunk)));
        let dropped = {
            let mut held = self.held.lock();
            held.slots.insert(first, slot);
            held.rendered(first, self.limit)
        };
        drop(dropped);
    }

    /// The chunk of the page that starts at `first`; rendered here if nobody has, while all others
    /// who want it wait.
    pub(crate) fn chunk(&self, first: u64, render: impl FnOnce() -> Chunk) -> Arc<Chunk> {
        let slot = Arc::clone(self.held.lock().slots.entry(first).or_default());
        let mut here = false;
        let chunk = slot.get_or_init(|| {
            here = true;
            Arc::new(render())
        });
        if here {
            let dropped = {
                let mut held = self.held.lock();
                let kept = held.slots.get(&first).is_some_and(|kept| Arc::ptr_eq(kept, &slot));
                if kept { held.rendered(first, self.limit) } else { Vec::new() }
            };
            drop(dropped);
        }
        Arc::clone(chunk)
    }

    /// Drops the chunks of pages that left the ring.
    pub(crate) fn drop_before(&self, oldest: u64) {
        let dropped = self.held.lock().drop_before(oldest);
        drop(dropped);
    }

    /// Chunks held, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let held = self.held.lock();
        (held.rendered.len(), held.bytes)
    }
}

/// What leaves is returned, to be freed after the lock.
impl Held {
    fn size_of(&self, first: u64) -> usize {
        self.slots.get(&first).and_then(|slot| slot.get()).map_or(0, |chunk| chunk.bytes().len())
    }

    /// Counts a chunk just rendered, and makes room for it.
    fn rendered(&mut self, first: u64, limit: usize) -> Vec<Slot> {
        self.rendered.push_back(first);
        self.bytes += self.size_of(first);
        let mut dropped = Vec::new();
        while self.bytes > limit
            && self.rendered.len() > 1
            && let Some(oldest) = self.rendered.pop_front()
        {
            self.bytes -= self.size_of(oldest);
            dropped.extend(self.slots.remove(&oldest));
        }
        dropped
    }

    fn drop_before(&mut self, oldest: u64) -> BTreeMap<u64, Slot> {
        if self.slots.first_key_value().is_none_or(|(&first, _)| first >= oldest) {
            return BTreeMap::new();
        }
        let (gone, kept): (Vec<u64>, Vec<u64>) =
            self.rendered.iter().partition(|&&first| first < oldest);
        self.bytes -= gone.iter().map(|&first| self.size_of(first)).sum::<usize>();
        self.rendered = kept.into();
        let kept = self.slots.split_off(&oldest);
        std::mem::replace(&mut self.slots, kept)
    }
}
