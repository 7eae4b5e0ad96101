//! The state of a hub in numbers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Hub;
use crate::late::past::Past;
use crate::shared::Shared;
use crate::stream::Stream;

/// The state of a [`Hub`], and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries published.
    pub published: u64,
    /// Entries in the ring.
    pub entries: u64,
    /// Pages in the ring.
    pub pages: usize,
    /// Bytes of the entries in the ring, and of the matches of filters.
    pub bytes: usize,
    /// Time between the oldest and the newest entry in the ring: how long a client may be away and
    /// still resume without a gap.
    pub time: Duration,
    /// Feeds rendered.
    pub feeds: usize,
    /// Readers of all feeds.
    pub readers: usize,
    /// Of these, the readers that read the history.
    pub replays: usize,
    /// Chunks kept by all feeds.
    pub chunks: usize,
    /// Bytes of these chunks, and of their tables of messages.
    pub chunk_bytes: usize,
    /// Filters that have readers.
    pub filters: usize,
    /// Entries lost by readers too slow for the ring, since the start; one that two readers lost
    /// counts twice.
    pub dropped: u64,
    /// Chunks rendered again for readers that resumed or were behind, since the start.
    pub late_chunks: u64,
}

impl<S: Stream> Hub<S> {
    /// Returns the state of the hub at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &*self.shared;
        let (groups, readers) = {
            let feeds = shared.feeds.lock();
            (feeds.groups(), feeds.readers())
        };
        let mut stats = Stats {
            readers,
            replays: shared.past.as_ref().map_or(0, Past::replays),
            filters: shared.signals.lock().len(),
            dropped: shared.dropped.load(Ordering::Relaxed),
            late_chunks: shared.late_chunks.load(Ordering::Relaxed),
            ..shared.ring_stats()
        };
        for feed in groups.iter().flat_map(|(_, feeds)| feeds) {
            let (chunks, bytes) = feed.size();
            stats.feeds += 1;
            stats.chunks += chunks;
            stats.chunk_bytes += bytes;
        }
        stats
    }
}

impl<S: Stream> Shared<S> {
    fn ring_stats(&self) -> Stats {
        let ring = self.ring.lock();
        Stats {
            published: ring.entries() - self.first_entries,
            entries: ring.entries() - ring.entries_before(ring.oldest()),
            pages: ring.len(),
            bytes: ring.weight(),
            time: ring.time(),
            ..Stats::default()
        }
    }
}
