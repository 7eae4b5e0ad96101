//! The metrics as Prometheus reads them, among the other routes or on a listener of their own.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http::{Shared, guard, head, not_found};
use crate::metrics::compat::View;
use crate::metrics::exposition;
use config::reporting::route;

/// The one route.
pub(super) fn routes(shared: &Shared) -> Router<Shared> {
    Router::new()
        .route(&route(&shared.config.prometheus.metrics_url), get(metrics))
        .layer(from_fn_with_state(shared.clone(), guard::metrics))
}

/// What the listener of their own serves.
pub fn router(shared: Shared) -> Router {
    routes(&shared).fallback(not_found).layer(from_fn(head::check)).with_state(shared)
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let view = View {
        config: &shared.config,
        metrics: &shared.metrics,
        hub: &shared.hub,
        fleet: &shared.fleet,
    };
    match crate::metrics::text(&shared.registry, &view) {
        Ok(text) => ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
