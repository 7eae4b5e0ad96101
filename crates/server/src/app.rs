//! Wiring: the one module that knows every part.

mod logs;
mod ports;
mod publisher;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use feed::Hub;
use follow::position::StateFile;
use follow::{Fleet, LogsView, Page};
use journal::Journal;
use tokio::sync::{mpsc, oneshot, watch};
use wire::filter::Filters;

pub(crate) use self::logs::http_client;
use self::ports::Ports;
use self::publisher::Publisher;

use crate::history::JournalHistory;
use crate::http::guard::{Guard, Policy};
use crate::http::listener::tls::Tls;
use crate::http::listener::{Port, Service};
use crate::http::{self, Services};
use crate::liveness::Liveness;
use crate::metrics::Metrics;
use crate::operations::{systemd, throughput};
use crate::options;
use crate::publish::entries::Entries;
use crate::publish::fanout::FeedFanout;
use crate::publish::messages::MessageStream;
use crate::publish::recent::RecentCertificates;
use crate::reload::live::Live;
use crate::reload::{Reloadable, Reloads, SetLevel};
use crate::state::acknowledgements::Acknowledgements;
use crate::state::export::{Index, IndexExport};
use crate::state::save::{Saved, Saver};
use crate::state::stream::Stream;

/// Pages that wait for the publisher at most. With 256 entries a page this is a second's reading
/// of a fast catch-up.
const WAITING_PAGES: usize = 64;

/// The mode to run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Follow the configured logs.
    Serve,
    /// Follow nothing: check that the server starts with the configuration.
    DryRun,
    /// Follow built-in simulated logs.
    Demo,
}

/// Returns what is wrong with a configuration although each setting is valid: keys that cannot be read,
/// or do not match what they are configured for.
#[must_use]
pub fn check(config: &Config) -> Vec<anyhow::Error> {
    let mut problems: Vec<anyhow::Error> = [
        options::catalogue(config).err(),
        ports::tls(config).err(),
        Policy::compile(config).err().map(Into::into),
        ports::metrics_tls(config).err(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let logs = options::each_configured_log(config).filter_map(Result::err);
    problems.extend(logs.map(anyhow::Error::from));
    problems
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    ports: Ports,
    parts: Parts,
}

/// Everything but the addresses that it listens on.
#[derive(Debug)]
struct Parts {
    services: Services,
    fleet: Arc<Fleet>,
    savers: Savers,
    /// Resolves when the publisher's thread ends. Its state (the order of the stream, the dedup
    /// window) is lost with it, so it is not restarted: the server ends with it.
    publisher: oneshot::Receiver<()>,
    live: Live,
    mode: Mode,
    alive: mpsc::Receiver<()>,
    last_call: watch::Sender<bool>,
    demo: Option<ctsim::Sim>,
    /// The time between two lines about the throughput.
    throughput_every: Duration,
}

/// The tasks that keep files.
#[derive(Debug)]
struct Savers {
    state_file: Option<Saver>,
    export: Option<IndexExport>,
    acknowledgements: Option<Acknowledgements>,
}

/// The feed, and what it is made from.
struct Feed {
    hub: Arc<Hub<MessageStream>>,
    entries: Arc<Entries>,
    history: Option<Arc<JournalHistory>>,
}

impl Server {
    /// Binds, opens the state file and begins to follow. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// If the address is taken, the state file is locked, or a key file cannot be read.
    pub async fn start(config: Config, mode: Mode) -> anyhow::Result<Self> {
        let started = Instant::now();
        let ports = Ports::open(&config)?;
        let liveness = Arc::new(Liveness::default());
        let stream = Stream::open(&config, random(), &liveness.journal)?;
        if mode != Mode::Demo {
            logs::report_evidence(&config);
        }
        let metrics = Arc::new(Metrics::default());
        let filters = Filters::new(options::filter_limits(&config));
        let index = Index::open(&config, &stream.saved)?;
        let Feed { hub, entries, history } = Feed::open(&config, &stream, &filters, &metrics)?;
        let Stream { log, state, saved, state_file, journal } = stream;

        let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
        let client = Arc::new(http_client(&config)?);
        let (options, demo) = logs::followed(&config, mode, saved).await?;
        let fleet = Fleet::start(client, options, pages);
        let recent = Arc::new(RecentCertificates::default());
        let (certificates, bytes) = options::recent_limits(&config);
        recent.limit(certificates, bytes);
        let (shows, counts) = (Arc::clone(&hub), Arc::clone(&metrics));
        let stream = state.stream();
        let publisher = Publisher {
            commit_log: log,
            fanout: FeedFanout::new(shows, counts, Arc::clone(&recent), entries),
            state,
            window: options::window(&config),
            restored_from: journal.clone().zip(options::dedup_rules(&config)),
            gather: Duration::from_millis(config.feed.gather_ms),
            heartbeat: Arc::clone(&liveness.publisher),
        };
        let publisher = publisher::start(move || publisher.run(waiting))?;

        let (hold, alive) = mpsc::channel(1);
        let (last_call, called) = watch::channel(false);
        let tasks = fleet.tasks().clone();
        let logs: Arc<dyn LogsView> = fleet.clone();
        let policy = Policy::compile(&config)?;
        let services = Services {
            registry: Arc::new(http::metrics::registry(
                &metrics,
                Arc::clone(&hub),
                filters.clone(),
                Arc::clone(&logs),
                tasks.clone(),
                journal.clone(),
            )),
            guard: Arc::new(Guard::new(metrics.guard.clone())),
            hub,
            stream,
            journal,
            filters,
            logs,
            metrics,
            recent,
            history,
            liveness,
            started,
            is_demo: mode == Mode::Demo,
            alive: hold,
            last_call: called,
            tasks,
        };
        let savers = Savers::start(&config, &services, &fleet, state_file, index);
        let live = Live::new(services.clone(), config, policy);
        let parts = Parts {
            services,
            fleet,
            savers,
            publisher,
            live,
            mode,
            alive,
            last_call,
            demo,
            throughput_every: throughput::EVERY,
        };
        Ok(Self { ports, parts })
    }

    /// Returns the address it listens on.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.ports.listener.local_addr()
    }

    /// Returns a handle that applies a new configuration while the server runs. `set_level` sets the log
    /// level.
    #[must_use]
    pub fn reloads(&self, set_level: SetLevel) -> Reloads {
        let Parts { mode, fleet, services, live, .. } = &self.parts;
        let parts = Reloadable {
            tls: self.ports.tls.as_ref().map(Tls::files),
            fleet: (*mode == Mode::Serve).then(|| Arc::clone(fleet)),
            filters: services.filters.clone(),
            recent: Arc::clone(&services.recent),
            metrics: Arc::clone(&services.metrics),
            tasks: services.tasks.clone(),
            set_level,
        };
        Reloads::new(live, parts)
    }

    /// Returns the address of the metrics' own listener, if they have one.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn metrics_address(&self) -> std::io::Result<Option<std::net::SocketAddr>> {
        self.ports.metrics.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Serves until `stop` resolves, then stops: no new connections, every page read is published,
    /// clients get the rest, as much as there is time for, and a Close frame with code 1001, and the
    /// state is saved.
    ///
    /// # Errors
    /// If the publisher's thread ended by itself, which is a defect.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { ports, mut parts } = self;
        let (stopping, shutdown) = watch::channel(false);
        let outcome = parts.serve(ports, stop, shutdown).await;
        tracing::info!("stopping");
        systemd::stopping();
        parts.stop(outcome.is_ok(), &stopping).await;
        tracing::info!("stopped");
        outcome
    }
}

impl Parts {
    /// Serves until `stop` resolves.
    async fn serve(
        &mut self,
        ports: Ports,
        stop: impl Future<Output = ()>,
        shutdown: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let services = &self.services;
        let (metrics, guard) = (Arc::clone(&services.metrics), Arc::clone(&services.guard));
        let (port, alive) = (Port::Public, services.alive.clone());
        let (in_use, tasks) = (self.live.in_use(), services.tasks.clone());
        let service = Service { in_use, port, metrics, guard, tasks, shutdown, alive };
        systemd::ready();
        let sources = throughput::Sources::new(
            Arc::clone(&services.hub),
            Arc::clone(&services.logs),
            Arc::clone(&services.metrics),
        );
        let (every, tasks) = (self.throughput_every, &services.tasks);
        tokio::select! {
            () = ports.serve(service) => Ok(()),
            () = tasks.run("watchdog", || systemd::watchdog(&services.liveness)) => Ok(()),
            () = tasks.run("throughput", || throughput::log_every(&sources, every)) => Ok(()),
            () = stop => Ok(()),
            _ = &mut self.publisher => Err(anyhow::anyhow!(publisher::ENDED)),
        }
    }

    /// Stops every part, in the order in which they need each other.
    async fn stop(self, publishes: bool, stopping: &watch::Sender<bool>) {
        let Self { services, fleet, savers, publisher, live, .. } = self;
        let Savers { state_file, export, acknowledgements } = savers;
        services.liveness.stop();
        services.liveness.journal.stop();
        let grace = Duration::from_millis(live.config().shutdown_grace_ms);
        let deadline = tokio::time::Instant::now() + grace;
        let drain = async {
            if let Some(acknowledgements) = acknowledgements {
                acknowledgements.finish().await;
            }
            fleet.stop().await;
            if publishes {
                // An error means that the thread has ended, as it should.
                drop(publisher.await);
            }
        };
        if tokio::time::timeout(grace / 2, drain).await.is_err() {
            tracing::warn!("not all entries that were read could be published in time");
        }
        // It waits for a publish under way.
        let hub = Arc::clone(&services.hub);
        drop(tokio::task::spawn_blocking(move || hub.close()).await);
        stopping.send_replace(true);
        if let Some(saver) = state_file {
            saver.finish().await;
        }
        if let Some(export) = export {
            export.finish().await;
        }
        // They hold the connections' channel open.
        drop((services, live));
        ports::wait_for_connections(self.alive, &self.last_call, deadline).await;
        if let Some(demo) = self.demo {
            demo.shutdown().await;
        }
    }
}

impl Feed {
    /// Makes the feed of a stream, which begins with what the journal has.
    fn open(
        config: &Config,
        stream: &Stream,
        filters: &Filters,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let Stream { state, saved, journal, .. } = stream;
        let (renderer, limits) = (options::renderer(config), options::limits(config));
        let messages =
            MessageStream::new(renderer, filters.clone(), Arc::clone(metrics), state.stream());
        let entries = Arc::new(Entries::new(state));
        let start = |journal| JournalHistory::start(journal, Arc::clone(&entries));
        let history = journal.clone().map(start).transpose()?;
        let hub = match &history {
            Some(history) => Hub::with_archive(messages, limits, history.archive()),
            None => Hub::resumed(messages, limits, state.next_offset(), saved.resent_from),
        };
        Ok(Self { hub: Arc::new(hub), entries, history })
    }
}

impl Savers {
    /// Starts the tasks that are configured.
    fn start(
        config: &Config,
        services: &Services,
        fleet: &Arc<Fleet>,
        state_file: Option<StateFile>,
        index: Option<Index>,
    ) -> Self {
        let Services { journal, metrics, tasks, .. } = services;
        let state_file = state_file.map(|file| Saver::start(file, saved_parts(services, fleet)));
        let starts = |_: &Journal| Acknowledgements::start(config, fleet, tasks);
        let acknowledgements = journal.as_ref().and_then(starts);
        let export = index
            .map(|index| IndexExport::start(index, Arc::clone(fleet), Arc::clone(metrics), tasks));
        Self { state_file, export, acknowledgements }
    }
}

/// Returns the parts that the state file is written from.
fn saved_parts(services: &Services, fleet: &Arc<Fleet>) -> Saved {
    Saved {
        fleet: Arc::clone(fleet),
        hub: Arc::clone(&services.hub),
        metrics: Arc::clone(&services.metrics),
        tasks: services.tasks.clone(),
    }
}

/// Returns a random number.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
