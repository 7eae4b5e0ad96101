//! Pages: the parts in which followers hand entries to the publisher.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ctclient::Lease;
use record::{GapReason, Record, Tree};
use tokio::sync::oneshot;

use crate::alarm::Alarm;
use crate::status::LogStatus;

/// Something that happened to a log besides entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It contradicts itself.
    Alarm(Alarm),
    /// An operator acknowledges all its alarms.
    Acknowledgement,
    /// Entries that are missing were read: those of the page. For some of them an offset, by index, at
    /// which their certificate is known to have been published.
    Backfill(HashMap<u64, u64>),
}

/// Consecutive indexes of one log, each with its entry or in a gap; or a notice.
#[derive(Debug)]
pub struct Page {
    /// The log that the entries come from.
    pub log: Arc<LogStatus>,
    /// The first index that the page accounts for.
    pub first: u64,
    /// Entries in index order, at most 256 and 512 KiB of them; a single entry may be larger. They have
    /// no log number and no time of sight yet; their certificates share one buffer.
    pub entries: Vec<Record>,
    /// The index after the last one that the page accounts for: the position once it is published.
    pub end: u64,
    /// The indexes without an entry; the entries and the gap make up `first..end`.
    pub gap: Option<Gap>,
    /// The tree of all entries below `end`, and how far it is proved; `None` if nothing is verified,
    /// or if the log could not prove its tree.
    pub tree: Option<Tree>,
    /// The largest tree size that a head of the log has named.
    pub largest_head: u64,
    /// Something else that happened. A page with a notice accounts for no range of indexes, and moves no
    /// position.
    pub notice: Option<Notice>,
    /// Told once the page is committed; dropped if it is not.
    pub committed: Option<oneshot::Sender<()>>,
    /// The page's bytes in the budget of all responses, until it is dropped: once the page is published.
    pub held: Option<Hold>,
}

/// Indexes of a log that have no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The indexes.
    pub range: Range<u64>,
    /// The reason why they have no entry.
    pub reason: GapReason,
}

/// A page's bytes in the budget, from the first byte received until the publisher is done with it.
#[derive(Debug)]
pub struct Hold {
    lease: Lease,
    waiting: Arc<AtomicUsize>,
}

impl Hold {
    /// Counts the bytes of `lease` in `waiting` until the hold is dropped.
    pub(crate) fn new(lease: Lease, waiting: Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(lease.held(), Ordering::Relaxed);
        Self { lease, waiting }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.lease.held(), Ordering::Relaxed);
    }
}

impl Page {
    /// Makes a page of consecutive entries that begin at `first` and end before `end`.
    pub(crate) fn of_entries(
        log: Arc<LogStatus>,
        first: u64,
        entries: Vec<Record>,
        end: u64,
    ) -> Self {
        let largest_head = log.largest_head();
        let (gap, tree, notice, committed, held) = (None, None, None, None, None);
        Self { log, first, entries, end, gap, tree, largest_head, notice, committed, held }
    }

    /// Makes a page with a notice, and the sign that it is committed.
    pub(crate) fn of_notice(log: Arc<LogStatus>, notice: Notice) -> (Self, oneshot::Receiver<()>) {
        let (sender, committed) = oneshot::channel();
        let page = Self::of_entries(log, 0, Vec::new(), 0);
        (Self { notice: Some(notice), committed: Some(sender), ..page }, committed)
    }

    /// Makes a page of indexes without entries.
    pub(crate) fn of_gap(log: Arc<LogStatus>, gap: Gap) -> Self {
        let (first, end) = (gap.range.start, gap.range.end);
        Self { gap: Some(gap), ..Self::of_entries(log, first, Vec::new(), end) }
    }
}
