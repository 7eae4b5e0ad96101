//! Downloading pages ahead of the one being taken.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ct::Hash;

use crate::breaker::jitter;
use crate::counters::add;
use crate::entry::{Batch, Entry, Served};
use crate::options::FollowOptions;
use crate::paging::first_page;
use crate::queue::Pages;
use crate::source::{Source, SourceError};
use crate::status::LogStatus;

/// What fetching pages takes.
pub(super) struct Fetcher<S> {
    pub(super) source: Arc<S>,
    pub(super) status: Arc<LogStatus>,
    pub(super) options: FollowOptions,
    pub(super) pages: Pages,
    pub(super) tree_size: u64,
    /// Whether answers are kept as evidence, should they turn out wrong.
    pub(super) keeps: bool,
}

/// One page, however many answers it came in.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) entries: Vec<Entry>,
    pub(super) leaf_hashes: Vec<Hash>,
    /// The answers, copied so that they hold nothing others wait for.
    pub(super) served: Vec<Served>,
    /// An error that outlasted the attempts; entries that were had before it are there.
    pub(super) error: Option<SourceError>,
}

impl Fetched {
    fn add(&mut self, batch: Batch, keeps: bool) {
        let Batch { mut entries, mut leaf_hashes, served } = batch;
        if self.entries.is_empty() {
            (self.entries, self.leaf_hashes) = (entries, leaf_hashes);
        } else {
            self.entries.append(&mut entries);
            self.leaf_hashes.append(&mut leaf_hashes);
        }
        self.served.extend(served.filter(|_| keeps).map(|served| served.to_owned_bytes()));
    }
}

impl<S: Source> Fetcher<S> {
    /// Fetches one page.
    pub(super) async fn page(self: Arc<Self>, range: Range<u64>) -> Fetched {
        let mut fetched = Fetched::default();
        let mut failures = 0;
        let mut next = range.start;
        while next < range.end {
            self.pages.room().await;
            let part = first_page(next..range.end, self.source.page_size());
            match self.source.entries(part, self.tree_size).await {
                Ok(batch) => {
                    failures = 0;
                    next += batch.entries.len() as u64;
                    fetched.add(batch, self.keeps);
                }
                Err(error) => {
                    failures += 1;
                    let Some(wait) = self.retry_in(&error, failures) else {
                        fetched.error = Some(error);
                        break;
                    };
                    tokio::time::sleep(wait).await;
                }
            }
        }
        fetched
    }

    /// The wait before another attempt; `None` when there have been enough. A log that says how
    /// long it wants to be left alone is left alone as a whole, not request by request.
    fn retry_in(&self, error: &SourceError, failures: u32) -> Option<Duration> {
        let asked = error.fetch().and_then(|error| error.retry_after());
        self.status.note_limited(error);
        if failures >= self.options.retry_attempts || asked.is_some() {
            return None;
        }
        add(&self.status.counters.errors, 1);
        tracing::debug!(log = self.status.log.name, %error, failures, "request failed");
        Some(self.options.backoff.wait(failures, jitter()))
    }
}
