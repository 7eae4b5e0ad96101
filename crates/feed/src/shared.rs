//! The state that a hub and its readers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::chunk::Texts;
use crate::feed::feeds::Feeds;
use crate::history::{Archive, History};
use crate::late::budget::RenderBudget;
use crate::late::registry::Registry;
use crate::limits::Limits;
use crate::ring::Ring;
use crate::signals::{Head, Signals};
use crate::stream::Stream;

/// The state that a hub and its readers share.
///
/// `publishing` is locked before the others, `signals` before the ring; otherwise none of the locks
/// is taken while another is held.
pub(crate) struct Shared<S: Stream> {
    pub(crate) stream: S,
    pub(crate) limits: Limits,
    /// Offset of the first entry of this process, or one before it.
    pub(crate) first: u64,
    /// Entries that the stream had before this process.
    pub(crate) first_entries: u64,
    /// Every entry after this offset that was published before this process is published again.
    pub(crate) resent_from: u64,
    /// Held through a whole publish; it guards the publisher's buffers.
    pub(crate) publishing: Mutex<Texts>,
    pub(crate) feeds: Mutex<Feeds<S>>,
    pub(crate) signals: Mutex<Signals>,
    pub(crate) ring: Mutex<Ring<S::Entry>>,
    /// The news of readers without a filter. Sent, like the signals, after the ring has the page
    /// that it announces.
    pub(crate) head: watch::Sender<Head>,
    pub(crate) budget: RenderBudget,
    pub(crate) late: Registry,
    pub(crate) past: Option<Past<S::Entry>>,
    pub(crate) dropped: AtomicU64,
    pub(crate) late_chunks: AtomicU64,
}

/// The history, and the places of those who read it.
pub(crate) struct Past<E> {
    pub(crate) history: Arc<dyn History<E>>,
    places: Arc<Semaphore>,
    readers: usize,
}

impl<E> Past<E> {
    pub(crate) fn new(archive: Archive<E>) -> Self {
        let Archive { history, readers, .. } = archive;
        let readers = readers.min(Semaphore::MAX_PERMITS);
        Self { history, places: Arc::new(Semaphore::new(readers)), readers }
    }

    /// Takes a place among the readers of the history, if there is one.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Returns how many readers read the history.
    pub(crate) fn replays(&self) -> usize {
        self.readers.saturating_sub(self.places.available_permits())
    }
}

impl<S: Stream> Shared<S> {
    /// Returns the oldest offset of the history; none without one.
    pub(crate) fn oldest_in_history(&self) -> Option<u64> {
        self.past.as_ref().and_then(|past| past.history.oldest())
    }

    /// Counts entries that a reader lost.
    pub(crate) fn lose(&self, entries: u64) {
        self.dropped.fetch_add(entries, Ordering::Relaxed);
    }
}
