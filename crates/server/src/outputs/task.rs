//! The task of one output: opens its cursor, and publishes from there on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use feed::Begin;
use relay::Bucket;
use sinks::{Cursor, FileStore, Output, Resume, Status, Store};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Parts;
use super::cluster::BucketStore;
use super::settings::{self, Configured};
use super::source::FeedSource;

/// Wait before an output whose cursor another node has moved, or that cannot be read, is opened again.
const AGAIN: Duration = Duration::from_secs(5);

/// The place that keeps cursors.
#[derive(Clone, Debug)]
pub(crate) enum Keeper {
    /// None.
    Memory,
    /// A folder.
    Folder(PathBuf),
    /// The bucket of a cluster, in the name of a node.
    Bucket { bucket: Box<Bucket>, holder: String },
}

impl Keeper {
    fn store(&self, output: &str) -> Option<Box<dyn Store>> {
        match self {
            Self::Memory => None,
            Self::Folder(folder) => Some(Box::new(FileStore::new(folder, output))),
            Self::Bucket { bucket, holder } => {
                Some(Box::new(BucketStore::new(Bucket::clone(bucket), holder.clone(), output)))
            }
        }
    }

    /// Returns where the state of alerts is kept; the folder is that of alerts.
    pub(crate) fn store_of_alerts(&self) -> Option<Box<dyn Store>> {
        match self {
            Self::Memory => None,
            Self::Folder(folder) => Some(Box::new(FileStore::new(folder, "state"))),
            Self::Bucket { bucket, holder } => {
                Some(Box::new(BucketStore::of_alerts(Bucket::clone(bucket), holder.clone())))
            }
        }
    }

    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Bucket { .. })
    }
}

/// The task of one output.
#[derive(Clone)]
pub(super) struct Task {
    configured: Arc<Configured>,
    keeper: Keeper,
    parts: Parts,
    pub(super) status: Arc<Status>,
}

impl Task {
    /// Makes the tasks of all outputs of a configuration.
    pub(super) fn all(
        config: &Config,
        parts: &Parts,
        keeper: &Keeper,
    ) -> anyhow::Result<Vec<Self>> {
        let task = |configured: Configured| Self {
            status: Arc::new(Status::new(configured.settings.name.clone())),
            configured: Arc::new(configured),
            keeper: keeper.clone(),
            parts: parts.clone(),
        };
        Ok(settings::outputs(config)?.into_iter().map(task).collect())
    }

    /// Publishes; after a panic it continues at the cursor.
    pub(super) async fn run(
        self,
        mut opened: Option<(Output, FeedSource)>,
        stop: watch::Receiver<bool>,
    ) {
        let supervisor = self.parts.tasks.clone();
        let again = || self.publish(opened.take(), stop.clone());
        supervisor.run(self.configured.task, again).await;
    }

    /// Publishes until the stream ends or the server stops; in a cluster also again and again.
    async fn publish(
        &self,
        mut opened: Option<(Output, FeedSource)>,
        mut stop: watch::Receiver<bool>,
    ) {
        let output = self.configured.settings.name.as_str();
        loop {
            let open = match opened.take() {
                Some(opened) => Ok(opened),
                None => self.open(&stop).await,
            };
            match open {
                Ok((output, source)) => {
                    if output.run(source).await.is_ok() {
                        return;
                    }
                }
                Err(error) if self.keeper.is_shared() => {
                    tracing::error!(output, "the output cannot begin, trying again: {error:#}");
                }
                Err(error) => {
                    tracing::error!(output, "the output has ended: {error:#}");
                    return;
                }
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(AGAIN) => {}
            }
        }
    }

    /// Opens the cursor, and the stream there.
    pub(super) async fn open(
        &self,
        stop: &watch::Receiver<bool>,
    ) -> anyhow::Result<(Output, FeedSource)> {
        let Configured { settings, form, .. } = &*self.configured;
        let (output, stream) = (settings.name.as_str(), self.parts.stream);
        let (cursor, resume) = match self.keeper.store(output) {
            Some(store) => {
                Cursor::open(store, stream).await.with_context(|| format!("the output {output}"))?
            }
            None => (Cursor::in_memory(stream), Resume::Head),
        };
        let begin = self.begin(resume);
        let source = FeedSource::new(&self.parts, *form, begin);
        let status = Arc::clone(&self.status);
        Ok((Output::new(settings.clone(), cursor, status, stop.clone()), source))
    }

    /// Returns the place to begin at, and logs it.
    fn begin(&self, resume: Resume) -> Begin {
        let output = self.configured.settings.name.as_str();
        match resume {
            Resume::Head if matches!(self.keeper, Keeper::Memory) => {
                tracing::warn!(
                    output,
                    "the output begins with the next certificate, as at each start without data_dir"
                );
                Begin::Head
            }
            Resume::Head => {
                tracing::info!(output, "a new output begins with the next certificate");
                Begin::Head
            }
            Resume::Oldest => {
                tracing::warn!(
                    output,
                    "the cursor of the output is one of another stream, or at 0: everything that is \
                     kept is published"
                );
                Begin::Oldest
            }
            // In a cluster this node may not have read so far yet.
            Resume::At(position)
                if position.next > self.parts.hub.next_offset() && !self.keeper.is_shared() =>
            {
                tracing::error!(
                    output,
                    next = position.next,
                    "the cursor of the output is ahead of the stream: everything that is kept is \
                     published"
                );
                Begin::Oldest
            }
            Resume::At(position) => {
                tracing::info!(output, next = position.next, "the output continues");
                Begin::At(position.next, position.entries)
            }
        }
    }
}
