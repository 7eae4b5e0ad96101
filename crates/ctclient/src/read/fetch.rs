//! Downloading one page of entries in as many responses as it takes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ct::Hash;
use record::Record;
use tokio::time::Instant;

use crate::backoff::jitter;
use crate::batch::{Batch, Served};
use crate::failure;
use crate::findings::Findings;
use crate::http::budget::Lease;
use crate::http::error::FetchError;
use crate::log::Log;
use crate::options::Retries;
use crate::source::error::SourceError;
use crate::source::paging::first_page;
use crate::source::reader::Source;
use crate::tree::evidence::ANSWER_BYTES;

/// The size in bytes of entries at which a page ends, whatever is left of its range: it stays in
/// memory until it is published. A response can be larger.
const PAGE_BYTES: usize = 2 << 20;

/// Downloads the pages of one run.
#[derive(Debug)]
pub struct Fetcher<S> {
    /// The log.
    pub source: Arc<S>,
    /// The log's name, for log lines.
    pub log: Arc<Log>,
    /// Attempts at each request.
    pub retries: Retries,
    /// Size of a known head, at least the end of each range.
    pub tree_size: u64,
    /// Keeps responses as evidence, should they turn out wrong.
    pub keeps: bool,
    /// Counts of the requests that failed.
    pub failures: Arc<RequestFailures>,
}

/// Requests that failed, counted as they fail: pages that are dropped count too.
#[derive(Debug, Default)]
pub struct RequestFailures {
    retried: AtomicU64,
    limited: AtomicU64,
    refused_addresses: AtomicU64,
}

/// The values of [`RequestFailures`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct FailureCounts {
    /// Requests that failed and were repeated.
    pub retried: u64,
    /// Responses 429 and 503.
    pub limited: u64,
    /// Requests not made because they lead to a private address.
    pub refused_addresses: u64,
}

impl RequestFailures {
    /// Returns the counts since the last call.
    pub fn take(&self) -> FailureCounts {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        FailureCounts {
            retried: take(&self.retried),
            limited: take(&self.limited),
            refused_addresses: take(&self.refused_addresses),
        }
    }

    /// Counts a failed request by its kind.
    pub fn add(&self, error: &SourceError) {
        match error.fetch() {
            Some(FetchError::Limited { .. }) => self.limited.fetch_add(1, Ordering::Relaxed),
            Some(FetchError::PrivateAddress { .. }) => {
                self.refused_addresses.fetch_add(1, Ordering::Relaxed)
            }
            _ => return,
        };
    }
}

/// One page, in however many responses it came.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Consecutive entries, in index order.
    pub entries: Vec<Record>,
    /// The leaf hash of each entry; empty if nothing is verified.
    pub leaf_hashes: Vec<Hash>,
    /// The leaf of each entry as served; empty unless requested.
    pub leaves: Vec<Bytes>,
    /// Defects of the entries.
    pub findings: Findings,
    /// The responses, where they are kept.
    pub served: Vec<Served>,
    /// The page's bytes in the budget of all responses.
    pub lease: Option<Lease>,
    /// True if the page ends before its range does, for lack of room or because it is large enough.
    pub cut: bool,
    /// The reason of a page that ends for lack of room.
    pub no_room: Option<SourceError>,
    /// An error that outlasted the attempts; entries received before it are there.
    pub error: Option<SourceError>,
}

impl Fetched {
    fn add(&mut self, batch: Batch, keeps: bool) {
        let Batch { mut entries, mut leaf_hashes, mut leaves, findings, served, mut lease } = batch;
        let weight = entries.iter().map(Record::weight).sum::<usize>()
            + 32 * leaf_hashes.len()
            + leaves.iter().map(Bytes::len).sum::<usize>();
        let kept = served.filter(|served| keeps && served.body.len() <= ANSWER_BYTES);
        // Evidence is kept where there is room for it.
        let kept = kept.filter(|served| lease.try_grow(weight + served.body.len()));
        if kept.is_none() {
            lease.set(weight);
        }
        if self.entries.is_empty() {
            (self.entries, self.leaf_hashes, self.leaves) = (entries, leaf_hashes, leaves);
        } else {
            self.entries.append(&mut entries);
            self.leaf_hashes.append(&mut leaf_hashes);
            self.leaves.append(&mut leaves);
        }
        self.findings.merge(findings);
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
    pub async fn page(self: Arc<Self>, range: Range<u64>) -> Fetched {
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
                // The entries in memory may take the room that is missing: they are handed on first.
                Err(error) if error.is_no_room() => {
                    fetched.no_room = Some(error);
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
                    // Its room in the budget may be what the next attempt needs.
                    drop(error);
                    tokio::time::sleep(wait).await;
                }
            }
        }
        fetched
    }

    /// Returns the wait before another attempt; `None` after enough of them. A log that asks for a
    /// pause gets it as a whole, not request by request.
    fn retry_in(&self, error: &SourceError, failures: u32, since: Instant) -> Option<Duration> {
        let asked = error.fetch().and_then(FetchError::retry_after);
        self.failures.add(error);
        if failures >= self.retries.attempts || asked.is_some() {
            return None;
        }
        self.failures.retried.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(log = self.log.name, %error, failures, "request failed");
        let now = Instant::now();
        let backoff = failure::bounded(self.retries.backoff, Some(since), now);
        let wait = backoff.wait(failures, jitter());
        let waited = error.fetch().map_or(Duration::ZERO, FetchError::waited);
        Some(failure::left_of(wait, waited, Some(since), now))
    }
}
