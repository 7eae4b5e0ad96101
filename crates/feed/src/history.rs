//! Pages older than the ring: the seam to storage that keeps them.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::stream::Stream;

/// Storage that keeps published pages for longer than the ring does.
///
/// A reader that resumes before the ring, or falls behind it, reads pages from here until its cursor
/// is at or after the oldest page of the ring; it decides that under the ring's lock. So there is no
/// seam: every page must be readable here before it is published to the hub.
pub trait History<S: Stream>: Debug + Send + Sync + 'static {
    /// Returns the offset from which on published entries are kept; none where nothing is.
    ///
    /// It never decreases. Called often and under locks, so it must neither block nor read a file.
    fn oldest(&self) -> Option<u64>;

    /// Reads the page with the entry at `offset`, or the next one if no page has that, and pages
    /// that follow it, ascending: at most `bytes` bytes of entries, at least one page; none that
    /// begins at `end` or after. A page is what was published in one call.
    ///
    /// May block; the hub calls it in its replay lane only. Returns nothing where nothing can be read
    /// before `end`: the reader then moves to the ring, and counts what it misses. An implementation
    /// reports its own failures, and works around what is damaged: the [`from`](HistoryPage::from)
    /// of the next page says that something is missing.
    fn pages(&self, offset: u64, end: u64, bytes: usize) -> Vec<HistoryPage<S::Entry>>;

    /// Begins to read the same pages where that means to wait for another machine: none of the hub's
    /// lanes waits with it, and the replay lane renders what it has read. `None` where the lane is to
    /// call [`pages`](Self::pages).
    ///
    /// The future resolves once the pages are read, or it is certain that they cannot be. It may be dropped
    /// at any time.
    fn fetch(self: Arc<Self>, offset: u64, end: u64, bytes: usize) -> Option<Fetch<S::Entry>> {
        let (_is_local, _, _) = (offset, end, bytes);
        None
    }

    /// Returns the first offset, at least `offset` and at most `end`, from which on an entry may pass
    /// the filter: whatever lies before it does not. A reader then skips that without reading it.
    ///
    /// May block; the hub calls it in its replay lane only.
    fn skip(&self, filter: &S::Filter, offset: u64, end: u64) -> u64 {
        let (_no_index, _) = (filter, end);
        offset
    }

    /// Finds the first entry that was [seen](Stream::seen) at `time` or later; none if there is none.
    ///
    /// May block.
    fn first_seen(&self, time: u64) -> Option<FirstSeen>;
}

/// The first entry that was seen at a time or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstSeen {
    /// Its offset.
    pub offset: u64,
    /// True if no older entry is kept, so that others seen since may be gone.
    pub is_oldest: bool,
}

/// A read of pages that waits for another machine.
pub type Fetch<E> = Pin<Box<dyn Future<Output = Fetched<E>> + Send>>;

/// The outcome of a [`Fetch`].
#[derive(Debug)]
pub struct Fetched<E> {
    /// The pages, as of [`History::pages`].
    pub pages: Vec<HistoryPage<E>>,
    /// Time for which other reads could not be made: with it the hub finds out how many readers it may
    /// admit.
    pub time: Duration,
}

/// A page as it was published. Cheap to clone.
#[derive(Debug)]
pub struct HistoryPage<E> {
    /// The end of the page published before, or where that cannot be read, the page's own first
    /// offset. From here up to `first` nothing was published: a hole, not a loss.
    pub from: u64,
    /// Offset of the first entry.
    pub first: u64,
    /// Entries published before the first one, since the stream began.
    pub before: u64,
    /// The entries, contiguous from `first`; never none.
    pub entries: Arc<[E]>,
}

impl<E> Clone for HistoryPage<E> {
    fn clone(&self) -> Self {
        let Self { from, first, before, ref entries } = *self;
        Self { from, first, before, entries: Arc::clone(entries) }
    }
}

/// A [`History`], and what a hub has to know of it.
#[derive(Debug)]
pub struct Archive<S: Stream> {
    /// The storage.
    pub history: Arc<dyn History<S>>,
    /// The offset after its last entry when the hub begins: the [`from`](HistoryPage::from) of the
    /// next page.
    pub end: u64,
    /// The least offset of the next entry. After a jump it is larger than the end; offsets between
    /// them may have been given to entries that were lost, and that are published again.
    pub next: u64,
    /// Entries it has then: the [`before`](HistoryPage::before) of the next page.
    pub entries: u64,
    /// Most readers that read it at a time, at least one: each holds the chunks of two reads. Others
    /// that resume are [refused](crate::Busy); those that fall behind the ring wait for a place.
    pub readers: usize,
}
