//! Wiring: the one module that knows every part.

mod alone;
mod demo;
mod logs;
mod origin;
mod ports;
mod publisher;
pub mod reload;

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Config;
use feed::Hub;
use follow::LogsView;
use supervise::Supervisor;
use tokio::sync::{mpsc, watch};
use wire::filter::Filters;

pub(crate) use self::logs::http_client;
use self::origin::{Origin, Publishing, Stream};
use self::ports::Ports;
use self::reload::live::Live;
use self::reload::{Reloadable, Reloads, SetLevel};

use crate::alerts::{self, Alerts};
use crate::cluster;
use crate::history::JournalHistory;
use crate::http::guard::{Guard, Policy};
use crate::http::listener::tls::Tls;
use crate::http::listener::{Port, Service};
use crate::http::metrics::Sources;
use crate::http::{self, Services};
use crate::metrics::Metrics;
use crate::operations::liveness::Liveness;
use crate::operations::{systemd, throughput};
use crate::options;
use crate::outputs::{self, Outputs};
use crate::publish::entries::Entries;
use crate::publish::fanout::FeedFanout;
use crate::publish::messages::MessageStream;
use crate::publish::recent::RecentCertificates;
use crate::state::backfill::missing::Missing;

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
        outputs::check(config),
        alerts::settings::check(config).err(),
        cluster::check(config),
    ]
    .into_iter()
    .flatten()
    .collect();
    let logs = options::each_configured_log(config).filter_map(Result::err);
    problems.extend(logs.map(anyhow::Error::from));
    problems
}

/// Returns what the author of a valid configuration should know.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    alerts::settings::check(config).unwrap_or_default()
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
    origin: Origin,
    outputs: Outputs,
    alerts: Alerts,
    live: Live,
    alive: mpsc::Receiver<()>,
    last_call: watch::Sender<bool>,
    /// The time between two lines about the throughput.
    throughput_every: Duration,
}

/// The feed, and what it is made from.
struct Feed {
    hub: Arc<Hub<MessageStream>>,
    entries: Arc<Entries>,
    history: Option<Arc<JournalHistory>>,
    /// Messages as outputs send them.
    for_outputs: Arc<MessageStream>,
}

impl Server {
    /// Binds, opens the commit log and begins to follow. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// If the address is taken, the commit log cannot be used, or a key file cannot be read.
    pub async fn start(config: Config, mode: Mode) -> anyhow::Result<Self> {
        let started = Instant::now();
        let ports = Ports::open(&config)?;
        let liveness = Arc::new(Liveness::default());
        let mut stream = Stream::open(&config, mode, &liveness).await?;
        if mode != Mode::Demo {
            logs::report_evidence(&config);
        }
        let metrics = Arc::new(Metrics::default());
        let filters = Filters::new(options::filter_limits(&config));
        let tasks = Supervisor::default();
        let feed = Feed::open(&config, &stream, &filters, &metrics, &tasks).await?;
        let Feed { hub, entries, history, for_outputs } = feed;
        let recent = Arc::new(RecentCertificates::default());
        let (certificates, bytes) = options::recent_limits(&config);
        recent.limit(certificates, bytes);

        let (id, journal) = (stream.state().stream(), stream.journal());
        let first_seen = stream.first_seen();
        let missing = Arc::new(Missing::of(stream.state()));
        let publishing = Publishing {
            config: &config,
            mode,
            hub: Arc::clone(&hub),
            fanout: FeedFanout::new(
                Arc::clone(&hub),
                Arc::clone(&metrics),
                Arc::clone(&recent),
                Arc::clone(&entries),
                Arc::clone(&missing),
            ),
            history: history.clone(),
            missing: Arc::clone(&missing),
            entries,
            liveness: Arc::clone(&liveness),
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
        };
        stream.restore(&publishing.fanout).await?;
        let parts = outputs::Parts {
            hub: Arc::clone(&hub),
            messages: for_outputs,
            stream: id,
            tasks: tasks.clone(),
        };
        let mut alerts = Alerts::read(&config, &parts, journal.clone())?;
        // Before anything is published.
        let outputs = match (mode, stream.bucket()) {
            (Mode::DryRun, _) => Outputs::default(),
            (_, Some(bucket)) => {
                let beside = alerts.in_cluster();
                Outputs::start_in_cluster(&config, &parts, bucket.clone(), beside)?
            }
            (Mode::Serve | Mode::Demo, None) => {
                alerts.start().await?;
                Outputs::start(&config, &parts).await?
            }
        };
        let origin = stream.publish(publishing).await?;
        let logs: Arc<dyn LogsView> = origin.logs();
        let cluster = origin.cluster();

        let (hold, alive) = mpsc::channel(1);
        let (last_call, called) = watch::channel(false);
        let policy = Policy::compile(&config)?;
        let services = Services {
            registry: Arc::new(http::metrics::registry(
                &metrics,
                Sources {
                    hub: Arc::clone(&hub),
                    filters: filters.clone(),
                    logs: Arc::clone(&logs),
                    tasks: tasks.clone(),
                    journal: journal.clone(),
                    first_seen: first_seen.clone(),
                    cluster: cluster.clone(),
                    outputs: outputs.statuses(),
                    alerts: alerts.status(),
                },
            )),
            guard: Arc::new(Guard::new(metrics.guard.clone())),
            hub,
            stream: id,
            journal,
            first_seen,
            filters,
            logs,
            metrics,
            recent,
            history,
            liveness,
            started,
            is_demo: mode == Mode::Demo,
            missing,
            alive: hold,
            last_call: called,
            tasks,
            outputs: outputs.statuses(),
            alerts: alerts.status(),
            cluster,
        };
        let live = Live::new(services.clone(), config, policy);
        let parts = Parts {
            services,
            origin,
            outputs,
            alerts,
            live,
            alive,
            last_call,
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
        let Parts { origin, services, live, .. } = &self.parts;
        let parts = Reloadable {
            tls: self.ports.tls.as_ref().map(Tls::files),
            logs: origin.change_logs(),
            filters: services.filters.clone(),
            recent: Arc::clone(&services.recent),
            alerts: self.parts.alerts.replace(),
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
        parts.stop(&stopping).await;
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
            error = self.origin.ended() => Err(error),
        }
    }

    /// Stops every part, in the order in which they need each other.
    async fn stop(self, stopping: &watch::Sender<bool>) {
        let Self { services, mut origin, outputs, alerts, live, .. } = self;
        services.liveness.stop();
        services.liveness.journal.stop();
        let grace = Duration::from_millis(live.config().shutdown_grace_ms);
        let deadline = tokio::time::Instant::now() + grace;
        if tokio::time::timeout(grace / 2, origin.drain()).await.is_err() {
            tracing::warn!("not all entries that were read could be published in time");
        }
        // It waits for a publish under way.
        let hub = Arc::clone(&services.hub);
        drop(tokio::task::spawn_blocking(move || hub.close()).await);
        stopping.send_replace(true);
        let (outputs, alerts) = (outputs.finish(deadline), alerts.finish(deadline));
        let demo = origin.finish().await;
        // They hold the connections' channel open.
        drop((services, live));
        let connections = ports::wait_for_connections(self.alive, &self.last_call, deadline);
        tokio::join!(outputs, alerts, connections);
        if let Some(demo) = demo {
            demo.shutdown().await;
        }
    }
}

impl Feed {
    /// Makes the feed of a stream, which begins with what is kept of it.
    async fn open(
        config: &Config,
        stream: &Stream,
        filters: &Filters,
        metrics: &Arc<Metrics>,
        tasks: &Supervisor,
    ) -> anyhow::Result<Self> {
        let state = stream.state();
        let (renderer, limits) = (options::renderer(config), options::limits(config));
        let id = state.stream();
        let messages = || MessageStream::new(renderer, filters.clone(), Arc::clone(metrics), id);
        let entries = Arc::new(Entries::new(state));
        let start = |journal| JournalHistory::start(journal, Arc::clone(&entries));
        let history = stream.journal().map(start).transpose()?;
        let archive = match &history {
            Some(history) => Some(history.archive()),
            None => stream.archive(&entries, tasks).await,
        };
        let hub = match archive {
            Some(archive) => Hub::with_archive(messages(), limits, archive),
            None => Hub::resumed(messages(), limits, state.next_offset(), stream.resent_from()),
        };
        Ok(Self { hub: Arc::new(hub), entries, history, for_outputs: Arc::new(messages()) })
    }
}

#[cfg(test)]
mod tests;
