//! A reader's way through the history.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use super::{Due, Reader};
use crate::chunk::Chunk;
use crate::chunk::batch::{Batch, Room};
use crate::late::job::Job;
use crate::late::replay::{ReplayRequest, Replayed};
use crate::protocol::framing::Framing;
use crate::ring::Ring;
use crate::ring::filter::FilterCursor;
use crate::ring::span::{Counted, Cursor};
use crate::shared::Shared;
use crate::signals::Head;
use crate::stream::Stream;

/// A place among the readers of the history, or the wait for one.
enum Place {
    Taken(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit),
    Awaited(Waiting),
}

type Waiting =
    Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + Sync>>;

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken(_) => "Taken",
            Self::Awaited(_) => "Awaited",
        })
    }
}

/// The state of a reader that reads the history: the chunks of one read. Readers at the same
/// place may share them.
#[derive(Debug)]
pub(super) struct Replay {
    chunks: VecDeque<Arc<Chunk>>,
    /// The framing of the chunks; before the first read that of the reader.
    framing: Framing,
    /// The end of what was read.
    end: u64,
    /// Entries that the stream has before that, where it is known.
    entries: Option<u64>,
    /// The next read, begun while the reader writes the chunks of this one.
    job: Option<Job<Arc<Replayed>>>,
    place: Place,
}

impl Replay {
    /// Returns the framing of the chunks.
    pub(super) const fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns how many entries the stream has before an offset, where that is known.
    pub(super) fn entries_at(&self, offset: u64) -> Option<u64> {
        if offset == self.end { self.entries } else { None }
    }

    fn find(&self, offset: u64) -> Option<&Arc<Chunk>> {
        self.chunks.iter().find(|chunk| chunk.end() > offset)
    }

    /// Adds to `batch` the chunks from where it ends.
    pub(super) fn collect(&self, batch: &mut Batch, room: Room, filter: Option<&FilterCursor>) {
        while let Some(chunk) = self.find(batch.end().offset)
            && batch.take(chunk, room, filter)
        {}
    }

    /// Drops the chunks before `offset`.
    pub(super) fn drop_before(&mut self, offset: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= offset) {
            self.chunks.pop_front();
        }
    }

    /// Returns how many entries the stream has before the `offset` of the reader. Where that is not
    /// known, it is older than the process, and every offset since may have been an entry.
    fn entries_before<S: Stream>(
        &self,
        offset: u64,
        shared: &Shared<S>,
        ring: &Ring<S::Entry>,
    ) -> u64 {
        self.entries_at(offset).or_else(|| ring.entries_before_any(offset)).unwrap_or_else(|| {
            shared.first_entries.saturating_sub(shared.first.saturating_sub(offset))
        })
    }

    fn take(&mut self, replayed: &Replayed) {
        if let Some(end) = &replayed.end {
            self.end = end.end;
            self.entries = Some(end.entries_before(end.end));
        }
        self.framing = replayed.framing;
        self.chunks = replayed.chunks.iter().cloned().collect();
    }
}

impl<S: Stream> Reader<S> {
    /// Reads the history from the reader's offset on, before which the stream has so many entries,
    /// if that is known. Without a `place` it waits for one.
    pub(crate) fn replay(&mut self, place: Option<OwnedSemaphorePermit>, entries: Option<u64>) {
        let Some(past) = &self.shared.past else { return };
        let place = match place {
            Some(place) => Place::Taken(place),
            None => Place::Awaited(Box::pin(past.places().acquire_owned())),
        };
        let replay = Replay {
            chunks: VecDeque::new(),
            framing: self.framing(),
            end: self.at.offset,
            entries,
            job: None,
            place,
        };
        self.replay = Some(Box::new(replay));
    }

    /// Finds what to do next for a reader of the history; nothing once it has reached the ring.
    pub(super) fn due_in_history(&mut self, head: &Head) -> Option<Due> {
        let replay = self.replay.as_mut()?;
        if replay.find(self.at.offset).is_some() {
            return Some(Due::Now);
        }
        // Nothing passed in the pages without a chunk.
        self.at.offset = self.at.offset.max(replay.end);
        let filter = self.filter_id();
        let at = {
            let ring = self.shared.ring.lock();
            let offset = self.at.offset;
            if offset < ring.oldest() && offset < head.next {
                return Some(Due::History);
            }
            Cursor { offset, passed: head.passed(offset, filter, &ring) }
        };
        self.replay = None;
        self.move_to(at);
        None
    }

    /// Waits for the next read of the history; false if the runtime shuts down.
    pub(super) async fn read_history(&mut self) -> bool {
        let begins = !self.inside || self.tail.is_some();
        let request = self.read_from(self.at.offset, begins);
        let Some(replay) = &mut self.replay else { return true };
        if let Place::Awaited(waiting) = &mut replay.place {
            match waiting.await {
                Ok(place) => replay.place = Place::Taken(place),
                Err(_closed) => return false,
            }
        }
        let job = replay.job.get_or_insert_with(|| request.submit(&self.shared, self.owner));
        let Some(replayed) = job.done().await else { return false };
        replay.job = None;
        // A reader that has moved since, as nothing there was for it, reads again.
        if replayed.asked == self.at.offset {
            self.take_replayed(&replayed);
            self.read_ahead();
        }
        true
    }

    fn read_from(&self, offset: u64, begins: bool) -> ReplayRequest<S> {
        let filter = self.filter.as_ref().map(|filtered| Arc::clone(&filtered.filter));
        // The page after the last known offset shows whether a hole lies between.
        let skips = self.counted == Counted::NONE || self.counted.is_known();
        ReplayRequest { feed: Arc::clone(&self.feed), filter, offset, begins, skips }
    }

    /// Begins the next read, if it will be one of the history.
    fn read_ahead(&mut self) {
        let Some(end) = self.replay.as_ref().map(|replay| replay.end) else { return };
        if end > self.at.offset && end < self.shared.ring.lock().oldest() {
            let job = self.read_from(end, true).submit(&self.shared, self.owner);
            if let Some(replay) = &mut self.replay {
                replay.job = Some(job);
            }
        }
    }

    fn take_replayed(&mut self, replayed: &Replayed) {
        let Some(replay) = &mut self.replay else { return };
        let offset = self.at.offset.max(replayed.skipped_to);
        let Some(start) = &replayed.start else {
            return self.pass_missing(offset, replayed.until);
        };
        let mut lost = 0;
        if start.from > offset {
            let before = replay.entries_before(offset, &self.shared, &self.shared.ring.lock());
            lost = start.before.saturating_sub(before).min(start.from - offset);
            self.inside = false;
        }
        replay.take(replayed);
        if let Some(filtered) = &mut self.filter {
            filtered.cursor.backfilled = Some(Arc::clone(&replayed.backfilled));
        }
        self.lose(lost);
        let known = self.counted.offset;
        if !self.counted.is_known() && start.covers(known) {
            self.counted = Counted::new(known, Some(start.entries_before(known)));
        }
        self.come_to(start.counted());
        let offset = start.entry_at(offset);
        self.move_to(Cursor { offset, passed: start.entries_before(offset) });
    }

    /// Moves on where the history has nothing from `offset` up to `until`, the ring's oldest offset
    /// when it was read.
    fn pass_missing(&mut self, offset: u64, until: u64) {
        if offset >= until {
            // All that there was before the ring was skipped; the ring may have moved since.
            return self.move_to(Cursor { offset, ..self.at });
        }
        let Some(replay) = &self.replay else { return };
        let ring = self.shared.ring.lock();
        if until >= ring.oldest() {
            drop(ring);
            return self.leave_history();
        }
        // What the ring had then may be in the history now.
        let before = replay.entries_before(offset, &self.shared, &ring);
        let after = replay.entries_before(until, &self.shared, &ring);
        drop(ring);
        self.inside = false;
        self.lose(after.saturating_sub(before).min(until - offset));
        self.move_to(Cursor { offset: until, passed: after });
    }

    /// Moves to the ring although the history has not come so far: it has nothing more to read. If
    /// something is missing there, moves on to the live chunks, as any reader that falls behind.
    fn leave_history(&mut self) {
        let Some(replay) = self.replay.take() else { return };
        let live = self.feed.oldest_live();
        let head = *self.head.borrow();
        let filter = self.filter_id();
        let (at, lost) = {
            let ring = self.shared.ring.lock();
            let offset = self.at.offset;
            let before = replay.entries_before(offset, &self.shared, &ring);
            let missing = |to: u64| {
                let after = ring.entries_before_any(to).unwrap_or_else(|| ring.entries_before(to));
                after.saturating_sub(before).min(to - offset)
            };
            let oldest = ring.oldest().min(head.next).max(offset);
            let live = live.unwrap_or(0).max(oldest).min(head.next);
            let to = if missing(oldest) == 0 { oldest } else { live };
            (Cursor { offset: to, passed: head.passed(to, filter, &ring) }, missing(to))
        };
        self.inside = false;
        self.lose(lost);
        self.move_to(at);
    }
}
