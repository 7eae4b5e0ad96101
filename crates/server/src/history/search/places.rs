//! The places of searches, and their slices.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use feed::Owner;
use journal::ReadError;
use tokio::sync::{Semaphore, oneshot};

use super::stock::Stock;
use super::{Bounds, Full, Position, Query, SLICE, Search, Share};
use crate::history::JournalHistory;

/// Searches whose slices run at a time. The others wait for their next slice.
const RUNNING: usize = 2;
/// Searches under way at a time; others are refused.
const ADMITTED: u64 = 32;
/// Searches that keep what saves work while their clients read, in about two megabytes each.
const KEPT: u64 = 32;
/// Bytes of answers that clients have not read yet.
const ANSWERS: u64 = 64 << 20;
/// The time in which what was committed before a search is indexed. What is not counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// The priority of a thread that searches: far below what is live, but enough to progress where other
/// programs keep the processors busy.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The places of searches. No client takes more than its part of any.
#[derive(Debug)]
pub(crate) struct Places {
    running: Arc<Semaphore>,
    admitted: Arc<Stock>,
    kept: Arc<Stock>,
    answers: Arc<Stock>,
}

impl Default for Places {
    fn default() -> Self {
        let running = Arc::new(Semaphore::new(RUNNING));
        let [admitted, kept, answers] = [ADMITTED, KEPT, ANSWERS].map(Stock::new);
        Self { running, admitted, kept, answers }
    }
}

/// A reason why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the journal cannot be read; the log lines of the server give the reason")]
    Journal,
    #[error("the journal is being indexed; try again later")]
    NotIndexed,
    #[error("no thread can be started for a search; try again later")]
    Thread,
}

/// The first position of a search.
enum Begun {
    /// `None` if it is not indexed.
    At(Option<Position>),
    /// There is more to index first, up to this offset.
    Later(u64),
}

impl JournalHistory {
    /// Takes a place for a search of a client.
    pub(crate) fn admit(&self, client: Owner) -> Result<Share, Full> {
        self.searches.admitted.take(client, 1)
    }

    /// Takes room for what saves work while a client reads; none if others have it all.
    pub(crate) fn room(&self, client: Owner) -> Option<Share> {
        self.searches.kept.take(client, 1).ok()
    }

    /// Takes room for bytes of an answer, which the share has until they are sent.
    pub(crate) fn answer(&self, client: Owner, bytes: u64) -> Result<Share, Full> {
        self.searches.answers.take(client, bytes)
    }

    /// Begins a search within bounds, or continues one at a position. What was committed before and is not
    /// indexed yet is indexed first, if the time suffices.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        query: &Arc<Query>,
        bounds: Bounds,
        continued: Option<Position>,
    ) -> Result<Position, Failure> {
        let (begun, mut end) = (Instant::now(), None);
        loop {
            let is_last = begun.elapsed() >= PATIENCE;
            let (history, continued) = (Arc::clone(self), continued.clone());
            let begin = move |search: &Search<'_>| {
                let end = match (end, &continued) {
                    (Some(end), _) => end,
                    (None, Some(position)) => position.range.end.min(search.journal.committed()),
                    (None, None) => bounds.end(search.journal)?,
                };
                if !history.reach(end) && !is_last {
                    return Ok(Begun::Later(end));
                }
                let range = search.journal.range();
                Ok(Begun::At(match continued {
                    Some(position) => position.within(search.journal),
                    None if range.end == 0 && end > 0 => None,
                    None => Some(Position::begin_until(search.journal, &bounds, end)?),
                }))
            };
            match self.slice(query, begin).await? {
                Begun::At(position) => return position.ok_or(Failure::NotIndexed),
                Begun::Later(reached) => end = Some(reached),
            }
        }
    }

    /// Indexes what is committed up to an offset, for a slice. Returns false if there is more to do.
    fn reach(&self, end: u64) -> bool {
        let now = Instant::now();
        let until = now.checked_add(SLICE).unwrap_or(now);
        self.indexes.reach(end, until).unwrap_or_else(|error| {
            tracing::warn!(%error, "the newest entries cannot be indexed for a search");
            true
        })
    }

    /// Does a slice of a search, in a thread of its own, when its turn has come.
    pub(crate) async fn slice<T: Send + 'static>(
        self: &Arc<Self>,
        query: &Arc<Query>,
        work: impl FnOnce(&Search<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.searches.running).acquire_owned().await;
        let turn = turn.map_err(|_closed| Failure::Thread)?;
        let (history, query) = (Arc::clone(self), Arc::clone(query));
        let (done, outcome) = oneshot::channel();
        let work = move || {
            give_way();
            let journal = history.indexes.searchable();
            let search = Search { journal, logs: &history.entries, query: &query };
            // Nobody waits for it any more if the client is gone.
            drop(done.send(work(&search)));
            drop(turn);
        };
        let started = thread::Builder::new().name("search".to_owned()).spawn(work);
        if let Err(error) = started {
            tracing::error!(%error, "cannot start a thread for a search");
            return Err(Failure::Thread);
        }
        match outcome.await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => {
                tracing::error!(%error, "a search in the journal failed");
                Err(Failure::Journal)
            }
            Err(_panicked) => Err(Failure::Journal),
        }
    }
}

/// Gives everything else on the machine precedence over the calling thread.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "cannot lower the priority of a search");
    }
}

#[cfg(test)]
mod tests {
    use journal::Order;

    use super::*;
    use crate::history::sample::{Entry, SETTINGS, Sample, certificate, log};

    /// Appends a certificate, and returns its offset.
    fn append(sample: &mut Sample) -> u64 {
        let entry = Entry::Record(certificate(&["a.example"], "CA"), Vec::new());
        sample.append(&log("Log", "https://log.example", None), &[entry]).first_offset
    }

    fn everything() -> Arc<Query> {
        let order = Order::Newest;
        Arc::new(Query { filter: None, serial: None, pattern: None, order, unique: None })
    }

    #[tokio::test]
    async fn a_search_covers_what_was_committed_just_before() {
        let mut sample = Sample::new(SETTINGS);
        let history = sample.unfollowed();
        let query = everything();
        for _ in 0..3 {
            let newest = append(&mut sample);
            for until in [None, Some(newest), Some(newest + 5)] {
                let bounds = Bounds { since: Some(newest - 1), until, ..Bounds::default() };
                let begun = history.begin(&query, bounds, None).await.expect("readable");
                assert_eq!((begun.range, begun.has_lost), (newest..newest + 1, false), "{until:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_search_that_is_continued_after_a_restart_skips_nothing() {
        let mut sample = Sample::new(SETTINGS);
        append(&mut sample);
        let query = everything();
        let begun = sample.unfollowed().begin(&query, Bounds::default(), None).await;
        let begun = begun.expect("readable");
        let again = sample.unfollowed();
        assert!(again.indexes.searchable().range().end < begun.range.end);
        let continued = again.begin(&query, Bounds::default(), Some(begun.clone())).await;
        assert_eq!(continued.expect("readable"), begun);
    }

    #[test]
    fn what_is_not_indexed_is_not_reported_as_searched() {
        let mut sample = Sample::new(SETTINGS);
        let history = sample.unfollowed();
        let [first, second] = [(); 2].map(|()| append(&mut sample));
        let journal = history.indexes.searchable();
        assert!(history.reach(second + 1));
        let third = append(&mut sample);
        for (bounds, end, has_lost) in [
            (Bounds::default(), second + 1, true),
            (Bounds { since: Some(second), ..Bounds::default() }, second + 1, true),
            (Bounds { since: Some(third), ..Bounds::default() }, second + 1, false),
            (Bounds { until: Some(second), ..Bounds::default() }, second + 1, false),
            (Bounds { until: Some(first), ..Bounds::default() }, first + 1, false),
        ] {
            let position = Position::begin(journal, &bounds).expect("readable");
            assert_eq!((position.range.end, position.has_lost), (end, has_lost), "{bounds:?}");
        }
        // Nor is its time, which is not known yet.
        let mut whole = Position::begin(journal, &Bounds::default()).expect("readable");
        whole.left = whole.range.start..whole.range.start;
        let searched = whole.searched(journal, Order::Newest).expect("readable");
        let seen = |index: u64| 1_700_000_005_000 + index;
        assert_eq!(searched.times, Some((seen(0), Some(seen(1)))));
        // Its part of a search that is continued is not skipped.
        whole.range.end = third + 1;
        assert_eq!(whole.clone().within(journal), None);
        assert!(history.reach(third + 1));
        assert_eq!(whole.clone().within(journal), Some(whole.clone()));
        whole.range.end += 1;
        assert!(whole.within(journal).is_some_and(|position| position.has_lost));
    }
}
