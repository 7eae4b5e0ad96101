//! Downloading pages ahead of the one being taken.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ct::Hash;
use tokio::time::Instant;

use crate::FetchError;
use crate::breaker::jitter;
use crate::budget::Lease;
use crate::counters::add;
use crate::entry::{Batch, Entry, Served};
use crate::evidence::ANSWER_BYTES;
use crate::failure;
use crate::options::FollowOptions;
use crate::paging::first_page;
use crate::source::{Source, SourceError};
use crate::status::LogStatus;

/// What fetching pages takes.
pub(super) struct Fetcher<S> {
    pub(super) source: Arc<S>,
    pub(super) status: Arc<LogStatus>,
    pub(super) options: FollowOptions,
    pub(super) tree_size: u64,
    /// Whether answers are kept as evidence, should they turn out wrong.
    pub(super) keeps: bool,
}

/// Where a page ends, in bytes of entries, whatever is left of its range: it is kept whole until it is
/// published. An answer can be larger.
const PAGE_BYTES: usize = 2 << 20;

/// One page, however many answers it came in.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) entries: Vec<Entry>,
    pub(super) leaf_hashes: Vec<Hash>,
    /// The answers, where they are kept.
    pub(super) served: Vec<Served>,
    /// What all this holds of the budget.
    pub(super) lease: Option<Lease>,
    /// Whether it ends before its range does, for want of room or because it is large enough.
    pub(super) cut: bool,
    /// An error that outlasted the attempts; entries that were had before it are there.
    pub(super) error: Option<SourceError>,
}

impl Fetched {
    fn add(&mut self, batch: Batch, keeps: bool) {
        let Batch { mut entries, mut leaf_hashes, served, mut lease } = batch;
        let weight = entries.iter().map(Entry::weight).sum::<usize>() + 32 * leaf_hashes.len();
        let kept = served.filter(|served| keeps && served.body.len() <= ANSWER_BYTES);
        // Evidence is kept where there is room for it.
        let kept = kept.filter(|served| lease.try_grow(weight + served.body.len()));
        if kept.is_none() {
            lease.set(weight);
        }
        if self.entries.is_empty() {
            (self.entries, self.leaf_hashes) = (entries, leaf_hashes);
        } else {
            self.entries.append(&mut entries);
            self.leaf_hashes.append(&mut leaf_hashes);
        }
        self.served.extend(kept);
        match &mut self.lease {
            Some(held) => held.merge(lease),
            none => *none = Some(lease),
        }
    }

    fn bytes(&self) -> usize {
        self.lease.as_ref().map_or(0, Lease::held)
    }
}

impl<S: Source> Fetcher<S> {
    /// Fetches one page, or the beginning of it.
    pub(super) async fn page(self: Arc<Self>, range: Range<u64>) -> Fetched {
        let mut fetched = Fetched::default();
        let mut failures = 0;
        let mut failing = None;
        let mut next = range.start;
        while next < range.end {
            let part = first_page(next..range.end, self.source.page_size());
            match self.source.entries(part, self.tree_size).await {
                Ok(batch) => {
                    (failures, failing) = (0, None);
                    next += batch.entries.len() as u64;
                    fetched.add(batch, self.keeps);
                    fetched.cut = next < range.end && fetched.bytes() > PAGE_BYTES;
                    if fetched.cut {
                        break;
                    }
                }
                // What this log holds may be what is lacking: it is handed on first.
                Err(error) if error.is_no_room() => {
                    self.status.note_no_room(&error);
                    fetched.cut = true;
                    break;
                }
                Err(error) => {
                    failures += 1;
                    let since = *failing.get_or_insert_with(Instant::now);
                    let Some(wait) = self.retry_in(&error, failures, since) else {
                        fetched.error = Some(error);
                        break;
                    };
                    // What it holds of the budget may be what the next attempt needs.
                    drop(error);
                    tokio::time::sleep(wait).await;
                }
            }
        }
        fetched
    }

    /// The wait before another attempt; `None` when there have been enough. A log that says how
    /// long it wants to be left alone is left alone as a whole, not request by request.
    fn retry_in(&self, error: &SourceError, failures: u32, since: Instant) -> Option<Duration> {
        let asked = error.fetch().and_then(|error| error.retry_after());
        self.status.note_refused(error);
        if failures >= self.options.retry_attempts || asked.is_some() {
            return None;
        }
        add(&self.status.counters.errors, 1);
        tracing::debug!(log = self.status.log.name, %error, failures, "request failed");
        let now = Instant::now();
        let backoff = failure::bounded(self.options.backoff, Some(since), now);
        let wait = backoff.wait(failures, jitter());
        let waited = error.fetch().map_or(Duration::ZERO, FetchError::waited);
        Some(failure::left_of(wait, waited, Some(since), now))
    }
}
