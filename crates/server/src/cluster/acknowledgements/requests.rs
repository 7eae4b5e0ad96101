//! Requests to end alarms, in an entry that all nodes share.
//!
//! A node puts a request, and the node that leads takes it, once. If the outcome of a put is unknown it is
//! repeated: the entry has the ids of requests that were taken lately, so that a repeated one is not taken
//! again, when it could end a newer alarm.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{Entry, read_value};

/// The version of the value.
const VERSION: u32 = 1;
/// The most bytes of the value.
const LONGEST: usize = 512 * 1024;
/// The most requests that wait.
const MOST_WAITING: usize = 256;
/// The number of requests that are known to be taken.
const MOST_TAKEN: usize = 256;
/// Attempts to replace a value that other nodes replace at the same time.
const ATTEMPTS: usize = 8;

/// A request to end the alarms of logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    id: u64,
    /// Each the name, URL or id of a log.
    pub(super) names: Vec<String>,
}

impl Request {
    /// Makes a request with an id of its own.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { id: RandomState::new().build_hasher().finish(), names }
    }
}

/// The value of the entry.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Queue {
    version: u32,
    waiting: Vec<Request>,
    /// Ids of requests that were taken, oldest first.
    taken: Vec<u64>,
}

impl Queue {
    /// Reads a value. One that is damaged counts as empty: nothing could be acknowledged otherwise.
    ///
    /// # Errors
    /// If a newer program has written it.
    fn read(value: &[u8]) -> anyhow::Result<Self> {
        if let Some(queue) = read_value(value, LONGEST, VERSION, "the acknowledgements")? {
            return Ok(queue);
        }
        let bytes = value.len();
        tracing::error!(
            bytes,
            "the acknowledgements in the cluster's bucket are damaged and are discarded; \
             acknowledge the alarms again"
        );
        Ok(Self::default())
    }

    fn write(self) -> anyhow::Result<Vec<u8>> {
        let queue = Self { version: VERSION, ..self };
        let value = serde_json::to_vec(&queue)?;
        ensure!(
            value.len() <= LONGEST && queue.waiting.len() <= MOST_WAITING,
            "too many acknowledgements wait for a node that leads"
        );
        Ok(value)
    }

    fn knows(&self, request: &Request) -> bool {
        self.taken.contains(&request.id) || self.waiting.iter().any(|known| known.id == request.id)
    }
}

/// The requests of all nodes.
#[derive(Debug)]
pub(super) struct Requests<E> {
    entry: E,
    /// Requests that this node may have taken: the outcome is unknown.
    claimed: Vec<Request>,
}

impl<E: Entry> Requests<E> {
    pub(super) const fn new(entry: E) -> Self {
        Self { entry, claimed: Vec::new() }
    }

    /// Puts a request. It can be repeated.
    ///
    /// # Errors
    /// If too many wait, or the servers do not respond. It may be put nevertheless.
    pub(super) async fn put(&self, request: &Request) -> anyhow::Result<()> {
        for _ in 0..ATTEMPTS {
            let (revision, mut queue) = self.read().await?;
            if queue.knows(request) {
                return Ok(());
            }
            queue.waiting.push(request.clone());
            if self.entry.set(revision, queue.write()?.into()).await?.is_some() {
                return Ok(());
            }
        }
        bail!(BUSY)
    }

    /// Takes all requests that wait. Only the node that leads does that.
    ///
    /// # Errors
    /// If the servers do not respond. What may be taken nevertheless is returned by the next call.
    pub(super) async fn take(&mut self) -> anyhow::Result<Vec<Request>> {
        for _ in 0..ATTEMPTS {
            let (revision, mut queue) = self.read().await?;
            if queue.waiting.is_empty() {
                // Another node that has taken the claimed ones leads, and then this one cannot commit.
                return Ok(std::mem::take(&mut self.claimed));
            }
            for request in std::mem::take(&mut queue.waiting) {
                queue.taken.push(request.id);
                if !self.claimed.contains(&request) {
                    self.claimed.push(request);
                }
            }
            queue.taken.drain(..queue.taken.len().saturating_sub(MOST_TAKEN));
            if self.entry.set(revision, queue.write()?.into()).await?.is_some() {
                return Ok(std::mem::take(&mut self.claimed));
            }
        }
        bail!(BUSY)
    }

    /// Forgets what may be taken, because the term has ended.
    pub(super) fn forget(&mut self) {
        self.claimed.clear();
    }

    async fn read(&self) -> anyhow::Result<(Option<u64>, Queue)> {
        let value = self.entry.get().await.context("the cluster's bucket cannot be read")?;
        match value {
            Some((revision, value)) => Ok((Some(revision), Queue::read(&value)?)),
            None => Ok((None, Queue::default())),
        }
    }
}

const BUSY: &str = "other nodes change the acknowledgements in the cluster's bucket all the time";

#[cfg(test)]
mod tests;
