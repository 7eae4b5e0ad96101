//! `/api/alerts` and `/api/alerts/stream`: the newest alerts, for the operator.
//!
//! The names that an operator watches are not for others. So these routes need a token where tokens are
//! required, and are for programs on this machine otherwise; pages of other origins may not read them.

mod answer;
pub(super) mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use config::Config;
use url::form_urlencoded;

use self::answer::Answer;
use crate::alerts::Status;
use crate::http::guard::{Gate, Policy};
use crate::http::listener::Alive;
use crate::http::{Services, guard};
use crate::metrics::Metrics;

/// Alerts in an answer at most, and where the request has no limit.
const MOST: usize = 1000;
const USUAL: usize = 100;

const NO_RULES: &str = "this server has no rules for alerts (alerts.rules)\n";

/// The state of the routes.
#[derive(Debug)]
pub(super) struct Alerts {
    status: Arc<Status>,
    config: Arc<Config>,
    policy: Arc<Policy>,
    metrics: Arc<Metrics>,
    alive: Alive,
}

/// Builds the routes, behind the guard.
pub(in crate::http) fn routes(services: &Services, config: &Arc<Config>, gate: &Gate) -> Router {
    let alerts = Arc::new(Alerts {
        status: Arc::clone(&services.alerts),
        config: Arc::clone(config),
        policy: Arc::clone(&gate.policy),
        metrics: Arc::clone(&services.metrics),
        alive: services.alive.clone(),
    });
    let operator = from_fn_with_state(gate.clone(), guard::operator);
    let list = Router::new()
        .route("/api/alerts", get(list))
        .layer(operator.clone())
        .layer(from_fn_with_state(gate.clone(), guard::requests));
    let stream = Router::new()
        .route("/api/alerts/stream", get(stream::stream))
        .layer(operator)
        .layer(from_fn_with_state(gate.clone(), guard::streams));
    list.merge(stream).with_state(alerts)
}

/// Lists the newest alerts
///
/// The server remembers the last 1,000 alerts since its start, fewer if they are large. Alerts are the
/// same as in the body of a webhook, with their state at each receiver.
#[utoipa::path(
    get,
    path = "/api/alerts",
    tag = "api",
    params(
        ("rule" = Option<String>, Query, description = "Only alerts of the rule with this name"),
        ("limit" = Option<u64>, Query, description = "Alerts at most, 100 by default", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "The newest alerts", body = Answer<'_>),
        (status = 400, description = "A parameter is unknown, given twice or invalid", body = String, content_type = "text/plain"),
        (status = 404, description = "There are no rules, or there is no rule with this name", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn list(State(alerts): State<Arc<Alerts>>, RawQuery(query): RawQuery) -> Response {
    let requested = match Requested::read(&query.unwrap_or_default(), true) {
        Ok(requested) => requested,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    if let Err(problem) = alerts.check(&requested) {
        return (StatusCode::NOT_FOUND, problem).into_response();
    }
    let entries = alerts.status.recent.list(requested.rule.as_deref(), requested.limit);
    let answer = Answer::new(&alerts.status, &entries, &alerts.config.alerts.receivers);
    match serde_json::to_vec(&answer) {
        Ok(body) => {
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (headers, body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "alerts could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Alerts {
    /// Checks that there are rules, and the one of a request.
    fn check(&self, requested: &Requested) -> Result<(), String> {
        let rules = &self.config.alerts.rules;
        if rules.is_empty() {
            return Err(NO_RULES.to_owned());
        }
        match &requested.rule {
            Some(name) if rules.iter().all(|rule| rule.name != *name) => {
                Err(format!("rule: {} is not the name of a rule\n", shown(name)))
            }
            _ => Ok(()),
        }
    }
}

/// The parameters of a request.
#[derive(Debug, PartialEq, Eq)]
struct Requested {
    rule: Option<String>,
    limit: usize,
}

impl Requested {
    /// Reads a query string. The error is the answer to the client.
    fn read(query: &str, has_limit: bool) -> Result<Self, String> {
        let (mut rule, mut limit) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let before = match &*name {
                "rule" => rule.replace(value.into_owned()).map(drop),
                "limit" if has_limit => limit.replace(count(&value)?).map(drop),
                "token" => None,
                _ => {
                    let others = if has_limit { "rule and limit" } else { "rule" };
                    let name = shown(&name);
                    return Err(format!("{name}: there is no such parameter; there is {others}\n"));
                }
            };
            if before.is_some() {
                return Err(format!("{name}: this parameter is given twice\n"));
            }
        }
        Ok(Self { rule, limit: limit.unwrap_or(USUAL) })
    }
}

fn count(value: &str) -> Result<usize, String> {
    let count = value.parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| format!("limit: {} is not a number from 1 to {MOST}\n", shown(value)))
}

/// Returns the beginning of a text of a client, for an answer.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(100).collect();
    format!("{text:?}")
}
