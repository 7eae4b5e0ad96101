//! Accepting connections and speaking HTTP/1.1 on each.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::http::socket::Socket;
use crate::metrics::Metrics;

/// A client has this long to send its request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bound of a request's head.
const LARGEST_HEAD: usize = 16 * 1024;
/// The pause after a failed accept: the usual cause is having no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Held by whatever must end before the process does; shutdown waits until all are dropped.
pub type Alive = mpsc::Sender<()>;

/// Binds the listening socket. `::` also accepts IPv4.
///
/// # Errors
/// When the address cannot be bound; the message names it.
pub fn bind(host: IpAddr, port: u16) -> anyhow::Result<TcpListener> {
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
    open().with_context(|| format!("cannot listen on {address} (settings host and port)"))
}

/// Accepts connections until `shutdown` turns true. Each is served by its own task, which holds
/// a clone of `alive` while it runs.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    metrics: &Metrics,
    mut shutdown: watch::Receiver<bool>,
    alive: &Alive,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut shutdown) => return,
        };
        match accepted {
            Ok((tcp, _peer)) => {
                no_delay(&tcp);
                let socket = Socket::new(tcp, metrics.write_stalls.clone());
                tokio::spawn(connection(socket, router.clone(), shutdown.clone(), alive.clone()));
            }
            Err(error) => {
                metrics.accept_errors.inc();
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    socket: Socket,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
    alive: Alive,
) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
    drop(alive);
}

/// Resolves once the server shuts down.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone, which is the same.
    drop(shutdown.wait_for(|stop| *stop).await);
}

/// Small messages must not wait for the acknowledgement of earlier ones.
fn no_delay(tcp: &TcpStream) {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
}
