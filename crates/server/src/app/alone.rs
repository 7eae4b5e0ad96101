//! A server with a commit log of its own: it follows the logs, and publishes what it reads.

use std::sync::Arc;
use std::time::Duration;

use config::Config;
use follow::position::StateFile;
use follow::{Fleet, Page};
use ingest::Heartbeat;
use journal::Journal;
use tokio::sync::{mpsc, oneshot};

use super::origin::Publishing;
use super::publisher::{self, Publisher};
use super::{http_client, logs};
use crate::options;
use crate::publish::{WAITING_PAGES, thread};
use crate::state::acknowledgements::Acknowledgements;
use crate::state::backfill::requests::Requests;
use crate::state::export::{Index, IndexExport};
use crate::state::save::{Saved, Saver};
use crate::state::stream::Stream;

/// The followers, the publisher, and the tasks that keep files.
#[derive(Debug)]
pub(super) struct Alone {
    pub(super) fleet: Arc<Fleet>,
    savers: Savers,
    /// Resolves when the publisher's thread ends. Its state (the order of the stream, the dedup
    /// window) is lost with it, so it is not restarted: the server ends with it.
    pub(super) publisher: Option<oneshot::Receiver<()>>,
    demo: Option<ctsim::Sim>,
    /// The logs are those of the configuration.
    pub(super) follows_configuration: bool,
}

/// The tasks that keep files.
#[derive(Debug, Default)]
struct Savers {
    state_file: Option<Saver>,
    export: Option<IndexExport>,
    acknowledgements: Option<Acknowledgements>,
    backfills: Option<Requests>,
}

impl Alone {
    /// Begins to follow and to publish.
    pub(super) async fn start(stream: Stream, parts: Publishing<'_>) -> anyhow::Result<Self> {
        let Publishing { config, mode, ref hub, ref metrics, ref tasks, .. } = parts;
        let Stream { log, state, saved, state_file, journal, first_seen } = stream;
        let index = Index::open(config, &saved)?;
        let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
        let client = Arc::new(http_client(config)?);
        let (options, demo) = logs::followed(config, mode, saved).await?;
        let fleet = Fleet::start_under(tasks.clone(), client, options, pages);
        let saved = Saved {
            fleet: Arc::clone(&fleet),
            hub: Arc::clone(hub),
            metrics: Arc::clone(metrics),
            tasks: tasks.clone(),
        };
        let mut savers = Savers::start(config, saved, journal.as_ref(), state_file, index);
        savers.backfills =
            config.data_dir.as_deref().zip(parts.history.as_deref()).map(|(data_dir, history)| {
                Requests::start(data_dir, &fleet, &parts.missing, history, tasks)
            });
        let heartbeat = Arc::new(Heartbeat::default());
        parts.liveness.publishes(Some(Arc::clone(&heartbeat)));
        let publisher = Publisher {
            commit_log: log,
            fanout: parts.fanout,
            state,
            window: options::window(config),
            restored_from: journal.zip(options::dedup_rules(config)),
            first_seen,
            gather: Duration::from_millis(config.feed.gather_ms),
            heartbeat,
        };
        let publisher = Some(thread::start(move || publisher.run(waiting))?);
        let follows_configuration = mode == super::Mode::Serve;
        Ok(Self { fleet, savers, publisher, demo, follows_configuration })
    }

    /// Waits until the publisher's thread has ended, which is a defect.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        if let Some(publisher) = &mut self.publisher {
            drop(publisher.await);
            self.publisher = None;
        }
        anyhow::anyhow!(publisher::ENDED)
    }

    /// Stops to follow, and publishes what was read if the publisher's thread runs.
    pub(super) async fn drain(&mut self) {
        if let Some(acknowledgements) = self.savers.acknowledgements.take() {
            acknowledgements.finish().await;
        }
        if let Some(backfills) = self.savers.backfills.take() {
            backfills.finish().await;
        }
        self.fleet.stop().await;
        if let Some(publisher) = self.publisher.take() {
            // An error means that the thread has ended, as it should.
            drop(publisher.await);
        }
    }

    /// Writes the files a last time. Returns the simulator of a demo.
    pub(super) async fn finish(self) -> Option<ctsim::Sim> {
        let Savers { state_file, export, .. } = self.savers;
        if let Some(saver) = state_file {
            saver.finish().await;
        }
        if let Some(export) = export {
            export.finish().await;
        }
        self.demo
    }
}

impl Savers {
    /// Starts the tasks that are configured.
    fn start(
        config: &Config,
        parts: Saved,
        journal: Option<&Journal>,
        state_file: Option<StateFile>,
        index: Option<Index>,
    ) -> Self {
        let Saved { fleet, metrics, tasks, .. } = &parts;
        let starts = |_: &Journal| Acknowledgements::start(config, fleet, tasks);
        let acknowledgements = journal.and_then(starts);
        let export = index
            .map(|index| IndexExport::start(index, Arc::clone(fleet), Arc::clone(metrics), tasks));
        let state_file = state_file.map(|file| Saver::start(file, parts));
        Self { state_file, export, acknowledgements, backfills: None }
    }
}
