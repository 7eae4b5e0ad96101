//! The addresses that the server listens on, and the end of their connections.

use anyhow::ensure;
use config::Config;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::http::listener::tls::Tls;
use crate::http::listener::{self, Port, Service};
use crate::options;

/// The addresses that it listens on.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Tls>,
    /// Metrics' own listener.
    pub(super) metrics: Option<(TcpListener, Option<Tls>)>,
}

impl Ports {
    /// Binds the configured addresses.
    ///
    /// # Errors
    /// If one is taken, or a key file cannot be read.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let tls = tls(config)?;
        let listener = listener::bind(config.host, config.port, Port::Public)?;
        Ok(Self { listener, tls, metrics: metrics_listener(config)? })
    }

    /// Serves at all of them.
    pub(super) async fn serve(self, service: Service) {
        let of_metrics = serve_metrics(self.metrics, service.clone());
        tokio::select! {
            () = listener::serve(self.listener, self.tls, service) => {}
            () = of_metrics => {}
        }
    }
}

/// Waits until all connections are closed: half of the time is for messages, the other half for Close
/// frames.
pub(super) async fn wait_for_connections(
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
    let (port, host) = (address.port(), config.host);
    let is_any = address.ip().is_unspecified() || host.is_unspecified();
    ensure!(
        port == 0 || port != config.port || !is_any,
        "port {port} is that of the server on {host} and of the metrics on {}, which overlap: add \
         --prometheus-listen-addr {host} to share it, or give the metrics another port \
         (--prometheus-listen-port)",
        address.ip(),
    );
    let listener = listener::bind(address.ip(), address.port(), Port::Metrics)?;
    Ok(Some((listener, metrics_tls(config)?)))
}

pub(super) fn metrics_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let own = &config.prometheus;
    let (Some(cert), Some(key)) = (&own.cert_path, &own.cert_key_path) else { return Ok(None) };
    let settings = ["prometheus.cert_path", "prometheus.cert_key_path"];
    Ok(Some(Tls::load_for(settings, cert, key)?))
}

/// Loads TLS, where it is configured. The rules of the configuration ensure that both files are
/// named.
pub(super) fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    Ok(Some(Tls::load(cert, key)?))
}
