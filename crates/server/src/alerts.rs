//! Alerts: certificates of the stream that match a rule are reported to the receivers of the rule.
//!
//! Alone, a server keeps the state of alerts in its data directory; in a cluster, the node that runs the
//! outputs delivers, and the state is in the bucket. `docs/alerts.md` describes what is guaranteed.

mod delivering;
mod engine;
mod kept;
mod matching;
mod saving;
pub(crate) mod settings;
mod status;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use alerts::delivery::DeadLetters;
use alerts::outbox::{Bounds, Outbox, Restored};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use config::Config;
use feed::Begin;
use journal::Journal;
use record::StreamId;
use sinks::{Position, Resume};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use self::engine::Engine;
use self::kept::Kept;
use self::matching::Stream;
use self::saving::Saving;
use self::settings::Settings;
pub(crate) use self::status::{ReceiverFigures, Status};
use crate::outputs::{Companion, Keeper, Parts};

/// The folder of the state and the dead letters in the data directory.
const FOLDER: &str = "alerts";
/// The file of alerts that were given up.
const DEAD_LETTERS: &str = "dead_letters.jsonl";
/// Wait before a task whose state another node has saved, or that cannot be read, begins again.
const AGAIN: Duration = Duration::from_secs(5);

/// Returns the file of alerts that were given up, in a data directory.
pub(crate) fn dead_letters_in(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join(DEAD_LETTERS)
}

/// The alerts of a server.
#[derive(Debug)]
pub(crate) struct Alerts {
    task: Arc<Task>,
    running: Option<(JoinHandle<()>, watch::Sender<bool>)>,
}

/// The parts of the server that alerts need, and the rules and receivers in use.
#[derive(Debug)]
struct Task {
    parts: Parts,
    stream: StreamId,
    in_use: Arc<ArcSwap<Settings>>,
    /// Notified when they are replaced.
    changed: watch::Sender<()>,
    status: Arc<Status>,
    /// The folder of dead letters, and of the state unless a cluster keeps that.
    folder: Option<PathBuf>,
    /// True if the stream is kept elsewhere than in memory.
    can_reread: bool,
    /// The journal of certificates, unless a cluster has them.
    kept: Option<Kept>,
}

/// A handle that replaces rules and receivers. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Replace(Arc<Task>);

/// Rules and receivers that were read and are not in use yet.
#[derive(Debug)]
pub(crate) struct Next(Settings);

impl Alerts {
    /// Reads the rules and receivers of a configuration.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub(crate) fn read(
        config: &Config,
        parts: &Parts,
        journal: Option<Journal>,
    ) -> anyhow::Result<Self> {
        let letters = config.data_dir.as_deref().map(dead_letters_in).map(DeadLetters::new);
        let folder = config.data_dir.as_ref().map(|data_dir| data_dir.join(FOLDER));
        let status = Arc::new(Status::new(letters.map(Arc::new)));
        let settings = Settings::read(config, None, &status)?;
        settings.log_warnings();
        status.set_rules(settings.names.iter());
        let task = Task {
            parts: parts.clone(),
            stream: parts.stream,
            in_use: Arc::new(ArcSwap::from_pointee(settings)),
            changed: watch::Sender::new(()),
            status,
            folder,
            can_reread: parts.hub.has_history(),
            kept: journal.map(|journal| Kept::new(journal, config)),
        };
        Ok(Self { task: Arc::new(task), running: None })
    }

    /// Starts the task of a server by itself. The first certificate that is compared with the rules is the
    /// next one published, or the one after the last that was compared.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub(crate) async fn start(&mut self) -> anyhow::Result<()> {
        let keeper = self.task.folder.clone().map_or(Keeper::Memory, Keeper::Folder);
        let opened = self.task.open(&keeper).await?;
        let (stopping, stop) = watch::channel(false);
        let task = Arc::clone(&self.task);
        let running = tokio::spawn(task.run(keeper, Some(opened), stop));
        self.running = Some((running, stopping));
        Ok(())
    }

    /// Returns the task for a node of a cluster, which runs it while it runs the outputs.
    pub(crate) fn in_cluster(&self) -> InCluster {
        InCluster(Arc::clone(&self.task))
    }

    /// Returns the state for metrics, health and the API.
    pub(crate) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.task.status)
    }

    /// Returns a handle that replaces rules and receivers.
    pub(crate) fn replace(&self) -> Replace {
        Replace(Arc::clone(&self.task))
    }

    /// Ends the task once the attempts under way have ended; what has not arrived then is left for the next
    /// start.
    pub(crate) async fn finish(self, deadline: Instant) {
        self.task.status.recent.close();
        let Some((mut running, stopping)) = self.running else { return };
        stopping.send_replace(true);
        if timeout_at(deadline, &mut running).await.is_err() {
            tracing::warn!("alerts did not end in time: the next start may repeat some");
            running.abort();
            // An error is its end.
            drop(running.await);
        }
    }
}

impl Replace {
    /// Reads the rules and receivers of another configuration.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub(crate) fn read(&self, config: &Config) -> anyhow::Result<Next> {
        let Self(task) = self;
        Settings::read(config, Some(&task.in_use.load()), &task.status).map(Next)
    }

    /// Uses rules and receivers from now on.
    pub(crate) fn apply(&self, Next(settings): Next) {
        let Self(task) = self;
        settings.log_warnings();
        task.in_use.load().forget_failures(&settings);
        task.status.set_rules(settings.names.iter());
        task.in_use.store(Arc::new(settings));
        task.changed.send_replace(());
    }
}

/// The task of a node in a cluster.
#[derive(Debug)]
pub(crate) struct InCluster(Arc<Task>);

impl Companion for InCluster {
    fn wanted(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let Self(task) = self;
        Box::pin(async {
            let mut changed = task.changed.subscribe();
            while task.in_use.load().names.is_empty() && changed.changed().await.is_ok() {}
        })
    }

    fn start(&self, keeper: Keeper, stop: watch::Receiver<bool>) -> JoinHandle<()> {
        let Self(task) = self;
        tokio::spawn(Arc::clone(task).run(keeper, None, stop))
    }
}

/// A state that was opened, and the place in the stream to begin at.
type Opened = (Outbox, Saving, Position);

impl Task {
    fn stream(&self) -> Stream {
        let Parts { hub, messages, .. } = &self.parts;
        Stream { hub: Arc::clone(hub), messages: Arc::clone(messages) }
    }

    /// Delivers; after a panic it continues with the state that was saved.
    async fn run(
        self: Arc<Self>,
        keeper: Keeper,
        mut opened: Option<Opened>,
        stop: watch::Receiver<bool>,
    ) {
        let supervisor = self.parts.tasks.clone();
        let again = || Arc::clone(&self).deliver(&keeper, opened.take(), stop.clone());
        supervisor.run("alerts", again).await;
    }

    async fn deliver(
        self: Arc<Self>,
        keeper: &Keeper,
        mut opened: Option<Opened>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let open = match opened.take() {
                Some(opened) => Ok(opened),
                None => self.open(keeper).await,
            };
            match open {
                Ok((outbox, saving, begin)) => {
                    let engine = Engine::new(Arc::clone(&self), outbox, saving, begin);
                    match engine.run(stop.clone()).await {
                        Ok(()) => return,
                        Err(engine::Overtaken) => {
                            tracing::warn!("alerts end here: another node delivers them now");
                        }
                    }
                }
                Err(error) => tracing::error!("alerts cannot begin, trying again: {error:#}"),
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(AGAIN) => {}
            }
        }
    }

    /// Reads the state.
    async fn open(&self, keeper: &Keeper) -> anyhow::Result<Opened> {
        if let Some(folder) = &self.folder {
            let created = tokio::fs::create_dir_all(folder).await;
            created.with_context(|| format!("data_dir: cannot create {}", folder.display()))?;
        }
        let bounds = Bounds::new(self.in_use.load().receivers.len(), self.can_reread);
        let Some(mut store) = keeper.store_of_alerts() else {
            let head = self.place(Begin::Head);
            return Ok((Outbox::new(head, bounds), Saving::new(None, false, false), head));
        };
        let place = store.place();
        let loaded = store.load().await;
        let document =
            loaded.with_context(|| format!("the state of alerts {place} cannot be used"))?;
        let exists = document.is_some();
        let (mut outbox, resume) = match document {
            None => (Outbox::new(Position::default(), bounds), Resume::Head),
            Some(document) => {
                let restored = Outbox::read(&document, self.stream.as_str(), bounds);
                let Restored { outbox, resume, lost } = restored.with_context(|| {
                    format!(
                        "the state of alerts {place} cannot be read; to begin with the newest \
                         certificate, remove it"
                    )
                })?;
                if lost > 0 {
                    tracing::error!(
                        lost,
                        "alerts that had not arrived are lost: they are of another stream"
                    );
                }
                (outbox, resume)
            }
        };
        let begin = self.place(self.begin(resume, keeper.is_shared()));
        outbox.move_to(begin);
        Ok((outbox, Saving::new(Some(store), keeper.is_shared(), exists), begin))
    }

    /// Returns the place in the stream where a reader begins.
    fn place(&self, begin: Begin) -> Position {
        let (next, entries) = self.parts.hub.entries(begin).place();
        Position { next, entries }
    }

    /// Returns the place to begin at, and logs it.
    fn begin(&self, resume: Resume, is_shared: bool) -> Begin {
        match resume {
            Resume::Head => Begin::Head,
            Resume::Oldest => {
                tracing::warn!(
                    "the state of alerts is one of another stream, or at 0: everything that is kept \
                     is compared with the rules"
                );
                Begin::Oldest
            }
            // In a cluster this node may not have read so far yet.
            Resume::At(position) if position.next > self.parts.hub.next_offset() && !is_shared => {
                tracing::error!(
                    next = position.next,
                    "the state of alerts is ahead of the stream: everything that is kept is \
                     compared with the rules"
                );
                Begin::Oldest
            }
            Resume::At(position) => {
                tracing::info!(next = position.next, "alerts continue");
                Begin::At(position.next, position.entries)
            }
        }
    }
}
