//! `--demo`: simulated logs in the same process, read over loopback by the real followers.

use std::time::Duration;

use anyhow::Context as _;
use ct::signature::PublicKey;
use ctsim::{Config, Named, Sim};
use follow::catalogue::CatalogueOptions;
use tokio::net::TcpListener;

/// Entries per second of each simulated log.
const RATE: f64 = 4.0;
/// The interval in entries of each log between certificates for [`DOMAIN`]: with six logs, one
/// every few seconds.
const EVERY: u64 = 72;
/// A domain for testing alerts.
const DOMAIN: &str = "example.org";

/// Starts the simulated logs on a free port of the loopback interface.
pub(crate) async fn start() -> anyhow::Result<Sim> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot start the demo logs")?;
    let config = Config {
        rfc6962: 3,
        static_ct: 3,
        rate: RATE,
        initial_size: 5_000,
        publish_interval: Duration::from_millis(500),
        named: Some(Named { domain: DOMAIN.to_owned(), every: EVERY }),
        ..Config::default()
    };
    Sim::start(config, listener).await.context("cannot start the demo logs")
}

/// Returns the options of the simulated logs' own signed list.
pub(crate) fn catalogue(sim: &Sim) -> anyhow::Result<CatalogueOptions> {
    let key = PublicKey::from_pem(&sim.list_key_pem()).context("the demo's list key")?;
    let refresh = Duration::ZERO;
    Ok(CatalogueOptions { refresh, ..CatalogueOptions::new(sim.list_url(), key) })
}
