//! Wiring: the one file that knows every part.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use config::{Config, Verification};
use feed::Hub;
use follow::catalogue::CatalogueOptions;
use follow::position;
use follow::{Client, Fleet, FleetOptions, LogsView, Page};
use ingest::{CommitLog, Heartbeat, Sequencer, Stopped, Window};
use journal::Journal;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use wire::filter::Filters;

use crate::history::JournalHistory;
use crate::http::guard::{Guard, Policy};
use crate::http::listener::tls::Tls;
use crate::http::listener::{self, Port, Service};
use crate::http::{self, Services};
use crate::liveness::Liveness;
use crate::metrics::Metrics;
use crate::operations::{systemd, throughput};
use crate::publish::entries::Entries;
use crate::publish::fanout::FeedFanout;
use crate::publish::messages::MessageStream;
use crate::publish::pages::Pages;
use crate::publish::recent::RecentCertificates;
use crate::reload::live::Live;
use crate::reload::{Reloadable, Reloads, SetLevel};
use crate::state::export::{Index, IndexExport};
use crate::state::save::{Saved, Saver};
use crate::state::stream::Stream;
use crate::state::{acknowledgements, window};
use crate::{demo, options};

/// Pages that wait for the publisher at most. With 256 entries a page this is a second's reading
/// of a fast catch-up.
const WAITING_PAGES: usize = 64;

/// The reason why the server ends with its publisher. The panic is logged before.
const PUBLISHER_ENDED: &str = "the publisher's thread has ended, so nothing can be published; \
                               the server exits so that systemd or Docker restarts it";

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
        tls(config).err(),
        Policy::compile(config).err().map(Into::into),
        metrics_tls(config).err(),
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
    services: Services,
    fleet: Arc<Fleet>,
    saver: Option<Saver>,
    export: Option<IndexExport>,
    /// Resolves when the publisher's thread ends. Its state (the order of the stream, the dedup
    /// window) is lost with it, so it is not restarted: the server ends with it.
    publisher: oneshot::Receiver<()>,
    live: Live,
    listener: TcpListener,
    tls: Option<Tls>,
    /// Metrics' own listener.
    metrics: Option<(TcpListener, Option<Tls>)>,
    mode: Mode,
    alive: mpsc::Receiver<()>,
    last_call: watch::Sender<bool>,
    demo: Option<ctsim::Sim>,
    /// The time between two lines about the throughput.
    throughput_every: Duration,
}

impl Server {
    /// Binds, opens the state file and begins to follow. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// If the address is taken, the state file is locked, or a key file cannot be read.
    pub async fn start(config: Config, mode: Mode) -> anyhow::Result<Self> {
        let started = Instant::now();
        let tls = tls(&config)?;
        let listener = listener::bind(config.host, config.port, Port::Public)?;
        let own_metrics = metrics_listener(&config)?;
        let liveness = Arc::new(Liveness::default());
        let stream = Stream::open(&config, random(), &liveness.journal)?;
        let Stream { log: commit_log, state, saved, state_file, journal } = stream;
        if mode != Mode::Demo {
            say_where_evidence_goes(&config);
        }
        let metrics = Arc::new(Metrics::default());
        let id = state.stream();
        let filters = Filters::new(options::filter_limits(&config));
        let renderer = options::renderer(&config);
        let stream = MessageStream::new(renderer, filters.clone(), Arc::clone(&metrics), id);
        let index = Index::open(&config, &saved)?;
        let limits = options::limits(&config);
        let (first_offset, resent_from) = (state.next_offset(), saved.resent_from);
        let entries = Arc::new(Entries::new(&state));
        let history = match journal.clone() {
            Some(journal) => Some(JournalHistory::start(journal, Arc::clone(&entries))?),
            None => None,
        };
        let hub = match &history {
            Some(history) => Hub::with_archive(stream, limits, history.archive()),
            None => Hub::resumed(stream, limits, first_offset, resent_from),
        };
        let hub = Arc::new(hub);

        let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
        let client = Arc::new(http_client(&config)?);
        let (options, demo) = followed(&config, mode, saved).await?;
        let fleet = Fleet::start(client, options, pages);
        let tasks = fleet.tasks().clone();
        let recent = Arc::new(RecentCertificates::default());
        let (certificates, bytes) = options::recent_limits(&config);
        recent.limit(certificates, bytes);
        let (shows, counts) = (Arc::clone(&hub), Arc::clone(&metrics));
        let fanout = FeedFanout::new(shows, counts, Arc::clone(&recent), entries);
        let publisher = Publisher {
            commit_log,
            fanout,
            state,
            window: options::window(&config),
            restored_from: journal.clone().zip(options::dedup_rules(&config)),
            gather: Duration::from_millis(config.feed.gather_ms),
            heartbeat: Arc::clone(&liveness.publisher),
        };
        let ended = publisher_thread(move || publisher.run(waiting))?;

        let (hold, alive) = mpsc::channel(1);
        let (last_call, called) = watch::channel(false);
        let logs: Arc<dyn LogsView> = fleet.clone();
        let registry = http::metrics::registry(
            &metrics,
            Arc::clone(&hub),
            filters.clone(),
            Arc::clone(&logs),
            tasks.clone(),
            journal.clone(),
        );
        let registry = Arc::new(registry);
        let policy = Policy::compile(&config)?;
        let guard = Arc::new(Guard::new(metrics.guard.clone()));
        let services = Services {
            hub,
            stream: id,
            journal: journal.clone(),
            filters,
            logs,
            metrics,
            registry,
            guard,
            recent,
            history,
            liveness,
            started,
            is_demo: mode == Mode::Demo,
            alive: hold,
            last_call: called,
            tasks,
        };
        let live = Live::new(services.clone(), config, policy);
        let saver = state_file.map(|file| Saver::start(file, saved_parts(&services, &fleet)));
        if journal.is_some() {
            acknowledgements::start(&live.config(), &fleet, &services.tasks);
        }
        let export = index.map(|index| {
            let metrics = Arc::clone(&services.metrics);
            IndexExport::start(index, Arc::clone(&fleet), metrics, &services.tasks)
        });
        Ok(Self {
            services,
            fleet,
            saver,
            export,
            publisher: ended,
            live,
            listener,
            tls,
            metrics: own_metrics,
            mode,
            alive,
            last_call,
            demo,
            throughput_every: throughput::EVERY,
        })
    }

    /// Returns the address it listens on.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns a handle that applies a new configuration while the server runs. `set_level` sets the log
    /// level.
    #[must_use]
    pub fn reloads(&self, set_level: SetLevel) -> Reloads {
        let follows = self.mode == Mode::Serve;
        let parts = Reloadable {
            tls: self.tls.as_ref().map(Tls::files),
            fleet: follows.then(|| Arc::clone(&self.fleet)),
            filters: self.services.filters.clone(),
            recent: Arc::clone(&self.services.recent),
            metrics: Arc::clone(&self.services.metrics),
            tasks: self.services.tasks.clone(),
            set_level,
        };
        Reloads::new(&self.live, parts)
    }

    /// Returns the address of the metrics' own listener, if they have one.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn metrics_address(&self) -> std::io::Result<Option<std::net::SocketAddr>> {
        self.metrics.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Serves until `stop` resolves, then stops: no new connections, every page read is published,
    /// clients get the rest, as much as there is time for, and a Close frame with code 1001, and the
    /// state is saved.
    ///
    /// # Errors
    /// If the publisher's thread ended by itself, which is a defect.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { services, fleet, live, mut publisher, .. } = self;
        let (stopping, shutdown) = watch::channel(false);
        let (metrics, guard) = (Arc::clone(&services.metrics), Arc::clone(&services.guard));
        let (port, alive_too) = (Port::Public, services.alive.clone());
        let tasks = services.tasks.clone();
        let in_use = live.in_use();
        let service = Service { in_use, port, metrics, guard, tasks, shutdown, alive: alive_too };
        let of_metrics = serve_metrics(self.metrics, service.clone());
        systemd::ready();
        let sources = throughput::Sources::new(
            Arc::clone(&services.hub),
            Arc::clone(&services.logs),
            Arc::clone(&services.metrics),
        );
        let every = self.throughput_every;
        let outcome = tokio::select! {
            () = listener::serve(self.listener, self.tls, service) => Ok(()),
            () = of_metrics => Ok(()),
            () = services.tasks.run("watchdog", || systemd::watchdog(&services.liveness)) => Ok(()),
            () = services.tasks.run("throughput", || throughput::log_every(&sources, every)) => Ok(()),
            () = stop => Ok(()),
            _ = &mut publisher => Err(anyhow::anyhow!(PUBLISHER_ENDED)),
        };
        tracing::info!("stopping");
        systemd::stopping();
        services.liveness.stop();
        services.liveness.journal.stop();
        let grace = Duration::from_millis(live.config().shutdown_grace_ms);
        let deadline = tokio::time::Instant::now() + grace;
        let drain = async {
            fleet.stop().await;
            if outcome.is_ok() {
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
        if let Some(saver) = self.saver {
            saver.finish().await;
        }
        if let Some(export) = self.export {
            export.finish().await;
        }
        // They hold the connections' channel open.
        drop((services, live));
        wait_for_connections(self.alive, &self.last_call, deadline).await;
        if let Some(demo) = self.demo {
            demo.shutdown().await;
        }
        tracing::info!("stopped");
        outcome
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

/// The parts of the publisher's thread.
struct Publisher {
    commit_log: Box<dyn CommitLog>,
    fanout: FeedFanout,
    state: record::State,
    window: Option<Window>,
    /// The journal that the window is restored from, and its rules.
    restored_from: Option<(Journal, window::Rules)>,
    gather: Duration,
    heartbeat: Arc<Heartbeat>,
}

impl Publisher {
    /// Publishes pages until there are no more.
    fn run(self, pages: mpsc::Receiver<Page>) {
        let Self { commit_log, fanout, state, mut window, restored_from, gather, heartbeat } = self;
        if let (Some(window), Some((journal, rules))) = (&mut window, restored_from) {
            // Clients connect and pages wait meanwhile.
            heartbeat.wait(|| window::restore(&journal, rules, window));
        }
        let sequencer = Sequencer::new(commit_log, fanout, state, window);
        let mut converter = Pages::default();
        match sequencer.run(pages, |page| converter.convert(page), gather, heartbeat) {
            Ok(()) | Err(Stopped::Closed) => {}
            Err(error) => tracing::error!(%error, "publishing has stopped"),
        }
    }
}

/// Returns a random number.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Starts the publisher's thread; the returned value resolves when the thread has ended, also by a
/// panic.
fn publisher_thread(work: impl FnOnce() + Send + 'static) -> anyhow::Result<oneshot::Receiver<()>> {
    let (running, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("publisher".to_owned()).spawn(move || {
        let _until_the_end: oneshot::Sender<()> = running;
        work();
    });
    thread.context("cannot start the publisher thread")?;
    Ok(ended)
}

/// Waits until all connections are closed: half of the time is for messages, the other half for Close
/// frames.
async fn wait_for_connections(
    mut alive: mpsc::Receiver<()>,
    last_call: &watch::Sender<bool>,
    deadline: tokio::time::Instant,
) {
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    if tokio::time::timeout(left / 2, alive.recv()).await.is_ok() {
        return;
    }
    last_call.send_replace(true);
    if tokio::time::timeout_at(deadline, alive.recv()).await.is_err() {
        tracing::warn!("some clients did not close in time and were disconnected");
    }
}

/// Serves metrics on their own listener. Never resolves, also if there is none.
async fn serve_metrics(listener: Option<(TcpListener, Option<Tls>)>, service: Service) {
    if let Some((listener, tls)) = listener {
        listener::serve(listener, tls, Service { port: Port::Metrics, ..service }).await;
    }
    std::future::pending::<()>().await;
}

/// Binds the metrics' own listener, if they have one.
fn metrics_listener(config: &Config) -> anyhow::Result<Option<(TcpListener, Option<Tls>)>> {
    let Some(address) = options::own_metrics_address(config) else { return Ok(None) };
    let listener = listener::bind(address.ip(), address.port(), Port::Metrics)?;
    Ok(Some((listener, metrics_tls(config)?)))
}

fn metrics_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let own = &config.prometheus;
    let (Some(cert), Some(key)) = (&own.cert_path, &own.cert_key_path) else { return Ok(None) };
    let settings = ["prometheus.cert_path", "prometheus.cert_key_path"];
    Ok(Some(Tls::load_for(settings, cert, key)?))
}

/// Loads TLS, where it is configured. The rules of the configuration ensure that both files are
/// named.
fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    Ok(Some(Tls::load(cert, key)?))
}

fn say_where_evidence_goes(config: &Config) {
    match options::evidence_dir(config) {
        _ if config.verification == Verification::Off => {
            tracing::warn!(
                "verification is off: entries are not checked against the logs' signed trees"
            );
        }
        Some(folder) => tracing::debug!(folder = %folder.display(), "evidence of alarms is saved"),
        None => tracing::info!(
            "evidence of verification alarms will not be saved: set data_dir, or \
             verification_evidence_dir"
        ),
    }
}

pub(crate) fn http_client(config: &Config) -> anyhow::Result<Client> {
    let timeout = Duration::from_secs(config.ct_log.request_timeout_secs);
    let client = Client::new(&options::user_agent(config), timeout);
    let client = client.context("cannot set up the HTTP client")?;
    client.allow_private_addresses(config.ct_log.allow_private_addresses);
    Ok(client
        .with_intervals(options::intervals(config))
        .with_body_bytes(options::in_flight_bytes(config)))
}

async fn followed(
    config: &Config,
    mode: Mode,
    saved: position::State,
) -> anyhow::Result<(FleetOptions, Option<ctsim::Sim>)> {
    let follow = options::follow_options(config);
    let nothing = FleetOptions { follow, configured: Vec::new(), catalogue: None, saved };
    match mode {
        Mode::Serve => {
            let catalogue = options::catalogue(config)?;
            let configured = options::configured_logs(config)?;
            Ok((FleetOptions { configured, catalogue, ..nothing }, None))
        }
        Mode::DryRun => Ok((nothing, None)),
        Mode::Demo => {
            let sim = demo::start().await?;
            let options: CatalogueOptions = demo::catalogue(&sim)?;
            Ok((FleetOptions { catalogue: Some(options), ..nothing }, Some(sim)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_of_the_publisher_ends_the_server_with_an_error() {
        let config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
        let mut server = Server::start(config, Mode::DryRun).await.expect("the server starts");
        let liveness = Arc::clone(&server.services.liveness);
        // In place of the thread that publishes: one with a defect.
        server.publisher = publisher_thread(|| panic!("a defect")).expect("a thread");
        let outcome = server.run(std::future::pending()).await;
        assert_eq!(outcome.expect_err("it ends by itself").to_string(), PUBLISHER_ENDED);
        assert!(liveness.is_stopping(), "it is not ready for clients any more");
    }

    #[tokio::test]
    async fn a_running_server_logs_its_throughput_again_and_again() {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let output = Arc::new(log.reopen().expect("the same file"));
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(output);
        let _until_the_end = tracing::subscriber::set_default(lines.finish());
        let config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
        let mut server = Server::start(config, Mode::DryRun).await.expect("the server starts");
        assert_eq!(server.throughput_every, Duration::from_secs(60));
        server.throughput_every = Duration::from_millis(10);
        let two_lines = async {
            let written = || std::fs::read_to_string(log.path()).expect("a log");
            let line = "0.0 entries/s, 0 clients, 0 of 0 logs at the head";
            while written().matches(line).count() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ran = tokio::time::timeout(Duration::from_secs(60), server.run(two_lines)).await;
        ran.expect("the lines come").expect("it stops");
    }
}
