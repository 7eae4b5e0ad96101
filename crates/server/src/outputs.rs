//! Outputs to brokers: the feed as their source, and their tasks. Alone, a server runs them with cursors
//! in its data directory; in a cluster, one node at a time does, with cursors that all nodes share.

mod cluster;
mod settings;
mod source;
mod task;

use std::pin::Pin;
use std::sync::Arc;

use config::Config;
use feed::Hub;
use record::StreamId;
use relay::Bucket;
use sinks::Status;
use supervise::Supervisor;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use self::cluster::Holder;
pub(crate) use self::settings::check;
pub(crate) use self::task::Keeper;
use self::task::Task;
use crate::publish::messages::MessageStream;

/// The folder of cursors in the data directory.
const FOLDER: &str = "outputs";

/// The figures of all outputs.
pub(crate) type Statuses = Arc<[Arc<Status>]>;

/// The outputs of a server; by default none.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    statuses: Statuses,
    running: Option<Running>,
}

/// The tasks of outputs.
#[derive(Debug)]
enum Running {
    /// They run as long as the server does.
    Alone { tasks: Vec<JoinHandle<()>>, stopping: watch::Sender<bool> },
    /// They run while this node holds the lease; the sender ends them, with the deadline for that.
    InCluster { holder: JoinHandle<()>, stop: oneshot::Sender<Instant> },
}

/// A task that the node of a cluster runs that runs the outputs.
pub(crate) trait Companion: Send + Sync + 'static {
    /// Waits until there is work for it.
    fn wanted(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Starts it. It ends by itself once the receiver has `true`.
    fn start(&self, keeper: Keeper, stop: watch::Receiver<bool>) -> JoinHandle<()>;
}

/// The parts of the server that outputs read.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The stream.
    pub(crate) hub: Arc<Hub<MessageStream>>,
    /// The stream again, to render.
    pub(crate) messages: Arc<MessageStream>,
    /// Its id.
    pub(crate) stream: StreamId,
    /// The background tasks.
    pub(crate) tasks: Supervisor,
}

impl Outputs {
    /// Starts the outputs of a configuration. The first of their messages is the next one published, or
    /// the one at their cursor.
    ///
    /// # Errors
    /// If a file that the configuration names, or a cursor, cannot be read.
    pub(crate) async fn start(config: &Config, parts: &Parts) -> anyhow::Result<Self> {
        let (stopping, stop) = watch::channel(false);
        let folder = config.data_dir.as_ref().map(|dir| dir.join(FOLDER));
        let keeper = folder.map_or(Keeper::Memory, Keeper::Folder);
        let configured = Task::all(config, parts, &keeper)?;
        let statuses = statuses(&configured);
        let mut tasks = Vec::new();
        for task in configured {
            // Opened here: nothing that is published from now on is left out.
            let opened = task.open(&stop).await?;
            tasks.push(tokio::spawn(task.run(Some(opened), stop.clone())));
        }
        Ok(Self { statuses, running: Some(Running::Alone { tasks, stopping }) })
    }

    /// Starts to compete for the lease of a cluster's outputs. The node that has it runs them, from the
    /// cursors in the bucket on, and their companion.
    ///
    /// # Errors
    /// If a file that the configuration names cannot be read.
    pub(crate) fn start_in_cluster(
        config: &Config,
        parts: &Parts,
        bucket: Bucket,
        companion: impl Companion,
    ) -> anyhow::Result<Self> {
        let name = cluster::random_name();
        let keeper = Keeper::Bucket { bucket: Box::new(bucket.clone()), holder: name.clone() };
        let configured = Task::all(config, parts, &keeper)?;
        let (is_idle, companion) = (configured.is_empty(), Arc::new(companion));
        let statuses = statuses(&configured);
        let beside = Arc::clone(&companion);
        let start = move |stop: &watch::Receiver<bool>| {
            let run = |task: &Task| tokio::spawn(task.clone().run(None, stop.clone()));
            let outputs = configured.iter().map(run);
            outputs.chain([beside.start(keeper.clone(), stop.clone())]).collect()
        };
        let (stop, mut stopped) = oneshot::channel();
        let holder = Holder::new(bucket, name, start);
        let holder = tokio::spawn(async move {
            if is_idle {
                tokio::select! {
                    _ = &mut stopped => return,
                    () = companion.wanted() => {}
                }
            }
            holder.run(stopped).await;
        });
        Ok(Self { statuses, running: Some(Running::InCluster { holder, stop }) })
    }

    /// Returns the figures.
    pub(crate) fn statuses(&self) -> Statuses {
        Arc::clone(&self.statuses)
    }

    /// Waits until everything is published, once the hub is closed; what a broker does not take is left
    /// for the next start, or for another node.
    pub(crate) async fn finish(self, deadline: Instant) {
        match self.running {
            None => {}
            Some(Running::Alone { tasks, stopping }) => {
                stopping.send_replace(true);
                finish(tasks, deadline).await;
            }
            Some(Running::InCluster { holder, stop }) => {
                let stopped = stop.send(deadline).is_ok() && holder.await.is_ok();
                debug_assert!(stopped, "the holder runs until it is stopped");
            }
        }
    }
}

fn statuses(tasks: &[Task]) -> Statuses {
    tasks.iter().map(|task| Arc::clone(&task.status)).collect()
}

/// Waits until tasks have ended, and ends them at the deadline.
async fn finish(tasks: Vec<JoinHandle<()>>, deadline: Instant) {
    for mut task in tasks {
        if timeout_at(deadline, &mut task).await.is_err() {
            tracing::warn!("an output did not end in time: the next start repeats messages");
            abort(vec![task]).await;
        }
    }
}

/// Ends tasks at once, as if the process were killed.
async fn abort(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        // An error is its end.
        drop(task.await);
    }
}
