//! Wiring: the one file that knows every part.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use feed::Hub;
use follow::catalogue::CatalogueOptions;
use follow::position::State;
use follow::{Client, Fleet, FleetOptions, Page};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use wire::filter::Filters;

use crate::config::{Config, Verification};
use crate::http::Shared;
use crate::http::accept::{self, Service};
use crate::http::guard::{Guard, Policy};
use crate::http::tls::Tls;
use crate::live::{Live, Port};
use crate::metrics::{self, Metrics};
use crate::publish::{CertificateStream, Publisher};
use crate::recent::RecentCertificates;
use crate::reload::{Reloads, SetLevel};
use crate::save::Saver;
use crate::vitals::Vitals;
use crate::{demo, resume, service, sources, throughput};

/// Pages that wait for the publisher at most. With 256 entries a page this is a second's reading
/// of a fast catch-up.
const WAITING_PAGES: usize = 64;

/// Why the server ends when its publisher does. The panic is logged before.
const PUBLISHER_ENDED: &str = "the publisher's thread has ended, nothing can be published any more: \
                               the server ends so that it is started again (systemd, Docker)";

/// How to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Follow the configured logs.
    Serve,
    /// Follow nothing: see whether the configuration serves.
    DryRun,
    /// Follow built-in simulated logs.
    Demo,
}

/// Everything wrong with a configuration although each setting is right: keys that cannot be read, or
/// do not agree with what they are given for.
#[must_use]
pub fn check(config: &Config) -> Vec<anyhow::Error> {
    let mut problems: Vec<anyhow::Error> = [
        sources::catalogue(config).err(),
        tls(config).err(),
        Policy::compile(config).err().map(Into::into),
        metrics_tls(config).err(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let logs = sources::each_log_by_hand(config).filter_map(Result::err);
    problems.extend(logs.map(anyhow::Error::from));
    problems
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    shared: Shared,
    saver: Option<Saver>,
    /// Resolves when the publisher's thread ends. What it knows (the order of the stream, the dedup
    /// window) is lost with it, so it is not started again: the server ends with it.
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
    /// When the address is taken, the state file is locked, or a key file cannot be read.
    pub async fn start(config: Config, mode: Mode) -> anyhow::Result<Self> {
        let started = Instant::now();
        let tls = tls(&config)?;
        let listener = accept::bind(config.host, config.port, "host and port")?;
        let own_metrics = metrics_listener(&config)?;
        let (state_file, mut saved) = resume::open(&config)?;
        if mode != Mode::Demo {
            say_where_evidence_goes(&config);
        }
        let metrics = Arc::new(Metrics::default());
        let first_offset = first_offset(saved.last_offset);
        let filters = Filters::new(sources::filter_limits(&config));
        let renderer = sources::renderer(&config);
        let stream = CertificateStream::new(renderer, filters.clone(), Arc::clone(&metrics));
        let resent_from = saved.resent_from(first_offset);
        saved.resent_from = Some(resent_from);
        let limits = sources::limits(&config);
        let hub = Arc::new(Hub::resumed(stream, limits, first_offset, Some(resent_from)));

        let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
        let client = Arc::new(http_client(&config)?);
        let (options, demo) = followed(&config, mode, saved).await?;
        let fleet = Fleet::start(client, options, pages);
        let tasks = fleet.tasks().clone();
        let window = sources::window(&config);
        let recent = Arc::new(RecentCertificates::default());
        let (certificates, bytes) = sources::recent_limits(&config);
        recent.limit(certificates, bytes);
        let publisher =
            Publisher::new(Arc::clone(&hub), Arc::clone(&metrics), window, Arc::clone(&recent));
        let vitals = Arc::new(Vitals::default());
        let pulse = Arc::clone(&vitals);
        let gather = Duration::from_millis(config.feed.gather_ms);
        let ended = publisher_thread(move || publisher.run(waiting, gather, pulse))?;

        let (hold, alive) = mpsc::channel(1);
        let (last_call, called) = watch::channel(false);
        let registry =
            metrics::registry(&metrics, Arc::clone(&hub), filters.clone(), Arc::clone(&fleet));
        let registry = Arc::new(registry);
        let policy = Arc::new(Policy::compile(&config)?);
        let guard = Arc::new(Guard::new(metrics.guard.clone()));
        let config = Arc::new(config);
        let shared = Shared {
            config,
            hub,
            filters,
            fleet,
            metrics,
            registry,
            guard,
            policy,
            recent,
            vitals,
            started,
            alive: hold,
            last_call: called,
            tasks,
        };
        let live = Live::new(shared.clone());
        let saver = state_file.map(|file| Saver::start(file, &shared));
        Ok(Self {
            shared,
            saver,
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

    /// The address it listens on.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// What gives the server another configuration while it runs. `set_level` sets what is logged.
    #[must_use]
    pub fn reloads(&self, set_level: SetLevel) -> Reloads {
        let tls = self.tls.as_ref().map(Tls::files);
        Reloads::new(&self.live, tls, self.mode == Mode::Serve, set_level)
    }

    /// The address of the metrics' own listener, where they have one.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn metrics_address(&self) -> std::io::Result<Option<std::net::SocketAddr>> {
        self.metrics.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Serves until `stop` resolves, then stops: no new connections, every page read is published,
    /// clients get the rest, as much as there is time for, and a Close frame with code 1001, and the
    /// state is saved.
    ///
    /// # Errors
    /// When the publisher's thread ended by itself, which is a defect.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { shared, live, mut publisher, .. } = self;
        let (stopping, shutdown) = watch::channel(false);
        let (metrics, guard) = (Arc::clone(&shared.metrics), Arc::clone(&shared.guard));
        let (port, alive_too) = (Port::Public, shared.alive.clone());
        let tasks = shared.tasks.clone();
        let service =
            Service { live: live.clone(), port, metrics, guard, tasks, shutdown, alive: alive_too };
        let of_metrics = serve_metrics(self.metrics, service.clone());
        service::ready();
        let every = self.throughput_every;
        let outcome = tokio::select! {
            () = accept::serve(self.listener, self.tls, service) => Ok(()),
            () = of_metrics => Ok(()),
            () = shared.tasks.run("watchdog", || service::watchdog(&shared.vitals)) => Ok(()),
            () = shared.tasks.run("throughput", || throughput::log_every(&shared, every)) => Ok(()),
            () = stop => Ok(()),
            _ = &mut publisher => Err(anyhow::anyhow!(PUBLISHER_ENDED)),
        };
        tracing::info!("stopping");
        service::stopping();
        shared.vitals.stop();
        let grace = Duration::from_millis(live.config().shutdown_grace_ms);
        let deadline = tokio::time::Instant::now() + grace;
        let drain = async {
            shared.fleet.stop().await;
            if outcome.is_ok() {
                // An error means that the thread is gone, which is what is waited for.
                drop(publisher.await);
            }
        };
        if tokio::time::timeout(grace / 2, drain).await.is_err() {
            tracing::warn!("entries already read could not all be published in time");
        }
        // It waits for a publish under way.
        let hub = Arc::clone(&shared.hub);
        drop(tokio::task::spawn_blocking(move || hub.close()).await);
        stopping.send_replace(true);
        if let Some(saver) = self.saver {
            saver.finish(&shared).await;
        }
        // They hold the connections' channel open.
        drop((shared, live));
        wait_for_connections(self.alive, &self.last_call, deadline).await;
        if let Some(demo) = self.demo {
            demo.shutdown().await;
        }
        tracing::info!("stopped");
        outcome
    }
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

/// Half of the time is for messages, the other half for saying goodbye.
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
        tracing::warn!("some clients did not close in time and are cut off");
    }
}

/// Serves metrics on their own listener; never resolves, also where there is none.
async fn serve_metrics(listener: Option<(TcpListener, Option<Tls>)>, service: Service) {
    if let Some((listener, tls)) = listener {
        accept::serve(listener, tls, Service { port: Port::Metrics, ..service }).await;
    }
    std::future::pending::<()>().await;
}

/// The metrics' own listener, where they have one.
fn metrics_listener(config: &Config) -> anyhow::Result<Option<(TcpListener, Option<Tls>)>> {
    let Some(address) = sources::own_metrics_address(config) else { return Ok(None) };
    let settings = "prometheus.listen_addr and prometheus.listen_port";
    let listener = accept::bind(address.ip(), address.port(), settings)?;
    Ok(Some((listener, metrics_tls(config)?)))
}

fn metrics_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let own = &config.prometheus;
    let (Some(cert), Some(key)) = (&own.cert_path, &own.cert_key_path) else { return Ok(None) };
    let settings = ["prometheus.cert_path", "prometheus.cert_key_path"];
    Ok(Some(Tls::load_for(settings, cert, key)?))
}

/// TLS, where it is configured. The rules of the configuration see to it that both files are named.
fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    Ok(Some(Tls::load(cert, key)?))
}

/// Offsets only grow, across restarts too.
fn first_offset(last_saved: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_micros()).unwrap_or(0);
    now.max(last_saved.saturating_add(1))
}

fn say_where_evidence_goes(config: &Config) {
    match sources::evidence_dir(config) {
        _ if config.verification == Verification::Off => {
            tracing::warn!("verification is off: what logs say is not checked");
        }
        Some(folder) => tracing::debug!(folder = %folder.display(), "evidence is kept"),
        None => tracing::info!(
            "verification alarms will not be saved: set ct_log.state_file, or \
             verification_evidence_dir"
        ),
    }
}

pub(crate) fn http_client(config: &Config) -> anyhow::Result<Client> {
    let timeout = Duration::from_secs(config.ct_log.request_timeout_secs);
    let client = Client::new(&sources::user_agent(config), timeout);
    let client = client.context("cannot set up the HTTP client")?;
    client.allow_private_addresses(config.ct_log.allow_private_addresses);
    Ok(client
        .with_intervals(sources::intervals(config))
        .with_body_bytes(sources::in_flight_bytes(config)))
}

async fn followed(
    config: &Config,
    mode: Mode,
    saved: State,
) -> anyhow::Result<(FleetOptions, Option<ctsim::Sim>)> {
    let follow = sources::follow_options(config);
    let nothing = FleetOptions { follow, by_hand: Vec::new(), catalogue: None, saved };
    match mode {
        Mode::Serve => {
            let catalogue = sources::catalogue(config)?;
            let by_hand = sources::logs_by_hand(config)?;
            Ok((FleetOptions { by_hand, catalogue, ..nothing }, None))
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
        let live = server.live.clone();
        // In place of the thread that publishes: one with a defect.
        server.publisher = publisher_thread(|| panic!("a defect")).expect("a thread");
        let outcome = server.run(std::future::pending()).await;
        assert_eq!(outcome.expect_err("it ends by itself").to_string(), PUBLISHER_ENDED);
        assert!(live.shared().vitals.is_stopping(), "it is not ready for clients any more");
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
