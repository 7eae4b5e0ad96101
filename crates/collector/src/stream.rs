//! The connection to a server, which is made again whenever it is lost.

pub mod backoff;
pub mod proxy;
pub mod tls;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
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

use crate::address::{Address, Since};
use backoff::Backoff;
use proxy::Proxy;

/// The longest message that is received at all. Those longer than
/// [`MAX_MESSAGE_BYTES`](wire::decode::MAX_MESSAGE_BYTES) are counted and passed over.
const MAX_RECEIVED: usize = 64 << 20;
/// A connection must stand after this time.
const CONNECT: Duration = Duration::from_secs(20);
/// A server of the first generation ends connections on which the client says nothing for a minute.
const PING: Duration = Duration::from_secs(15);
/// The longest time in which nothing at all may come: every server answers pings.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes that may wait to be sent. A client of a stream sends pings and pongs, and nothing else.
const MAX_UNSENT: usize = 64 << 10;
/// The longest part of a server's text that is shown.
const MAX_SHOWN: usize = 200;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Attempt = Pin<Box<dyn Future<Output = Result<Socket, Failure>> + Send>>;

/// What there is to know of the connection.
#[derive(Debug)]
pub enum Event {
    /// A connection stands.
    Connected {
        /// The message after which the server was asked to begin.
        since: Option<Since>,
    },
    /// A message.
    Message(Bytes),
    /// The connection is lost, or could not be made. There will be another attempt.
    Lost {
        /// Why.
        failure: Failure,
        /// When the next attempt is.
        retry: Duration,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server does not want the request.
    #[error("the server answers {status}{}{advice}", with_colon(.said))]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it says.
        said: String,
        /// What to do.
        advice: &'static str,
        /// How long to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// TLS.
    #[error("{0}")]
    Tls(String),
    /// The network.
    #[error("{0}")]
    Network(String),
    /// The proxy, or the way to it.
    #[error("no connection through the proxy {proxy}: {said}")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// What is wrong.
        said: String,
    },
    /// A message longer than any that is received.
    #[error("a message of more than {} MiB", MAX_RECEIVED >> 20)]
    TooLong,
    /// The server has ended the connection.
    #[error("the server has closed the connection{}", with_colon(.0))]
    Closed(String),
    /// Nothing came.
    #[error("nothing came for {} s, not even an answer to a ping", IDLE.as_secs())]
    Idle,
    /// The server refuses the request, perhaps for parameters that only our server needs.
    #[error("the server refuses the request; asking without parameters that it may not know")]
    Extras,
    /// The server takes nothing.
    #[error("the server does not take what is sent to it, not even pings")]
    Deaf,
    /// No connection in time.
    #[error("no connection within {} s", CONNECT.as_secs())]
    Timeout,
}

fn with_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl Failure {
    /// Whether the server may be refusing a parameter that it does not know.
    fn is_about_parameters(&self) -> bool {
        let odd = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::URI_TOO_LONG];
        matches!(self, Self::Refused { status, .. } if odd.contains(status))
    }

    /// Whether another attempt with the same request cannot do better.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status, .. }
            if status.is_client_error()
                && ![StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status))
    }
}

/// A stream of messages that connects by itself.
pub struct Stream {
    route: Route,
    backoff: Backoff,
    state: State,
    pings: Pings,
    /// When something came last.
    heard: Instant,
    /// Whether the next attempt must not resume: the message to go on with cannot be received.
    must_skip: bool,
    /// Whether the next request leaves out parameters that only our server needs.
    is_plain: bool,
    /// Whether a request with them was accepted: a server that refuses it later has other reasons.
    knows_extras: bool,
}

/// How the server is reached.
#[derive(Clone)]
struct Route {
    address: Address,
    proxy: Option<Proxy>,
    tls: Arc<ClientConfig>,
}

enum State {
    /// Waits for the time of the next attempt.
    Waiting(Instant),
    /// Kept here while it is under way, so that whoever waits may do something else meanwhile.
    Connecting(Option<Since>, Attempt),
    Open(Box<Socket>),
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("address", &self.route.address).finish_non_exhaustive()
    }
}

impl Stream {
    /// Not connected yet.
    #[must_use]
    pub fn new(address: Address, proxy: Option<Proxy>, tls: Arc<ClientConfig>) -> Self {
        let now = Instant::now();
        let pings = Pings::new();
        let state = State::Waiting(now);
        let route = Route { address, proxy, tls };
        let backoff = Backoff::default();
        let (must_skip, is_plain, knows_extras) = (false, false, false);
        Self { route, backoff, state, pings, heard: now, must_skip, is_plain, knows_extras }
    }

    /// The next thing that happens. A connection that is made asks for what came after `since`.
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self, since: impl Fn() -> Option<Since>) -> Event {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    tokio::time::sleep_until(*until).await;
                    let since = since().filter(|_| !self.must_skip);
                    let attempt = self.route.clone().connect(since.clone(), !self.is_plain);
                    self.state = State::Connecting(since, Box::pin(attempt));
                }
                State::Connecting(since, attempt) => {
                    let since = since.clone();
                    match attempt.as_mut().await {
                        Ok(socket) => {
                            self.state = State::Open(Box::new(socket));
                            self.heard = Instant::now();
                            self.pings = Pings::new();
                            self.must_skip = false;
                            self.knows_extras |= !self.is_plain;
                            return Event::Connected { since };
                        }
                        Err(failure) => return self.lost(failure),
                    }
                }
                State::Open(socket) => {
                    let message = match receive(socket, &mut self.pings, self.heard).await {
                        Ok(message) => message,
                        Err(failure) => return self.lost(failure),
                    };
                    if let Some(event) = self.received(message) {
                        return event;
                    }
                }
            }
        }
    }

    fn received(&mut self, message: Option<Result<Message, WsError>>) -> Option<Event> {
        self.heard = Instant::now();
        let data = match message {
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(frame))) => {
                let reason =
                    frame.map(|frame| format!("{} {}", u16::from(frame.code), frame.reason));
                return Some(self.lost(Failure::Closed(shown(reason.unwrap_or_default().trim()))));
            }
            Some(Ok(_)) => return None,
            Some(Err(error)) => return Some(self.lost(broken(error))),
            None => return Some(self.lost(Failure::Closed(String::new()))),
        };
        self.backoff.succeeded();
        Some(Event::Message(data))
    }

    fn lost(&mut self, failure: Failure) -> Event {
        let asked = match &failure {
            Failure::Refused { retry_after, .. } => *retry_after,
            _ => None,
        };
        // A refusal may have passing reasons too: each loss begins with the whole request.
        let was_plain = std::mem::take(&mut self.is_plain);
        if failure.is_about_parameters() && !was_plain && !self.knows_extras {
            self.is_plain = true;
            self.state = State::Waiting(Instant::now());
            return Event::Lost { failure: Failure::Extras, retry: Duration::ZERO };
        }
        self.must_skip = matches!(failure, Failure::TooLong);
        let retry = self.backoff.failed(asked);
        self.state = State::Waiting(Instant::now() + retry);
        Event::Lost { failure, retry }
    }

    /// Takes leave, if there is anybody to take leave of.
    pub async fn close(self) {
        if let State::Open(mut socket) = self.state {
            let closing = WebSocketStream::close(&mut *socket, None);
            if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(1), closing).await {
                tracing::debug!(%error, "the server did not hear the farewell");
            }
        }
    }
}

/// The pings of a connection.
struct Pings {
    due: Interval,
    /// One that is not on its way yet.
    unsent: Option<Unsent>,
}

/// A ping that the server has not taken.
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

    /// Sends the ping that is due. Nothing is lost when the future is dropped.
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
            Ok(sent) => sent.map_err(broken)?,
            Err(_) => return Err(Failure::Deaf),
        }
        self.unsent = None;
        Ok(())
    }
}

/// The next message, with pings in between. Pings come first: a server that is never silent must not
/// keep them back. A server that takes nothing is as good as gone. Nothing is lost when the future
/// is dropped.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    pings: &mut Pings,
    heard: Instant,
) -> Result<Option<Result<Message, WsError>>, Failure> {
    loop {
        pings.send(socket).await?;
        let now = tokio::select! {
            biased;
            now = pings.due.tick() => now,
            message = socket.next() => return Ok(message),
        };
        if now.saturating_duration_since(heard) > IDLE {
            return Err(Failure::Idle);
        }
        pings.unsent = Some(Unsent { since: now, is_queued: false });
    }
}

/// What is kept of a connection at most.
fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT)
        .max_message_size(Some(MAX_RECEIVED))
        .max_frame_size(Some(MAX_RECEIVED))
}

impl Route {
    async fn connect(self, since: Option<Since>, extras: bool) -> Result<Socket, Failure> {
        match tokio::time::timeout(CONNECT, self.open(since, extras)).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::Timeout),
        }
    }

    async fn open(self, since: Option<Since>, extras: bool) -> Result<Socket, Failure> {
        let (limits, tls) = (Some(limits()), Some(Connector::Rustls(self.tls)));
        let request =
            self.address.request(since.as_ref(), extras).map_err(|error| broken(*error))?;
        let opened = if let Some(proxy) = self.proxy {
            let name = proxy.name().to_owned();
            let connected = proxy.connect().await;
            let socket = connected.map_err(|said| Failure::Proxy { proxy: name, said })?;
            client_async_tls_with_config(request, socket, limits, tls).await
        } else {
            connect_async_tls_with_config(request, limits, true, tls).await
        };
        opened.map(|(socket, _)| socket).map_err(broken)
    }
}

/// What has happened, in words.
fn broken(error: WsError) -> Failure {
    match error {
        WsError::Http(response) => refused(&response),
        WsError::Capacity(_) => Failure::TooLong,
        WsError::WriteBufferFull(_) => Failure::Deaf,
        WsError::Tls(error) => Failure::Tls(error.to_string()),
        WsError::ConnectionClosed | WsError::AlreadyClosed => Failure::Closed(String::new()),
        WsError::Io(error) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner {
                Some(inner) => Failure::Tls(tls::explain(inner)),
                None => Failure::Network(error.to_string()),
            }
        }
        other => Failure::Network(other.to_string()),
    }
}

/// What a body says besides the reason phrase, which the status has already.
fn without_reason(said: &str, status: StatusCode) -> &str {
    let rest = status.canonical_reason().and_then(|reason| said.strip_prefix(reason));
    rest.map_or(said, |rest| rest.trim_start_matches(':').trim())
}

fn refused(response: &http::Response<Option<Vec<u8>>>) -> Failure {
    let status = response.status();
    let advice = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "; does it want a token? (CERTSTREAM_TOKEN or --token-file)"
        }
        StatusCode::NOT_FOUND => "; is the path in --url right?",
        StatusCode::BAD_REQUEST => "; are the filters right?",
        StatusCode::OK => "; this is no certstream server, or not its WebSocket",
        status if status.is_redirection() => "; give the address it redirects to as --url",
        _ => "",
    };
    let body = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default());
    let asked = response.headers().get(http::header::RETRY_AFTER);
    let retry_after = asked.and_then(|value| pause(value.to_str().ok()?.trim()));
    Failure::Refused {
        status,
        said: shown(without_reason(body.trim(), status)),
        advice,
        retry_after,
    }
}

/// How long `Retry-After` asks to wait: a number of seconds, or a date.
fn pause(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A text from outside as far as it fits in a line, without characters that a terminal obeys or that
/// change the order of others.
#[must_use]
pub fn shown(text: &str) -> String {
    let is_obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let line = text.chars().map(|c| if is_obeyed(c) { ' ' } else { c });
    line.take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// A server that sends pings without end and reads nothing: no answer to them is kept beyond a
    /// bound, and it is given up.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_only_pings_is_given_up() {
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
        // As the collector's loop does: the future is dropped and made anew all the time.
        let given_up = loop {
            let received = receive(&mut socket, &mut pings, Instant::now());
            let received = tokio::time::timeout(Duration::from_millis(100), received).await;
            if let Ok(Err(failure)) = received {
                break failure;
            }
        };
        assert!(matches!(given_up, Failure::Deaf), "{given_up}");
        drop(socket);
        flood.await.expect("it ends with the connection");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(4 << 10);
        let mut socket = WebSocketStream::from_raw_socket(ours, Role::Client, Some(limits())).await;
        let heard = Instant::now();
        let mut pings = Pings::new();
        let received = receive(&mut socket, &mut pings, heard).await;
        assert!(matches!(received, Err(Failure::Idle)), "{received:?}");
        assert!(Instant::now() - heard <= IDLE + PING);
    }

    #[test]
    fn pauses_are_numbers_or_dates() {
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        let later = SystemTime::now() + Duration::from_secs(90);
        let asked = pause(&httpdate::fmt_http_date(later)).unwrap();
        assert!((Duration::from_secs(60)..=Duration::from_secs(90)).contains(&asked), "{asked:?}");
        assert_eq!(pause("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("soon"), None);
    }

    #[test]
    fn texts_from_outside_stay_in_their_line() {
        assert_eq!(shown("a\nb\u{1b}[31m\u{9b}\u{202e}c"), "a b [31m  c");
    }
}
