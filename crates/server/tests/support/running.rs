//! A server in the process of a test, and the simulated logs it reads. Tests of other crates include
//! this file too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{ByteSize, Config, Start};
use ctsim::Sim;
use server::app::{Mode, Server};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The time that anything may take on a slow machine before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Starts simulated logs on a free port.
pub(crate) async fn logs(config: ctsim::Config) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sim::start(config, listener).await.expect("simulated logs")
}

/// Returns a configuration that reads every entry of the simulated logs and keeps all of them.
pub(crate) fn reads_all(sim: &Sim, folder: impl AsRef<Path>) -> Config {
    let key = folder.as_ref().join("log_list_key.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("a writable folder");
    let mut config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
    config.protocols.sse = true;
    config.dedup.enabled = false;
    config.feed.ring_bytes = ByteSize::new(1024 * ByteSize::MIB);
    config.feed.chunk_bytes = ByteSize::new(64 * ByteSize::MIB);
    config.ct_log.log_list_url = sim.list_url();
    config.ct_log.log_list_key_file = Some(key);
    config.ct_log.start = Start::Index(0);
    config.ct_log.poll_interval_ms = 50;
    config.ct_log.partial_tile_wait_ms = 50;
    config.ct_log.retry_initial_delay_ms = 50;
    config
}

/// A running server; stopping it is part of what tests check.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let server = Server::start(config, Mode::Serve).await.expect("the server starts");
        let address = server.address().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            // A test that ends early drops the sender, which stops the server as well.
            let _told = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("stops");
        ended.expect("no panic").expect("ends well");
    }
}

/// Returns the folder of real CT data beside the checkout, if it exists.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared/data is not here");
    None
}
