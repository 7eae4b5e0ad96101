//! Accepting connections and speaking HTTP/1.1 on each, over TLS where it is configured.

mod descriptors;
pub(super) mod socket;
pub mod tls;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Type};
use supervise::Supervisor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use self::socket::{Socket, Tcp};
use self::tls::Tls;
use crate::http::guard::{Guard, Peer, Policy};
use crate::metrics::Metrics;

/// The time limit of a TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a request's head in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// Maximum number of header lines of a request.
const MOST_HEADERS: usize = 100;
/// The pause after an accept that failed because file descriptors or memory ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The shortest time between two log lines about failed accepts or connections closed because
/// descriptors ran out.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// A sign of everything that must end before the process does; shutdown waits until all are dropped.
pub type Alive = mpsc::Sender<()>;

/// Binds a listening socket. `settings` names the settings of the address, for errors. `::` also accepts
/// IPv4.
///
/// # Errors
/// The address cannot be bound; the message names it.
pub fn bind(host: IpAddr, port: u16, listener: Port) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(host, port);
    let open = || -> io::Result<TcpListener> {
        let socket =
            socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {port} of {host} is in use by another program; choose another one, such as {} {}",
            listener.option(),
            port.checked_add(1).unwrap_or(port - 1),
        ),
        _ => anyhow::Error::from(error)
            .context(format!("cannot listen on {address} (settings {})", listener.settings())),
    })
}

/// A listener of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The server's own.
    Public,
    /// The separate one for metrics.
    Metrics,
}

impl Port {
    /// Returns the option that sets its port.
    const fn option(self) -> &'static str {
        match self {
            Self::Public => "--port",
            Self::Metrics => "--prometheus-listen-port",
        }
    }

    /// Returns the settings of its address.
    const fn settings(self) -> &'static str {
        match self {
            Self::Public => "host and port",
            Self::Metrics => "prometheus.listen_addr and prometheus.listen_port",
        }
    }

    /// Returns the name of the task that accepts its connections.
    #[must_use]
    pub const fn task(self) -> &'static str {
        match self {
            Self::Public => "accept",
            Self::Metrics => "accept_metrics",
        }
    }
}

/// The routes and the policy in use, which may change between two calls.
#[derive(Clone)]
pub struct InUse {
    /// Returns the routes of a listener for a request that begins now.
    pub router: Arc<dyn Fn(Port) -> Router + Send + Sync>,
    /// Returns the policy for a connection that is accepted now.
    pub policy: Arc<dyn Fn() -> Arc<Policy> + Send + Sync>,
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InUse").finish_non_exhaustive()
    }
}

/// The parts that every connection of a listener is served with.
#[derive(Debug, Clone)]
pub struct Service {
    /// The routes, of which each request takes those in use at its start, and the policy.
    pub in_use: InUse,
    /// The listener.
    pub port: Port,
    /// The server's counters.
    pub metrics: Arc<Metrics>,
    /// The guard, which limits connections.
    pub guard: Arc<Guard>,
    /// Restarts the accepting task after a panic.
    pub tasks: Supervisor,
    /// Turns true when the server shuts down.
    pub shutdown: watch::Receiver<bool>,
    /// A clone of it is held by each connection.
    pub alive: Alive,
}

/// Accepts connections until the service shuts down. Each is served by its own task.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, service: Service) {
    let acceptor = tls.as_ref().map(Tls::acceptor);
    let accepting = service
        .tasks
        .run(service.port.task(), || accept(&listener, acceptor.clone(), service.clone()));
    let Some(tls) = &tls else { return accepting.await };
    let following = service.tasks.run("tls_files", || tls.clone().follow_files(&service.metrics));
    tokio::select! {
        () = accepting => {}
        () = following => {}
    }
}

async fn accept(listener: &TcpListener, tls: Option<TlsAcceptor>, mut service: Service) {
    let mut logged = Logged::default();
    loop {
        let policy = (service.in_use.policy)();
        let accepted = tokio::select! {
            accepted = accept_one(listener, &service.guard, &policy) => accepted,
            () = stopped(&mut service.shutdown) => return,
        };
        match accepted {
            Ok((tcp, _)) if descriptors::are_short(&tcp, service.port) => {
                service.metrics.descriptor_limit_rejected.inc();
                if logged.is_due() {
                    tracing::warn!(
                        "closed a connection: the remaining file descriptors are reserved for \
                         files and logs; raise the open-file limit (LimitNOFILE, ulimit -n)"
                    );
                }
            }
            Ok((tcp, peer)) => {
                let Some(pending) = service.guard.pending(&(service.in_use.policy)(), peer.ip())
                else {
                    continue;
                };
                let peer = Peer::new(peer.ip(), pending);
                no_delay(&tcp);
                tokio::spawn(service.clone().connection(tcp, peer, tls.clone()));
            }
            // The client has disconnected already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                service.metrics.accept_errors.inc();
                if logged.is_due() {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The time at which trouble with accepting was logged last.
#[derive(Debug, Default)]
struct Logged(Option<Instant>);

impl Logged {
    /// Reports whether it is to be logged again, which then counts as done.
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|last| now - last >= LOG_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

async fn accept_one(
    listener: &TcpListener,
    guard: &Guard,
    policy: &Policy,
) -> io::Result<(TcpStream, SocketAddr)> {
    guard.room(policy).await;
    listener.accept().await
}

impl Service {
    async fn connection(mut self, tcp: TcpStream, peer: Peer, tls: Option<TlsAcceptor>) {
        let tcp = Tcp::new(tcp, self.metrics.write_stalls.clone());
        let socket = match tls {
            None => Socket::Plain(tcp),
            Some(tls) => {
                // Boxed, so that its memory is freed once it is done.
                let handshake = Box::pin(timeout(TLS_TIMEOUT, tls.accept(tcp)));
                let outcome = tokio::select! {
                    outcome = handshake => outcome,
                    () = stopped(&mut self.shutdown) => return,
                };
                match outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(stream) => Socket::Tls(Box::new(stream)),
                    Err(error) => {
                        self.metrics.tls_handshake_errors.inc();
                        tracing::debug!(%error, "TLS handshake failed");
                        return;
                    }
                }
            }
        };
        if let Err(error) = self.serve_http(socket, peer).await {
            tracing::debug!(%error, "connection ended early");
        }
    }

    async fn serve_http(mut self, socket: Socket, peer: Peer) -> hyper::Result<()> {
        let (router, port) = (self.in_use.router, self.port);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            TowerToHyperService::new(router(port)).call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(LARGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut self.shutdown) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }
}

/// Resolves once the flag is raised.
pub(in crate::http) async fn stopped(flag: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone, which is the same.
    drop(flag.wait_for(|stop| *stop).await);
}

/// Sets `TCP_NODELAY`: small messages must not wait for the acknowledgement of earlier ones.
fn no_delay(tcp: &TcpStream) {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
}
