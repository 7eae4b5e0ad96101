//! The connection to a server. It is restored whenever it is lost.

mod failure;
pub(crate) mod proxy;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    connect_async_tls_with_config,
};

use crate::address::{Address, Since, stream_id};
use crate::backoff::Backoff;

use crate::text::shown;
pub use failure::Failure;
use failure::{CONNECT, IDLE, MAX_RECEIVED};
use proxy::Proxy;

/// The interval of pings. Servers of the first generation close connections on which the client
/// sends nothing for a minute.
const PING: Duration = Duration::from_secs(15);
/// Most bytes that wait to be sent. A client of a stream sends only pings and pongs.
const MAX_UNSENT: usize = 64 << 10;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Attempt = Pin<Box<dyn Future<Output = Result<Opened, Failure>> + Send>>;

/// The response header in which a server names its stream.
const STREAM_HEADER: &str = "certstream-stream";

/// An open connection.
struct Opened {
    socket: Socket,
    /// The id of the server's stream, where it has one.
    stream: Option<Box<str>>,
}

/// A change of the connection, or a message.
#[derive(Debug)]
pub enum Event {
    /// A connection is open.
    Connected {
        /// The position after which the server was requested to start.
        since: Option<Since>,
        /// The id of the server's stream, where it has one.
        stream: Option<Box<str>>,
    },
    /// A message.
    Message(Bytes),
    /// The connection is lost, or could not be opened. There will be another attempt.
    Disconnected {
        /// The reason.
        failure: Failure,
        /// The time until the next attempt.
        retry: Duration,
    },
}

/// A connection that restores itself.
pub struct Connection {
    route: Route,
    backoff: Backoff,
    state: State,
    pings: Pings,
    /// The time of the last data.
    last_data: Instant,
    /// True if the next attempt must not resume, because the next message cannot be received.
    must_skip: bool,
    /// True if the next request omits the parameters that only certstream-server needs.
    is_plain: bool,
    /// True if a request with them was accepted: a server that refuses it later has other reasons.
    knows_extras: bool,
}

/// The way to the server.
#[derive(Clone)]
struct Route {
    address: Address,
    proxy: Option<Proxy>,
    tls: Arc<ClientConfig>,
}

enum State {
    /// Waiting for the time of the next attempt.
    Waiting(Instant),
    /// An attempt in progress. It is kept here so that the caller's future can be dropped.
    Connecting(Option<Since>, Attempt),
    Open(Box<Socket>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("address", &self.route.address).finish_non_exhaustive()
    }
}

impl Connection {
    /// Returns a connection that is not open yet.
    #[must_use]
    pub fn new(address: Address, proxy: Option<Proxy>, tls: Arc<ClientConfig>) -> Self {
        let now = Instant::now();
        let pings = Pings::new();
        let state = State::Waiting(now);
        let route = Route { address, proxy, tls };
        let backoff = Backoff::default();
        let (must_skip, is_plain, knows_extras) = (false, false, false);
        Self { route, backoff, state, pings, last_data: now, must_skip, is_plain, knows_extras }
    }

    /// Waits for the next event. A new connection requests the messages after `since()`. Nothing is
    /// lost if the future is dropped.
    pub async fn next(&mut self, since: impl Fn() -> Option<Since>) -> Event {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    tokio::time::sleep_until(*until).await;
                    let since = if self.must_skip { None } else { since() };
                    let attempt = self.route.clone().connect(since.clone(), !self.is_plain);
                    self.state = State::Connecting(since, Box::pin(attempt));
                }
                State::Connecting(since, attempt) => {
                    let since = since.clone();
                    match attempt.as_mut().await {
                        Ok(Opened { socket, stream }) => {
                            self.state = State::Open(Box::new(socket));
                            self.last_data = Instant::now();
                            self.pings = Pings::new();
                            self.must_skip = false;
                            self.knows_extras |= !self.is_plain;
                            return Event::Connected { since, stream };
                        }
                        Err(failure) => return self.disconnected(failure),
                    }
                }
                State::Open(socket) => {
                    let message = match receive(socket, &mut self.pings, self.last_data).await {
                        Ok(message) => message,
                        Err(failure) => return self.disconnected(failure),
                    };
                    if let Some(event) = self.received(message) {
                        return event;
                    }
                }
            }
        }
    }

    fn received(&mut self, message: Option<Result<Message, WsError>>) -> Option<Event> {
        self.last_data = Instant::now();
        let data = match message {
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(frame))) => {
                let reason =
                    frame.map(|frame| format!("{} {}", u16::from(frame.code), frame.reason));
                return Some(
                    self.disconnected(Failure::Closed(shown(reason.unwrap_or_default().trim()))),
                );
            }
            Some(Ok(_)) => return None,
            Some(Err(error)) => return Some(self.disconnected(error.into())),
            None => return Some(self.disconnected(Failure::Closed(String::new()))),
        };
        self.backoff.succeeded();
        Some(Event::Message(data))
    }

    fn disconnected(&mut self, failure: Failure) -> Event {
        let requested = failure.retry_after();
        // A refusal may have temporary reasons too: after each loss the first request is complete.
        let was_plain = std::mem::take(&mut self.is_plain);
        if failure.is_about_parameters() && !was_plain && !self.knows_extras {
            self.is_plain = true;
            self.state = State::Waiting(Instant::now());
            return Event::Disconnected { failure: Failure::Extras, retry: Duration::ZERO };
        }
        self.must_skip = matches!(failure, Failure::TooLong);
        let retry = self.backoff.failed(requested);
        self.state = State::Waiting(Instant::now() + retry);
        Event::Disconnected { failure, retry }
    }

    /// Closes the connection, if it is open, within a second.
    pub async fn close(self) {
        if let State::Open(mut socket) = self.state {
            let closing = WebSocketStream::close(&mut *socket, None);
            if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), closing).await {
                tracing::debug!(%error, "the connection is not closed cleanly");
            }
        }
    }
}

/// The pings of a connection.
struct Pings {
    due: Interval,
    /// A ping that is not sent yet.
    unsent: Option<Unsent>,
}

/// A ping that is not sent yet.
struct Unsent {
    since: Instant,
    is_queued: bool,
}

impl Pings {
    fn new() -> Self {
        let mut due = tokio::time::interval_at(Instant::now() + PING, PING);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { due, unsent: None }
    }

    /// Sends the ping that is due. Nothing is lost if the future is dropped.
    async fn send<S>(&mut self, socket: &mut WebSocketStream<S>) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(ping) = &mut self.unsent else { return Ok(()) };
        let until = ping.since + PING;
        let sending = async {
            if !ping.is_queued {
                socket.feed(Message::Ping(Bytes::new())).await?;
                ping.is_queued = true;
            }
            socket.flush().await
        };
        match tokio::time::timeout_at(until, sending).await {
            Ok(sent) => sent?,
            Err(_) => return Err(Failure::NotReading),
        }
        self.unsent = None;
        Ok(())
    }
}

/// Waits for the next message, and sends pings meanwhile. Pings have priority, so that a server that
/// is never silent cannot delay them. A server that reads nothing counts as failed. Nothing is lost
/// if the future is dropped.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    pings: &mut Pings,
    last_data: Instant,
) -> Result<Option<Result<Message, WsError>>, Failure> {
    loop {
        pings.send(socket).await?;
        let now = tokio::select! {
            biased;
            now = pings.due.tick() => now,
            message = socket.next() => return Ok(message),
        };
        if now.saturating_duration_since(last_data) > IDLE {
            return Err(Failure::Idle);
        }
        pings.unsent = Some(Unsent { since: now, is_queued: false });
    }
}

/// Returns the limits on the memory of a connection.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT)
        .max_message_size(Some(MAX_RECEIVED))
        .max_frame_size(Some(MAX_RECEIVED))
}

impl Route {
    async fn connect(self, since: Option<Since>, extras: bool) -> Result<Opened, Failure> {
        match tokio::time::timeout(CONNECT, self.open(since, extras)).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::Timeout),
        }
    }

    async fn open(self, since: Option<Since>, extras: bool) -> Result<Opened, Failure> {
        let (limits, tls) = (Some(limits()), Some(Connector::Rustls(self.tls)));
        let request = self.address.request(since.as_ref(), extras).map_err(|error| *error)?;
        let opened = if let Some(proxy) = self.proxy {
            let name = proxy.name().to_owned();
            let connected = proxy.connect().await;
            let socket = connected.map_err(|said| Failure::Proxy { proxy: name, said })?;
            client_async_tls_with_config(request, socket, limits, tls).await
        } else {
            connect_async_tls_with_config(request, limits, true, tls).await
        };
        let (socket, response) = opened?;
        let stream = response.headers().get(STREAM_HEADER);
        let stream = stream.and_then(|id| stream_id(id.to_str().ok()?));
        Ok(Opened { socket, stream })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// The answers to the pings are kept only up to a bound, then the connection counts as lost.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_only_pings_and_never_reads_is_disconnected() {
        let (ours, mut theirs) = tokio::io::duplex(4 << 10);
        let mut socket = WebSocketStream::from_raw_socket(ours, Role::Client, Some(limits())).await;
        let flood = tokio::spawn(async move {
            let ping = [&[0x89, 125][..], &[b'x'; 125]].concat().repeat(16);
            while theirs.write_all(&ping).await.is_ok() {}
        });
        let mut pings = Pings::new();
        for _ in 0..5_000 {
            let received = receive(&mut socket, &mut pings, Instant::now()).await;
            assert!(matches!(received, Ok(Some(Ok(Message::Ping(_))))), "{received:?}");
        }
        tokio::time::advance(PING).await;
        // Like the collector's loop, which drops the future and makes a new one all the time.
        let failure = loop {
            let received = receive(&mut socket, &mut pings, Instant::now());
            let received = tokio::time::timeout(Duration::from_millis(100), received).await;
            if let Ok(Err(failure)) = received {
                break failure;
            }
        };
        assert!(matches!(failure, Failure::NotReading), "{failure}");
        drop(socket);
        flood.await.expect("it ends with the connection");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_disconnected() {
        let (ours, _theirs) = tokio::io::duplex(4 << 10);
        let mut socket = WebSocketStream::from_raw_socket(ours, Role::Client, Some(limits())).await;
        let start = Instant::now();
        let mut pings = Pings::new();
        let received = receive(&mut socket, &mut pings, start).await;
        assert!(matches!(received, Err(Failure::Idle)), "{received:?}");
        assert!(Instant::now() - start <= IDLE + PING);
    }
}
