//! A host: an address under which logs are read, and which can be away.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::http::limit::Limiter;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// An address under which logs are read. Its logs share a limit, as those behind one front end do.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    limiter: Limiter,
    away: watch::Sender<bool>,
}

impl Host {
    pub(crate) fn new(listener: &TcpListener) -> io::Result<Self> {
        let (address, limiter) = (listener.local_addr()?, Limiter::default());
        Ok(Self { address, limiter, away: watch::Sender::new(false) })
    }

    /// The URL under which it is reached from this machine, with a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            match address {
                SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            }
        }
        format!("http://{address}/")
    }

    /// Returns the limit of all its logs together. The log list has no limit.
    #[must_use]
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// While it is away connections are refused; those there are have been broken.
    pub fn set_away(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Returns a receiver of the state of the host, away or not.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.away.subscribe()
    }

    /// Keeps the address for this program without answering there.
    pub(crate) fn reserve(&self) -> io::Result<TcpSocket> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        Ok(socket)
    }

    /// Answers there again.
    pub(crate) fn listen(reserved: TcpSocket) -> io::Result<TcpListener> {
        reserved.listen(BACKLOG)
    }
}
