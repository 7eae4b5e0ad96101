//! The reading of one log: its head, its range, and part after part.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use columns::archive::Archive;
use ct::head::SignedHead;
use ct::merkle::CompactRange;
use ctclient::failure::{Failure, bounded};
use ctclient::{
    AnySource, Backoff, Client, Evidence, FetchError, HeadError, Log, RangeError, RangeOptions,
    ReadOptions, Retries, ServedHead, Source as _, SourceError, VerifiedRange, jitter,
};
use record::LogIdentity;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::error::BackfillError;
use super::logs::Selected;
use super::settings::{BackfillSettings, Bounds};
use super::{Shared, WAITING_BYTES, evidence_folder, span};
use crate::archive::part::{self, Span};
use crate::archive::proof::{Parts, Proof, ProofError};
use crate::archive::writer::{PartFile, PartWriter};
use crate::settings::Format;

/// Waits between attempts.
const BACKOFF: Backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(60) };
/// The maximum merge delay of a log whose list does not say, in seconds.
const LONGEST_DELAY: u64 = 86_400;
/// Attempts to get a head that is not smaller than an earlier one: front ends may lag behind.
const HEADS: u32 = 5;
/// Attempts at entries that cannot be parsed: another front end may serve them better.
const UNREADABLE: u32 = 5;
/// Rows of a row group. It is in memory until it is complete.
const GROUP: usize = 1 << 16;
/// The same where rows have certificates and leaves: several times as many bytes.
const GROUP_WITH_DER: usize = 1 << 14;
/// The wait between heads.
const NEXT_HEAD: Duration = Duration::from_secs(1);

/// The reading of one log.
#[derive(Debug)]
pub(super) struct LogReading {
    shared: Arc<Shared>,
    log: Arc<Log>,
    identity: LogIdentity,
    key: Vec<u8>,
    /// The maximum merge delay in milliseconds.
    delay: u64,
    slug: String,
    source: Arc<AnySource>,
    /// Paces the requests, and knows the pause that the log asked for.
    client: Arc<Client>,
    /// The present failure of the log, which bounds waits at its beginning.
    failure: Arc<Failure>,
    is_on_disk: bool,
}

/// A failure that lasts.
struct Failing {
    since: Instant,
    /// Attempts that failed.
    count: u32,
}

/// The newest part that is there.
struct Newest {
    /// The head that it is proved against.
    head: SignedHead,
    /// The tree up to its end.
    after: CompactRange,
}

/// A part that is being finished.
type Finishing = JoinHandle<Result<(), BackfillError>>;

impl LogReading {
    pub(super) fn new(shared: Arc<Shared>, selected: &Selected) -> Result<Self, BackfillError> {
        let Selected { listed, folder } = selected;
        let unusable = |error: ctclient::LogError| BackfillError::Usage(error.to_string());
        let log = Log::from_list(listed).map_err(unusable)?;
        let identity = LogIdentity {
            id: log.id,
            url: log.url.clone(),
            name: log.name.clone(),
            operator: log.operator.clone(),
            protocol: log.protocol,
        };
        // The rows name the log, wherever its tiles lie.
        let log = match folder {
            Some(folder) => Log::on_disk(listed, folder).map_err(unusable)?,
            None => log,
        };
        let log = Arc::new(log);
        let failure = Arc::new(Failure::default());
        let client = &shared.client;
        let client = client.for_log(&log.operator, &log.url, BACKOFF, Arc::clone(&failure));
        let options = ReadOptions {
            leaves: shared.settings.with_der,
            keeps_hash_tiles: true,
            ..ReadOptions::default()
        };
        let client = Arc::new(client);
        let slug = part::slug(&log.name, &listed.log_id);
        shared.progress.begins(&slug, &log, Arc::clone(&client));
        let source = AnySource::new(&log, &client, &shared.issuers, options);
        Ok(Self {
            slug,
            key: listed.key.clone(),
            delay: listed.mmd.unwrap_or(LONGEST_DELAY).saturating_mul(1000),
            source: Arc::new(source),
            shared,
            log,
            identity,
            client,
            failure,
            is_on_disk: folder.is_some(),
        })
    }

    fn settings(&self) -> &BackfillSettings {
        &self.shared.settings
    }

    /// Reads all that is missing.
    pub(super) async fn run(self) -> Result<(), BackfillError> {
        let outcome = self.read().await;
        self.shared.progress.ends(&self.slug);
        outcome
    }

    async fn read(&self) -> Result<(), BackfillError> {
        let there = self.shared.place.parts(&self.slug).await?;
        let newest = self.newest(&there).await?;
        let head = self.head(newest).await?;
        let range = self.range(&head).await?;
        let spans: Vec<_> = there.iter().map(|(span, _)| *span).collect();
        let missing = part::missing(range.clone(), &spans, self.settings().part_entries);
        let wanted: u64 = missing.iter().map(|span| span.count()).sum();
        let progress = &self.shared.progress;
        progress.wanted.fetch_add(wanted, Ordering::Relaxed);
        progress.event(json!({
            "event": "log", "log": self.log.name, "start": range.start, "end": range.end,
            "entries": wanted, "head_size": head.signed.head.size,
        }));
        tracing::info!(
            entries = wanted,
            start = range.start,
            end = range.end,
            "reading {}",
            self.log.name
        );
        // The previous part is written to its end while the next one is read.
        let mut finishing: Option<Finishing> = None;
        let mut outcome = Ok(());
        for span in missing {
            match self.part(span, &head).await {
                Ok(next) => outcome = finish(finishing.replace(next)).await,
                Err(error) => outcome = Err(error),
            }
            if outcome.is_err() {
                break;
            }
        }
        // A part that is complete is kept whatever happened after it.
        match (finish(finishing).await, outcome) {
            (Err(one), Err(other)) if one.gravity() < other.gravity() => Err(other),
            (finished, outcome) => finished.and(outcome),
        }
    }

    /// Returns what the part with the largest indexes proves, after checking that parts of these
    /// settings can be added to those that are there.
    async fn newest(&self, there: &[(Span, Format)]) -> Result<Option<Newest>, BackfillError> {
        let Some((span, format)) = there.iter().max_by_key(|(span, _)| span.end()) else {
            return Ok(None);
        };
        let name = part::name(&self.slug, *span, *format);
        let other =
            |reason: &str| BackfillError::Part { part: name.clone(), reason: reason.into() };
        if there.iter().any(|(_, format)| *format != self.settings().format) {
            return Err(other("there are parts of another --format"));
        }
        let file = self.shared.place.fetch(&self.slug, &name).await?;
        let archive = Archive::open(file).map_err(|error| other(&error.to_string()))?;
        let wrong = |error: ProofError| BackfillError::proof(&name, &error);
        let proof = Proof::read(archive.text()).map_err(wrong)?;
        let (id, found) = proof.span().map_err(wrong)?;
        if Some(id) != self.log.id || found != *span {
            return Err(other("it is the part of another log or range"));
        }
        if proof.has_der() != self.settings().with_der {
            let is = if proof.has_der() { "with" } else { "without" };
            return Err(other(&format!("the parts that are there are {is} certificates")));
        }
        let (head, after) = (proof.head().map_err(wrong)?, proof.check().map_err(wrong)?.after);
        Ok(Some(Newest { head, after }))
    }

    /// Fetches a head that is signed, and extends the one of the newest part.
    async fn head(&self, newest: Option<Newest>) -> Result<ServedHead, BackfillError> {
        let mut head = self.signed_head().await?;
        let Some(Newest { head: signed, after }) = newest else { return Ok(head) };
        let earlier = signed.head;
        // The part has no more than the signature.
        let both = |head| vec![head, ServedHead { signed, body: Bytes::new() }];
        for _ in 1..HEADS {
            if head.signed.head.size >= earlier.size {
                break;
            }
            tokio::time::sleep(NEXT_HEAD).await;
            head = self.signed_head().await?;
        }
        let now = head.signed.head;
        if now.size < earlier.size {
            let text = format!(
                "its tree has {} entries now, and the newest part is proved against a tree of {}: \
                 the log was rolled back, or its front end is far behind",
                now.size, earlier.size
            );
            return Err(self.contradicts(text, now.size..earlier.size, both(head)));
        }
        // The entries of the newest part have to be under this head too.
        match self.patiently(|| self.source.consistency(&after, &now)).await {
            Ok(_) => Ok(head),
            Err(SourceError::Proof { reason, .. }) => {
                let text = format!(
                    "its tree of {} entries does not extend the one of the newest part: {reason}",
                    now.size
                );
                Err(self.contradicts(text, earlier.size..now.size, both(head)))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn signed_head(&self) -> Result<ServedHead, BackfillError> {
        let head = self.patiently(|| self.source.head()).await;
        let head = head.map_err(|error| self.failed(&error))?;
        if let Some(key) = &self.log.key {
            let size = head.signed.head.size;
            let signed = head.signed.verify(key);
            signed.map_err(|source| self.failed(&HeadError::Signature { size, source }))?;
        }
        Ok(head)
    }

    /// Returns the range to read, which the head covers.
    async fn range(&self, head: &ServedHead) -> Result<Range<u64>, BackfillError> {
        let size = head.signed.head.size;
        let beyond = |option: &str, index: u64| {
            let log = &self.log.name;
            let text = format!(
                "{option} {index}: the tree of {log} has {size} entries; give at most that"
            );
            Err(BackfillError::Usage(text))
        };
        match self.settings().bounds {
            Bounds::Indexes { start, .. } if start > size => beyond("--start", start),
            Bounds::Indexes { end: Some(end), .. } if end > size => beyond("--end", end),
            Bounds::Indexes { start, end } => Ok(start..end.unwrap_or(size)),
            Bounds::Times(times) => {
                let range = self
                    .patiently(|| span::of_times(&self.source, size, times, self.delay))
                    .await
                    .map_err(|error| self.failed(&error))?;
                if range.is_empty() {
                    tracing::warn!("{} has no entries of this time", self.log.name);
                }
                Ok(range)
            }
        }
    }

    /// Reads a part, and begins to finish it.
    async fn part(&self, span: Span, head: &ServedHead) -> Result<Finishing, BackfillError> {
        let settings = self.settings();
        let name = part::name(&self.slug, span, settings.format);
        let path = self.shared.place.temporary(&name);
        let writer = PartWriter::start(PartFile {
            path: path.clone(),
            format: settings.format,
            compression: settings.compression,
            group: if settings.with_der { GROUP_WITH_DER } else { GROUP },
            with_der: settings.with_der,
            log: self.identity.clone(),
        })?;
        let options = RangeOptions {
            concurrency: settings.concurrency,
            retries: Retries { attempts: 3, backoff: BACKOFF },
            waiting_bytes: WAITING_BYTES,
        };
        let source = Arc::clone(&self.source);
        let reading =
            VerifiedRange::new(source, &self.log, span.start()..span.end(), head.clone(), options)
                .map_err(|error| self.failed(&error))?;
        let Some((before, after)) = self.pages(reading, &writer).await? else {
            return Err(writer.failure(&path).await.into());
        };
        let consistency = self.patiently(|| self.source.consistency(&after, &head.signed.head));
        let consistency = consistency.await.map_err(|error| self.failed(&error))?;
        let parts = Parts {
            log: self.identity.clone(),
            key: self.key.clone(),
            head: head.signed.clone(),
            before,
            after,
            consistency,
            with_der: settings.with_der,
        };
        let (shared, slug, log) =
            (Arc::clone(&self.shared), self.slug.clone(), self.log.name.clone());
        Ok(tokio::spawn(async move {
            let bytes = writer.finish(parts, &path).await?;
            shared.place.publish(&slug, &name, bytes).await?;
            shared.progress.completes(span.count(), bytes);
            shared.progress.event(json!({
                "event": "part", "log": log, "part": format!("{}/{name}", part::folder(&slug)),
                "start": span.start(), "end": span.end(), "bytes": bytes,
            }));
            Ok(())
        }))
    }

    /// Passes the pages of a range to the writer. Returns the trees before and after it; none if the
    /// writer has failed.
    async fn pages(
        &self,
        mut reading: VerifiedRange<Arc<AnySource>>,
        writer: &PartWriter,
    ) -> Result<Option<(CompactRange, CompactRange)>, BackfillError> {
        let mut after = CompactRange::new();
        let mut failing = None;
        loop {
            match reading.next().await {
                Ok(Some(page)) => {
                    self.recovers(&mut failing);
                    after = page.tree.read.clone();
                    let count = page.entries.len() as u64;
                    if !writer.add(page).await {
                        return Ok(None);
                    }
                    self.shared.progress.proved.fetch_add(count, Ordering::Relaxed);
                }
                Ok(None) => break,
                Err(RangeError::Source(error)) => self.wait(&error, &mut failing).await?,
                Err(RangeError::Contradiction(evidence)) => {
                    return Err(self.with_evidence(*evidence));
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(Some((reading.before().cloned().unwrap_or_default(), after)))
    }

    /// Waits after a failure, unless it lasts for too long or will not pass.
    async fn wait(
        &self,
        error: &SourceError,
        failing: &mut Option<Failing>,
    ) -> Result<(), BackfillError> {
        let now = Instant::now();
        let Failing { since, count } = failing.get_or_insert(Failing { since: now, count: 0 });
        *count += 1;
        let is_final = match error {
            SourceError::Unreadable { .. } => *count > UNREADABLE,
            SourceError::Fetch(FetchError::PrivateAddress { .. }) => true,
            // Files do not appear by themselves.
            _ => self.is_on_disk,
        };
        if is_final || now.saturating_duration_since(*since) >= self.settings().patience {
            return Err(self.failed(error));
        }
        // The next request waits for the end of a pause by itself.
        if self.client.paused_for().is_none() {
            let wait = bounded(BACKOFF, Some(*since), now).wait(*count, jitter());
            self.shared.progress.fails(&self.slug, wait, error.to_string());
            tracing::debug!("{}: trying again in {wait:.1?}: {error}", self.log.name);
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    fn recovers(&self, failing: &mut Option<Failing>) {
        *failing = None;
        self.failure.end();
    }

    /// Repeats a request until it succeeds, fails for too long, or shows that the log is wrong.
    async fn patiently<T, F: Future<Output = Result<T, SourceError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, SourceError> {
        let mut failing = None;
        loop {
            let error = match attempt().await {
                Ok(value) => {
                    self.recovers(&mut failing);
                    return Ok(value);
                }
                Err(error @ SourceError::Proof { .. }) => return Err(error),
                Err(error) => error,
            };
            if self.wait(&error, &mut failing).await.is_err() {
                return Err(error);
            }
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> BackfillError {
        BackfillError::Log { log: self.log.name.clone(), reason: error.to_string() }
    }

    fn contradicts(
        &self,
        text: String,
        entries: Range<u64>,
        heads: Vec<ServedHead>,
    ) -> BackfillError {
        let evidence = Evidence::new(&self.log, ctclient::AlarmKind::Fork, text, entries);
        self.with_evidence(Evidence { heads, ..evidence })
    }

    /// Writes the evidence of a contradiction.
    fn with_evidence(&self, evidence: Evidence) -> BackfillError {
        let written = evidence.write(&evidence_folder(&self.shared.place));
        if let Err(error) = &written {
            tracing::warn!(%error, "the evidence is not written");
        }
        let (log, reason) = (self.log.name.clone(), evidence.text);
        BackfillError::Contradiction { log, reason, evidence: written.ok() }
    }
}

/// Waits until a part is finished.
async fn finish(finishing: Option<Finishing>) -> Result<(), BackfillError> {
    match finishing {
        None => Ok(()),
        Some(task) => match task.await {
            Ok(outcome) => outcome,
            Err(panic) => Err(BackfillError::Defect(panic.to_string())),
        },
    }
}
