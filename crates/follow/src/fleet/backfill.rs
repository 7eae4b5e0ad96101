//! Reading entries of a log that are missing, and handing them to the publisher.
//!
//! Each page is proved against a signed head that continues what was committed. Entries are gathered, so
//! that what was published is searched for many of them at once, and then handed in part after part. So
//! what remains to be read after a stop is what is still missing. A log that contradicts itself, or what
//! was committed, raises the same alarm as if that was found in following it.

mod gathered;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ct::Hash;
use ct::merkle::CompactRange;
use ctclient::{
    AlarmKind, AnySource, Bounds, Evidence, Point, RangeError, RangeOptions, ReadOptions, Retries,
    ServedHead, Source as _, SourceError, VerifiedRange, jitter,
};
use record::{LogIdentity, Tree};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::sleep;

use self::gathered::Gathered;
use super::Fleet;
use crate::alarm::{self, Alarm};
use crate::follower::parts::Part;
use crate::options::Verification;
use crate::page::{Notice, Page};
use crate::queue::Pages;
use crate::status::LogStatus;

/// Attempts at the same entries before reading ends, or an entry that cannot be read is passed over.
const ATTEMPTS: u32 = 5;

/// Limits of the entries that are gathered before they are searched for. What is read when one is
/// reached belongs to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gather {
    /// Entries.
    pub entries: usize,
    /// Bytes of memory that they take.
    pub bytes: usize,
    /// Time since the first one was read.
    pub time: Duration,
}

impl Gather {
    /// Nothing is gathered: each page is searched for.
    pub const PAGE: Self = Self { entries: 0, bytes: 0, time: Duration::ZERO };
}

/// Finds certificates among those that were published.
pub trait Published: Sync {
    /// Returns the limits of what is gathered.
    fn gathers(&self) -> Gather {
        Gather::PAGE
    }

    /// Prepares to find these certificates, part after part. The error is for the operator.
    fn expect(&self, fingerprints: Vec<Hash>) -> impl Future<Output = Result<(), String>> + Send {
        drop(fingerprints);
        async { Ok(()) }
    }

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
    /// The tree of the entries below the log's position, if it is proved.
    committed: Option<CompactRange>,
    /// The folder for evidence of contradictions; `None` for none.
    evidence_dir: Option<PathBuf>,
    /// Nothing is read while the log has alarms.
    is_enforced: bool,
}

/// The reason why entries are still missing.
#[derive(Debug, Error)]
pub enum BackfillError {
    /// The log does not answer as it should.
    #[error(transparent)]
    Log(RangeError),
    /// The log contradicts itself, or what was committed. The alarm is raised.
    #[error("{0}")]
    Contradiction(String),
    /// Verification is enforced and the log has alarms.
    #[error("stopped by an alarm until that is acknowledged (certstream-server logs ack NAME)")]
    Stopped,
    /// The log's head is older than what was read.
    #[error("the log's newest head has {size} entries, but {read} were read before")]
    Stale {
        /// Entries in the tree of the head.
        size: u64,
        /// Entries that were committed.
        read: u64,
    },
    /// The history cannot be searched.
    #[error("{0}")]
    History(String),
    /// Nothing is published any more.
    #[error("the server stops")]
    Closed,
}

/// The reason why reading has ended: a contradiction with its evidence, or another one.
enum Ended {
    Contradiction(Box<Evidence>),
    Other(BackfillError),
}

impl From<RangeError> for Ended {
    fn from(error: RangeError) -> Self {
        match error {
            RangeError::Contradiction(evidence) => Self::Contradiction(evidence),
            error => Self::Other(BackfillError::Log(error)),
        }
    }
}

impl From<SourceError> for Ended {
    fn from(error: SourceError) -> Self {
        Self::Other(BackfillError::Log(error.into()))
    }
}

impl From<BackfillError> for Ended {
    fn from(error: BackfillError) -> Self {
        Self::Other(error)
    }
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
        // Pages are held while the stream is searched; the follower must not wait for their bytes.
        let client = Arc::new(client.with_own_share());
        let source = Arc::new(AnySource::new(&status.log, &client, &self.issuers, read));
        let retries =
            Retries { attempts: self.follow.retry_attempts, backoff: self.follow.backoff };
        let tree = status.resume().and_then(|resume| resume.tree);
        let reader = Backfill {
            log: status,
            source,
            pages,
            retries,
            committed: None,
            evidence_dir: self.follow.evidence_dir.clone(),
            is_enforced: self.follow.verification == Verification::Enforce,
        };
        Some(reader.continuing(tree.as_ref()))
    }
}

impl Backfill {
    /// Hands pages in at another queue than that of the followers.
    #[must_use]
    pub fn into_queue(self, pages: mpsc::Sender<Page>) -> Self {
        Self { pages: Pages::new(pages), ..self }
    }

    /// Saves evidence of contradictions in this folder.
    #[must_use]
    pub fn with_evidence(self, folder: Option<PathBuf>) -> Self {
        Self { evidence_dir: folder, ..self }
    }

    /// Has the log's head compared with a tree that was committed, as far as that is proved.
    #[must_use]
    pub fn continuing(self, tree: Option<&Tree>) -> Self {
        let proved = tree.filter(|tree| tree.proved.size == tree.read.size());
        Self { committed: proved.map(|tree| tree.read.clone()), ..self }
    }

    /// Reads ranges of the log, of which the publisher takes what is missing. Calls `done` with the
    /// number of entries of each part that is committed.
    ///
    /// # Errors
    /// If the log does not answer, contradicts itself, or nothing more can be published. What was
    /// read until then and is proved is committed, unless nothing can be or an alarm stops the log.
    pub async fn fill(
        &self,
        ranges: &[Range<u64>],
        published: &impl Published,
        mut done: impl FnMut(u64),
    ) -> Result<(), BackfillError> {
        self.check_alarms()?;
        let mut gathered = Gathered::new(published.gathers());
        let read = self.read(ranges, published, &mut gathered, &mut done).await;
        // Also what was read before an error.
        let handed_in = self.publish(&mut gathered, published, &mut done).await;
        match read {
            Ok(()) => handed_in,
            Err(Ended::Other(error)) => Err(error),
            Err(Ended::Contradiction(evidence)) => {
                let text = evidence.text.clone();
                self.raise(*evidence).await;
                Err(BackfillError::Contradiction(text))
            }
        }
    }

    /// Checks that alarms do not stop the log, if verification is enforced.
    fn check_alarms(&self) -> Result<(), BackfillError> {
        if self.is_enforced && self.log.has_alarms() {
            return Err(BackfillError::Stopped);
        }
        Ok(())
    }

    async fn read(
        &self,
        ranges: &[Range<u64>],
        published: &impl Published,
        gathered: &mut Gathered,
        done: &mut impl FnMut(u64),
    ) -> Result<(), Ended> {
        let head = self.head().await?;
        let options = RangeOptions { retries: self.retries, ..RangeOptions::default() };
        for (number, range) in ranges.iter().enumerate() {
            let (source, log) = (Arc::clone(&self.source), &self.log.log);
            // It verifies the signature.
            let reading = VerifiedRange::new(source, log, range.clone(), head.clone(), options)?;
            if number == 0 {
                self.compare(&head).await?;
            }
            self.read_range(reading, range.end, published, gathered, done).await?;
        }
        Ok(())
    }

    async fn read_range(
        &self,
        mut reading: VerifiedRange<Arc<AnySource>>,
        end: u64,
        published: &impl Published,
        gathered: &mut Gathered,
        done: &mut impl FnMut(u64),
    ) -> Result<(), Ended> {
        let mut failures = 0;
        loop {
            self.check_alarms()?;
            let error = match reading.next().await {
                Ok(None) => return Ok(()),
                Ok(Some(page)) => {
                    failures = 0;
                    self.log.note_findings(&page.findings);
                    gathered.take(page);
                    if gathered.is_full() {
                        self.publish(gathered, published, done).await?;
                    }
                    continue;
                }
                Err(error) => error,
            };
            failures += 1;
            match error {
                RangeError::Source(_) if failures < ATTEMPTS => {
                    sleep(self.retries.backoff.wait(failures, jitter())).await;
                }
                RangeError::Source(SourceError::Unreadable { index, ref answer, .. }) => {
                    failures = 0;
                    let after = self.passed_over(index, answer.bounds.as_ref(), &error);
                    reading.skip_to(after.min(end));
                }
                error => return Err(error.into()),
            }
        }
    }

    /// Fetches a head that is not older than what was committed.
    async fn head(&self) -> Result<ServedHead, BackfillError> {
        let read = self.committed.as_ref().map_or(0, CompactRange::size);
        let mut failures = 0;
        loop {
            let error = match self.source.head().await {
                Ok(head) if head.signed.head.size >= read => return Ok(head),
                Ok(head) => BackfillError::Stale { size: head.signed.head.size, read },
                Err(error) => BackfillError::Log(error.into()),
            };
            failures += 1;
            if failures == ATTEMPTS {
                return Err(error);
            }
            sleep(self.retries.backoff.wait(failures, jitter())).await;
        }
    }

    /// Has the log prove that the head continues what was committed.
    async fn compare(&self, head: &ServedHead) -> Result<(), Ended> {
        let Some(committed) = &self.committed else { return Ok(()) };
        let mut failures = 0;
        let extends = loop {
            match self.source.extends(committed, &head.signed.head).await {
                Ok(extends) => break extends,
                Err(error) => {
                    failures += 1;
                    if failures == ATTEMPTS {
                        return Err(error.into());
                    }
                    sleep(self.retries.backoff.wait(failures, jitter())).await;
                }
            }
        };
        if extends {
            return Ok(());
        }
        let (read, size) = (committed.size(), head.signed.head.size);
        let text = format!(
            "the tree of {read} entries that was read and proved is not the beginning of the one of \
             {size} entries that the log signs now"
        );
        Err(Ended::Contradiction(Box::new(Evidence {
            heads: vec![head.clone()],
            expected: Some(Point::of_range(committed)),
            ..Evidence::new(&self.log.log, AlarmKind::Fork, text, read..size)
        })))
    }

    /// Returns the index after entries that cannot be read.
    fn passed_over(&self, index: u64, bounds: Option<&Bounds>, error: &RangeError) -> u64 {
        let after = index.saturating_add(1);
        let end = bounds.map_or(after, |bounds| bounds.end.max(after));
        let last = end.saturating_sub(1);
        let log = &self.log.log.name;
        tracing::warn!(log, first = index, last, %error, "entries cannot be read and stay missing");
        end
    }

    /// Hands in what is gathered, part after part, and waits until each is committed.
    async fn publish(
        &self,
        gathered: &mut Gathered,
        published: &impl Published,
        done: &mut impl FnMut(u64),
    ) -> Result<(), BackfillError> {
        let (entries, page) = gathered.empty();
        if entries.is_empty() {
            return Ok(());
        }
        let fingerprints = entries.iter().map(|entry| entry.fingerprint).collect();
        published.expect(fingerprints).await.map_err(BackfillError::History)?;
        let part = Part { entries, leaf_hashes: Vec::new(), lease: None };
        for Part { entries, .. } in part.cut() {
            let count = entries.len() as u64;
            let fingerprints = entries.iter().map(|entry| entry.fingerprint).collect();
            let offsets = published.offsets(fingerprints).await;
            let offsets = offsets.map_err(BackfillError::History)?;
            // The follower may have raised one since these entries were read.
            self.check_alarms()?;
            let known =
                |(entry, offset): (&record::Record, Option<u64>)| Some((entry.index, offset?));
            let known = entries.iter().zip(offsets).filter_map(known).collect();
            let notice = Notice::Backfill(known);
            let (notice, committed) = Page::of_notice(Arc::clone(&self.log), notice);
            let sent = self.pages.send(Page { entries, ..notice }, None).await;
            sent.map_err(|_| BackfillError::Closed)?;
            committed.await.map_err(|_| BackfillError::Closed)?;
            done(count);
        }
        // Its bytes count in the budget until here.
        drop(page);
        Ok(())
    }

    /// Raises the alarm of a contradiction, unless it is open already.
    async fn raise(&self, evidence: Evidence) {
        if !self.log.snapshot().alarms.iter().any(|alarm| is_of(alarm, &evidence)) {
            alarm::raise(&self.log, &self.pages, self.evidence_dir.clone(), evidence).await;
        }
    }
}

/// Reports whether an open alarm is of the same contradiction.
fn is_of(alarm: &Alarm, evidence: &Evidence) -> bool {
    let Evidence { kind, entries, .. } = evidence;
    // The heads of a forked log grow, and with them the entries that are not proved.
    let is_same =
        *kind == AlarmKind::Fork || (alarm.first, alarm.end) == (entries.start, entries.end);
    alarm.kind == *kind && is_same
}

impl fmt::Debug for Backfill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backfill").field("log", &self.log.log.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
