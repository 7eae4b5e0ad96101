//! The request to read entries that are missing, in an entry that all nodes share.
//!
//! There is one at a time. The command leaves it, and the node that leads takes it. A leader that follows
//! continues it: entries that are read are not missing any more. The term of the node at work is in the
//! request, so one that does not know yet that it leads no more takes nothing from its successor.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use record::StreamId;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::cluster::acknowledgements::{Entry, read_value};
use crate::state::backfill::requests::{Answer, Stage};

/// Key of the entry in the bucket.
pub(super) const KEY: &str = "backfill";
/// The version of the value.
const VERSION: u32 = 1;
/// The most bytes of the value.
const LONGEST: usize = 256 * 1024;
/// The most bytes of a request that is left: the answer is added to it.
const LONGEST_LEFT: usize = LONGEST / 2;
/// The most bytes of the text of an answer.
const LONGEST_TEXT: usize = 4 * 1024;
/// The most times in a row that a request is taken and nothing is read: one that ends its nodes must not
/// do so forever.
const MOST_TAKEN: u32 = 10;
/// Attempts to replace a value that other nodes replace at the same time.
const ATTEMPTS: usize = 8;
/// The time between two of them, and between two reads.
const AGAIN: Duration = Duration::from_millis(250);
/// Time for all servers to have what was written.
const SETTLED: Duration = Duration::from_secs(30);

/// A request, and the progress with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    version: u32,
    pub(super) id: u64,
    /// The id of the stream that lacks the entries.
    stream: String,
    /// Each the name, URL or id of a log.
    pub(super) logs: Vec<String>,
    /// The number of times that it was taken, and since entries were read last.
    taken: u32,
    takes_without_entries: u32,
    /// The term of the node that has taken it last.
    term: u64,
    /// None before it is taken.
    pub(super) answer: Option<Answer>,
}

impl Request {
    /// Reads a value; none if it is damaged: nothing could be requested otherwise.
    ///
    /// # Errors
    /// If a newer program has written it.
    fn read(value: &[u8]) -> anyhow::Result<Option<Self>> {
        read_value(value, LONGEST, VERSION, "the requests to backfill")
    }

    fn write(&self) -> anyhow::Result<Vec<u8>> {
        let value = serde_json::to_vec(self)?;
        ensure!(value.len() <= LONGEST, TOO_LONG);
        Ok(value)
    }

    /// Reports whether something is still to be done in this stream. Nobody is at work on the request of
    /// another one, which this one has replaced.
    pub(super) fn is_under_way(&self, stream: StreamId) -> bool {
        let is_over = |answer: &Answer| answer.stage != Stage::Running;
        self.stream == stream.as_str() && !self.answer.as_ref().is_some_and(is_over)
    }
}

/// The outcome of leaving a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It waits, or the same one is under way.
    Waits(u64),
    /// Another one is under way.
    Busy(Box<Request>),
}

/// A request that this node is at work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) id: u64,
    pub(super) logs: Vec<String>,
    term: u64,
    taken: u32,
}

impl Taken {
    /// Reports whether a node was at work on it before.
    pub(super) const fn is_continued(&self) -> bool {
        self.taken > 1
    }

    const fn is(&self, request: &Request) -> bool {
        request.id == self.id && request.term == self.term && request.taken == self.taken
    }
}

/// The request of all nodes.
#[derive(Debug, Clone)]
pub(super) struct Requests<E> {
    entry: E,
    /// The revision that was read or written last.
    seen: Arc<AtomicU64>,
    /// The newest revision of which is logged that it is damaged.
    damaged: Arc<AtomicU64>,
}

impl<E: Entry> Requests<E> {
    pub(super) fn new(entry: E) -> Self {
        Self { entry, seen: Arc::default(), damaged: Arc::default() }
    }

    /// Returns the request that was left last, with the revision of the entry. It is not older than what
    /// was read or written before.
    ///
    /// # Errors
    /// If the servers do not respond, or a newer program has written it.
    pub(super) async fn read(&self) -> anyhow::Result<(Option<u64>, Option<Request>)> {
        let Some((revision, value)) = self.newest().await? else { return Ok((None, None)) };
        let request = Request::read(&value)?;
        if request.is_none() && self.damaged.swap(revision, Ordering::Relaxed) != revision {
            let bytes = value.len();
            tracing::error!(
                bytes,
                "the request to backfill in the cluster's bucket is damaged and is discarded; run \
                 the command again"
            );
        }
        Ok((Some(revision), request))
    }

    /// Reads the entry, again if the server that responds does not have yet what is known. If none has it
    /// for long, the bucket is a new one.
    async fn newest(&self) -> anyhow::Result<Option<(u64, Bytes)>> {
        let begun = Instant::now();
        loop {
            let found = self.entry.get().await.context("the cluster's bucket cannot be read")?;
            let revision = found.as_ref().map_or(0, |(revision, _)| *revision);
            if revision >= self.seen.load(Ordering::Relaxed) || Instant::now() - begun > SETTLED {
                self.seen.store(revision, Ordering::Relaxed);
                return Ok(found);
            }
            sleep(AGAIN).await;
        }
    }

    /// Replaces what has this revision. Returns `false` if it has another one.
    async fn write(&self, revision: Option<u64>, request: &Request) -> anyhow::Result<bool> {
        let written = self.entry.set(revision, request.write()?.into()).await?;
        if let Some(revision) = written {
            self.seen.store(revision, Ordering::Relaxed);
        }
        Ok(written.is_some())
    }

    /// Leaves a request to read into this stream what it lacks of logs with these names, URLs or ids.
    ///
    /// # Errors
    /// If the servers do not respond. It may be left nevertheless.
    pub(super) async fn leave(&self, stream: StreamId, logs: &[String]) -> anyhow::Result<Left> {
        let request = Request {
            version: VERSION,
            id: RandomState::new().build_hasher().finish(),
            stream: stream.to_string(),
            logs: logs.to_vec(),
            taken: 0,
            takes_without_entries: 0,
            term: 0,
            answer: None,
        };
        ensure!(request.write()?.len() <= LONGEST_LEFT, TOO_LONG);
        for _ in 0..ATTEMPTS {
            let (revision, known) = self.read().await?;
            match known.filter(|known| known.is_under_way(stream)) {
                Some(known) if known.logs == request.logs => return Ok(Left::Waits(known.id)),
                Some(known) => return Ok(Left::Busy(Box::new(known))),
                None => {}
            }
            if self.write(revision, &request).await? {
                return Ok(Left::Waits(request.id));
            }
            sleep(AGAIN).await;
        }
        bail!(BUSY)
    }

    /// Takes back a request that no node has taken. Returns `false` if one has.
    ///
    /// # Errors
    /// If the servers do not respond.
    pub(super) async fn withdraw(&self, id: u64) -> anyhow::Result<bool> {
        let (revision, known) = self.read().await?;
        let waiting = known.filter(|known| known.id == id && known.answer.is_none());
        let Some(mut request) = waiting else { return Ok(false) };
        request.answer =
            Some(Answer { stage: Stage::Failed, text: "it was taken back".to_owned() });
        self.write(revision, &request).await
    }

    /// Takes the request of this stream that waits, or that a leader before this one has not finished.
    /// Only the node that leads in this term does that.
    ///
    /// # Errors
    /// If the servers do not respond. It may be taken nevertheless, and is taken again then.
    pub(super) async fn take(&self, stream: StreamId, term: u64) -> anyhow::Result<Option<Taken>> {
        let (revision, known) = self.read().await?;
        let waiting = known.filter(|known| known.is_under_way(stream) && known.term <= term);
        let Some(mut request) = waiting else { return Ok(None) };
        if request.takes_without_entries >= MOST_TAKEN {
            let text = format!(
                "{MOST_TAKEN} times a node was at work on it and ended before it had read an entry; \
                 see the logs of the nodes"
            );
            tracing::error!(logs = ?request.logs, reason = text, "entries stay missing");
            request.answer = Some(Answer { stage: Stage::Failed, text });
            self.write(revision, &request).await?;
            return Ok(None);
        }
        request.taken = request.taken.saturating_add(1);
        request.takes_without_entries = request.takes_without_entries.saturating_add(1);
        request.term = term;
        let text = "the node that leads has taken the request".to_owned();
        request.answer = Some(Answer { stage: Stage::Running, text });
        let is_taken = self.write(revision, &request).await?;
        let Request { id, logs, taken, .. } = request;
        Ok(is_taken.then_some(Taken { id, logs, term, taken }))
    }

    /// Reports the progress, and whether entries were read since the request was taken. Returns `false`
    /// if this node is not to be at work any more.
    ///
    /// # Errors
    /// If the servers do not respond. It may be reported nevertheless.
    pub(super) async fn report(
        &self,
        taken: &Taken,
        answer: &Answer,
        has_read: bool,
    ) -> anyhow::Result<bool> {
        for _ in 0..ATTEMPTS {
            let (revision, known) = self.read().await?;
            let Some(mut request) = known.filter(|known| taken.is(known)) else {
                return Ok(false);
            };
            request.answer = Some(Answer { stage: answer.stage, text: beginning(&answer.text) });
            if has_read {
                request.takes_without_entries = 0;
            }
            if self.write(revision, &request).await? {
                return Ok(true);
            }
            sleep(AGAIN).await;
        }
        bail!(BUSY)
    }
}

/// Returns the part of a text that an answer has room for.
fn beginning(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST_TEXT);
    let (beginning, rest) = text.split_at(end);
    if rest.is_empty() { beginning.to_owned() } else { format!("{beginning}…") }
}

const TOO_LONG: &str = "the request is too long: name fewer logs";
const BUSY: &str = "other nodes change the request in the cluster's bucket all the time";

#[cfg(test)]
mod tests;
