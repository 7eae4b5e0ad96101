//! The past of a stream: the part of it that is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use record::StreamId;

use super::{Replay, StoredBatch};
use crate::error::UseError;
use crate::link::{Bounds, Link};
use crate::node::Node;
use crate::places::{Place, Places};
use crate::protocol::{Show, Totals};
use crate::search;

/// The part of a stream, from its beginning, in which no replay begins: servers delete it soon.
const MARGIN: u64 = 128;
/// Messages that a known place may be away from the one wanted.
const NEAR: u64 = 256;
/// The value of an offset that is not known.
const UNKNOWN: u64 = u64::MAX;

/// The part of a stream that is kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Past {
    pub(super) link: Link,
    pub(super) places: Places,
    stream: StreamId,
    oldest: Arc<AtomicU64>,
    /// The sequence before the checkpoint of the oldest offset.
    kept: Arc<Mutex<Option<u64>>>,
}

/// The first entry that was seen at a time or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstSeen {
    /// Its offset.
    pub offset: u64,
    /// True if others that were seen since may be gone.
    pub is_oldest: bool,
}

impl Past {
    /// Returns the past of the stream that a node reads; `None` before its first checkpoint. The node
    /// shares the checkpoints that it passes, so that few replays have to search.
    #[must_use]
    pub fn of(node: &Node) -> Option<Self> {
        let stream = node.reader().state()?.stream();
        Some(Self {
            link: node.link().clone(),
            places: node.places().clone(),
            stream,
            oldest: Arc::new(AtomicU64::new(UNKNOWN)),
            kept: Arc::default(),
        })
    }

    /// Returns the offset from which on entries are kept, as of the last [`refresh`](Self::refresh);
    /// `None` if there are none. It never decreases.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        Some(self.oldest.load(Ordering::Acquire)).filter(|oldest| *oldest != UNKNOWN)
    }

    /// Returns a replay of the batches from the one with the entry at `offset` on.
    #[must_use]
    pub fn replay(&self, offset: u64) -> Replay {
        Replay::new(self.clone(), offset, false)
    }

    /// Returns a replay that also returns batches without records: those of sightings, and changes of
    /// logs. Those at `offset` may be there twice, or end there.
    #[must_use]
    pub fn replay_all(&self, offset: u64) -> Replay {
        Replay::new(self.clone(), offset, true)
    }

    /// Finds out which entries are kept. To be called every few seconds.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn refresh(&self) -> Result<(), UseError> {
        let Bounds { first, last } = self.link.bounds().await?;
        self.places.drop_before(first);
        let kept = *self.kept.lock();
        if kept.is_some_and(|after| after.saturating_add(1) >= first) {
            return Ok(());
        }
        // What was the beginning is deleted: the servers have begun to delete.
        let margin = if kept.is_some() { last.saturating_sub(first).div_euclid(MARGIN) } else { 0 };
        let from = first.saturating_add(margin);
        let is_near = |place: &Place| place.after.saturating_sub(from) <= NEAR;
        let place = match self.places.from(from).filter(is_near) {
            Some(place) => Some(place),
            None => search::checkpoint_from(&self.link, from).await?,
        };
        let Some(place) = place else { return Ok(()) };
        self.places.note(place);
        let oldest = if place.totals.entries > 0 {
            place.totals.end
        } else {
            let first = self.replay(0).read(0, u64::MAX, 0).await?;
            let Some(first) = first.first() else { return Ok(()) };
            first.batch.first_offset
        };
        let known = self.oldest().unwrap_or_default();
        self.oldest.store(oldest.max(known), Ordering::Release);
        *self.kept.lock() = Some(place.after);
        Ok(())
    }

    /// Finds the first entry that was seen at `time` or later, in milliseconds since 1970; `None` if
    /// there is none. Entries after it may have been seen before `time`, if clocks stepped.
    ///
    /// # Errors
    /// If no server responds.
    pub async fn first_seen(&self, time: u64) -> Result<Option<FirstSeen>, UseError> {
        let is_before = |totals: &Totals| totals.newest < time;
        let found = search::last_before(&self.link, &self.places, is_before).await?;
        let Some(totals) = found.totals else {
            let first = self.replay(0).read(0, u64::MAX, 0).await?;
            let offset = first.first().map(|first| first.batch.first_offset);
            return Ok(offset.map(|offset| FirstSeen { offset, is_oldest: true }));
        };
        let mut offset = totals.end;
        let mut replay = self.replay(offset);
        loop {
            let Some(stored) = replay.read(offset, u64::MAX, 0).await?.pop() else {
                return Ok(None);
            };
            let entries = (stored.batch.first_offset..).zip(&stored.batch.records);
            let mut seen = entries.filter(|(_, record)| record.seen >= time);
            if let Some((offset, _)) = seen.next() {
                return Ok(Some(FirstSeen { offset, is_oldest: false }));
            }
            offset = stored.batch.next_offset();
        }
    }

    /// Reports whether nodes have shown a batch that a reader would show so.
    pub(super) fn has_shown(&self, stored: &StoredBatch, show: Show) -> bool {
        show == Show::New && stored.batch.header.stream == self.stream
    }
}
