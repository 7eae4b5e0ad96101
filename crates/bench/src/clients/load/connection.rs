//! One client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::ClientConfig;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::events::Events;
use super::handshake::{self, Answer};
use super::messages::{Messages, Received};
use super::options::{Encoding, LoadOptions};
use super::socket::Socket;
use super::tally::{Sample, Tally};
use crate::clients::loopback;
use crate::harness::{now, tls};

/// Bytes read at once, into the one buffer that all connections share.
const READ_BUFFER: usize = 256 * 1024;
/// A masked Pong without payload.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
/// The pause before connecting again.
const AGAIN: Duration = Duration::from_millis(20);
/// Responses of busy servers to one client, in a row, after which it gives up.
const MOST_REFUSALS: usize = 60;

/// The state that all connections share. They run on one thread.
pub(super) struct Shared {
    /// The servers; the clients take one after the other.
    addresses: Vec<SocketAddr>,
    /// The paths to request; the clients take one after the other.
    paths: Vec<String>,
    /// The clients begin with the oldest message.
    from_oldest: bool,
    encoding: Encoding,
    tls: Option<Arc<ClientConfig>>,
    pub(super) tally: RefCell<Tally>,
    buffer: RefCell<Vec<u8>>,
}

/// One client, connected.
pub(super) struct Connection {
    shared: Rc<Shared>,
    number: usize,
    socket: Socket,
    decoder: Decoder,
    /// Of a client that looks into its messages.
    sample: Option<Sample>,
    /// Read with the end of the handshake.
    early: Vec<u8>,
}

enum Decoder {
    Messages(Messages),
    Events(Box<Events>),
}

impl Shared {
    pub(super) fn new(options: &LoadOptions, tally: Tally) -> anyhow::Result<Self> {
        let addresses = options.address.split(',').map(str::parse);
        let tls = options.trust.as_ref().map(|certificate| tls::client(certificate));
        Ok(Self {
            addresses: addresses.collect::<Result<_, _>>().context("--address")?,
            paths: options.paths()?,
            from_oldest: options.from_oldest,
            encoding: options.encoding,
            tls: tls.transpose()?,
            tally: RefCell::new(tally),
            buffer: RefCell::new(vec![0; READ_BUFFER]),
        })
    }

    /// Returns the server that a client connects to in its turn.
    fn address(&self, turn: usize) -> anyhow::Result<SocketAddr> {
        let address = self.addresses.get(turn % self.addresses.len().max(1));
        address.copied().context("--address")
    }

    /// Returns the path with which client `number` requests everything after its last message.
    fn path(&self, number: usize, sample: Option<&Sample>) -> String {
        let path = self.paths.get(number % self.paths.len().max(1)).map_or("/", String::as_str);
        let separator = if path.contains('?') { '&' } else { '?' };
        let since = sample.and_then(Sample::since);
        match since.or_else(|| self.from_oldest.then(|| "0".to_owned())) {
            Some(since) => format!("{path}{separator}since={since}"),
            None => path.to_owned(),
        }
    }
}

impl Decoder {
    fn new(encoding: Encoding, looks: bool) -> Self {
        match encoding {
            Encoding::WebSocket | Encoding::WebSocketDeflate if looks => {
                Self::Messages(Messages::looked_into())
            }
            Encoding::WebSocket | Encoding::WebSocketDeflate => Self::Messages(Messages::default()),
            Encoding::Sse => Self::Events(Box::default()),
            Encoding::SseGzip => Self::Events(Box::new(Events::gzipped())),
        }
    }
}

impl Connection {
    /// Connects to the server of a turn; returns the connection and the time that it took, including
    /// the handshake. While a server is busy, waits as long as that says and connects to the next one.
    pub(super) async fn open(
        shared: Rc<Shared>,
        number: usize,
        turn: usize,
        mut sample: Option<Sample>,
    ) -> anyhow::Result<(Self, Duration)> {
        for turn in turn..turn.saturating_add(MOST_REFUSALS) {
            let start = Instant::now();
            let (socket, answer) = Self::ask(&shared, number, turn, sample.as_ref()).await?;
            let accepted = match answer {
                Answer::Accepted(accepted) => accepted,
                Answer::Busy(wait) => {
                    shared.tally.borrow_mut().refused += 1;
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            if let Some(sample) = &mut sample {
                sample.stream = accepted.stream;
            }
            let early = accepted.early;
            let took = Instant::now().duration_since(start);
            let decoder = Decoder::new(shared.encoding, sample.is_some());
            return Ok((Self { shared, number, socket, decoder, sample, early }, took));
        }
        bail!("servers were busy {MOST_REFUSALS} times")
    }

    /// Connects to the server of a turn, and requests the stream.
    async fn ask(
        shared: &Shared,
        number: usize,
        turn: usize,
        sample: Option<&Sample>,
    ) -> anyhow::Result<(Socket, Answer)> {
        let address = shared.address(turn)?;
        let tcp = loopback::connect(address, number, None).await?;
        let mut socket = match &shared.tls {
            None => Socket::Plain(tcp),
            Some(config) => {
                let name = address.ip().into();
                let connector = TlsConnector::from(Arc::clone(config));
                Socket::Tls(Box::new(connector.connect(name, tcp).await?))
            }
        };
        let (host, path) = (address.to_string(), shared.path(number, sample));
        let answer = handshake::ask(&mut socket, &host, &path, shared.encoding).await?;
        Ok((socket, answer))
    }

    /// Reads until the connection ends; returns the state that `open` needs to resume.
    pub(super) async fn read_to_end(mut self) -> Option<Sample> {
        let early = std::mem::take(&mut self.early);
        let mut is_open = self.received(&early).map(|_pong| true);
        while let Ok(true) = is_open {
            is_open = self.read_once().await;
        }
        let mut tally = self.shared.tally.borrow_mut();
        tally.ended += 1;
        tally.unreadable += u64::from(is_open.is_err_and(|error| is_undecodable(&error)));
        self.sample
    }

    /// Reads without end: whenever the connection ends, connects to the next server and resumes.
    pub(super) async fn read_and_reconnect(self) {
        let (shared, number) = (Rc::clone(&self.shared), self.number);
        let mut sample = self.read_to_end().await;
        let mut turn = number;
        loop {
            turn += 1;
            match Self::open(Rc::clone(&shared), number, turn, sample.clone()).await {
                Ok((connection, _)) => sample = connection.read_to_end().await,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Reads once; reports whether the connection is still open.
    async fn read_once(&mut self) -> io::Result<bool> {
        poll_fn(|cx| {
            let shared = Rc::clone(&self.shared);
            let mut buffer = shared.buffer.borrow_mut();
            let mut read = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if self.received(bytes)? {
                self.pong(cx);
            }
            Poll::Ready(Ok(!bytes.is_empty()))
        })
        .await
    }

    /// Decodes bytes and counts their messages; reports whether a Pong is due.
    fn received(&mut self, bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Ok(false);
        }
        let mut tally = self.shared.tally.borrow_mut();
        tally.read(bytes.len(), self.sample.is_some());
        let now = if self.sample.is_some() { now() } else { 0 };
        let mut pong = false;
        match (&mut self.decoder, &mut self.sample) {
            (Decoder::Messages(messages), sample) => {
                messages.received(bytes, |received| match (received, &mut *sample) {
                    (Received::Ping, _) => pong = true,
                    (Received::Other(text), sample) => {
                        tally.others += 1;
                        if let (Some(text), Some(sample)) = (text, sample) {
                            tally.notice(sample, text);
                        }
                    }
                    (Received::Update(Some((message, length))), Some(sample)) => {
                        tally.count();
                        tally.look(sample, message, length, now);
                    }
                    (Received::Update(_), _) => tally.count(),
                })?;
            }
            (Decoder::Events(events), Some(sample)) => {
                events.received(bytes, |data, length| tally.look(sample, data, length, now))?;
            }
            (Decoder::Events(_), None) => {}
        }
        Ok(pong)
    }

    fn pong(&mut self, cx: &mut Context<'_>) {
        let mut socket = Pin::new(&mut self.socket);
        // If the socket is full, the server is busy, and the pong is left out.
        if let Poll::Ready(Ok(_)) = socket.as_mut().poll_write(cx, &PONG) {
            let _flushed = socket.poll_flush(cx);
        }
    }
}

/// Reports whether the received bytes are invalid, not the connection.
fn is_undecodable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}
