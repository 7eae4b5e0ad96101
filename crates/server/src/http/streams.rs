//! The stream routes: which feed a request reads and from where.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use feed::{Framing, Subscription, frame};
use serde::Deserialize;
use wire::{Profile, StreamKind};

use crate::config::Config;
use crate::http::{Shared, page, sse, websocket};
use crate::metrics::ConnectionLabels;
use crate::publish::Rendering;
use crate::sources;

/// What a client may ask for in the query string.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    /// SSE only: which stream.
    stream: Option<String>,
    /// Whose conventions the messages follow.
    compat: Option<String>,
    /// Send what is newer than this offset first.
    since: Option<String>,
}

/// A WebSocket stream; `/` without an upgrade is the page.
pub(super) async fn websocket(
    State(shared): State<Shared>,
    request: Request<Body>,
    kind: StreamKind,
) -> Response {
    let is_upgrade = websocket::is_upgrade(request.headers());
    if !is_upgrade && request.uri().path() == "/" && shared.config.protocols.page {
        return page::page().await;
    }
    if !shared.config.protocols.websocket || !is_on(&shared.config, kind) {
        return (StatusCode::NOT_FOUND, "Stream type not available\n").into_response();
    }
    if !is_upgrade {
        return upgrade_required();
    }
    let accept = match websocket::handshake(&request) {
        Ok(accept) => accept,
        Err(error) => return websocket::refuse(error),
    };
    let parameters = match Query::<Parameters>::try_from_uri(request.uri()) {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return rejection.into_response(),
    };
    let (rendering, since) = match parameters.read(&shared, kind, None) {
        Ok(read) => read,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let subscription = shared.hub.subscribe(rendering, Framing::WebSocket, since);
    let Subscription { mut reader, gap } = subscription;
    if let Some(gap) = gap {
        let mut greeting = Vec::new();
        let message = sse::gap_message(gap.dropped, gap.reason.as_str());
        frame::text(message.as_bytes(), &mut greeting);
        reader.interject(&greeting);
    }
    let heartbeat = &shared.config.heartbeat;
    websocket::upgrade(
        request,
        accept,
        websocket::Client {
            reader,
            profile: rendering.profile,
            heartbeat: websocket::Heartbeat::of(heartbeat, rendering),
            metrics: shared.metrics.connected(&labels("websocket", kind)),
            _alive: shared.alive.clone(),
        },
    )
}

/// An SSE stream.
pub(super) async fn sse(
    State(shared): State<Shared>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let kind = match parameters.stream.as_deref() {
        Some("full") => StreamKind::Full,
        Some("domains" | "domains-only") => StreamKind::Domains,
        _ => StreamKind::Lite,
    };
    if !is_on(&shared.config, kind) {
        return (StatusCode::NOT_FOUND, "Stream type not available\n").into_response();
    }
    let (rendering, since) = match parameters.read(&shared, kind, Some(&headers)) {
        Ok(read) => read,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let Subscription { reader, gap } = shared.hub.subscribe(rendering, Framing::Sse, since);
    let greeting = gap.map_or_else(Vec::new, |gap| sse::gap(gap.dropped, gap.reason.as_str()));
    sse::respond(sse::Client {
        reader,
        greeting,
        metrics: shared.metrics.connected(&labels("sse", kind)),
        _alive: shared.alive.clone(),
    })
}

pub(super) const fn is_on(config: &Config, kind: StreamKind) -> bool {
    let streams = &config.streams;
    match kind {
        StreamKind::Full => streams.full,
        StreamKind::Lite => streams.lite,
        StreamKind::Domains => streams.domains_only,
    }
}

const fn labels(protocol: &'static str, kind: StreamKind) -> ConnectionLabels {
    let stream = match kind {
        StreamKind::Full => "full",
        StreamKind::Lite => "lite",
        StreamKind::Domains => "domains",
    };
    ConnectionLabels { protocol, stream }
}

impl Parameters {
    /// What to render and from where, or what is wrong with the request. `headers` are those of an
    /// SSE request, which may carry `Last-Event-ID`.
    fn read(
        &self,
        shared: &Shared,
        kind: StreamKind,
        headers: Option<&HeaderMap>,
    ) -> Result<(Rendering, Option<u64>), String> {
        let profile = match self.compat.as_deref() {
            None => sources::profile(&shared.config),
            Some(name) => Profile::from_name(name)
                .ok_or_else(|| format!("compat={name}: must be calidog, go or rust\n"))?,
        };
        let last_event = headers
            .and_then(|headers| headers.get("last-event-id"))
            .map(|value| value.to_str().unwrap_or("?"))
            .filter(|id| !id.is_empty());
        // A browser that reconnects sends the URL it began with; the header is newer.
        let since = last_event.map(|id| ("Last-Event-ID", id));
        let since = since.or_else(|| Some(("since", self.since.as_deref()?)));
        let since = since.map(|(name, text)| {
            let problem = || format!("{name}: {text:?} is not an offset, a whole number\n");
            text.parse().map_err(|_| problem())
        });
        Ok((Rendering { kind, profile }, since.transpose()?))
    }
}

fn upgrade_required() -> Response {
    let text = "this is a WebSocket stream: connect to it with a WebSocket client\n";
    let headers = [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
    (StatusCode::UPGRADE_REQUIRED, headers, text).into_response()
}
