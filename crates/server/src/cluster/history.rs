//! The stream of a cluster as the history of the feed: clients that resume before the ring, or fall
//! behind it, are sent what the servers of NATS keep.
//!
//! The stream is read by one reader at a time, first come, first served; the feed's lanes never wait
//! for it. Readers at the same place share what was read.

mod pages;
mod parked;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use feed::{Archive, Fetch, Fetched, FirstSeen, History, HistoryPage};
use journal::{LogTable, StoredBatch};
use parking_lot::Mutex;
use relay::replay::{self, Past};
use relay::{Link, UseError};
use supervise::Supervisor;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use self::pages::Pages;
use self::parked::Parked;
use super::backlog::Start;
use super::join::Joined;
use crate::publish::entries::Entries;
use crate::publish::messages::{MessageStream, RingEntry};

/// Most clients that are sent messages from the history at a time. Each holds the messages of two reads,
/// about a megabyte, which it shares with others at the same place. With the replays (about 3 MB each)
/// and the pages that are kept, all of it takes at most about 260 MB of anonymous memory: 128 MB, 96 MB
/// and 32 MiB.
const READERS: usize = 128;
/// Time between two looks at what the servers keep; shorter until they keep anything.
const REFRESH: Duration = Duration::from_secs(5);
const FIRST_REFRESH: Duration = Duration::from_millis(500);
/// Time for one read; elections of the servers are repeated reads.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Time for which a read fails while the servers respond to other requests. Then the client is sent a
/// gap. While they do not respond at all, clients wait: nothing is published either.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(200);

/// The stream of a cluster as history.
#[derive(Debug)]
pub(super) struct StreamHistory {
    past: Past,
    link: Link,
    entries: Arc<Entries>,
    runtime: Handle,
    pages: Mutex<Pages<RingEntry>>,
    /// Locked by the reader whose turn it is.
    replays: tokio::sync::Mutex<Parked>,
    /// Reads of the stream that were made.
    reads: Arc<AtomicU64>,
}

/// Reason why the stream cannot be read.
#[derive(Debug, Error)]
enum ReadError {
    /// An error that repeating does not help.
    #[error(transparent)]
    Use(UseError),
    /// Repeating did not help.
    #[error("reading has failed for {} s", PATIENCE.as_secs())]
    TimedOut,
}

impl Joined {
    /// Returns the archive for a hub whose first batch is that of the backlog, or, if there is none, the
    /// one that the node reads next.
    pub(crate) async fn archive(
        &self,
        entries: &Arc<Entries>,
        tasks: &Supervisor,
    ) -> Option<Archive<MessageStream>> {
        let past = Past::of(&self.node)?;
        let next = self.state.next_offset();
        let Start { end, entries: before } = self.start();
        // Clients that resume at once need it.
        refresh(&past).await;
        let (link, reads) = (self.node.link().clone(), Arc::clone(&self.reads));
        let history = StreamHistory::start(past, link, Arc::clone(entries), reads, tasks);
        Some(Archive { history, end, next, entries: before, readers: READERS })
    }
}

impl StreamHistory {
    /// Creates the history, and a task that maintains it as long as there is one.
    fn start(
        past: Past,
        link: Link,
        entries: Arc<Entries>,
        reads: Arc<AtomicU64>,
        tasks: &Supervisor,
    ) -> Arc<Self> {
        let history = Arc::new(Self {
            past,
            link,
            entries,
            runtime: Handle::current(),
            pages: Mutex::new(Pages::new(pages::MOST_BYTES)),
            replays: tokio::sync::Mutex::default(),
            reads,
        });
        let (tended, tasks) = (Arc::downgrade(&history), tasks.clone());
        tokio::spawn(async move {
            tasks.run("cluster_history", || tend(Weak::clone(&tended))).await;
        });
        history
    }

    /// Reads pages, and repeats that as long as it may help.
    async fn read(&self, offset: u64, end: u64, bytes: usize) -> Fetched<RingEntry> {
        let mut failing: Option<Instant> = None;
        loop {
            if let Some(fetched) = self.find(offset, end, bytes) {
                return fetched;
            }
            self.connected().await;
            let mut replays = self.replays.lock().await;
            // The reader before this one may have read the same.
            if let Some(fetched) = self.find(offset, end, bytes) {
                return fetched;
            }
            let begun = Instant::now();
            let read = timeout(ATTEMPT, replays.read(&self.past, offset, end, bytes)).await;
            match read {
                Ok(Ok(batches)) => {
                    self.reads.fetch_add(1, Ordering::Relaxed);
                    let pages = self.keep(batches);
                    return Fetched { pages, time: begun.elapsed() };
                }
                Ok(Err(error)) if !error.is_temporary() => return nothing(&ReadError::Use(error)),
                Ok(Err(error)) => tracing::debug!(%error, "the stream cannot be read at present"),
                Err(_) => tracing::debug!("the stream cannot be read at present: no response"),
            }
            failing = match self.link.bounds().await {
                Ok(_) => failing.or(Some(begun)),
                Err(_) => None,
            };
            drop(replays);
            if failing.is_some_and(|since| since.elapsed() >= PATIENCE) {
                return nothing(&ReadError::TimedOut);
            }
            sleep(RETRY).await;
        }
    }

    /// Waits until a server is connected.
    async fn connected(&self) {
        while !self.link.is_connected() {
            sleep(RETRY).await;
        }
    }

    /// Returns pages that were read lately.
    fn find(&self, offset: u64, end: u64, bytes: usize) -> Option<Fetched<RingEntry>> {
        let pages = self.pages.lock().find(offset, end, bytes);
        (!pages.is_empty()).then_some(Fetched { pages, time: Duration::ZERO })
    }

    /// Converts batches, and keeps them for other readers.
    fn keep(&self, batches: Vec<replay::StoredBatch>) -> Vec<HistoryPage<RingEntry>> {
        let weighed = batches.into_iter().filter_map(|batch| {
            let weight = batch.weight();
            Some((self.page(batch)?, weight))
        });
        let weighed: Vec<_> = weighed.collect();
        let mut kept = self.pages.lock();
        for (page, weight) in &weighed {
            let entries = page.entries.len().saturating_mul(size_of::<RingEntry>());
            kept.keep(page.clone(), weight.saturating_add(entries));
        }
        drop(kept);
        weighed.into_iter().map(|(page, _)| page).collect()
    }

    /// Converts a batch; none if it has a log that is not known.
    fn page(&self, stored: replay::StoredBatch) -> Option<HistoryPage<RingEntry>> {
        let replay::StoredBatch { batch, from, before, logs } = stored;
        let (number, first) = (batch.header.number, batch.first_offset);
        let stored = StoredBatch { batch, from, before, logs: LogTable::from(logs) };
        let entries = self.entries.of_stored(stored);
        if entries.is_none() {
            tracing::error!(number, "a batch of the stream is left out: it has an unknown log");
        }
        Some(HistoryPage { from, first, before, entries: entries?.into() })
    }

    async fn find_first_seen(&self, time: u64) -> Result<Option<replay::FirstSeen>, UseError> {
        loop {
            self.connected().await;
            match self.past.first_seen(time).await {
                Err(error) if error.is_temporary() => sleep(RETRY).await,
                outcome => return outcome,
            }
        }
    }

    /// Runs a request that another thread waits for.
    fn wait<T>(&self, request: impl Future<Output = T>) -> Result<T, ReadError> {
        let outcome = self.runtime.block_on(async { timeout(PATIENCE, request).await });
        outcome.map_err(|_| ReadError::TimedOut)
    }
}

impl History<MessageStream> for StreamHistory {
    fn oldest(&self) -> Option<u64> {
        self.past.oldest()
    }

    fn pages(&self, offset: u64, end: u64, bytes: usize) -> Vec<HistoryPage<RingEntry>> {
        let read = self.wait(self.read(offset, end, bytes));
        read.unwrap_or_else(|error| nothing(&error)).pages
    }

    fn fetch(self: Arc<Self>, offset: u64, end: u64, bytes: usize) -> Option<Fetch<RingEntry>> {
        Some(Box::pin(async move { self.read(offset, end, bytes).await }))
    }

    fn first_seen(&self, time: u64) -> Option<FirstSeen> {
        let found = self.wait(self.find_first_seen(time));
        match found.and_then(|found| found.map_err(ReadError::Use)) {
            Ok(found) => {
                found.map(|replay::FirstSeen { offset, is_oldest }| FirstSeen { offset, is_oldest })
            }
            Err(error) => {
                report(&error);
                self.oldest().map(|offset| FirstSeen { offset, is_oldest: true })
            }
        }
    }
}

/// Returns no pages, for a reason that is logged.
fn nothing(error: &ReadError) -> Fetched<RingEntry> {
    report(error);
    Fetched { pages: Vec::new(), time: Duration::ZERO }
}

fn report(error: &ReadError) {
    tracing::error!(%error, "the stream of the cluster cannot be read: clients that resume may get a gap");
}

/// Finds out what the servers keep, and drops what is not used, as long as there is a history.
async fn tend(history: Weak<StreamHistory>) {
    let mut pause = FIRST_REFRESH;
    loop {
        sleep(pause).await;
        let Some(tended) = history.upgrade() else { break };
        tended.pages.lock().drop_old();
        // One that reads drops them itself.
        if let Ok(mut replays) = tended.replays.try_lock() {
            replays.drop_unused();
        }
        let past = tended.past.clone();
        drop(tended);
        refresh(&past).await;
        pause = if past.oldest().is_some() { REFRESH } else { FIRST_REFRESH };
    }
}

async fn refresh(past: &Past) {
    if let Err(error) = past.refresh().await {
        tracing::debug!(%error, "it is not known what the servers keep of the stream");
    }
}
