//! `/stats`, as CaliDog's server answers it (wire.md 3.1). It shows the path and time of each client's
//! request; its address and program only where the configuration says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use config::Config;
use config::reporting::route;
use follow::LogsView;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Services;
use crate::metrics::Metrics;
use crate::metrics::clients::Client;

/// The state of the route.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    metrics: Arc<Metrics>,
    logs: Arc<dyn LogsView>,
    /// True if addresses and programs of clients are shown.
    shows_addresses: bool,
}

/// Builds the route at `stats.url`.
pub(super) fn routes(services: &Services, config: &Config) -> Router {
    let figures = Figures {
        metrics: Arc::clone(&services.metrics),
        logs: Arc::clone(&services.logs),
        shows_addresses: config.stats.client_addresses,
    };
    Router::new().route(&route(&config.stats.url), get(statistics)).with_state(figures)
}

/// The statistics of CaliDog's server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Statistics {
    /// Certificates published since the start.
    processed_certificates: u64,
    /// The connected clients, by number.
    #[schema(value_type = BTreeMap<String, User>)]
    current_users: BTreeMap<u64, User>,
    /// Entries read of each log since the start, by the log's URL.
    workers: BTreeMap<String, u64>,
}

/// A client.
#[derive(Debug, Serialize, ToSchema)]
struct User {
    /// RFC 3339.
    connect_time: String,
    /// Its `User-Agent`, if `stats.client_addresses` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'static str, String>>,
    /// Its address, if `stats.client_addresses` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    /// The requested path.
    path: String,
}

/// Statistics in the form of CaliDog's server
#[utoipa::path(
    get,
    path = "/stats",
    tag = "compatibility",
    responses((status = 200, description = "Statistics", body = Statistics))
)]
pub(super) async fn statistics(State(figures): State<Figures>) -> Response {
    let Figures { metrics, logs, shows_addresses } = figures;
    let clients = metrics.clients.list();
    let users = clients.iter().map(|client| (client.id, user(client, shows_addresses)));
    let workers = logs.logs().into_iter().map(|log| (log.log.url.clone(), log.counts.entries));
    let answer = Statistics {
        processed_certificates: metrics.certificates_published(),
        current_users: users.collect(),
        workers: workers.collect(),
    };
    match serde_json::to_string_pretty(&answer) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "statistics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn user(client: &Client, shows_addresses: bool) -> User {
    let identity = if shows_addresses { client.visitor.identity.as_ref() } else { None };
    let user_agent = identity.map(|identity| identity.user_agent.as_deref().unwrap_or_default());
    let since = i64::try_from(client.since).ok().and_then(|at| Timestamp::from_second(at).ok());
    User {
        connect_time: since.map(|at| at.to_string()).unwrap_or_default(),
        headers: user_agent.map(|name| BTreeMap::from([("user-agent", name.to_owned())])),
        ip_address: identity.map(|identity| {
            identity.address.map(|address| address.to_string()).unwrap_or_default()
        }),
        path: client.visitor.path.to_string(),
    }
}
