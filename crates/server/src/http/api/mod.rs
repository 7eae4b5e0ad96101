//! `/api/…`: what programs may want to know about the server. `docs/openapi.json` describes it.

mod cert;
mod logs;
mod openapi;
mod stats;

use axum::Router;
use axum::routing::get;

use crate::http::Shared;

/// The routes.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/logs", get(logs::logs))
        .route("/api/stats", get(stats::stats))
        .route("/api/cert/{hash}", get(cert::cert))
        .route("/api/openapi.json", get(openapi::document))
}
