//! The stream of a cluster as the history of the feed: clients that resume before the ring, or fall
//! behind it, are sent what the servers of NATS keep.

use std::sync::{Arc, Weak};
use std::time::Duration;

use feed::{Archive, FirstSeen, History, HistoryPage};
use journal::{LogTable, StoredBatch};
use parking_lot::Mutex;
use relay::UseError;
use relay::replay::{self, Past, Replay};
use supervise::Supervisor;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::join::Joined;
use crate::publish::entries::Entries;
use crate::publish::messages::{MessageStream, RingEntry};

/// Most clients that are sent messages from the history at a time. Each takes the memory of two reads,
/// about a megabyte.
const READERS: usize = 32;
/// Most replays that are kept for the next read. Each takes a few megabytes.
const MAX_PARKED: usize = READERS;
/// Time for which they are kept.
const PARKED: Duration = Duration::from_secs(10);
/// Time between two looks at what the servers keep.
const REFRESH: Duration = Duration::from_secs(5);
/// Time for the servers to respond to one read, elections among them included. Then the client is sent a
/// gap. Other readers that are not up to date wait as long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(200);

/// The stream of a cluster as history.
#[derive(Debug)]
pub(super) struct StreamHistory {
    past: Past,
    entries: Arc<Entries>,
    runtime: Handle,
    /// Replays that wait for the next read, oldest first.
    parked: Mutex<Vec<Parked>>,
}

#[derive(Debug)]
struct Parked {
    replay: Replay,
    since: Instant,
}

/// Reason why the stream cannot be read.
#[derive(Debug, Error)]
enum ReadError {
    /// An error that repeating does not help.
    #[error(transparent)]
    Use(UseError),
    /// Repeating did not help.
    #[error("the servers did not respond for {} s", PATIENCE.as_secs())]
    TimedOut,
}

impl Joined {
    /// Returns the archive for a hub whose first batch follows the last one that the node has read.
    pub(crate) async fn archive(
        &self,
        entries: &Arc<Entries>,
        tasks: &Supervisor,
    ) -> Option<Archive<MessageStream>> {
        let past = Past::of(&self.node)?;
        let next = self.state.next_offset();
        let totals = self.node.reader().totals();
        let end = if totals.entries > 0 { totals.end } else { next };
        // Clients that resume at once need it.
        refresh(&past).await;
        let history = StreamHistory::start(past, Arc::clone(entries), tasks);
        Some(Archive { history, end, next, entries: totals.entries, readers: READERS })
    }
}

impl StreamHistory {
    /// Creates the history, and a task that maintains it as long as there is one.
    fn start(past: Past, entries: Arc<Entries>, tasks: &Supervisor) -> Arc<Self> {
        let runtime = Handle::current();
        let history = Arc::new(Self { past, entries, runtime, parked: Mutex::default() });
        let (tended, tasks) = (Arc::downgrade(&history), tasks.clone());
        tokio::spawn(async move {
            tasks.run("cluster_history", || tend(Weak::clone(&tended))).await;
        });
        history
    }

    /// Runs a read, which is repeated while the servers do not respond.
    fn wait<T>(&self, read: impl Future<Output = Result<T, UseError>>) -> Result<T, ReadError> {
        match self.runtime.block_on(async { timeout(PATIENCE, read).await }) {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err(ReadError::Use(error)),
            Err(_) => Err(ReadError::TimedOut),
        }
    }

    async fn read(
        &self,
        offset: u64,
        end: u64,
        bytes: usize,
    ) -> Result<Vec<replay::StoredBatch>, UseError> {
        let mut replay = self.unpark(offset);
        loop {
            match replay.read(offset, end, bytes).await {
                Ok(batches) => {
                    self.park(replay);
                    return Ok(batches);
                }
                Err(error) => pause(error).await?,
            }
            replay = self.past.replay(offset);
        }
    }

    async fn first_seen(&self, time: u64) -> Result<Option<replay::FirstSeen>, UseError> {
        loop {
            match self.past.first_seen(time).await {
                Ok(found) => return Ok(found),
                Err(error) => pause(error).await?,
            }
        }
    }

    /// Takes a replay that continues at an offset, or makes one.
    fn unpark(&self, offset: u64) -> Replay {
        let mut parked = self.parked.lock();
        match parked.iter().rposition(|parked| parked.replay.is_at(offset)) {
            Some(place) => parked.remove(place).replay,
            None => self.past.replay(offset),
        }
    }

    fn park(&self, replay: Replay) {
        let parked = Parked { replay, since: Instant::now() };
        let mut all = self.parked.lock();
        let replaced = (all.len() >= MAX_PARKED).then(|| all.remove(0));
        all.push(parked);
        drop((all, replaced));
    }

    /// Drops replays that were not used for a time.
    fn drop_unused(&self) {
        let now = Instant::now();
        let is_unused = |parked: &mut Parked| now.duration_since(parked.since) >= PARKED;
        let unused: Vec<Parked> = self.parked.lock().extract_if(.., is_unused).collect();
        drop(unused);
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
        Some(HistoryPage { from, first, before, entries: entries? })
    }
}

impl History<MessageStream> for StreamHistory {
    fn oldest(&self) -> Option<u64> {
        self.past.oldest()
    }

    fn pages(&self, offset: u64, end: u64, bytes: usize) -> Vec<HistoryPage<RingEntry>> {
        match self.wait(self.read(offset, end, bytes)) {
            Ok(batches) => batches.into_iter().filter_map(|batch| self.page(batch)).collect(),
            Err(error) => {
                report(&error);
                Vec::new()
            }
        }
    }

    fn first_seen(&self, time: u64) -> Option<FirstSeen> {
        match self.wait(self.first_seen(time)) {
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

/// Waits before a read is repeated.
async fn pause(error: UseError) -> Result<(), UseError> {
    if !error.is_temporary() {
        return Err(error);
    }
    tracing::debug!(%error, "the stream cannot be read at present");
    sleep(RETRY).await;
    Ok(())
}

fn report(error: &ReadError) {
    tracing::error!(%error, "the stream of the cluster cannot be read: clients that resume may get a gap");
}

/// Finds out what the servers keep, and drops what is not used, as long as there is a history.
async fn tend(history: Weak<StreamHistory>) {
    loop {
        sleep(REFRESH).await;
        let Some(tended) = history.upgrade() else { break };
        tended.drop_unused();
        let past = tended.past.clone();
        drop(tended);
        refresh(&past).await;
    }
}

async fn refresh(past: &Past) {
    if let Err(error) = past.refresh().await {
        tracing::debug!(%error, "it is not known what the servers keep of the stream");
    }
}
