//! Acknowledgements of alarms in a cluster: each node passes on those that wait in its data directory,
//! and the node that leads takes them.
//!
//! They are [`Requests`] in an [`Entry`] of the bucket, each of which is taken once. One that was taken
//! and cannot be committed, because another node leads by then, has no effect: an alarm may stay, but
//! none ends that nobody has acknowledged.

mod requests;

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use follow::{Fleet, acknowledge};
use relay::Bucket;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::requests::{Request, Requests};
use crate::state::acknowledgements::{CHECK_EVERY, end_alarms, waiting};

/// Key of the entry in the bucket.
pub(super) const KEY: &str = "acknowledgements";
/// Time within which requests that are being taken are committed when the node stops.
const PATIENCE: Duration = Duration::from_secs(1);

/// A value that all nodes share, and that is replaced only by a node that knows its revision.
pub(super) trait Entry: Clone + Debug + Send + Sync + 'static {
    /// Returns the revision and the value; `None` if there is no value.
    fn get(&self) -> impl Future<Output = anyhow::Result<Option<(u64, Bytes)>>> + Send;

    /// Sets the value if it has this revision, or there is none, and returns the new revision; `None` if
    /// it is another one. If there is an error, the value may be set nevertheless.
    fn set(
        &self,
        revision: Option<u64>,
        value: Bytes,
    ) -> impl Future<Output = anyhow::Result<Option<u64>>> + Send;
}

/// An entry in the bucket beside the stream.
#[derive(Debug, Clone)]
pub(super) struct BucketEntry {
    pub(super) bucket: Bucket,
    pub(super) key: &'static str,
}

impl Entry for BucketEntry {
    async fn get(&self) -> anyhow::Result<Option<(u64, Bytes)>> {
        Ok(self.bucket.get(self.key).await?)
    }

    async fn set(&self, revision: Option<u64>, value: Bytes) -> anyhow::Result<Option<u64>> {
        Ok(match revision {
            Some(revision) => self.bucket.update(self.key, value, revision).await?,
            None => self.bucket.create(self.key, value).await?,
        })
    }
}

/// Reads a value of an entry that has a `version`; none if it is longer than `longest`, or damaged.
/// `what` names such values in an error.
///
/// # Errors
/// If a newer program has written it.
pub(super) fn read_value<T: DeserializeOwned>(
    value: &[u8],
    longest: usize,
    newest: u32,
    what: &str,
) -> anyhow::Result<Option<T>> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    if value.len() > longest {
        return Ok(None);
    }
    let version = serde_json::from_slice(value).map_or(newest, |Version { version }| version);
    ensure!(
        version <= newest,
        "{what} have version {version}, and this program reads version {newest}: run the same version \
         of the program on all nodes"
    );
    Ok(serde_json::from_slice(value).ok())
}

/// The task that passes acknowledgements on, and takes them while this node leads.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    finish: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Acknowledgements {
    /// Begins to pass on the acknowledgements that wait at a place, if there is one. `leads` returns the
    /// followers while this node leads.
    pub(super) fn start(
        place: Option<PathBuf>,
        entry: impl Entry,
        leads: impl Fn() -> Option<Arc<Fleet>> + Clone + Send + Sync + 'static,
        tasks: &Supervisor,
    ) -> Self {
        if let Some(folder) = place.as_deref().and_then(Path::parent)
            && let Err(error) = fs::create_dir_all(folder)
        {
            let folder = folder.display();
            tracing::error!(%folder, %error, "acknowledgements cannot be left in data_dir");
        }
        let tasks = tasks.clone();
        let (finish, finished) = watch::channel(false);
        let task = tokio::spawn(async move {
            let exchange = || {
                let (place, leads) = (place.clone(), leads.clone());
                let requests = Requests::new(entry.clone());
                let led = Weak::new();
                let exchange =
                    Exchange { place, requests, leads, led, passing: None, problem: None };
                exchange.run(finished.clone())
            };
            tasks.run("acknowledgements", exchange).await;
        });
        Self { finish, task }
    }

    /// Waits until those that are taken are committed. One that could not be passed on waits for the
    /// next start.
    pub(super) async fn finish(self) {
        self.finish.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "acknowledgements could not be passed on to the end");
        }
    }
}

/// The state of the task.
#[derive(Debug)]
struct Exchange<E, L> {
    place: Option<PathBuf>,
    requests: Requests<E>,
    /// Returns the followers while this node leads.
    leads: L,
    /// The followers of the term that requests were taken in.
    led: Weak<Fleet>,
    /// The acknowledgement of the data directory that is not passed on yet.
    passing: Option<Request>,
    /// The last problem, which is logged once.
    problem: Option<String>,
}

impl<E: Entry, L: Fn() -> Option<Arc<Fleet>>> Exchange<E, L> {
    async fn run(mut self, mut finished: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = finished.wait_for(|finished| *finished) => break,
                () = tokio::time::sleep(CHECK_EVERY) => {}
            }
            self.look().await;
            tokio::select! {
                _ = finished.wait_for(|finished| *finished) => break,
                () = self.pass_on() => {}
            }
            let patience = async {
                // An error means that nobody waits for the task.
                drop(finished.wait_for(|finished| *finished).await);
                tokio::time::sleep(PATIENCE).await;
            };
            tokio::select! {
                () = patience => {
                    tracing::warn!(
                        "acknowledgements that are not committed yet have no effect; acknowledge \
                         the alarms that remain again"
                    );
                    break;
                }
                () = self.take() => {}
            }
        }
        if let Some(request) = self.passing {
            self.place.iter().for_each(|place| leave_again(place, &request.names));
        }
    }

    /// Looks for an acknowledgement in the data directory. Further ones wait there.
    async fn look(&mut self) {
        let Some(place) = self.place.as_ref().filter(|_| self.passing.is_none()) else { return };
        match waiting(place).await {
            Ok(names) if names.is_empty() => {}
            Ok(names) => self.passing = Some(Request::new(names)),
            Err(error) => tracing::error!(%error, "an acknowledgement could not be taken"),
        }
    }

    /// Passes it on to the node that leads, which may be this one.
    async fn pass_on(&mut self) {
        let Some(request) = &self.passing else { return };
        match self.requests.put(request).await {
            Ok(()) => {
                let logs = request.names.join(", ");
                tracing::info!(logs, "an acknowledgement is passed on to the node that leads");
                (self.passing, self.problem) = (None, None);
            }
            Err(error) => self.note(
                &error,
                "an acknowledgement cannot be passed on to the node that leads; trying again",
            ),
        }
    }

    /// Ends the alarms that nodes have acknowledged, if this node leads.
    async fn take(&mut self) {
        let fleet = (self.leads)();
        let leads_now = fleet.as_ref().map_or_else(Weak::new, Arc::downgrade);
        if !leads_now.ptr_eq(&self.led) {
            self.requests.forget();
            self.led = leads_now;
        }
        let Some(fleet) = fleet else { return };
        match self.requests.take().await {
            Ok(requests) => {
                for request in requests {
                    end_alarms(&fleet, request.names).await;
                }
            }
            Err(error) => {
                self.note(&error, "acknowledgements of other nodes cannot be taken; trying again");
            }
        }
    }

    fn note(&mut self, error: &anyhow::Error, text: &str) {
        let problem = format!("{error:#}");
        if self.problem.as_ref() != Some(&problem) {
            tracing::warn!(error = problem, "{text}");
            self.problem = Some(problem);
        }
    }
}

/// Leaves an acknowledgement in the data directory again.
fn leave_again(place: &Path, names: &[String]) {
    if let Err(error) = acknowledge::leave(place, names) {
        let logs = names.join(", ");
        tracing::error!(logs, %error, "an acknowledgement is lost; acknowledge the alarms again");
    }
}

#[cfg(test)]
mod tests;
