//! `/api/alerts/stream`: alerts as Server-Sent Events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use alerts::{Alert, Entry};
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use feed::Written;
use futures_util::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::{Alerts, Requested};
use crate::http::guard::Admission;
use crate::http::listener::Alive;
use crate::http::streams::visitor;
use crate::metrics::clients::Visitor;
use crate::metrics::{ALERTS, ConnectionLabels, ConnectionMetrics};

/// The longest identity of an alert that a client names.
const LONGEST_ID: usize = 64;

/// Streams alerts
///
/// Server-Sent Events: the `data` of each is an alert, as in the body of a webhook, and its `id` is that of
/// the alert. A client that sends `Last-Event-ID` first gets the later ones that the server remembers. An
/// event `gap` has the number of alerts that a client has missed because it read too slowly (`dropped`). With
/// `rule`, it is an upper bound: it includes alerts of other rules.
#[utoipa::path(
    get,
    path = "/api/alerts/stream",
    tag = "api",
    params(
        ("rule" = Option<String>, Query, description = "Only alerts of the rule with this name"),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last alert"),
    ),
    responses(
        (status = 200, description = "An endless stream of events", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is unknown or given twice", body = String, content_type = "text/plain"),
        (status = 404, description = "There are no rules, or there is no rule with this name", body = String, content_type = "text/plain"),
    )
)]
pub(in crate::http::api) async fn stream(
    State(alerts): State<Arc<Alerts>>,
    RawQuery(query): RawQuery,
    Extension(admission): Extension<Admission>,
    request: Request<Body>,
) -> Response<Body> {
    let requested = match Requested::read(&query.unwrap_or_default(), false) {
        Ok(requested) => requested,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    if let Err(problem) = alerts.check(&requested) {
        return (StatusCode::NOT_FOUND, problem).into_response();
    }
    let mut response = head();
    if request.method() == Method::HEAD {
        return response;
    }
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let visitor = visitor::of(&alerts.config, &alerts.policy, &request);
    let events = Events::new(&alerts, last, requested.rule, visitor);
    let client = (events, admission.into_slot());
    *response.body_mut() = Body::from_stream(stream::unfold(client, |mut client| async move {
        let (events, slot) = &mut client;
        slot.begin();
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), client))
    }));
    response
}

fn head() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // A connection that was a stream is not used again.
        (CONNECTION, "close"),
        // nginx would otherwise hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The events of one client.
#[derive(Debug)]
pub(super) struct Events {
    /// Alerts before those of the follower.
    missed: VecDeque<Entry>,
    follower: Receiver<Entry>,
    rule: Option<String>,
    /// The longest time without an event: proxies close silent connections.
    silence: Duration,
    metrics: ConnectionMetrics,
    _alive: Alive,
}

impl Events {
    /// Begins with the next alert, or the first one after the last one that the client has.
    pub(super) fn new(
        alerts: &Alerts,
        last: Option<&str>,
        rule: Option<String>,
        visitor: Visitor,
    ) -> Self {
        let (missed, follower) = match last.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID) {
            Some(id) => alerts.status.recent.subscribe_after(id),
            None => (Vec::new(), alerts.status.recent.subscribe()),
        };
        let labels = ConnectionLabels { protocol: "sse", stream: ALERTS };
        Self {
            missed: missed.into(),
            follower,
            rule,
            silence: Duration::from_secs(alerts.config.heartbeat.interval_secs),
            metrics: alerts.metrics.connected(&labels, visitor),
            _alive: alerts.alive.clone(),
        }
    }

    /// Returns the next event; none once the server stops.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        // Alerts of other rules do not end the silence.
        let silent_until = Instant::now() + self.silence;
        loop {
            let entry = match self.missed.pop_front() {
                Some(entry) => entry,
                None => match timeout_at(silent_until, self.follower.recv()).await {
                    Ok(Ok(entry)) => entry,
                    Ok(Err(RecvError::Lagged(dropped))) => return Some(self.gap(dropped)),
                    Ok(Err(RecvError::Closed)) => return None,
                    Err(_silence) => return Some(Bytes::from_static(b": heartbeat\n\n")),
                },
            };
            if self.rule.as_ref().is_none_or(|rule| *rule == entry.alert.rule) {
                return Some(self.event(&entry.alert));
            }
        }
    }

    fn event(&mut self, alert: &Alert) -> Bytes {
        // The alert is made of texts and numbers, so this cannot fail.
        let data = serde_json::to_string(alert).unwrap_or_default();
        let event = format!("id: {}\ndata: {data}\n\n", alert.id);
        self.metrics.wrote(Written { messages: 1, bytes: event.len(), ..Written::default() });
        event.into()
    }

    fn gap(&mut self, dropped: u64) -> Bytes {
        self.metrics.missed(dropped);
        format!("event: gap\ndata: {{\"dropped\":{dropped}}}\n\n").into()
    }
}
