//! The other end: what comes from it, and what is due to it.

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

/// Bytes read from a client at once. Clients have little to say.
const READ_BUFFER: usize = 1024;

/// Bytes that a client may still send while the connection closes. What is on the way when it
/// learns of it is less; one that sends on is not read any longer.
const MOST_WHILE_CLOSING: usize = 4 * 1024 * 1024;

/// The socket with what is read from it, and the clock.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: Socket,
    decoder: Decoder,
    intake: Intake,
    /// Bytes read since the connection closes.
    read_while_closing: usize,
    timing: Timing,
    /// Set for the next moment at which something may be due; set again only when it fires.
    timer: Pin<Box<Sleep>>,
    /// Whether something written may not have left yet.
    unflushed: bool,
    /// Frames to send between two messages.
    replies: Vec<u8>,
    /// Whether a heartbeat is due.
    beat: bool,
    closing: Option<Closing>,
}

/// How a connection ends.
#[derive(Debug)]
pub(super) struct Closing {
    /// The Close frame to end with.
    pub(super) frame: Vec<u8>,
    /// Why the server ends it, for the log; none where the client closed first, so that nothing
    /// more is to be waited for.
    pub(super) reason: Option<String>,
    /// Whether it is for how much the client sends.
    pub(super) flooded: bool,
}

impl Closing {
    /// The server ends the connection.
    pub(super) fn by_server(code: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { frame: frame::close(code, &reason), reason: Some(reason), flooded: false }
    }

    /// The client sends too much. Not with code 1008, after which some clients never connect again.
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

/// What the connection has to see to.
#[derive(Debug, Default)]
pub(super) struct Errand {
    /// Frames to send at the next message boundary.
    pub(super) replies: Vec<u8>,
    /// That a heartbeat is due.
    pub(super) beat: bool,
    /// That the connection is to end.
    pub(super) closing: Option<Closing>,
}

impl Peer {
    /// The client at the other end of a connection just upgraded; `deflate` where it may compress.
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

    /// Whatever there is to see to now.
    pub(super) fn errand(&mut self) -> Errand {
        Errand {
            replies: std::mem::take(&mut self.replies),
            beat: std::mem::take(&mut self.beat),
            closing: self.closing.take(),
        }
    }

    /// Reads what the client sends and watches the clock until there is something to see to.
    ///
    /// # Errors
    /// When the client has gone.
    pub(super) fn poll_errand(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Errand>> {
        loop {
            if !self.replies.is_empty() || self.beat || self.closing.is_some() {
                return Poll::Ready(Ok(self.errand()));
            }
            if self.timer.as_mut().poll(cx).is_ready() {
                self.tick();
            } else {
                ready!(self.poll_receive(cx))?;
            }
        }
    }

    /// Notes that something was written, `message` if the end of a message was with it.
    pub(super) fn wrote(&mut self, message: bool) {
        self.unflushed = true;
        if message {
            self.timing.sent(Instant::now());
        }
    }

    /// Has what TLS keeps leave, where no more is written behind it. Never waits for it: whoever
    /// polls again learns of a failure.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            self.unflushed = false;
            return flushed;
        }
        Ok(())
    }

    /// Takes bytes that came from the client.
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

    /// Waits for the client's Close frame, or its end; whatever else comes is of no interest any
    /// more.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.closing.is_none() {
            if ready!(self.poll_rest(cx)).is_err() {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Reads until the client has ended the connection, and forgets what it reads. To leave it unread
    /// would reset the connection, and the client would lose what it was sent last.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_rest(cx)).is_ok() {}
        Poll::Ready(())
    }

    /// Reads once while the connection closes, in all no more than a bound.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read_while_closing >= MOST_WHILE_CLOSING {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.read_while_closing += ready!(self.poll_receive(cx))?;
        self.replies.clear();
        Poll::Ready(Ok(()))
    }

    /// Reads once, and returns how much. The buffer is on the stack: a client that says nothing
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

    /// The timer has fired.
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
