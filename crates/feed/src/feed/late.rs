//! The chunks that were rendered again for readers that resume or are behind.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::chunk::Chunk;

/// Chunks of pages in the ring, rendered again. Chunks that leave are returned, to be freed after the lock.
#[derive(Debug, Default)]
pub(super) struct LateChunks {
    /// By the beginning of the page's span.
    chunks: BTreeMap<u64, Arc<Chunk>>,
    /// Their keys in the order to drop them, rendered longest ago first. That is not the order of
    /// pages: what was rendered for a slow reader must not be the next to go.
    order: VecDeque<u64>,
    bytes: usize,
}

impl LateChunks {
    /// Returns the chunk of the page that covers `offset`.
    pub(super) fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        // The span with the offset inside is the last that begins no later.
        let (_, chunk) = self.chunks.range(..=offset).next_back()?;
        (offset < chunk.end()).then_some(chunk)
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds chunks, of which the last is the last to go; at most `limit` bytes are kept, or one
    /// chunk.
    pub(super) fn insert(&mut self, chunks: Vec<Arc<Chunk>>, limit: usize) -> Vec<Arc<Chunk>> {
        for chunk in chunks {
            if let Entry::Vacant(vacant) = self.chunks.entry(chunk.span().from) {
                self.order.push_back(chunk.span().from);
                self.bytes += chunk.weight();
                vacant.insert(chunk);
            }
        }
        let mut dropped = Vec::new();
        while self.bytes > limit
            && self.order.len() > 1
            && let Some(oldest) = self.order.pop_front()
            && let Some(chunk) = self.chunks.remove(&oldest)
        {
            self.bytes -= chunk.weight();
            dropped.push(chunk);
        }
        dropped
    }

    pub(super) fn drop_before(&mut self, oldest: u64) -> BTreeMap<u64, Arc<Chunk>> {
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
