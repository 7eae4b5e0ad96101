//! `/health`: the process lives. `/health/ready`: clients may be sent here. `/health/deep`: how the logs
//! are doing.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use follow::Health;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Shared;

/// The answer to `/health/deep`. Monitors search it for the bytes `"status":"healthy"`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deep {
    /// `healthy`, `degraded` or `unhealthy`.
    status: &'static str,
    logs_healthy: usize,
    logs_degraded: usize,
    logs_unhealthy: usize,
    logs_total: usize,
    /// Verification alarms that nobody has acknowledged.
    alarms: usize,
    active_connections: u64,
    uptime_secs: u64,
    /// Why it is not `healthy`, or what else is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether clients may be sent here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The process lives
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "OK", body = String, content_type = "text/plain"))
)]
pub(super) async fn health() -> &'static str {
    "OK"
}

/// How the logs are doing: 503 when none is followed or more than half are unhealthy
#[utoipa::path(
    get,
    path = "/health/deep",
    tag = "health",
    responses(
        (status = 200, description = "Healthy, or degraded", body = Deep),
        (status = 503, description = "Unhealthy", body = Deep),
    )
)]
pub(super) async fn deep(State(shared): State<Shared>) -> Response {
    let answer = assess(&shared);
    respond(answer.status != "unhealthy", answer)
}

/// Whether clients may be sent here: 503 before the first log is followed and from the beginning of
/// the end on. Unlike `/health/deep` it does not mind logs that fail
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses(
        (status = 200, description = "Ready", body = Ready),
        (status = 503, description = "Not ready", body = Ready),
    )
)]
pub(super) async fn ready(State(shared): State<Shared>) -> Response {
    let reason = if shared.vitals.is_stopping() {
        Some("the server is about to stop".to_owned())
    } else if shared.fleet.logs().is_empty() {
        let reason = shared.fleet.reason().map(|reason| reason.0);
        Some(reason.unwrap_or_else(|| "no log is followed".to_owned()))
    } else {
        None
    };
    respond(reason.is_none(), Ready { ready: reason.is_none(), reason })
}

/// 200 or 503: what monitors and balancers look at before they read.
fn respond(is_well: bool, answer: impl Serialize) -> Response {
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(answer)).into_response()
}

fn assess(shared: &Shared) -> Deep {
    let logs = shared.fleet.logs();
    let mut counts = [0; 3];
    let mut alarms = Vec::new();
    for log in &logs {
        let snapshot = log.snapshot();
        match snapshot.health {
            Health::Healthy => counts[0] += 1,
            Health::Degraded => counts[1] += 1,
            Health::Unhealthy => counts[2] += 1,
        }
        let name = &log.log.name;
        let texts = snapshot.alarms.iter();
        alarms.extend(texts.map(|alarm| format!("{name}: {}: {}", alarm.kind, alarm.text)));
    }
    let [logs_healthy, logs_degraded, logs_unhealthy] = counts;
    let reason = shared.fleet.reason().map(|reason| reason.0);
    let (status, reason) = verdict(counts, &alarms, reason);
    Deep {
        status,
        logs_healthy,
        logs_degraded,
        logs_unhealthy,
        logs_total: logs.len(),
        alarms: alarms.len(),
        active_connections: shared.hub.stats().readers as u64,
        uptime_secs: shared.started.elapsed().as_secs(),
        reason,
    }
}

/// One failing log among many is no reason to restart the server, so it does not change the
/// status. A log that has something to explain does, until that is acknowledged.
fn verdict(
    counts: [usize; 3],
    alarms: &[String],
    reason: Option<String>,
) -> (&'static str, Option<String>) {
    let [healthy, degraded, unhealthy] = counts;
    let total = healthy + degraded + unhealthy;
    if total == 0 {
        let reason = reason.unwrap_or_else(|| "no log is followed".to_owned());
        return ("unhealthy", Some(reason));
    }
    if unhealthy * 2 > total {
        let why = format!("{unhealthy} of {total} logs do not answer");
        return ("unhealthy", Some(why));
    }
    if let Some(first) = alarms.first() {
        let more = match alarms.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more alarms)"),
        };
        return ("degraded", Some(format!("verification alarm: {first}{more}")));
    }
    (if unhealthy > 1 { "degraded" } else { "healthy" }, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_log_among_many_does_not_change_the_status() {
        let cases = [
            ([0, 0, 0], "unhealthy"),
            ([40, 0, 0], "healthy"),
            ([39, 0, 1], "healthy"),
            ([1, 9, 0], "healthy"),
            ([30, 0, 10], "degraded"),
            ([1, 0, 2], "unhealthy"),
            ([0, 0, 1], "unhealthy"),
        ];
        for (counts, expected) in cases {
            assert_eq!(verdict(counts, &[], None).0, expected, "{counts:?}");
        }
        let why = verdict([0, 0, 0], &[], Some("no network".into())).1;
        assert_eq!(why.as_deref(), Some("no network"));
    }

    #[test]
    fn an_alarm_cannot_be_missed() {
        let alarms = ["a log: fork: two trees".to_owned(), "another".to_owned()];
        let (status, reason) = verdict([40, 0, 0], &alarms, None);
        assert_eq!(status, "degraded");
        let expected = "verification alarm: a log: fork: two trees (and 1 more alarms)";
        assert_eq!(reason.as_deref(), Some(expected));
        assert_eq!(verdict([1, 0, 2], &alarms, None).0, "unhealthy");
    }
}
