//! The routes.

pub mod accept;
mod api;
mod descriptors;
mod encoding;
mod examples;
mod filters;
mod gap;
pub mod guard;
mod head;
mod health;
pub mod metrics;
mod missing;
mod notices;
mod page;
mod parameters;
pub mod socket;
mod sse;
mod statistics;
mod streams;
pub mod tls;
mod visitor;
mod websocket;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use feed::Hub;
use follow::Fleet;
use prometheus_client::registry::Registry;
use supervise::Supervisor;
use tokio::sync::watch;
use wire::StreamKind;
use wire::filter::Filters;

use crate::http::accept::Alive;
use crate::http::guard::{Guard, Policy};
use crate::metrics::Metrics;
use crate::publish::CertificateStream;
use crate::recent::RecentCertificates;
use crate::sources;
use crate::vitals::Vitals;
use config::Config;
use config::reporting::route;

/// What the routes share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The configuration as it was when the request began, see [`live`](crate::live).
    pub config: Arc<Config>,
    /// The stream.
    pub hub: Arc<Hub<CertificateStream>>,
    /// The filters of all connections.
    pub filters: Filters,
    /// The followed logs.
    pub fleet: Arc<Fleet>,
    /// Where to count.
    pub metrics: Arc<Metrics>,
    /// What `/metrics` shows.
    pub registry: Arc<Registry>,
    /// What was asked of the server lately, and by whom.
    pub guard: Arc<Guard>,
    /// Who is served: the configuration, compiled.
    pub policy: Arc<Policy>,
    /// The newest certificates.
    pub recent: Arc<RecentCertificates>,
    /// Whether the server lives, and goes on to.
    pub vitals: Arc<Vitals>,
    /// When the process started.
    pub started: Instant,
    /// Cloned by every connection.
    pub alive: Alive,
    /// Turns true some time after the stream was closed: who is behind then is let go.
    pub last_call: watch::Receiver<bool>,
    /// The tasks that run for ever.
    pub tasks: Supervisor,
}

/// The routes that the configuration switches on.
pub fn router(shared: Shared) -> Router {
    let config = Arc::clone(&shared.config);
    let protocols = &config.protocols;
    let mut open = Router::new();
    if protocols.health {
        open = open.route("/health", get(health::health));
        open = open.route("/health/deep", get(health::deep));
        open = open.route("/health/ready", get(health::ready));
    }
    if sources::metrics_are_shared(&config) {
        open = open.merge(metrics::routes(&shared));
    }
    let mut shown = Router::new();
    // Behind the guard: what begins a stream, and what answers.
    let mut streamed = Router::new();
    let mut asked = Router::new();
    for (kind, paths) in stream_paths(&config) {
        if protocols.example_json && streams::is_on(&config, kind) {
            for path in example_paths(kind, &paths) {
                let example = move |shared| examples::example(shared, kind);
                shown = shown.route(&path, get(example));
            }
        }
        for path in paths {
            let stream =
                move |shared, place, request| streams::websocket(shared, place, request, kind);
            streamed = streamed.route(&path, get(stream));
        }
    }
    if protocols.example_json && config.streams.lite {
        asked = asked.route("/latest.json", get(examples::latest));
    }
    if protocols.api {
        asked = asked.merge(api::routes());
    }
    if protocols.stats {
        asked = asked.route(&route(&config.stats.url), get(statistics::statistics));
    }
    if protocols.sse {
        streamed = streamed.route("/sse", get(streams::sse));
    }
    if protocols.page {
        open = open.merge(page::routes());
    }
    // A layer asks for a route to lie around.
    if streamed.has_routes() {
        shown = shown.merge(streamed.layer(from_fn_with_state(shared.clone(), guard::streams)));
    }
    if asked.has_routes() {
        shown = shown.merge(asked.layer(from_fn_with_state(shared.clone(), guard::requests)));
    }
    let shown = shown.layer(from_fn_with_state(shared.clone(), cross_origin));
    open.merge(shown).fallback(missing::not_found).layer(from_fn(head::check)).with_state(shared)
}

/// The streams that are on, with their paths. At `/`, where the page is, there is always one: the lite
/// stream unless the configuration puts another there.
fn stream_paths(config: &Config) -> Vec<(StreamKind, Vec<String>)> {
    let streams = &config.streams;
    let all = [
        (streams.lite || config.protocols.page, StreamKind::Lite, &streams.lite_path),
        (streams.full, StreamKind::Full, &streams.full_path),
        (streams.domains_only, StreamKind::Domains, &streams.domains_only_path),
    ];
    let root_is_taken = all.iter().any(|(on, _, path)| *on && *path == "/");
    let on = all.into_iter().filter(|(on, ..)| *on);
    on.map(|(_, kind, path)| {
        let mut paths = vec![path.clone()];
        if path != "/" {
            paths.push(format!("{path}/"));
        }
        if kind == StreamKind::Lite && !root_is_taken {
            paths.push("/".to_owned());
        }
        (kind, paths)
    })
    .collect()
}

/// Where a stream's newest message is shown: below its path, that of the lite stream also below `/`.
fn example_paths(kind: StreamKind, paths: &[String]) -> Vec<String> {
    let below = |path: &str| format!("{}/example.json", path.trim_end_matches('/'));
    let mut examples: Vec<String> = paths.first().map(|path| below(path)).into_iter().collect();
    let root = below("/");
    match kind {
        StreamKind::Lite if !examples.contains(&root) => examples.push(root),
        StreamKind::Lite => {}
        // That is the lite stream's, wherever the stream is.
        StreamKind::Full | StreamKind::Domains => examples.retain(|path| *path != root),
    }
    examples
}

/// Lets pages of any origin read what is public anyway. No cookies are involved.
async fn cross_origin(
    State(shared): State<Shared>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response =
        if preflight { StatusCode::OK.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    let vary = "origin, access-control-request-method, access-control-request-headers";
    headers.append(VARY, HeaderValue::from_static(vary));
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        if shared.policy.reads_authorization() {
            // The star does not stand for this one (Fetch standard, CORS protocol).
            headers.append(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
        }
    }
    response
}

async fn not_found() -> Response {
    let json = [(CONTENT_TYPE, "application/json")];
    (StatusCode::NOT_FOUND, json, r#"{"error":"Not Found"}"#).into_response()
}
