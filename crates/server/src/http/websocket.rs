//! A WebSocket client: handshake, then one task that moves bytes from the feed to the socket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header::{
    ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use feed::frame::{self, Decoder, Event, close_code};
use feed::handshake::{HandshakeError, Upgrade, VERSION};
use feed::{Reader, Ready};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::config::{self, HeartbeatMode};
use crate::http::accept::Alive;
use crate::http::socket::Socket;
use crate::metrics::ConnectionMetrics;
use crate::publish::{CertificateStream, Rendering};
use wire::{Profile, StreamKind};

/// A Ping is sent this often, so that dead connections are noticed.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A client from which no frame came for this long (a Pong is enough) is gone.
const SILENT_CLIENT: Duration = Duration::from_secs(120);
/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);
/// Bytes read from a client at once. Clients have little to say.
const READ_BUFFER: usize = 512;

/// When heartbeat messages are due on a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat {
    /// Never, when nothing was sent for a while, or always.
    pub(super) mode: HeartbeatMode,
    /// The while.
    pub(super) interval: Duration,
}

impl Heartbeat {
    /// The configured heartbeat, or that of the server whose messages are imitated. Some clients of
    /// the domains-only stream take every message for a list of names, so it has none.
    pub(super) const fn of(config: &config::Heartbeat, rendering: Rendering) -> Self {
        let interval = Duration::from_secs(config.interval_secs);
        match (rendering.profile, rendering.kind) {
            (Profile::Calidog, StreamKind::Full | StreamKind::Lite) => {
                Self { mode: config.mode, interval }
            }
            (Profile::Rust, _) => {
                Self { mode: HeartbeatMode::Always, interval: Duration::from_secs(30) }
            }
            (Profile::Go, _) | (Profile::Calidog, StreamKind::Domains) => {
                Self { mode: HeartbeatMode::Off, interval }
            }
        }
    }
}

/// Whether a request asks for a WebSocket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Everything a connection needs once the handshake is done.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it reads.
    pub(super) reader: Reader<CertificateStream>,
    /// Whose conventions its messages follow.
    pub(super) profile: Profile,
    /// When heartbeats are due.
    pub(super) heartbeat: Heartbeat,
    /// Where to count.
    pub(super) metrics: ConnectionMetrics,
    /// Held while the connection lives.
    pub(super) _alive: Alive,
}

/// Checks the handshake (RFC 6455 section 4.2.1); what `Sec-WebSocket-Accept` is to say.
pub(super) fn handshake(request: &Request<Body>) -> Result<String, HandshakeError> {
    // A header that came in several lines is one list.
    let joined = |name: HeaderName| {
        let lines: Vec<&[u8]> =
            request.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect();
        (!lines.is_empty()).then(|| lines.join(&b','))
    };
    let (connection, upgrade) = (joined(CONNECTION), joined(UPGRADE));
    let (version, key) = (joined(SEC_WEBSOCKET_VERSION), joined(SEC_WEBSOCKET_KEY));
    let handshake = Upgrade {
        method: request.method().as_str(),
        connection: connection.as_deref(),
        upgrade: upgrade.as_deref(),
        version: version.as_deref(),
        key: key.as_deref(),
    };
    handshake.accept()
}

/// Completes the handshake and serves the client in a task of its own.
#[must_use]
pub(super) fn upgrade(
    mut request: Request<Body>,
    accept: String,
    client: Client,
) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await.map(|upgraded| upgraded.downcast::<TokioIo<Socket>>()) {
            Ok(Ok(parts)) => client.run(parts.io.into_inner(), &parts.read_buf).await,
            Ok(Err(_)) => tracing::error!("a connection is not the socket it was accepted as"),
            Err(error) => tracing::debug!(%error, "the client left during the handshake"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The answer to a handshake that is none.
pub(super) fn refuse(error: HandshakeError) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{error}\n")));
    *response.status_mut() =
        StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

/// The connection while it runs.
struct Connection {
    client: Client,
    decoder: Decoder,
    last_inbound: Instant,
    last_data: Instant,
    last_beat: Instant,
    last_ping: Instant,
    /// The Close frame to end with, once it is known that the connection ends.
    closing: Option<Closing>,
}

struct Closing {
    frame: Vec<u8>,
    /// The client closed first: nothing more is to be waited for.
    answered: bool,
}

impl Client {
    async fn run(self, socket: Socket, early: &[u8]) {
        let (read, write) = tokio::io::split(socket);
        let now = Instant::now();
        let mut connection = Connection {
            client: self,
            decoder: Decoder::new(),
            last_inbound: now,
            last_data: now,
            last_beat: now,
            last_ping: now,
            closing: None,
        };
        if connection.client.heartbeat.mode == HeartbeatMode::Always {
            connection.beat(now);
        }
        connection.received(early);
        connection.serve(read, write).await;
    }
}

impl Connection {
    async fn serve<R, W>(&mut self, mut read: R, mut write: W)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut buffer = [0; READ_BUFFER];
        while self.closing.is_none() {
            let timer = self.next_deadline();
            tokio::select! {
                got = read.read(&mut buffer) => match got {
                    Ok(0) | Err(_) => return,
                    Ok(n) => self.received(buffer.get(..n).unwrap_or_default()),
                },
                wrote = self.send(&mut write) => if wrote.is_err() { return },
                () = tokio::time::sleep_until(timer) => self.tick(),
            }
        }
        let close = self.close(&mut read, &mut write, &mut buffer);
        if tokio::time::timeout(CLOSING, close).await.is_err() {
            tracing::debug!("the client did not close in time");
        }
    }

    /// Writes what is due. Safe to cancel: what has been written is accounted for at once.
    async fn send<W: AsyncWrite + Unpin>(&mut self, write: &mut W) -> std::io::Result<()> {
        if self.client.reader.ready().await == Ready::Closed {
            self.close_with(close_code::GOING_AWAY, "server shuts down");
            return Ok(());
        }
        let written = self.client.reader.write_some(write).await?;
        self.client.metrics.wrote(written);
        if written.messages > 0 {
            self.last_data = Instant::now();
        }
        Ok(())
    }

    fn received(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.last_inbound = Instant::now();
        loop {
            match self.decoder.decode(&mut bytes) {
                Ok(None) => return,
                // Where pongs pile up because the client reads none, the ping goes unanswered.
                Ok(Some(Event::Ping(payload))) => {
                    self.client.reader.interject(&frame::pong(&payload));
                }
                Ok(Some(Event::Pong | Event::Message)) => {}
                Ok(Some(Event::Close { code, .. })) => {
                    let frame = frame::close(code.unwrap_or(close_code::NORMAL), "");
                    self.closing = Some(Closing { frame, answered: true });
                    return;
                }
                Err(violation) => return self.close_with(violation.code, violation.reason),
            }
        }
    }

    fn close_with(&mut self, code: u16, reason: &str) {
        tracing::debug!(code, reason, "closing a connection");
        self.client.metrics.closed_by_server();
        self.closing = Some(Closing { frame: frame::close(code, reason), answered: false });
    }

    /// When the next heartbeat is due, if ever.
    fn next_beat(&self) -> Option<Instant> {
        let since = match self.client.heartbeat.mode {
            HeartbeatMode::Off => return None,
            HeartbeatMode::Idle => self.last_data.max(self.last_beat),
            HeartbeatMode::Always => self.last_beat,
        };
        Some(since + self.client.heartbeat.interval)
    }

    fn next_deadline(&self) -> Instant {
        let ping = self.last_ping + PING_EVERY;
        let silent = self.last_inbound + SILENT_CLIENT;
        self.next_beat().map_or(ping, |beat| beat.min(ping)).min(silent)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.last_inbound + SILENT_CLIENT {
            let reason = "no frame received for 120 s, not even a pong";
            return self.close_with(close_code::GOING_AWAY, reason);
        }
        if now >= self.last_ping + PING_EVERY {
            self.last_ping = now;
            self.client.reader.interject(&frame::ping(b""));
        }
        if self.next_beat().is_some_and(|due| now >= due) {
            self.beat(now);
        }
    }

    fn beat(&mut self, at: Instant) {
        self.last_beat = at;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_1970.as_millis()).unwrap_or(0);
        let mut json = Vec::new();
        wire::heartbeat(self.client.profile, now, &mut json);
        let mut message = Vec::with_capacity(json.len() + 4);
        frame::text(&json, &mut message);
        self.client.reader.interject(&message);
    }

    /// The closing handshake (RFC 6455 section 7): finish the message begun, send Close, and wait
    /// for the client's unless it was first.
    async fn close<R, W>(&mut self, read: &mut R, write: &mut W, buffer: &mut [u8]) -> Option<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.client.reader.at_boundary() {
            self.client.reader.write_some(write).await.ok()?;
        }
        let closing = self.closing.take()?;
        write.write_all(&closing.frame).await.ok()?;
        write.flush().await.ok()?;
        if !closing.answered {
            self.wait_for_close(read, buffer).await;
        }
        write.shutdown().await.ok()
    }

    /// Waits for the client's Close frame. Then the server ends the connection (RFC 6455 section
    /// 7.1.1); whatever else comes is of no interest any more.
    async fn wait_for_close<R: AsyncRead + Unpin>(&mut self, read: &mut R, buffer: &mut [u8]) {
        while let Ok(n @ 1..) = read.read(buffer).await {
            let mut bytes = buffer.get(..n).unwrap_or_default();
            loop {
                match self.decoder.decode(&mut bytes) {
                    Ok(None) => break,
                    Ok(Some(Event::Close { .. })) | Err(_) => return,
                    Ok(Some(_)) => {}
                }
            }
        }
    }
}
