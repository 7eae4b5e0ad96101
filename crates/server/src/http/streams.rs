//! The stream routes: which feed a request reads and from where.

#[cfg(test)]
mod document;
pub(super) mod encoding;
pub(super) mod filters;
mod gap;
mod join;
pub(super) mod moment;
mod notices;
pub(super) mod parameters;
pub(super) mod paths;
mod request;
mod sse;
pub(super) mod visitor;
pub(super) mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::http::header::{ACCEPT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use config::Config;
use feed::{Framing, Owner, Request as FeedRequest, Subscription, frame};
use record::StreamId;
use tokio::sync::watch;
use wire::StreamKind;
use wire::filter::{Filters, Registered};

use self::join::Join;
use self::notices::Notices;
use self::request::Parameters;
use crate::http::guard::{Admission, Gate, Policy};
use crate::http::listener::Alive;
use crate::http::{Services, api, guard, missing, page};
use crate::metrics::{ConnectionLabels, Metrics};
use crate::options;

/// The response header that names the stream.
const STREAM_HEADER: &str = "certstream-stream";

/// The state of the stream routes.
#[derive(Debug)]
struct Streams {
    config: Arc<Config>,
    policy: Arc<Policy>,
    place: Join,
    stream: StreamId,
    filters: Filters,
    has_journal: bool,
    metrics: Arc<Metrics>,
    alive: Alive,
    last_call: watch::Receiver<bool>,
}

/// Builds the routes of all streams, behind the guard. The page shares `/` with a stream, and is not
/// guarded.
pub(super) fn routes(
    services: &Services,
    config: &Arc<Config>,
    policy: &Arc<Policy>,
    gate: &Gate,
) -> Router {
    let streams = Arc::new(Streams {
        config: Arc::clone(config),
        policy: Arc::clone(policy),
        place: Join::new(services),
        stream: services.stream,
        filters: services.filters.clone(),
        has_journal: services.journal.is_some(),
        metrics: Arc::clone(&services.metrics),
        alive: services.alive.clone(),
        last_call: services.last_call.clone(),
    });
    let guarded = |routes: Router<Arc<Streams>>| {
        let routes = routes.with_state(Arc::clone(&streams));
        routes.layer(from_fn_with_state(gate.clone(), guard::streams))
    };
    let mut routes = Router::new();
    for (kind, paths) in paths::streams(config) {
        let stream =
            move |streams, admission, request| websocket(streams, admission, request, kind);
        for path in paths {
            let mut route = guarded(Router::new().route(&path, get(stream)));
            if path == "/" && config.protocols.page {
                route = route.layer(from_fn(page::at_root));
            }
            if path == "/" && config.protocols.api {
                let crtsh = api::crtsh_at_root(services, config);
                let crtsh = crtsh.layer(from_fn_with_state(gate.clone(), guard::requests));
                route = route.layer(from_fn_with_state(crtsh, page::or_crtsh));
            }
            routes = routes.merge(route);
        }
    }
    if config.protocols.sse {
        routes = routes.merge(guarded(Router::new().route("/sse", get(sse))));
    }
    routes
}

/// Serves a stream over WebSocket.
async fn websocket(
    State(streams): State<Arc<Streams>>,
    admission: Option<Extension<Admission>>,
    request: Request<Body>,
    kind: StreamKind,
) -> Response {
    let config = &streams.config;
    if !config.protocols.websocket {
        return missing::websocket_not_available();
    }
    if !paths::is_on(config, kind) {
        return missing::stream_not_available(kind);
    }
    let accepted = match websocket::handshake(&request, config.compression.websocket) {
        Ok(accepted) => accepted,
        Err(refused) => return websocket::refuse(&refused),
    };
    let parameters = match Query::<Parameters>::try_from_uri(request.uri()) {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return rejection.into_response(),
    };
    let requested = match parameters.read(options::profile(config), kind, streams.stream, None) {
        Ok(requested) => requested,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let owner =
        admission.as_ref().map(|Extension(admission)| admission.owner()).unwrap_or_default();
    let filter = match streams.register(owner, request.uri().query()) {
        Ok(filter) => filter,
        Err(refused) => return refused.into_response(),
    };
    let filtered = filter.is_some();
    let (rendering, framing) = (requested.rendering, accepted.framing());
    let feed_request = FeedRequest { rendering, framing, since: None, filter, owner };
    let Subscription { mut reader, gap } = match streams.place.join(&requested, feed_request).await
    {
        Ok(joined) => joined,
        Err(refused) => return refused,
    };
    if let Some(gap) = gap {
        let mut greeting = Vec::new();
        let reason = requested.gap_reason(&gap);
        let message = gap::message(gap.dropped, reason, false, streams.stream);
        frame::text(message.as_bytes(), &mut greeting);
        reader.interject(&greeting);
    }
    let visitor = visitor::of(config, &streams.policy, &request);
    let client = websocket::Client {
        reader,
        deflate: accepted.deflate(),
        filtered,
        profile: rendering.profile,
        notices: Notices::websocket(&config.heartbeat, streams.stream, rendering, requested.asked),
        slow_client: config.slow_client,
        metrics: streams.metrics.connected(&labels("websocket", kind), visitor),
        last_call: streams.last_call.clone(),
        _alive: streams.alive.clone(),
        _slot: admission.map(|Extension(admission)| admission.into_slot()),
    };
    websocket::upgrade(request, accepted, client)
}

/// Serves a stream over SSE.
async fn sse(
    State(streams): State<Arc<Streams>>,
    Query(parameters): Query<Parameters>,
    Extension(admission): Extension<Admission>,
    request: Request<Body>,
) -> Response {
    let (config, headers) = (&streams.config, request.headers());
    let kind = match parameters.kind() {
        Ok(kind) => kind,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    if !paths::is_on(config, kind) {
        return missing::stream_not_available(kind);
    }
    let requested =
        match parameters.read(options::profile(config), kind, streams.stream, Some(headers)) {
            Ok(requested) => requested,
            Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
        };
    let owner = admission.owner();
    let filter = match streams.register(owner, request.uri().query()) {
        Ok(filter) => filter,
        Err(refused) => return refused.into_response(),
    };
    let negotiable = config.compression.sse;
    // A filtered stream would be compressed for one client only.
    let gzip = negotiable && filter.is_none() && encoding::accepts_gzip(headers);
    let mut response = sse::head(gzip, streams.stream);
    if negotiable {
        let by_encoding = HeaderValue::from_name(ACCEPT_ENCODING);
        response.headers_mut().insert(VARY, by_encoding);
    }
    if request.method() == Method::HEAD {
        return response;
    }
    let rendering = requested.rendering;
    let framing = if gzip { Framing::SseGzip } else { Framing::Sse };
    let feed_request = FeedRequest { rendering, framing, since: None, filter, owner };
    let Subscription { reader, gap } = match streams.place.join(&requested, feed_request).await {
        Ok(joined) => joined,
        Err(refused) => return refused,
    };
    let greeting = gap.map_or_else(Vec::new, |missed| {
        gap::event(missed.dropped, requested.gap_reason(&missed), false, streams.stream)
    });
    let visitor = visitor::of(config, &streams.policy, &request);
    let client = sse::Client {
        reader,
        gzip,
        notices: Notices::sse(
            &config.heartbeat,
            streams.stream,
            rendering.profile,
            requested.asked,
        ),
        slow_client: config.slow_client,
        metrics: streams.metrics.connected(&labels("sse", kind), visitor),
        last_call: streams.last_call.clone(),
        _alive: streams.alive.clone(),
        slot: admission.into_slot(),
    };
    *response.body_mut() = sse::body(client, &greeting);
    response
}

impl Streams {
    /// Registers the filter that a query string asks for, if it asks for one.
    fn register(
        &self,
        owner: Owner,
        query: Option<&str>,
    ) -> Result<Option<Registered>, filters::Refused> {
        let Self { filters, config, metrics, has_journal, .. } = self;
        filters::register(filters, config, metrics, *has_journal, owner, query)
    }
}

/// Names the stream in the headers of a response.
fn name_stream(headers: &mut HeaderMap, stream: StreamId) {
    if let Ok(id) = HeaderValue::from_str(stream.as_str()) {
        headers.insert(STREAM_HEADER, id);
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
