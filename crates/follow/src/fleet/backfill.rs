//! Reading entries of a log that are missing, and handing them to the publisher.
//!
//! Each page is proved against a signed head before it is handed in, and the next one is read once it is
//! committed. So what remains to be read after a stop is what is still missing.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use ct::Hash;
use ctclient::{
    AnySource, ProvedPage, RangeError, RangeOptions, ReadOptions, Retries, ServedHead, Source as _,
    SourceError, VerifiedRange, jitter,
};
use record::LogIdentity;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Fleet;
use crate::follower::parts::Part;
use crate::page::{Notice, Page};
use crate::queue::Pages;
use crate::status::LogStatus;

/// Attempts at the same entries before reading ends, or an entry that cannot be read is passed over.
const ATTEMPTS: u32 = 5;

/// Finds certificates among those that were published.
pub trait Published: Sync {
    /// Returns for each fingerprint the offset at which its certificate was published, if it was. The
    /// error is for the operator.
    fn offsets(
        &self,
        fingerprints: Vec<Hash>,
    ) -> impl Future<Output = Result<Vec<Option<u64>>, String>> + Send;
}

/// Reads missing entries of one log.
pub struct Backfill {
    log: Arc<LogStatus>,
    source: Arc<AnySource>,
    pages: Pages,
    retries: Retries,
}

/// The reason why entries are still missing.
#[derive(Debug, Error)]
pub enum BackfillError {
    /// The log does not answer as it should, or contradicts itself.
    #[error(transparent)]
    Log(#[from] RangeError),
    /// The history cannot be searched.
    #[error("{0}")]
    History(String),
    /// Nothing is published any more.
    #[error("the server stops")]
    Closed,
}

impl Fleet {
    /// Returns what reads missing entries of a log; `None` if the log is not followed at present.
    #[must_use]
    pub fn backfill(&self, log: &LogIdentity) -> Option<Backfill> {
        let pages = self.pages.lock().clone()?;
        let is_it = |status: &LogStatus| match log.id.zip(status.log.id) {
            Some((one, two)) => one == two,
            None => log.url == status.log.url,
        };
        let (status, client) = self.clients().into_iter().find(|(status, _)| is_it(status))?;
        let read = ReadOptions {
            batch_size: self.follow.batch_size,
            tbs_ids: self.follow.tbs_ids,
            keeps_hash_tiles: true,
            ..ReadOptions::default()
        };
        let source = Arc::new(AnySource::new(&status.log, &client, &self.issuers, read));
        let retries =
            Retries { attempts: self.follow.retry_attempts, backoff: self.follow.backoff };
        Some(Backfill { log: status, source, pages, retries })
    }
}

impl Backfill {
    /// Hands pages in at another queue than that of the followers.
    #[must_use]
    pub fn into_queue(self, pages: mpsc::Sender<Page>) -> Self {
        Self { pages: Pages::new(pages), ..self }
    }

    /// Reads a range of the log, of which the publisher takes what is missing. Calls `done` with the
    /// number of entries of each page that is committed.
    ///
    /// # Errors
    /// If the log does not answer, contradicts itself, or nothing more can be published. What was
    /// committed until then is not missing any more.
    pub async fn fill(
        &self,
        range: Range<u64>,
        published: &impl Published,
        mut done: impl FnMut(u64),
    ) -> Result<(), BackfillError> {
        let head = self.head().await?;
        let options = RangeOptions { retries: self.retries, ..RangeOptions::default() };
        let end = range.end;
        let (source, log) = (Arc::clone(&self.source), &self.log.log);
        let mut reading = VerifiedRange::new(source, log, range, head, options)?;
        let mut failures = 0;
        loop {
            match reading.next().await {
                Ok(None) => return Ok(()),
                Ok(Some(page)) => {
                    failures = 0;
                    done(self.publish(page, published).await?);
                }
                Err(RangeError::Source(error)) => {
                    failures += 1;
                    if failures < ATTEMPTS {
                        sleep(self.retries.backoff.wait(failures, jitter())).await;
                        continue;
                    }
                    failures = 0;
                    reading.skip_to(self.passed_over(error)?.min(end));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn head(&self) -> Result<ServedHead, BackfillError> {
        let mut failures = 0;
        loop {
            match self.source.head().await {
                Ok(head) => return Ok(head),
                Err(error) => {
                    failures += 1;
                    if failures == ATTEMPTS {
                        return Err(RangeError::from(error).into());
                    }
                    sleep(self.retries.backoff.wait(failures, jitter())).await;
                }
            }
        }
    }

    /// Returns the index after entries that cannot be read; another error ends the reading.
    fn passed_over(&self, error: SourceError) -> Result<u64, BackfillError> {
        let SourceError::Unreadable { index, ref answer, .. } = error else {
            return Err(RangeError::from(error).into());
        };
        let after = index.saturating_add(1);
        let end = answer.bounds.as_ref().map_or(after, |bounds| bounds.end.max(after));
        let last = end.saturating_sub(1);
        let log = &self.log.log.name;
        tracing::warn!(log, first = index, last, %error, "entries cannot be read and stay missing");
        Ok(end)
    }

    /// Hands a page in, part after part, and waits until it is committed. Returns its entries.
    async fn publish(
        &self,
        mut page: ProvedPage,
        published: &impl Published,
    ) -> Result<u64, BackfillError> {
        self.log.note_findings(&page.findings);
        let entries = std::mem::take(&mut page.entries);
        let count = entries.len() as u64;
        let part = Part { entries, leaf_hashes: Vec::new(), lease: None };
        for Part { entries, .. } in part.cut() {
            let fingerprints = entries.iter().map(|entry| entry.fingerprint).collect();
            let offsets = published.offsets(fingerprints).await;
            let offsets = offsets.map_err(BackfillError::History)?;
            let known =
                |(entry, offset): (&record::Record, Option<u64>)| Some((entry.index, offset?));
            let known = entries.iter().zip(offsets).filter_map(known).collect();
            let notice = Notice::Backfill(known);
            let (notice, committed) = Page::of_notice(Arc::clone(&self.log), notice);
            let sent = self.pages.send(Page { entries, ..notice }, None).await;
            sent.map_err(|_| BackfillError::Closed)?;
            committed.await.map_err(|_| BackfillError::Closed)?;
        }
        // Its bytes count in the budget until here.
        drop(page);
        Ok(count)
    }
}

impl fmt::Debug for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill").field("log", &self.log.log.name).finish_non_exhaustive()
    }
}
