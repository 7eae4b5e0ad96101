//! A Server-Sent Events client (WHATWG HTML section 9.2): the feed as a response body.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::Bytes;
use feed::gzip::Member;
use feed::{Framing, Hub, Reader, Ready};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use wire::Profile;

use crate::config::{self, SlowClient};
use crate::http::accept::{Alive, stopped};
use crate::http::gap;
use crate::http::guard::Held;
use crate::metrics::ConnectionMetrics;
use crate::publish::CertificateStream;

/// Bytes handed to the connection at once.
const BUDGET: usize = 32 * 1024;

/// What is sent between messages, so that proxies keep the connection and clients know their offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heartbeat {
    /// Sent after this long without a message.
    interval: Duration,
    /// Whether it is sent at the beginning and in this interval, messages or not.
    always: bool,
    /// Whether it says which offset the client has come to: an event with an id and without data,
    /// which a client notes and does not dispatch. A comment otherwise.
    has_offset: bool,
}

impl Heartbeat {
    /// As configured for messages of this profile; `asked` where the client asked for heartbeats.
    pub(super) fn of(config: &config::Heartbeat, profile: Profile, asked: bool) -> Self {
        let interval = Duration::from_secs(config.interval_secs);
        Self { interval, always: asked, has_offset: asked || profile == Profile::Calidog }
    }

    /// The event as of now.
    fn event(self, reader: &mut Reader<CertificateStream>) -> Vec<u8> {
        match reader.searched().filter(|_| self.has_offset) {
            Some(offset) => format!("id: {offset}\n\n").into_bytes(),
            None => b": heartbeat\n\n".to_vec(),
        }
    }
}

/// What a connection needs.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it reads.
    pub(super) reader: Reader<CertificateStream>,
    /// The stream it reads.
    pub(super) hub: Arc<Hub<CertificateStream>>,
    /// Whether the response is a gzip stream.
    pub(super) gzip: bool,
    /// What is sent between messages.
    pub(super) heartbeat: Heartbeat,
    /// What becomes of it when it is too slow.
    pub(super) slow_client: SlowClient,
    /// Where to count.
    pub(super) metrics: ConnectionMetrics,
    /// Turns true when a client that is behind is not waited for any longer.
    pub(super) last_call: watch::Receiver<bool>,
    /// Held while the connection lives.
    pub(super) _alive: Alive,
    /// Its slot, held as long.
    pub(super) held: Held,
}

struct Events {
    client: Client,
    /// The gzip stream that the response is, until it ends.
    member: Option<Member>,
    /// Taken already, to be sent after what was said before it.
    next: Option<Bytes>,
    /// Nothing follows `next`.
    ends: bool,
    /// When the last message or heartbeat was sent; heartbeats alone where they are always sent.
    last_sent: Instant,
    /// Set for some moment at or before the next heartbeat.
    timer: Pin<Box<Sleep>>,
}

/// The response without its body.
#[must_use]
pub(super) fn head(gzip: bool) -> Response<Body> {
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
    if gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// The endless body, which begins with `greeting`: events to send before anything else.
#[must_use]
pub(super) fn body(mut client: Client, greeting: &[u8]) -> Body {
    let gzip = client.gzip;
    let mut first = Vec::new();
    let mut member = gzip.then(|| Member::begin(&mut first));
    encode(greeting, &mut member, &mut first);
    let heartbeat = client.heartbeat;
    if heartbeat.always {
        encode(&heartbeat.event(&mut client.reader), &mut member, &mut first);
    }
    let next = (!first.is_empty()).then(|| first.into());
    let timer = Box::pin(tokio::time::sleep(heartbeat.interval));
    let events = Events { client, member, next, ends: false, last_sent: Instant::now(), timer };
    Body::from_stream(stream::unfold(events, |mut events| async move {
        events.client.held.begin();
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), events))
    }))
}

/// Appends what is not compressed yet, in the form in which it belongs into the response.
fn encode(bytes: &[u8], member: &mut Option<Member>, out: &mut Vec<u8>) {
    match member {
        Some(member) => member.store(bytes, out),
        None => out.extend_from_slice(bytes),
    }
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.next.take() {
                if !self.client.heartbeat.always {
                    self.last_sent = Instant::now();
                }
                return Some(bytes);
            }
            if self.ends {
                return None;
            }
            tokio::select! {
                biased;
                ready = self.client.reader.ready() => match ready {
                    Ready::Closed => self.finish(Vec::new()),
                    Ready::More => self.take(),
                },
                () = self.timer.as_mut() => self.tick(),
                () = stopped(&mut self.client.last_call) => self.cut_short(),
            }
        }
    }

    /// Takes what there is to send.
    fn take(&mut self) {
        let client = &mut self.client;
        // That it has changed once is enough: it changes only once.
        if client.last_call.has_changed().unwrap_or(true) {
            return self.cut_short();
        }
        let is_plain = client.reader.framing() == Framing::Sse;
        let Some((bytes, written)) = client.reader.next_bytes(BUDGET) else { return };
        client.metrics.wrote(written);
        let mut out = Vec::new();
        if written.lost > 0 {
            if client.slow_client == SlowClient::Disconnect {
                return self.end(written.lost, gap::SLOW_CLIENT);
            }
            let gap = gap::event(Some(written.lost), gap::SLOW_CLIENT, false);
            encode(&gap, &mut self.member, &mut out);
        }
        // A copy: while a slow client takes its time, it must not hold on to a whole chunk.
        match &mut self.member {
            Some(member) if !is_plain => {
                member.wrote(written.inflated);
                out.extend_from_slice(&bytes);
            }
            member => encode(&bytes, member, &mut out),
        }
        self.next = Some(out.into());
    }

    /// The server shuts down, and there is no time for what the client has not got by now.
    fn cut_short(&mut self) {
        let missed = gap::missed(&self.client.hub, &self.client.reader);
        self.client.metrics.missed(missed);
        self.end(missed, gap::SHUTDOWN);
    }

    /// Says how many messages the client misses, and ends.
    fn end(&mut self, missed: u64, reason: &str) {
        self.client.metrics.closed_by_server();
        let mut out = Vec::new();
        encode(&gap::event(Some(missed), reason, true), &mut self.member, &mut out);
        self.finish(out);
    }

    /// Ends the response after these bytes, as its coding wants it.
    fn finish(&mut self, mut out: Vec<u8>) {
        if let Some(member) = self.member.take() {
            member.end(&mut out);
        }
        self.next = (!out.is_empty()).then(|| out.into());
        self.ends = true;
    }

    /// The timer has fired. A heartbeat goes out at once or not at all: where one had to wait for the
    /// end of a chunk, its offset would be older than those of the messages before it.
    fn tick(&mut self) {
        let Client { heartbeat, reader, .. } = &mut self.client;
        let now = Instant::now();
        if now >= self.last_sent + heartbeat.interval {
            if reader.at_boundary() {
                let event = heartbeat.event(reader);
                reader.interject(&event);
            }
            self.last_sent = now;
        }
        self.timer.as_mut().reset(self.last_sent + heartbeat.interval);
    }
}
