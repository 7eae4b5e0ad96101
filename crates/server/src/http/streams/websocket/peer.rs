//! The client's end of a connection: the frames that it sends, and the timers that apply to it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use feed::frame::{self, Decoder, Event, Violation, close_code};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::intake::{BYTES, FRAMES, Intake};
use super::timing::{Due, Timing};
use crate::http::listener::socket::Socket;
use crate::http::streams::notices::Notices;

/// Bytes read from a client at once. Clients send little.
const READ_BUFFER: usize = 1024;

/// Bytes that a client may still send while the connection closes. Data in flight is less; a client
/// that continues to send is not read any longer.
const MOST_WHILE_CLOSING: usize = 4 * 1024 * 1024;

/// The socket, the decoder of the client's frames, and the timers.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: Socket,
    decoder: Decoder,
    intake: Intake,
    /// Bytes read since the connection began to close.
    read_while_closing: usize,
    timing: Timing,
    /// The timer, set for the next time at which something may be due; set again only when it
    /// fires.
    timer: Pin<Box<Sleep>>,
    /// True if written bytes may still be buffered.
    unflushed: bool,
    /// Frames to send between two messages.
    replies: Vec<u8>,
    /// True if a heartbeat is due.
    beat: bool,
    closing: Option<Closing>,
}

/// The end of a connection.
#[derive(Debug)]
pub(super) struct Closing {
    /// The Close frame to end with.
    pub(super) frame: Vec<u8>,
    /// The server's reason, for the log; `None` if the client closed first, so that no answer is
    /// awaited.
    pub(super) reason: Option<String>,
    /// True if it ends because the client sent too much.
    pub(super) flooded: bool,
}

impl Closing {
    /// Returns an end by the server.
    pub(super) fn by_server(code: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { frame: frame::close(code, &reason), reason: Some(reason), flooded: false }
    }

    /// Returns an end because the client sent too much. Not with code 1008, after which some
    /// clients never connect again.
    fn flooded() -> Self {
        let reason = format!(
            "too much sent: more than {} bytes or {} frames a second",
            BYTES.per_second, FRAMES.per_second
        );
        Self { flooded: true, ..Self::by_server(close_code::GOING_AWAY, reason) }
    }

    fn by_client(code: Option<u16>) -> Self {
        let frame = frame::close(code.unwrap_or(close_code::NORMAL), "");
        Self { frame, reason: None, flooded: false }
    }
}

impl From<Violation> for Closing {
    fn from(violation: Violation) -> Self {
        Self::by_server(violation.code, violation.reason)
    }
}

/// Something that the connection has to handle.
#[derive(Debug, Default)]
pub(super) struct PeerEvent {
    /// Frames to send at the next message boundary.
    pub(super) replies: Vec<u8>,
    /// True if a heartbeat is due.
    pub(super) beat: bool,
    /// The end of the connection.
    pub(super) closing: Option<Closing>,
}

impl Peer {
    /// The client of a connection just upgraded; `deflate` if it may compress.
    pub(super) fn new(socket: Socket, deflate: bool, notices: Notices) -> Self {
        let now = Instant::now();
        let timing = Timing::new(notices, now);
        let timer = Box::pin(tokio::time::sleep_until(timing.next()));
        let decoder = if deflate { Decoder::with_deflate() } else { Decoder::new() };
        Self {
            socket,
            decoder,
            intake: Intake::new(now),
            read_while_closing: 0,
            timing,
            timer,
            unflushed: false,
            replies: Vec::new(),
            beat: notices.always(),
            closing: None,
        }
    }

    /// Takes everything that is to be handled now.
    pub(super) fn take_event(&mut self) -> PeerEvent {
        PeerEvent {
            replies: std::mem::take(&mut self.replies),
            beat: std::mem::take(&mut self.beat),
            closing: self.closing.take(),
        }
    }

    /// Reads what the client sends and watches the timer until there is something to handle.
    ///
    /// # Errors
    /// If the client has disconnected.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<PeerEvent>> {
        loop {
            if !self.replies.is_empty() || self.beat || self.closing.is_some() {
                return Poll::Ready(Ok(self.take_event()));
            }
            if self.timer.as_mut().poll(cx).is_ready() {
                self.tick();
            } else {
                ready!(self.poll_receive(cx))?;
            }
        }
    }

    /// Notes a write, with `message` if it contained the end of a message.
    pub(super) fn wrote(&mut self, message: bool) {
        self.unflushed = true;
        if message {
            self.timing.sent(Instant::now());
        }
    }

    /// Flushes the bytes that TLS buffers, where no more are written behind them. Never waits: the
    /// next poll returns a failure.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            self.unflushed = false;
            return flushed;
        }
        Ok(())
    }

    /// Processes bytes from the client.
    pub(super) fn received(&mut self, mut bytes: &[u8]) {
        let now = Instant::now();
        let length = bytes.len();
        self.timing.received(now);
        while self.closing.is_none() {
            match self.decoder.decode(&mut bytes) {
                Ok(None) => break,
                Ok(Some(Event::Ping(payload))) => self.replies.extend(frame::pong(&payload)),
                Ok(Some(Event::Pong | Event::Message)) => {}
                Ok(Some(Event::Close { code, .. })) => {
                    self.closing = Some(Closing::by_client(code));
                }
                Err(violation) => self.closing = Some(violation.into()),
            }
        }
        let allowed = self.intake.take(length, self.decoder.frames(), now);
        if !allowed && self.closing.is_none() {
            self.closing = Some(Closing::flooded());
        }
    }

    /// Waits for the client's Close frame, or its end, and ignores everything else.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.closing.is_none() {
            if ready!(self.poll_rest(cx)).is_err() {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Reads until the client has ended the connection, and discards the data. Leaving it unread
    /// would reset the connection, and the client would lose the last messages.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_rest(cx)).is_ok() {}
        Poll::Ready(())
    }

    /// Reads once while the connection closes, within a bound in all.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read_while_closing >= MOST_WHILE_CLOSING {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.read_while_closing += ready!(self.poll_receive(cx))?;
        self.replies.clear();
        Poll::Ready(Ok(()))
    }

    /// Reads once, and returns the number of bytes. The buffer is on the stack: a silent client
    /// needs none.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [MaybeUninit::uninit(); READ_BUFFER];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.received(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Handles the timer.
    fn tick(&mut self) {
        match self.timing.due(Instant::now()) {
            Due::End => {
                let reason = "no frame received for 120 s, not even a pong";
                self.closing = Some(Closing::by_server(close_code::GOING_AWAY, reason));
            }
            Due::Frames { ping, beat } => {
                if ping {
                    self.replies.extend(frame::ping(b""));
                }
                self.beat |= beat;
            }
        }
        self.timer.as_mut().reset(self.timing.next());
    }
}
