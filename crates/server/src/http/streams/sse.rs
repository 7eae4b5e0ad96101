//! A Server-Sent Events client (WHATWG HTML section 9.2): the feed as a response body.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::Bytes;
use config::SlowClient;
use feed::gzip::Member;
use feed::{Framing, Reader, Ready};
use futures_util::stream;
use record::StreamId;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::gap;
use super::name_stream;
use super::notices::Notices;
use crate::http::guard::StreamSlot;
use crate::http::listener::{Alive, stopped};
use crate::metrics::ConnectionMetrics;
use crate::publish::messages::MessageStream;

/// Bytes handed to the connection at once.
const BUDGET: usize = 32 * 1024;

/// The parts that a connection is served with.
#[derive(Debug)]
pub(super) struct Client {
    /// Its position in the stream.
    pub(super) reader: Reader<MessageStream>,
    /// True if the response is a gzip stream.
    pub(super) gzip: bool,
    /// The heartbeats that it gets.
    pub(super) notices: Notices,
    /// The handling of the client when it is too slow.
    pub(super) slow_client: SlowClient,
    /// Its counters.
    pub(super) metrics: ConnectionMetrics,
    /// Turns true when the server no longer waits for clients that are behind.
    pub(super) last_call: watch::Receiver<bool>,
    /// A sign that the connection is open; shutdown waits until all are dropped.
    pub(super) _alive: Alive,
    /// Its slot, as long as the connection is open.
    pub(super) slot: StreamSlot,
}

struct Events {
    client: Client,
    /// The gzip stream of the response, until it ends.
    member: Option<Member>,
    /// Bytes to send next.
    next: Option<Bytes>,
    /// True if nothing follows `next`.
    ends: bool,
    /// The time of the last message or heartbeat; of heartbeats alone where they are always sent.
    last_sent: Instant,
    /// The time before the next heartbeat.
    pace: Duration,
    /// True if a heartbeat waits for the end of a chunk.
    due: bool,
    /// The timer, set for a time at or before the next heartbeat.
    timer: Pin<Box<Sleep>>,
}

/// Returns the response without its body.
#[must_use]
pub(super) fn head(gzip: bool, stream: StreamId) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        // A connection that was a stream is not used again.
        (CONNECTION, "close"),
        // nginx would otherwise hold messages back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    name_stream(response.headers_mut(), stream);
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Returns the endless body, which begins with `greeting`: events to send before anything else.
pub(super) fn body(mut client: Client, greeting: &[u8]) -> Body {
    let gzip = client.gzip;
    let mut first = Vec::new();
    let mut member = gzip.then(|| Member::begin(&mut first));
    encode(greeting, &mut member, &mut first);
    if client.notices.always() {
        encode(&client.heartbeat(), &mut member, &mut first);
    }
    let next = (!first.is_empty()).then(|| first.into());
    let timer = Box::pin(tokio::time::sleep(client.notices.first));
    let (pace, last_sent) = (client.notices.first, Instant::now());
    let events = Events { client, member, next, ends: false, last_sent, pace, due: false, timer };
    Body::from_stream(stream::unfold(events, |mut events| async move {
        events.client.slot.begin();
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), events))
    }))
}

/// Appends uncompressed bytes in the coding of the response.
fn encode(bytes: &[u8], member: &mut Option<Member>, out: &mut Vec<u8>) {
    match member {
        Some(member) => member.store(bytes, out),
        None => out.extend_from_slice(bytes),
    }
}

impl Client {
    /// Returns a heartbeat with the current offset: an event with an id and without data, which a
    /// client notes and does not dispatch, or a comment where the client gets no offsets.
    fn heartbeat(&mut self) -> Vec<u8> {
        let offset = if self.notices.offsets { self.reader.searched() } else { None };
        match offset {
            Some(offset) => {
                let heartbeat = format!("id: {offset}@{}\n\n", self.notices.stream);
                [self.hole(), heartbeat.into_bytes()].concat()
            }
            None => b": heartbeat\n\n".to_vec(),
        }
    }

    /// Returns the announcement of a hole in the offsets, if the client comes to one that follows it.
    fn hole(&mut self) -> Vec<u8> {
        if self.reader.take_renumbered() && self.notices.announces_holes() {
            return gap::event(Some(0), gap::RENUMBERED, false, self.notices.stream);
        }
        Vec::new()
    }
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.next.take() {
                if !self.client.notices.always() {
                    self.last_sent = Instant::now();
                }
                return Some(bytes);
            }
            if self.ends {
                return None;
            }
            tokio::select! {
                biased;
                // Polled first: a client far behind always has something ready.
                () = self.timer.as_mut() => self.tick(),
                ready = self.client.reader.ready() => match ready {
                    Ready::Closed => self.end_complete(),
                    Ready::More => self.take(),
                },
                () = stopped(&mut self.client.last_call) => self.end_behind(),
            }
        }
    }

    /// Takes the next bytes to send.
    fn take(&mut self) {
        let client = &mut self.client;
        // It changes only once.
        if client.last_call.has_changed().unwrap_or(true) {
            return self.end_behind();
        }
        let mut out = Vec::new();
        encode(&client.hole(), &mut self.member, &mut out);
        let is_plain = client.reader.framing() == Framing::Sse;
        let Some((bytes, written)) = client.reader.next_bytes(BUDGET) else {
            self.next = (!out.is_empty()).then(|| out.into());
            return;
        };
        client.metrics.wrote(written);
        if written.lost > 0 {
            if client.slow_client == SlowClient::Disconnect {
                return self.end(written.lost, gap::SLOW_CLIENT);
            }
            let stream = client.notices.stream;
            let gap = gap::event(Some(written.lost), gap::SLOW_CLIENT, false, stream);
            encode(&gap, &mut self.member, &mut out);
        }
        // A copy: a slow client must not keep a whole chunk in memory.
        match &mut self.member {
            Some(member) if !is_plain => {
                member.wrote(written.inflated);
                out.extend_from_slice(&bytes);
            }
            member => encode(&bytes, member, &mut out),
        }
        if self.due && client.reader.at_boundary() {
            self.due = false;
            encode(&client.heartbeat(), &mut self.member, &mut out);
        }
        self.next = Some(out.into());
    }

    /// Ends the connection of a client that is behind at shutdown. Unreported losses count as
    /// missed too.
    fn end_behind(&mut self) {
        let lost = self.client.reader.take_lost();
        let missed = lost + self.client.reader.unread();
        self.client.metrics.missed(missed);
        self.end(missed, gap::SHUTDOWN);
    }

    /// Ends the connection of a client that has everything at shutdown, with unreported losses and
    /// a last heartbeat.
    fn end_complete(&mut self) {
        let client = &mut self.client;
        let lost = client.reader.take_lost();
        client.metrics.missed(lost);
        if lost > 0 && client.slow_client == SlowClient::Disconnect {
            return self.end(lost, gap::SLOW_CLIENT);
        }
        let mut last = Vec::new();
        if lost > 0 {
            last = gap::event(Some(lost), gap::SLOW_CLIENT, false, client.notices.stream);
        }
        if client.notices.ends_with_heartbeat() {
            last.extend(client.heartbeat());
        }
        let mut out = Vec::new();
        encode(&last, &mut self.member, &mut out);
        self.finish(out);
    }

    /// Reports the number of messages that the client misses, and ends.
    fn end(&mut self, missed: u64, reason: &str) {
        self.client.metrics.closed_by_server();
        let mut out = Vec::new();
        let gap = gap::event(Some(missed), reason, true, self.client.notices.stream);
        encode(&gap, &mut self.member, &mut out);
        self.finish(out);
    }

    /// Ends the response after these bytes, as its coding requires.
    fn finish(&mut self, mut out: Vec<u8>) {
        if let Some(member) = self.member.take() {
            member.end(&mut out);
        }
        self.next = (!out.is_empty()).then(|| out.into());
        self.ends = true;
    }

    /// Handles the timer. A heartbeat is sent at once, or after the current chunk, with the offset
    /// at that time.
    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.last_sent + self.pace {
            self.due = !self.client.reader.at_boundary();
            if !self.due {
                let event = self.client.heartbeat();
                self.client.reader.interject(&event);
            }
            self.last_sent = now;
            self.pace = self.client.notices.slower(self.pace);
        }
        self.timer.as_mut().reset(self.last_sent + self.pace);
    }
}
