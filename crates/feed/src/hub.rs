//! The hub: entries are published to it, and readers join it.

mod entries;
mod latest;
mod moment;
mod publish;
mod start;
mod stats;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::history::Archive;
use crate::late::budget::Lanes;
use crate::late::past::Past;
use crate::limits::Limits;
use crate::reader::Reader;
use crate::ring::Ring;
use crate::shared::Shared;
use crate::signals::Head;
use crate::stream::Stream;
use crate::subscription::{Busy, Request, Subscription};

pub use entries::{Begin, Entries, Lost};
pub use moment::Moment;
pub use publish::PublishError;
pub use stats::Stats;

/// The stream: entries are published to it, and readers join it.
///
/// Dropping it [closes](Self::close) the stream.
pub struct Hub<S: Stream> {
    shared: Arc<Shared<S>>,
}

impl<S: Stream> Hub<S> {
    /// Makes an empty stream, whose first entry will have the offset `first_offset` or a later one.
    #[must_use]
    pub fn new(stream: S, limits: Limits, first_offset: u64) -> Self {
        Self::resumed(stream, limits, first_offset, None)
    }

    /// Makes an empty stream that had a process before this one, of which every entry is published
    /// again that was published after the offset `resent_from`; none where nothing is published
    /// again.
    ///
    /// So a reader that has everything up to an offset from there on misses nothing.
    #[must_use]
    pub fn resumed(stream: S, limits: Limits, first_offset: u64, resent_from: Option<u64>) -> Self {
        let resent_from = resent_from.unwrap_or_else(|| first_offset.saturating_sub(1));
        Self::build(stream, limits, first_offset, resent_from, None)
    }

    /// Makes a stream whose older entries are in an archive; what is published follows them, perhaps
    /// after a hole. Readers that resume before the ring, or fall behind it, read them there.
    #[must_use]
    pub fn with_archive(stream: S, limits: Limits, archive: Archive<S>) -> Self {
        let first = archive.end;
        Self::build(stream, limits, first, first.saturating_sub(1), Some(archive))
    }

    fn build(
        stream: S,
        limits: Limits,
        first: u64,
        resent_from: u64,
        archive: Option<Archive<S>>,
    ) -> Self {
        let first_entries = archive.as_ref().map_or(0, |archive| archive.entries);
        let least = archive.as_ref().map_or(first, |archive| archive.next.max(first));
        let lanes = Lanes::default();
        let shared = Shared {
            stream,
            limits,
            first,
            least,
            first_entries,
            resent_from,
            publishing: Mutex::default(),
            feeds: Mutex::default(),
            signals: Mutex::default(),
            ring: Mutex::new(Ring::new(first, first_entries)),
            head: watch::Sender::new(Head::new(first, first_entries)),
            lanes,
            late: Default::default(),
            past: archive.map(Past::new),
            dropped: AtomicU64::new(0),
            late_chunks: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Joins the stream: after entry `since`, or else with the next entry published.
    ///
    /// Nothing is missed and nothing duplicated between this call and the reader's first read.
    ///
    /// # Errors
    ///
    /// [`Busy`] if it would have to read the history, and as many do already as can.
    pub fn subscribe(&self, request: Request<S>) -> Result<Subscription<S>, Busy> {
        let Request { rendering, framing, since, filter, owner } = request;
        let framing = if filter.is_some() { framing.plain() } else { framing };
        let shared = Arc::clone(&self.shared);
        let feed = shared.feeds.lock().join(rendering, framing, &shared.limits);
        let past = shared.oldest_in_history();
        let started = match &filter {
            None => {
                let head = shared.head.subscribe();
                let start = shared.start(since, past, &shared.ring.lock());
                start.map(|start| (head, start))
            }
            Some(filter) => shared.start_filtered(since, past, S::filter_id(filter)),
        };
        let (head, start) = started.inspect_err(|_| shared.feeds.lock().leave(&feed))?;
        let mut gap = start.gap;
        if let Some(gap) = &mut gap
            && filter.is_some()
        {
            gap.dropped = None;
        }
        let mut reader = Reader::new(shared, feed, filter, head, start.at, owner);
        reader.knows(start.counted);
        if let Some(place) = start.replay {
            reader.replay(Some(place), start.entries);
        } else if let Some(end) = start.inside
            && framing.keeps_context()
        {
            let plain = framing.plain();
            let feed = self.shared.feeds.lock().lend(rendering, plain, &self.shared.limits);
            reader.begin_plain(feed, end);
        }
        Ok(Subscription { reader, gap })
    }

    /// Reports whether it has a [history](crate::History).
    #[must_use]
    pub fn has_history(&self) -> bool {
        self.shared.past.is_some()
    }

    /// Returns the offset of the last entry published; none before the first.
    #[must_use]
    pub fn head(&self) -> Option<u64> {
        let next = self.shared.head.borrow().next;
        (next > self.shared.first).then(|| next - 1)
    }

    /// Returns the least offset that the next [`publish`](Self::publish) may begin with.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.shared.head.borrow().next.max(self.shared.least)
    }

    /// Ends the stream: readers still get what was published, then
    /// [`Ready::Closed`](crate::Ready::Closed). Waits for a publish under way.
    pub fn close(&self) {
        let publishing = self.shared.publishing.lock();
        self.shared.head.send_modify(|head| head.closed = true);
        self.shared.signals.lock().close();
        drop(publishing);
    }
}

impl<S: Stream> Drop for Hub<S> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<S: Stream> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
