//! The state that a hub and its readers share.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::chunk::Texts;
use crate::feed::feeds::Feeds;
use crate::late::budget::Lanes;
use crate::late::past::Past;
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
    /// The least offset that the first entry may have.
    pub(crate) least: u64,
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
    pub(crate) lanes: Lanes,
    pub(crate) late: Registry,
    pub(crate) past: Option<Past<S>>,
    pub(crate) dropped: AtomicU64,
    pub(crate) late_chunks: AtomicU64,
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
