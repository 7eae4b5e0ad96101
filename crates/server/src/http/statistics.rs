//! `/stats`, as CaliDog's server answers it (wire.md 3.1). Of the clients it shows when they came and
//! what for; who they are only where the configuration says so.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Shared;
use crate::metrics::clients::Client;

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
pub(super) async fn statistics(State(shared): State<Shared>) -> Response {
    let counted =
        |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    let logs = shared.fleet.logs();
    let show = shared.config.stats.client_addresses;
    let clients = shared.metrics.clients.list();
    let answer = Statistics {
        processed_certificates: shared.metrics.certificates_published(),
        current_users: clients.iter().map(|client| (client.id, user(client, show))).collect(),
        workers: logs
            .iter()
            .map(|log| (log.log.url.clone(), counted(&log.counters.entries)))
            .collect(),
    };
    match serde_json::to_string_pretty(&answer) {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "statistics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn user(client: &Client, show: bool) -> User {
    let identity = client.visitor.identity.as_ref().filter(|_| show);
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
