//! Wiring: the one file that knows every part.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use feed::Hub;
use follow::catalogue::CatalogueOptions;
use follow::position::{State, StateFile};
use follow::{Client, Fleet, FleetOptions, Page};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::http::{self, Shared, accept};
use crate::metrics::{self, Metrics};
use crate::publish::{CertificateStream, Publisher};
use crate::{demo, sources};

/// Pages that wait for the publisher at most. With 256 entries a page this is a second's reading
/// of a fast catch-up.
const WAITING_PAGES: usize = 64;
/// How often the state file is written.
const SAVE_EVERY: Duration = Duration::from_secs(3);

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

/// What can be wrong with a configuration although each setting is right: keys that cannot be
/// read, or do not agree with what they are given for.
///
/// # Errors
/// When a key file, a key or a log id cannot be used.
pub fn check(config: &Config) -> anyhow::Result<()> {
    sources::catalogue(config)?;
    sources::logs_by_hand(config)?;
    Ok(())
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    shared: Shared,
    state_file: Option<StateFile>,
    publisher: thread::JoinHandle<()>,
    router: axum::Router,
    listener: TcpListener,
    alive: mpsc::Receiver<()>,
    demo: Option<ctsim::Sim>,
}

impl Server {
    /// Binds, opens the state file and begins to follow. Nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// When the address is taken, the state file is locked, or a key file cannot be read.
    pub async fn start(config: Config, mode: Mode) -> anyhow::Result<Self> {
        let started = Instant::now();
        let listener = accept::bind(config.host, config.port)?;
        let (state_file, saved) = open_state(&config)?;
        let metrics = Arc::new(Metrics::default());
        let first_offset = first_offset(saved.last_offset);
        let stream = CertificateStream::new(sources::renderer(&config), Arc::clone(&metrics));
        let hub = Arc::new(Hub::new(stream, sources::limits(&config), first_offset));

        let (pages, waiting) = mpsc::channel::<Page>(WAITING_PAGES);
        let client = Arc::new(http_client(&config)?);
        let (options, demo) = followed(&config, mode, saved).await?;
        let fleet = Fleet::start(client, options, pages);
        let window = sources::window(&config);
        let publisher = Publisher::new(Arc::clone(&hub), Arc::clone(&metrics), window);
        let publisher = thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || publisher.run(waiting))
            .context("cannot start the publisher thread")?;

        let (hold, alive) = mpsc::channel(1);
        let registry = metrics::registry(&metrics, Arc::clone(&hub), Arc::clone(&fleet));
        let registry = Arc::new(registry);
        let config = Arc::new(config);
        let shared = Shared { config, hub, fleet, metrics, registry, started, alive: hold };
        let router = http::router(shared.clone());
        Ok(Self { shared, state_file, publisher, router, listener, alive, demo })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` resolves, then stops: no new connections, every page read is published,
    /// clients get the rest and a Close frame with code 1001, and the state is saved.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { shared, state_file, publisher, router, listener, alive, demo } = self;
        let (stopping, stopped) = watch::channel(false);
        let hold = shared.alive.clone();
        let metrics = Arc::clone(&shared.metrics);
        let serving = accept::serve(listener, router, &metrics, stopped, &hold);
        tokio::select! {
            () = serving => {}
            () = stop => {}
            () = keep_saving(&shared, state_file.as_ref()) => {}
        }
        tracing::info!("stopping");
        let grace = Duration::from_millis(shared.config.shutdown_grace_ms);
        let deadline = tokio::time::Instant::now() + grace;
        let drain = async {
            shared.fleet.stop().await;
            tokio::task::spawn_blocking(move || publisher.join()).await
        };
        match tokio::time::timeout(grace / 2, drain).await {
            Ok(Ok(Ok(()))) => {}
            Ok(_) => tracing::error!("the publisher did not end well"),
            Err(_) => tracing::warn!("entries already read could not all be published in time"),
        }
        shared.hub.close();
        stopping.send_replace(true);
        save(&shared, state_file.as_ref());
        drop((shared, hold));
        wait_for_connections(alive, deadline).await;
        if let Some(demo) = demo {
            demo.shutdown().await;
        }
        tracing::info!("stopped");
    }
}

async fn wait_for_connections(mut alive: mpsc::Receiver<()>, deadline: tokio::time::Instant) {
    if tokio::time::timeout_at(deadline, alive.recv()).await.is_err() {
        tracing::warn!("some clients did not close in time and are cut off");
    }
}

/// Offsets only grow, across restarts too.
fn first_offset(last_saved: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_micros()).unwrap_or(0);
    now.max(last_saved.saturating_add(1))
}

fn open_state(config: &Config) -> anyhow::Result<(Option<StateFile>, State)> {
    let Some(path) = &config.ct_log.state_file else { return Ok((None, State::default())) };
    let opened = StateFile::open(path)?;
    if let Some((aside, problem)) = opened.set_aside {
        tracing::error!(
            state_file = %path.display(),
            set_aside = %aside.display(),
            problem,
            "the state file cannot be read: it was set aside and all logs begin afresh"
        );
    }
    Ok((Some(opened.file), opened.state))
}

fn http_client(config: &Config) -> anyhow::Result<Client> {
    let timeout = Duration::from_secs(config.ct_log.request_timeout_secs);
    Client::new(&sources::user_agent(config), timeout).context("cannot set up the HTTP client")
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

/// Saves the state every few seconds; never ends.
async fn keep_saving(shared: &Shared, file: Option<&StateFile>) {
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        save(shared, file);
    }
}

fn save(shared: &Shared, file: Option<&StateFile>) {
    let Some(file) = file else { return };
    let overlap = Duration::from_secs(shared.config.ct_log.resume_overlap_secs);
    if let Err(error) = file.save(&shared.fleet.state(overlap, shared.hub.head())) {
        shared.metrics.state_errors.inc();
        tracing::error!(%error, "positions could not be saved, a restart would repeat entries");
    }
}
