//! The request to read entries that are missing, in an entry that all nodes share.
//!
//! There is one at a time. The command leaves it, and the node that leads takes it. A leader that follows
//! continues it: entries that are read are not missing any more. The term of the node at work is in the
//! request, so one that does not know yet that it leads no more takes nothing from its successor.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cluster::acknowledgements::Entry;
use crate::state::backfill::requests::{Answer, Stage};

/// Key of the entry in the bucket.
pub(super) const KEY: &str = "backfill";
/// The version of the value.
const VERSION: u32 = 1;
/// The most bytes of the value.
const LONGEST: usize = 256 * 1024;
/// The most times that a request is taken: one that ends its nodes must not do so forever.
const MOST_TAKEN: u32 = 10;
/// Attempts to replace a value that other nodes replace at the same time.
const ATTEMPTS: usize = 8;

/// A request, and the progress with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    version: u32,
    pub(super) id: u64,
    /// Each the name, URL or id of a log.
    pub(super) logs: Vec<String>,
    /// The number of times that it was taken.
    taken: u32,
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
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        if value.len() <= LONGEST {
            let version =
                serde_json::from_slice(value).map_or(VERSION, |Version { version }| version);
            ensure!(
                version <= VERSION,
                "the request to backfill has version {version}, and this program reads version \
                 {VERSION}: run the same version of the program on all nodes"
            );
            if let Ok(request) = serde_json::from_slice(value) {
                return Ok(Some(request));
            }
        }
        let bytes = value.len();
        tracing::error!(
            bytes,
            "the request to backfill in the cluster's bucket is damaged and is discarded; run the \
             command again"
        );
        Ok(None)
    }

    fn write(&self) -> anyhow::Result<Vec<u8>> {
        let value = serde_json::to_vec(self)?;
        ensure!(value.len() <= LONGEST, "the request is too long: name fewer logs");
        Ok(value)
    }

    /// Reports whether nothing more is done.
    pub(super) fn is_over(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.stage != Stage::Running)
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
pub(super) struct Requests<E>(pub(super) E);

impl<E: Entry> Requests<E> {
    /// Returns the request that was left last, with the revision of the entry.
    ///
    /// # Errors
    /// If the servers do not respond, or a newer program has written it.
    pub(super) async fn read(&self) -> anyhow::Result<(Option<u64>, Option<Request>)> {
        let value = self.0.get().await.context("the cluster's bucket cannot be read")?;
        match value {
            Some((revision, value)) => Ok((Some(revision), Request::read(&value)?)),
            None => Ok((None, None)),
        }
    }

    /// Leaves a request for logs with these names, URLs or ids.
    ///
    /// # Errors
    /// If the servers do not respond. It may be left nevertheless.
    pub(super) async fn leave(&self, logs: &[String]) -> anyhow::Result<Left> {
        let id = RandomState::new().build_hasher().finish();
        let logs = logs.to_vec();
        let request = Request { version: VERSION, id, logs, taken: 0, term: 0, answer: None };
        for _ in 0..ATTEMPTS {
            let (revision, known) = self.read().await?;
            match known.filter(|known| !known.is_over()) {
                Some(known) if known.logs == request.logs => return Ok(Left::Waits(known.id)),
                Some(known) => return Ok(Left::Busy(Box::new(known))),
                None => {}
            }
            if self.0.set(revision, request.write()?.into()).await? {
                return Ok(Left::Waits(id));
            }
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
        self.0.set(revision, request.write()?.into()).await
    }

    /// Takes the request that waits, or that a leader before this one has not finished. Only the node
    /// that leads in this term does that.
    ///
    /// # Errors
    /// If the servers do not respond. It may be taken nevertheless, and is taken again then.
    pub(super) async fn take(&self, term: u64) -> anyhow::Result<Option<Taken>> {
        let (revision, known) = self.read().await?;
        let waiting = known.filter(|known| !known.is_over() && known.term <= term);
        let Some(mut request) = waiting else { return Ok(None) };
        if request.taken >= MOST_TAKEN {
            let text = format!(
                "{MOST_TAKEN} times a node was at work on it and ended before it was done; see \
                 the logs of the nodes"
            );
            tracing::error!(logs = ?request.logs, reason = text, "entries stay missing");
            request.answer = Some(Answer { stage: Stage::Failed, text });
            self.0.set(revision, request.write()?.into()).await?;
            return Ok(None);
        }
        request.taken = request.taken.saturating_add(1);
        request.term = term;
        let text = "the node that leads has taken the request".to_owned();
        request.answer = Some(Answer { stage: Stage::Running, text });
        let is_taken = self.0.set(revision, request.write()?.into()).await?;
        let Request { id, logs, taken, .. } = request;
        Ok(is_taken.then_some(Taken { id, logs, term, taken }))
    }

    /// Reports the progress. Returns `false` if this node is not to be at work any more.
    ///
    /// # Errors
    /// If the servers do not respond. It may be reported nevertheless.
    pub(super) async fn report(&self, taken: &Taken, answer: &Answer) -> anyhow::Result<bool> {
        for _ in 0..ATTEMPTS {
            let (revision, known) = self.read().await?;
            let Some(mut request) = known.filter(|known| taken.is(known)) else {
                return Ok(false);
            };
            request.answer = Some(answer.clone());
            if self.0.set(revision, request.write()?.into()).await? {
                return Ok(true);
            }
        }
        bail!(BUSY)
    }
}

const BUSY: &str = "other nodes change the request in the cluster's bucket all the time";

#[cfg(test)]
mod tests;
