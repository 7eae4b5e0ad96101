//! The client: one connection after the other, and one session across them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustls::ClientConfig;

use crate::address::{Address, Since};
use crate::connection::proxy::Proxy;
use crate::connection::{self, Connection, Failure};
use crate::dedup::Window;
use crate::gaps::Gap;
use crate::progress::{Progress, Resume};
use crate::session::{Counters, Message, Session};

/// The settings of a client.
#[derive(Debug)]
pub struct Settings {
    /// The stream to receive.
    pub address: Address,
    /// The proxy to connect through, see [`Proxy::from_environment`].
    pub proxy: Option<Proxy>,
    /// The TLS configuration, see [`tls::client_config`](crate::tls::client_config).
    pub tls: Arc<ClientConfig>,
    /// The state to resume from.
    pub resume: Resume,
    /// The newest entries received before, to detect duplicates.
    pub window: Window,
}

/// An event of the stream.
#[derive(Debug)]
pub enum Event<'c> {
    /// A connection is open.
    Connected {
        /// The position after which the server was requested to start; none if it starts with the
        /// next message.
        since: Option<Since>,
        /// The gap that this means, if any.
        gaps: Vec<Gap>,
    },
    /// A message was received.
    Message(Message<'c>),
    /// The connection is lost, or could not be opened. There will be another attempt, also if the
    /// failure [is final](Failure::is_final): the caller decides.
    Disconnected {
        /// The reason.
        failure: Failure,
        /// The time until the next attempt.
        retry: Duration,
    },
}

/// A client of one stream.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    session: Session,
    /// The last message, which the last event borrows.
    message: Bytes,
}

impl Client {
    /// Returns a client that is not connected yet. It connects in [`next`](Self::next).
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { address, proxy, tls, resume, window } = settings;
        let session = Session::new(address.stream(), resume, window).filtered_by(address.filter());
        let connection = Connection::new(address, proxy, tls);
        Self { connection, session, message: Bytes::new() }
    }

    /// Waits for the next event. The stream has no end: a lost connection is restored. Nothing is
    /// lost if the future is dropped.
    pub async fn next(&mut self) -> Event<'_> {
        let Self { connection, session, message } = self;
        match connection.next(|| session.since()).await {
            connection::Event::Connected { since, stream } => {
                let gaps = session.connected(since.is_some(), stream.as_deref(), unix_ms());
                Event::Connected { since, gaps }
            }
            connection::Event::Message(bytes) => {
                *message = bytes;
                Event::Message(session.read(message, unix_ms()))
            }
            connection::Event::Disconnected { failure, retry } => {
                Event::Disconnected { failure, retry }
            }
        }
    }

    /// Returns the numbers of messages received so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.session.counters()
    }

    /// Returns the time at which the server saw the newest entry, see [`Session::newest`].
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.session.newest()
    }

    /// Reports whether [`take_progress`](Self::take_progress) would return anything new.
    #[must_use]
    pub fn has_progress(&self) -> bool {
        self.session.has_progress()
    }

    /// Takes the progress to save with the messages received so far. It includes the gaps since the
    /// last call, so a progress that is taken must not be lost.
    pub fn take_progress(&mut self) -> Progress {
        self.session.take_progress()
    }

    /// Closes the connection, if it is open, within a second.
    pub async fn close(self) {
        self.connection.close().await;
    }
}

/// Returns the time in milliseconds since the Unix epoch.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
