//! Readers of entries instead of bytes: for outputs that are no sockets.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::Hub;
use crate::shared::Shared;
use crate::signals::Head;
use crate::stream::Stream;

/// The start of a reader of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the next entry that is published.
    Head,
    /// With the oldest entry that is kept.
    Oldest,
    /// At this offset, before which the stream had so many entries, if that is known.
    At(u64, Option<u64>),
}

/// Entries that a reader missed because they are not kept any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// None.
    #[default]
    Nothing,
    /// So many.
    Entries(u64),
    /// Some; their number is not known.
    Unknown,
}

/// The history keeps the next entry and cannot read it at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// A place in the stream whose reader gets entries, in order: from the history, then from the ring.
///
/// It holds nothing between two reads, and nobody waits for it. It reads the history itself, in the
/// thread that calls [`read`](Self::read).
pub struct Entries<S: Stream> {
    shared: Arc<Shared<S>>,
    head: watch::Receiver<Head>,
    next: u64,
    /// Entries of the stream before `next`, if that is known.
    passed: Option<u64>,
}

impl<S: Stream> Hub<S> {
    /// Returns a reader of entries.
    #[must_use]
    pub fn entries(&self, begin: Begin) -> Entries<S> {
        let shared = Arc::clone(&self.shared);
        let head = shared.head.subscribe();
        let (next, passed) = match begin {
            Begin::At(next, passed) => (next, passed),
            Begin::Head => {
                let ring = shared.ring.lock();
                (ring.next(), Some(ring.entries()))
            }
            Begin::Oldest => {
                let oldest = shared.ring.lock().oldest();
                (shared.oldest_in_history().map_or(oldest, |past| past.min(oldest)), None)
            }
        };
        Entries { shared, head, next, passed }
    }
}

impl<S: Stream> Entries<S> {
    /// Returns the offset of the next entry, or one in the hole before it, and how many entries the
    /// stream has before it, if that is known.
    #[must_use]
    pub const fn place(&self) -> (u64, Option<u64>) {
        (self.next, self.passed)
    }

    /// Waits until there is an entry to read; `false` if the stream is closed and all was read.
    pub async fn ready(&mut self) -> bool {
        let next = self.next;
        let news = self.head.wait_for(|head| head.next > next || head.closed).await;
        news.is_ok_and(|head| head.next > next)
    }

    /// Returns how many entries are published and not read yet; at most so many where that is not known.
    #[must_use]
    pub fn behind(&self) -> u64 {
        let head = *self.head.borrow();
        self.until(head.next, head.entries())
    }

    /// Returns how many entries are left up to a place in the stream.
    fn until(&self, next: u64, entries: u64) -> u64 {
        match self.passed {
            Some(passed) => entries.saturating_sub(passed),
            // Each offset has at most one.
            None => entries.min(next.saturating_sub(self.next)),
        }
    }

    /// Moves to the end of what is published. Returns how many entries it passed.
    pub fn skip(&mut self) -> u64 {
        let (next, entries) = {
            let ring = self.shared.ring.lock();
            (ring.next(), ring.entries())
        };
        let passed = self.until(next, entries);
        (self.next, self.passed) = (next, Some(entries));
        passed
    }

    /// Reads the next entries, at least one page of them and about `bytes` bytes, and moves past them.
    /// Returns those that were missed before.
    ///
    /// May block to read the history.
    ///
    /// # Errors
    /// If the history keeps the next entry and cannot read it. Nothing is missed yet: repeat it, or
    /// [leave it out](Self::read_ring).
    pub fn read(
        &mut self,
        bytes: usize,
        mut each: impl FnMut(u64, &S::Entry),
    ) -> Result<Lost, Unreadable> {
        let (oldest, before) = {
            let ring = self.shared.ring.lock();
            (ring.oldest(), ring.entries_before(ring.oldest()))
        };
        if self.next < oldest {
            if let Some(lost) = self.read_history(oldest, bytes, &mut each) {
                return Ok(lost);
            }
            let is_kept = self.shared.oldest_in_history().is_some_and(|kept| kept <= self.next);
            // Up to the ring there may also be nothing but a hole.
            if is_kept && self.passed != Some(before) {
                return Err(Unreadable);
            }
        }
        Ok(self.read_ring(bytes, each))
    }

    /// Reads from the history, up to the `end`; none if there is nothing.
    fn read_history(
        &mut self,
        end: u64,
        bytes: usize,
        each: &mut impl FnMut(u64, &S::Entry),
    ) -> Option<Lost> {
        let shared = Arc::clone(&self.shared);
        let history = &shared.past.as_ref()?.history;
        let pages = history.pages(self.next, end, bytes);
        let mut lost = Lost::Nothing;
        for page in &pages {
            if page.from > self.next {
                lost = lost.and(self.lost_before(page.before));
            }
            for (offset, entry) in (page.first..).zip(page.entries.iter()) {
                if offset >= self.next {
                    each(offset, entry);
                }
            }
            let entries = page.entries.len() as u64;
            self.next = self.next.max(page.first.saturating_add(entries));
            self.passed = Some(page.before.saturating_add(entries));
        }
        (!pages.is_empty()).then_some(lost)
    }

    /// Reads from the ring, and leaves out what only the history has. Returns what was left out.
    pub fn read_ring(&mut self, bytes: usize, mut each: impl FnMut(u64, &S::Entry)) -> Lost {
        let (pages, lost) = {
            let ring = self.shared.ring.lock();
            let oldest = ring.oldest();
            let mut lost = Lost::Nothing;
            if self.next < oldest {
                lost = self.lost_before(ring.entries_before(oldest));
                self.next = oldest;
            }
            (ring.pages(self.next, bytes), lost)
        };
        for page in &pages {
            for (offset, entry) in page.entries().filter(|(offset, _)| *offset >= self.next) {
                each(offset, entry);
            }
            self.next = page.end();
            self.passed = Some(page.span().entries_before(page.end()));
        }
        lost
    }

    /// Returns what is lost if the next entry that can be read has `before` others before it.
    fn lost_before(&self, before: u64) -> Lost {
        match self.passed.map(|passed| before.saturating_sub(passed)) {
            None => Lost::Unknown,
            Some(0) => Lost::Nothing,
            Some(entries) => Lost::Entries(entries),
        }
    }
}

impl Lost {
    /// Returns both losses together.
    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, lost) | (lost, Self::Nothing) => lost,
            (Self::Entries(one), Self::Entries(two)) => Self::Entries(one.saturating_add(two)),
            _ => Self::Unknown,
        }
    }
}

impl<S: Stream> fmt::Debug for Entries<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (next, passed) = self.place();
        f.debug_struct("Entries").field("next", &next).field("passed", &passed).finish()
    }
}
