//! A Server-Sent Events client (WHATWG HTML section 9.2): the feed as a response body.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::Bytes;
use feed::{Reader, Ready};
use futures_util::stream;
use tokio::time::timeout;

use crate::http::accept::Alive;
use crate::metrics::ConnectionMetrics;
use crate::publish::CertificateStream;

/// A comment is sent after this long without a message, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Bytes handed to the connection at once.
const BUDGET: usize = 32 * 1024;

/// What a connection needs.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it reads.
    pub(super) reader: Reader<CertificateStream>,
    /// Events to send before anything else.
    pub(super) greeting: Vec<u8>,
    /// Where to count.
    pub(super) metrics: ConnectionMetrics,
    /// Held while the connection lives.
    pub(super) _alive: Alive,
}

struct Events {
    client: Client,
    /// Taken already, to be sent after what was said before it.
    next: Option<Bytes>,
}

/// The endless response.
#[must_use]
pub(super) fn respond(mut client: Client) -> Response<Body> {
    let greeting = std::mem::take(&mut client.greeting);
    let next = (!greeting.is_empty()).then(|| greeting.into());
    let events = Events { client, next };
    let body = stream::unfold(events, |mut events| async move {
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), events))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        // nginx would otherwise hold messages back until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.next.take() {
                return Some(bytes);
            }
            match timeout(HEARTBEAT, self.client.reader.ready()).await {
                Err(_) => return Some(Bytes::from_static(b": heartbeat\n\n")),
                Ok(Ready::Closed) => return None,
                Ok(Ready::More) => {}
            }
            let Some((bytes, written)) = self.client.reader.next_bytes(BUDGET) else { continue };
            self.client.metrics.wrote(written);
            // A copy: while a slow client takes its time, it must not hold on to a whole chunk.
            self.next = Some(Bytes::copy_from_slice(&bytes));
            if written.lost > 0 {
                return Some(gap(Some(written.lost), "slow_client").into());
            }
        }
    }
}

/// The event that says messages are missing here; `dropped` is null where nobody knows how many.
#[must_use]
pub(super) fn gap(dropped: Option<u64>, reason: &str) -> Vec<u8> {
    let message = gap_message(dropped, reason);
    format!("event: gap\ndata: {message}\n\n").into_bytes()
}

/// The same as a message.
#[must_use]
pub(super) fn gap_message(dropped: Option<u64>, reason: &str) -> String {
    serde_json::json!({
        "message_type": "gap",
        "dropped": dropped,
        "disconnecting": false,
        "reason": reason,
    })
    .to_string()
}
