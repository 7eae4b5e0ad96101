//! The chunks of the newest pages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chunk::Chunk;

/// The newest chunks, rendered when their pages were published; their spans are contiguous. Only
/// newer ones push them out: where there are too many bytes of them, and those that every reader
/// that keeps up has had for long.
///
/// Chunks that leave are returned, to be freed after the lock.
#[derive(Debug, Default)]
pub(super) struct LiveChunks {
    chunks: VecDeque<Arc<Chunk>>,
    /// The time at which each came.
    since: VecDeque<Instant>,
    bytes: usize,
}

impl LiveChunks {
    /// Returns the chunk of the page that covers `offset`.
    pub(super) fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        let index = self.chunks.partition_point(|chunk| chunk.end() <= offset);
        self.chunks.get(index).filter(|chunk| chunk.span().covers(offset))
    }

    /// Returns the offset at which they begin.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.first())
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the chunk of the newest page, which came `now`; at most `limit` bytes are kept, and
    /// none for longer than `time`, but for the newest.
    pub(super) fn push(
        &mut self,
        chunk: Arc<Chunk>,
        now: Instant,
        limit: usize,
        time: Duration,
    ) -> Vec<Arc<Chunk>> {
        let follows = self.chunks.back().is_none_or(|last| last.end() == chunk.span().from);
        debug_assert!(follows, "the spans of live chunks are contiguous");
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

    pub(super) fn drop_before(&mut self, oldest: u64) -> Vec<Arc<Chunk>> {
        let mut dropped = Vec::new();
        while self.chunks.front().is_some_and(|chunk| chunk.span().from < oldest) {
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
