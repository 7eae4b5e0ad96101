//! The metrics as Prometheus reads them, among the other routes or on a listener of their own.

mod alerts;
mod cluster;
mod compat;
mod first_seen;
mod journal;
mod logs;
mod outputs;
mod process;
mod registry;
mod system;
mod text;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use config::Config;
use config::reporting::route;
use follow::LogsView;
use prometheus_client::registry::Registry;

pub(crate) use self::registry::{Sources, registry};
pub(crate) use self::system::resident_bytes;
use self::text::Exposition;
use crate::http::guard::{Gate, Policy};
use crate::http::{Services, guard, head, not_found};
use crate::metrics::Metrics;
use crate::outputs::Statuses;

/// The state of the route: everything that metrics are read from.
#[derive(Debug)]
struct Scrape {
    registry: Arc<Registry>,
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    logs: Arc<dyn LogsView>,
    outputs: Statuses,
}

/// Builds the one route, behind the guard's rules for metrics.
pub(super) fn routes(services: &Services, config: &Arc<Config>, policy: &Arc<Policy>) -> Router {
    let scrape = Scrape {
        registry: Arc::clone(&services.registry),
        config: Arc::clone(config),
        metrics: Arc::clone(&services.metrics),
        logs: Arc::clone(&services.logs),
        outputs: Arc::clone(&services.outputs),
    };
    let gate = Gate { guard: Arc::clone(&services.guard), policy: Arc::clone(policy) };
    Router::new()
        .route(&route(&config.prometheus.metrics_url), get(metrics))
        .with_state(Arc::new(scrape))
        .layer(from_fn_with_state(gate, guard::metrics))
}

/// Builds the routes of the separate listener for metrics.
pub fn router(services: &Services, config: &Arc<Config>, policy: &Arc<Policy>) -> Router {
    routes(services, config, policy).fallback(async || not_found()).layer(from_fn(head::check))
}

async fn metrics(State(scrape): State<Arc<Scrape>>) -> Response {
    match scrape.text() {
        Ok(text) => ([(CONTENT_TYPE, text::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Scrape {
    /// Returns all metrics in Prometheus' text format: the server's own, those of the process, and
    /// those under other servers' names where the configuration asks for them.
    ///
    /// # Errors
    /// A metric cannot be written, which would be a defect of the metric.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = Exposition::default();
        text.registry(&self.registry)?;
        if self.config.prometheus.expose_system_metrics {
            system::write(&mut text);
        }
        for server in &self.config.metrics.compat {
            compat::write(*server, self, &mut text);
        }
        Ok(text.into_text())
    }
}
