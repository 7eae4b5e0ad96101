//! The place at which a reader joins, and what it misses.

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::ring::Ring;
use crate::ring::page::Page;
use crate::ring::span::{Counted, Cursor};
use crate::shared::Shared;
use crate::signals::Head;
use crate::stream::Stream;
use crate::subscription::{Busy, Gap, GapReason};

/// The place at which a reader begins.
pub(super) struct Start {
    pub(super) at: Cursor,
    pub(super) gap: Option<Gap>,
    /// The end of the page, if that is inside one of the ring's.
    pub(super) inside: Option<u64>,
    /// Its place among the readers of the history, if it begins there.
    pub(super) replay: Option<OwnedSemaphorePermit>,
    /// Entries before it, if it begins there, and it is known.
    pub(super) entries: Option<u64>,
    /// The last offset that the reader knows, if what follows continues from there.
    pub(super) counted: Counted,
}

impl<S: Stream> Shared<S> {
    /// Returns where a reader continues that has everything up to `since`; `past` is the oldest
    /// offset of the history. Refuses one that would have to read that while too many do.
    pub(super) fn start(
        &self,
        since: Option<u64>,
        past: Option<u64>,
        ring: &Ring<S::Entry>,
    ) -> Result<Start, Busy> {
        let (offset, gap) = self.place(since, ring);
        let misses = gap.is_some_and(|gap| gap.reason != GapReason::Ahead);
        if let (true, Some(since), Some(past)) = (misses, since, past)
            && past < ring.oldest()
            && let Some(history) = &self.past
        {
            let place = history.admit(ring.rate()).ok_or(Busy)?;
            return Ok(in_history(since.saturating_add(1), past, place, ring));
        }
        let page = ring.page(offset);
        let passed = ring.entries_before(offset);
        let resumes =
            gap.is_none() && since.is_some_and(|since| since >= self.first.saturating_sub(1));
        let counted = if resumes { Counted::new(offset, Some(passed)) } else { Counted::NONE };
        let offset = page.map_or(offset, |page| page.span().entry_at(offset));
        let inside = page.filter(|page| page.first() < offset).map(Page::end);
        let at = Cursor { offset, passed };
        Ok(Start { at, gap, inside, replay: None, entries: None, counted })
    }

    /// Returns the same for a reader with a filter, and its signals: a publisher that fills the ring
    /// after this has looked at it finds the filter among the signals.
    pub(super) fn start_filtered(
        &self,
        since: Option<u64>,
        past: Option<u64>,
        filter: u64,
    ) -> Result<(watch::Receiver<Head>, Start), Busy> {
        let mut signals = self.signals.lock();
        let ring = self.ring.lock();
        let head = signals.join(filter, &ring, self.head.borrow().closed);
        let mut start = self.start(since, past, &ring).inspect_err(|_| signals.leave(filter))?;
        start.at.passed = head.borrow().passed(start.at.offset, Some(filter), &ring);
        Ok((head, start))
    }

    /// Returns the offset in the ring at which a reader continues.
    fn place(&self, since: Option<u64>, ring: &Ring<S::Entry>) -> (u64, Option<Gap>) {
        let (oldest, next) = (ring.oldest(), ring.next().max(self.least));
        let Some(since) = since else { return (next, None) };
        let gap = |dropped, reason| (oldest, Some(Gap { dropped, reason }));
        let wanted = since.saturating_add(1);
        if since >= next {
            gap(None, GapReason::Ahead)
        } else if wanted >= oldest {
            (wanted, None)
        } else if wanted >= self.first {
            let before = ring.entries_before_any(wanted);
            let dropped = before.map(|before| ring.entries_before(oldest) - before);
            gap(dropped, GapReason::Evicted)
        } else if since < self.resent_from {
            gap(None, GapReason::BeforeStart)
        } else if oldest > self.first {
            // What is published again after it is in part gone again.
            gap(None, GapReason::Evicted)
        } else {
            (oldest, None)
        }
    }
}

/// Returns the place of a reader that needs the entries from `wanted` on, where the history begins
/// at `past`.
fn in_history<E>(wanted: u64, past: u64, place: OwnedSemaphorePermit, ring: &Ring<E>) -> Start {
    let gap = Gap { dropped: None, reason: GapReason::Evicted };
    let (offset, gap) = if wanted < past { (past, Some(gap)) } else { (wanted, None) };
    let entries = ring.entries_before_any(offset);
    let at = Cursor { offset, passed: entries.unwrap_or_default() };
    let counted = if gap.is_none() { Counted::new(offset, entries) } else { Counted::NONE };
    Start { at, gap, inside: None, replay: Some(place), entries, counted }
}
