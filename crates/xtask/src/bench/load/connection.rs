//! One WebSocket client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::frames::{Frames, PING, Piece, TEXT};
use super::message::Update;
use super::tally::Tally;

/// Text frames shorter than this are heartbeats and announcements; no certificate fits.
const SHORTEST_UPDATE: u64 = 256;
/// Bytes read at once, into the one buffer that all connections share.
pub(super) const READ_BUFFER: usize = 256 * 1024;
/// A masked Pong without payload.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
/// Bound of the answer to the handshake.
const LONGEST_ANSWER: usize = 4096;
/// How long to wait before connecting again.
const AGAIN: Duration = Duration::from_millis(20);

/// What all connections share. They run on one thread.
pub(super) struct Shared {
    pub(super) address: String,
    pub(super) path: String,
    pub(super) tally: RefCell<Tally>,
    pub(super) buffer: RefCell<Vec<u8>>,
}

/// One client: the socket, and what it keeps of messages.
pub(super) struct Connection {
    shared: Rc<Shared>,
    stream: TcpStream,
    frames: Frames,
    /// Read with the end of the handshake.
    early: Vec<u8>,
    /// Of a client whose messages are looked into.
    sample: Option<Sample>,
}

/// What a client whose messages are looked into keeps.
#[derive(Default)]
pub(super) struct Sample {
    /// The message begun.
    message: Vec<u8>,
    /// The offset of the last update.
    last: Option<u64>,
}

impl Connection {
    /// Connects; says how long that took, handshake included.
    pub(super) async fn open(
        shared: Rc<Shared>,
        sample: Option<Sample>,
    ) -> anyhow::Result<(Self, Duration)> {
        let start = Instant::now();
        let mut stream = TcpStream::connect(&shared.address).await?;
        stream.set_nodelay(true)?;
        let path = match sample.as_ref().and_then(|sample| sample.last) {
            Some(last) => format!("{}?since={last}", shared.path),
            None => shared.path.clone(),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            shared.address
        );
        stream.write_all(request.as_bytes()).await?;
        let early = upgraded(&mut stream).await?;
        let took = Instant::now().duration_since(start);
        let frames = Frames::default();
        Ok((Self { shared, stream, frames, early, sample }, took))
    }

    /// Reads until the server ends the connection; hands back what `open` needs to go on.
    pub(super) async fn read_to_end(mut self) -> Option<Sample> {
        let early = std::mem::take(&mut self.early);
        self.received(&early);
        while let Ok(true) = self.read_once().await {}
        self.shared.tally.borrow_mut().ended += 1;
        self.sample
    }

    /// Reads for ever: connects again, from where it was, whenever the server is gone.
    pub(super) async fn read_and_reconnect(self) {
        let shared = Rc::clone(&self.shared);
        let mut sample = self.read_to_end().await;
        loop {
            let last = sample.as_ref().and_then(|sample| sample.last);
            let again = Sample { last, ..Sample::default() };
            match Self::open(Rc::clone(&shared), Some(again)).await {
                Ok((connection, _)) => sample = connection.read_to_end().await,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// One read; whether the connection goes on.
    async fn read_once(&mut self) -> io::Result<bool> {
        poll_fn(|cx| {
            let shared = Rc::clone(&self.shared);
            let mut buffer = shared.buffer.borrow_mut();
            let mut read = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            let bytes = read.filled();
            self.received(bytes);
            Poll::Ready(Ok(!bytes.is_empty()))
        })
        .await
    }

    fn received(&mut self, mut bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let shared = Rc::clone(&self.shared);
        let mut tally = shared.tally.borrow_mut();
        tally.reads += 1;
        let now = self.sample.is_some().then(now);
        while let Some(piece) = self.frames.next(&mut bytes) {
            match (piece, &mut self.sample) {
                (Piece::Payload(part), Some(sample)) => sample.message.extend_from_slice(part),
                (Piece::Payload(_), None) => {}
                (Piece::End { opcode: PING, .. }, _) => {
                    // A full socket means that the server has other things to see to than pongs.
                    let _sent = self.stream.try_write(&PONG);
                    self.sample.iter_mut().for_each(|sample| sample.message.clear());
                }
                (Piece::End { opcode: TEXT, bytes }, sample) if bytes >= SHORTEST_UPDATE => {
                    tally.messages += 1;
                    tally.bytes += bytes;
                    if let (Some(sample), Some(now)) = (sample, now) {
                        sample.finished(&mut tally, now);
                    }
                }
                (Piece::End { .. }, sample) => {
                    tally.others += 1;
                    sample.iter_mut().for_each(|sample| sample.message.clear());
                }
            }
        }
    }
}

impl Sample {
    /// A message is complete.
    fn finished(&mut self, tally: &mut Tally, now: u64) {
        if let Some(update) = Update::read(&self.message) {
            tally.update(&update, self.last, now);
            self.last = Some(update.offset);
        } else {
            tally.unreadable += 1;
        }
        self.message.clear();
    }
}

/// Reads the answer to the handshake; what followed it.
async fn upgraded(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut answer = Vec::new();
    loop {
        let end = answer.windows(END.len()).position(|window| window == END);
        if let Some(end) = end {
            let line = String::from_utf8_lossy(&answer[..end]);
            ensure!(line.starts_with("HTTP/1.1 101"), "the handshake was answered: {line}");
            return Ok(answer.split_off(end + END.len()));
        }
        ensure!(answer.len() < LONGEST_ANSWER, "the handshake's answer does not end");
        let read = stream.read_buf(&mut answer).await.context("during the handshake")?;
        ensure!(read > 0, "the server closed during the handshake");
    }
}

/// Microseconds since 1970.
fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(0)
}
