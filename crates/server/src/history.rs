//! The journal as the history of the feed, and look-ups in it.

pub(crate) mod lookup;
pub(crate) mod published;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod search;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use feed::{Archive, FirstSeen, History, HistoryPage};
use journal::{Head, Indexes, Journal, ReadError, StoredBatch};
use tokio::sync::Semaphore;
use wire::filter::Registered;

use crate::publish::entries::Entries;
use crate::publish::messages::{MessageStream, RingEntry};

/// Most clients that are sent messages from the journal at a time. Each takes the memory of two reads,
/// about a megabyte.
const READERS: usize = 64;
/// Look-ups under way at a time.
const LOOKUPS: usize = 4;

/// The journal as the history of the feed.
#[derive(Debug)]
pub struct JournalHistory {
    journal: Journal,
    indexes: Arc<Indexes>,
    entries: Arc<Entries>,
    lookups: Arc<Semaphore>,
    searches: search::Places,
}

impl JournalHistory {
    /// Creates a history that nothing indexes but searches.
    fn new(journal: Journal, entries: Arc<Entries>) -> Self {
        let indexes = Arc::new(Indexes::new(&journal));
        let lookups = Arc::new(Semaphore::new(LOOKUPS));
        Self { journal, indexes, entries, lookups, searches: search::Places::default() }
    }

    /// Creates the history of a journal whose records are entries of the feed like these, and begins
    /// to index it, in a thread that ends with the history.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(journal: Journal, entries: Arc<Entries>) -> anyhow::Result<Arc<Self>> {
        let history = Self::new(journal, entries);
        let followed = Arc::downgrade(&history.indexes);
        let thread = thread::Builder::new().name("index".to_owned()).spawn(move || {
            // Only this thread is left once nobody else needs the indexes.
            if let Some(indexes) = followed.upgrade() {
                indexes.follow(|| Arc::strong_count(&indexes) == 1);
            }
        });
        thread.context("cannot start the thread that indexes the journal")?;
        Ok(Arc::new(history))
    }

    /// Returns the archive for a hub whose first batch follows the last one that the journal has now.
    pub(crate) fn archive(self: &Arc<Self>) -> Archive<MessageStream> {
        let Head { next_offset: next, entries_end, entries, .. } = self.journal.head();
        let history: Arc<dyn History<MessageStream>> = Arc::<Self>::clone(self);
        let end = if entries > 0 { entries_end } else { next };
        Archive { history, end, next, entries, readers: READERS }
    }

    /// Converts a batch; none if it has a log that is not known.
    fn page(&self, stored: StoredBatch) -> Option<HistoryPage<RingEntry>> {
        let StoredBatch { ref batch, from, before, .. } = stored;
        let (number, first) = (batch.header.number, batch.first_offset);
        let entries = self.entries.of_stored(stored);
        if entries.is_none() {
            tracing::error!(number, "a batch of the journal is left out: it has an unknown log");
        }
        Some(HistoryPage { from, first, before, entries: entries?.into() })
    }

    fn report(&self, error: &ReadError) {
        tracing::error!(%error, "the journal cannot be read: clients that resume may get a gap");
    }
}

impl History<MessageStream> for JournalHistory {
    fn oldest(&self) -> Option<u64> {
        self.journal.oldest()
    }

    fn pages(&self, offset: u64, end: u64, bytes: usize) -> Vec<HistoryPage<RingEntry>> {
        match self.journal.read(offset, end, bytes) {
            Ok(batches) => batches.into_iter().filter_map(|batch| self.page(batch)).collect(),
            Err(error) => {
                self.report(&error);
                Vec::new()
            }
        }
    }

    fn skip(&self, filter: &Registered, offset: u64, end: u64) -> u64 {
        let groups = terms::of(filter.filter());
        if groups.is_empty() {
            return offset;
        }
        self.indexes.skip(&groups, offset, end)
    }

    fn first_seen(&self, time: u64) -> Option<FirstSeen> {
        let found = self.journal.at_time(time);
        let offset = found.unwrap_or_else(|error| {
            self.report(&error);
            self.journal.oldest()
        })?;
        // The oldest batch, if it is the one.
        let oldest = self.journal.oldest().unwrap_or(0);
        let first = self.journal.read(oldest, u64::MAX, 0).unwrap_or_default();
        let is_oldest = first.first().is_none_or(|first| first.batch.first_offset >= offset);
        Some(FirstSeen { offset, is_oldest })
    }
}
