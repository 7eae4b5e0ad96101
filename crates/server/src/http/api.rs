//! `/api/…`: the state of the server for programs. `docs/openapi.json` describes it.

mod alerts;
mod cert;
mod first_seen;
mod hex;
mod logs;
mod openapi;
pub(crate) mod published;
pub(crate) mod search;
mod stats;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use config::Config;

pub(super) use self::alerts::routes as alert_routes;
use crate::http::Services;

/// Builds the routes.
pub(super) fn routes(services: &Services, config: &Config) -> Router {
    let logs = Router::new().route("/api/logs", get(logs::logs));
    let stats = Router::new().route("/api/stats", get(stats::stats));
    let lookup = Router::new()
        .route("/api/cert/{hash}", get(cert::cert))
        .route("/api/entry/{log}/{index}", get(cert::entry));
    let first_seen = Router::new().route("/api/first-seen", get(first_seen::first_seen));
    let searches = Arc::new(search::Searches::new(services, config));
    let search = Router::new()
        .route("/api/search", get(search::search))
        .route("/crtsh", get(search::crtsh::crtsh));
    Router::new()
        .route("/api/openapi.json", get(openapi::document))
        .merge(logs.with_state(logs::Sources::new(services)))
        .merge(stats.with_state(Arc::new(stats::Sources::new(services))))
        .merge(lookup.with_state(cert::Lookup::new(services, config)))
        .merge(search.with_state(searches))
        .merge(first_seen.with_state(first_seen::Lookup::new(services)))
}

/// Builds the route of searches in the form of crt.sh at `/`, which they share with the page and a
/// stream.
pub(super) fn crtsh_at_root(services: &Services, config: &Config) -> Router {
    let searches = Arc::new(search::Searches::new(services, config));
    Router::new().route("/", get(search::crtsh::crtsh)).with_state(searches)
}
