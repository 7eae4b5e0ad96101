//! The stream routes: which feed a request reads and from where.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Query, RawQuery, State};
use axum::http::header::{ACCEPT_ENCODING, CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use feed::{Framing, Gap, Request as Wanted, Subscription, frame};
use serde::Deserialize;
use wire::{Profile, StreamKind};

use crate::http::guard::Place;
use crate::http::notices::{Asked, Notices};
use crate::http::{Shared, encoding, filters, gap, missing, page, sse, visitor, websocket};
use crate::metrics::ConnectionLabels;
use crate::publish::Rendering;
use crate::sources;
use config::Config;

/// What a client may ask for in the query string, besides a filter.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    /// SSE only: which stream.
    stream: Option<String>,
    /// Whose conventions the messages follow.
    compat: Option<String>,
    /// Send what is newer than this offset first.
    since: Option<String>,
    /// Send heartbeats, with an offset, whatever the stream, its profile and the settings say.
    heartbeat: Option<String>,
}

/// Where a client has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// To this offset.
    Offset(u64),
    /// To an offset of a named stream. Our stream has no name, and offsets of different streams say
    /// nothing of each other.
    OtherStream,
}

impl Since {
    /// Bytes of a stream's id at most.
    const LONGEST_ID: usize = 64;

    /// Reads an offset, `N` or `N@ID`.
    fn parse(text: &str) -> Option<Self> {
        let Some((offset, id)) = text.split_once('@') else {
            return text.parse().ok().map(Self::Offset);
        };
        let _of_that_stream: u64 = offset.parse().ok()?;
        let is_id = (1..=Self::LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_id.then_some(Self::OtherStream)
    }

    /// The offset to ask the hub for: one of another stream is ahead of all of ours, so that the
    /// client gets a gap and then all there is.
    const fn offset(self) -> u64 {
        match self {
            Self::Offset(offset) => offset,
            Self::OtherStream => u64::MAX,
        }
    }
}

/// Why a client that has come so far misses something.
fn since_reason(since: Option<Since>, gap: &Gap) -> &'static str {
    match since {
        Some(Since::OtherStream) => gap::OTHER_STREAM,
        _ => gap.reason.as_str(),
    }
}

/// Whether a request is for the page at `/`, which shares its path with a stream.
pub(super) fn is_page(config: &Config, request: &Request<Body>) -> bool {
    config.protocols.page && request.uri().path() == "/" && !websocket::is_upgrade(request)
}

/// A WebSocket stream; `/` without an upgrade is the page.
pub(super) async fn websocket(
    State(shared): State<Shared>,
    place: Option<Extension<Place>>,
    request: Request<Body>,
    kind: StreamKind,
) -> Response {
    let is_upgrade = websocket::is_upgrade(&request);
    if is_page(&shared.config, &request) {
        return page::page();
    }
    if !shared.config.protocols.websocket {
        return missing::websocket_not_available();
    }
    if !is_on(&shared.config, kind) {
        return missing::stream_not_available(kind);
    }
    if !is_upgrade {
        return upgrade_required();
    }
    let accepted = match websocket::handshake(&request, shared.config.compression.websocket) {
        Ok(accepted) => accepted,
        Err(refused) => return websocket::refuse(&refused),
    };
    let parameters = match Query::<Parameters>::try_from_uri(request.uri()) {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return rejection.into_response(),
    };
    let (rendering, since, asked) = match parameters.read(&shared, kind, None) {
        Ok(read) => read,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let owner = place.as_ref().map(|Extension(place)| place.owner()).unwrap_or_default();
    let filter = match filters::register(&shared, owner, request.uri().query()) {
        Ok(filter) => filter,
        Err(refused) => return refused.into_response(),
    };
    let filtered = filter.is_some();
    let framing = accepted.framing();
    let wanted = Wanted { rendering, framing, since: since.map(Since::offset), filter, owner };
    let Subscription { mut reader, gap } = shared.hub.subscribe(wanted);
    if let Some(gap) = gap {
        let mut greeting = Vec::new();
        let message = gap::message(gap.dropped, since_reason(since, &gap), false);
        frame::text(message.as_bytes(), &mut greeting);
        reader.interject(&greeting);
    }
    let visitor = visitor::of(&shared, request.uri(), request.headers(), request.extensions());
    let client = websocket::Client {
        reader,
        hub: Arc::clone(&shared.hub),
        deflate: accepted.deflate(),
        filtered,
        profile: rendering.profile,
        notices: Notices::websocket(&shared.config.heartbeat, rendering, asked),
        slow_client: shared.config.slow_client,
        metrics: shared.metrics.connected(&labels("websocket", kind), visitor),
        last_call: shared.last_call.clone(),
        _alive: shared.alive.clone(),
        _held: place.map(|Extension(place)| place.hold()),
    };
    websocket::upgrade(request, accepted, client)
}

/// An SSE stream.
pub(super) async fn sse(
    State(shared): State<Shared>,
    Query(parameters): Query<Parameters>,
    RawQuery(query): RawQuery,
    Extension(place): Extension<Place>,
    request: Request<Body>,
) -> Response {
    let headers = request.headers();
    let kind = match parameters.stream.as_deref() {
        None | Some("lite") => StreamKind::Lite,
        Some("full") => StreamKind::Full,
        Some("domains" | "domains-only") => StreamKind::Domains,
        Some(other) => {
            let problem = format!("stream: {other:?} must be lite, full or domains\n");
            return (StatusCode::BAD_REQUEST, problem).into_response();
        }
    };
    if !is_on(&shared.config, kind) {
        return missing::stream_not_available(kind);
    }
    let (rendering, since, asked) = match parameters.read(&shared, kind, Some(headers)) {
        Ok(read) => read,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let owner = place.owner();
    let filter = match filters::register(&shared, owner, query.as_deref()) {
        Ok(filter) => filter,
        Err(refused) => return refused.into_response(),
    };
    let negotiable = shared.config.compression.sse;
    // What passes a filter is compressed for nobody else.
    let gzip = negotiable && filter.is_none() && encoding::accepts_gzip(headers);
    let mut response = sse::head(gzip);
    if negotiable {
        let by_encoding = HeaderValue::from_name(ACCEPT_ENCODING);
        response.headers_mut().insert(VARY, by_encoding);
    }
    if request.method() == Method::HEAD {
        return response;
    }
    let framing = if gzip { Framing::SseGzip } else { Framing::Sse };
    let wanted = Wanted { rendering, framing, since: since.map(Since::offset), filter, owner };
    let Subscription { reader, gap } = shared.hub.subscribe(wanted);
    let greeting = gap.map_or_else(Vec::new, |missed| {
        gap::event(missed.dropped, since_reason(since, &missed), false)
    });
    let visitor = visitor::of(&shared, request.uri(), headers, request.extensions());
    let client = sse::Client {
        reader,
        hub: Arc::clone(&shared.hub),
        gzip,
        notices: Notices::sse(&shared.config.heartbeat, rendering.profile, asked),
        slow_client: shared.config.slow_client,
        metrics: shared.metrics.connected(&labels("sse", kind), visitor),
        last_call: shared.last_call.clone(),
        _alive: shared.alive.clone(),
        held: place.hold(),
    };
    *response.body_mut() = sse::body(client, &greeting);
    response
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
    /// What to render, from where and what besides was asked for, or what is wrong with the request. `headers` are those of an SSE request, which may carry `Last-Event-ID`.
    fn read(
        &self,
        shared: &Shared,
        kind: StreamKind,
        headers: Option<&HeaderMap>,
    ) -> Result<(Rendering, Option<Since>, Asked), String> {
        let asks_for_heartbeats = match self.heartbeat.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(format!("heartbeat={other}: must be true or false\n")),
        };
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
            Since::parse(text)
                .ok_or_else(|| format!("{name}: {text:?} is not an offset, a whole number\n"))
        });
        let since = since.transpose()?;
        let asked = Asked { since: since.is_some(), heartbeats: asks_for_heartbeats };
        Ok((Rendering { kind, profile }, since, asked))
    }
}

fn upgrade_required() -> Response {
    let text = "this is a WebSocket stream: connect to it with a WebSocket client\n";
    let headers = [(CONNECTION, "Upgrade"), (UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
    (StatusCode::UPGRADE_REQUIRED, headers, text).into_response()
}
