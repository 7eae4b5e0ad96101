//! A load balancer for TCP.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use xtask::process::answers;

/// The time after which all servers are tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// A load balancer, which runs until the program ends.
pub(super) struct Balancer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Balancer {
    /// Starts it on a free port. Each connection goes to the next server that is ready.
    pub(super) fn start(servers: Vec<String>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let balancer = Self { address: listener.local_addr()?, connections: Arc::default() };
        let (servers, connections) = (Arc::new(servers), Arc::clone(&balancer.connections));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let turn = connections.fetch_add(1, Ordering::Relaxed);
                let servers = Arc::clone(&servers);
                std::thread::spawn(move || {
                    // A connection that breaks is a client's to notice.
                    drop(connect(&servers, turn).and_then(|server| join(&client, &server)));
                });
            }
        });
        Ok(balancer)
    }

    /// Returns the URL of the stream of full messages.
    pub(super) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Returns the number of connections so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Connects to a server that is ready, as soon as there is one.
fn connect(servers: &[String], turn: usize) -> io::Result<TcpStream> {
    loop {
        for number in 0..servers.len() {
            let Some(server) = servers.get((turn + number) % servers.len()) else { continue };
            let is_ready = answers(&format!("http://{server}/health/ready")).unwrap_or(false);
            if is_ready && let Ok(connection) = TcpStream::connect(server) {
                return Ok(connection);
            }
        }
        std::thread::sleep(AGAIN);
    }
}

/// Copies in both directions until one of them ends.
fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    std::thread::scope(|scope| {
        let up = scope.spawn(|| copy(client, server));
        let down = copy(server, client);
        up.join().map_err(|_| io::Error::other("a panic"))?.and(down)
    })
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let outcome = io::copy(&mut from, &mut to).map(drop);
    // The other direction ends too; it may have ended already.
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
    outcome
}
