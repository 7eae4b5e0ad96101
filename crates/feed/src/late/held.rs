//! Chunks of the history that readers hold, so that others at the same place get them too.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::chunk::Chunk;
use crate::protocol::framing::Framing;
use crate::ring::span::Span;

/// Chunks after which those that nobody holds any more are looked for.
const LEAST: usize = 256;

/// The subject of a chunk: the feed whose rendering it has, its framing, and the page's first offset.
type Key = (u64, Framing, u64);

/// The chunks that were rendered for readers of the history, as long as one of them holds them. Many
/// readers that resume at nearly the same place have each page rendered once.
#[derive(Debug, Default)]
pub(crate) struct HeldChunks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<Key, Weak<Chunk>>,
    /// The number of chunks after which it is looked for those that are gone.
    tidy_at: usize,
}

impl HeldChunks {
    /// Returns the chunk of a page, if a reader holds it.
    pub(crate) fn find(&self, feed: u64, framing: Framing, page: &Span) -> Option<Arc<Chunk>> {
        let known = self.0.lock().by_key.get(&(feed, framing, page.first)).cloned();
        let chunk = known.and_then(|chunk| chunk.upgrade());
        chunk.filter(|chunk| chunk.span() == page)
    }

    /// Notes a chunk that was rendered for a reader.
    pub(crate) fn note(&self, feed: u64, framing: Framing, chunk: &Arc<Chunk>) {
        let mut known = self.0.lock();
        if known.by_key.len() >= known.tidy_at {
            known.by_key.retain(|_, chunk| chunk.strong_count() > 0);
            known.tidy_at = known.by_key.len().saturating_mul(2).max(LEAST);
        }
        known.by_key.insert((feed, framing, chunk.first()), Arc::downgrade(chunk));
    }
}
