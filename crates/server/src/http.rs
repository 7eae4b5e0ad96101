//! The routes, each built from the parts of the server that it needs.

pub(crate) mod api;
mod examples;
pub mod guard;
mod head;
mod health;
pub mod listener;
pub mod metrics;
mod missing;
mod page;
mod statistics;
mod streams;

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use config::{Config, Role};
use feed::Hub;
use follow::LogsView;
use journal::Journal;
use prometheus_client::registry::Registry;
use record::StreamId;
use supervise::Supervisor;
use tokio::sync::watch;
use wire::filter::Filters;

use self::guard::{Gate, Guard, Policy};
use self::listener::Alive;
use crate::alerts;
use crate::cluster;
use crate::first_seen::FirstSeen;
use crate::history::JournalHistory;
use crate::metrics::Metrics;
use crate::operations::liveness::Liveness;
use crate::options;
use crate::outputs::Statuses;
use crate::publish::messages::MessageStream;
use crate::publish::recent::RecentCertificates;
use crate::state::backfill::missing::Missing;

/// The parts of the server that routes are built from. They stay when the configuration changes.
///
/// No handler takes all of it: each route gets a state of its own with what it needs.
#[derive(Debug, Clone)]
pub struct Services {
    /// The stream.
    pub hub: Arc<Hub<MessageStream>>,
    /// Its id, which all offsets belong to.
    pub stream: StreamId,
    /// The published certificates on disk, where they are kept.
    pub journal: Option<Journal>,
    /// The domains that were seen, if there is a journal.
    pub(crate) first_seen: Option<Arc<FirstSeen>>,
    /// The filters of all connections.
    pub filters: Filters,
    /// The status of the followed logs.
    pub logs: Arc<dyn LogsView>,
    /// The server's counters.
    pub metrics: Arc<Metrics>,
    /// The registry that `/metrics` shows.
    pub registry: Arc<Registry>,
    /// The clients' connections and recent requests.
    pub guard: Arc<Guard>,
    /// The newest certificates.
    pub recent: Arc<RecentCertificates>,
    /// Everything that is kept on disk, if there is a journal.
    pub history: Option<Arc<JournalHistory>>,
    /// The liveness of the publisher, and whether the server is about to stop.
    pub liveness: Arc<Liveness>,
    /// The start of the process.
    pub started: Instant,
    /// True if the logs are simulated.
    pub is_demo: bool,
    /// The entries that are missing.
    pub missing: Arc<Missing>,
    /// A clone of it is held by every connection.
    pub alive: Alive,
    /// Turns true some time after the stream was closed: clients that are behind are then cut off.
    pub last_call: watch::Receiver<bool>,
    /// The background tasks.
    pub tasks: Supervisor,
    /// The figures of outputs to brokers.
    pub(crate) outputs: Statuses,
    /// The newest alerts, and their figures.
    pub(crate) alerts: Arc<alerts::Status>,
    /// The state of this node, in a cluster.
    pub(crate) cluster: Option<Arc<cluster::Status>>,
}

/// Builds the routes that the configuration switches on. `policy` is that of the configuration.
pub fn router(services: &Services, config: &Arc<Config>, policy: &Arc<Policy>) -> Router {
    let mut open = Router::new();
    if config.protocols.health {
        open = open.merge(health::routes(services));
    }
    if options::metrics_are_shared(config) {
        open = open.merge(metrics::routes(services, config, policy));
    }
    // A node that only follows logs has no streams to show.
    if config.protocols.page && config.role != Role::Ingest {
        open = open.merge(page::routes(services, config));
    }
    if config.protocols.api {
        let gate = Gate { guard: Arc::clone(&services.guard), policy: Arc::clone(policy) };
        open = open.merge(api::alert_routes(services, config, &gate));
    }
    let allows_authorization = policy.reads_authorization();
    let shared_with_pages = cross_origin_routes(services, config, policy)
        .layer(from_fn_with_state(allows_authorization, cross_origin));
    let config = Arc::clone(config);
    open.merge(shared_with_pages)
        .fallback(move |uri: Uri| ready(missing::not_found(&config, &uri)))
        .layer(from_fn(head::check))
}

/// Builds the routes that pages of other origins may read: streams, examples, API and statistics.
fn cross_origin_routes(services: &Services, config: &Arc<Config>, policy: &Arc<Policy>) -> Router {
    let gate = Gate { guard: Arc::clone(&services.guard), policy: Arc::clone(policy) };
    let protocols = &config.protocols;
    let has_streams = config.role != Role::Ingest;
    let mut routes = Router::new();
    if has_streams {
        routes = routes.merge(streams::routes(services, config, policy, &gate));
    }
    if protocols.example_json && has_streams {
        routes = routes.merge(examples::routes(services, config));
    }
    let mut guarded = Router::new();
    if protocols.example_json && config.streams.lite && has_streams {
        guarded = guarded.merge(examples::latest_route(services, config));
    }
    if protocols.api {
        guarded = guarded.merge(api::routes(services, config));
    }
    if protocols.stats {
        guarded = guarded.merge(statistics::routes(services, config));
    }
    // A layer needs a route.
    if guarded.has_routes() {
        routes = routes.merge(guarded.layer(from_fn_with_state(gate, guard::requests)));
    }
    routes
}

/// Allows pages of any origin to read what is public anyway. No cookies are involved.
async fn cross_origin(
    State(allows_authorization): State<bool>,
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
        if allows_authorization {
            // The star does not stand for this one (Fetch standard, CORS protocol).
            headers.append(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
        }
    }
    response
}

/// Returns the answer of certstream-server-rust where there is no such route, byte for byte.
fn not_found() -> Response {
    let json = [(CONTENT_TYPE, "application/json")];
    (StatusCode::NOT_FOUND, json, r#"{"error":"Not Found"}"#).into_response()
}
