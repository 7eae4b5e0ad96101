//! `/health`: the process is running. `/health/ready`: clients may be sent here. `/health/deep`: the
//! health of the logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use feed::Hub;
use follow::{Health, LogsView};
use serde::Serialize;
use sinks::Status;
use supervise::{Supervisor, TaskStatus};
use utoipa::ToSchema;

use crate::alerts;
use crate::cluster;
use crate::cluster::status::Description;
use crate::http::Services;
use crate::operations::liveness::Liveness;
use crate::outputs::Statuses;
use crate::publish::messages::MessageStream;

/// The time that the publisher's thread has to respond.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time that a broker has to take messages again.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(30);
/// The reason while nothing is published although logs answer.
const NO_PUBLISHER: &str = "the publisher does not respond: nothing is published";

/// The state of the routes.
#[derive(Debug)]
pub(super) struct Checks {
    hub: Arc<Hub<MessageStream>>,
    logs: Arc<dyn LogsView>,
    liveness: Arc<Liveness>,
    tasks: Supervisor,
    outputs: Statuses,
    alerts: Arc<alerts::Status>,
    cluster: Option<Arc<cluster::Status>>,
    started: Instant,
}

/// Builds the routes.
pub(super) fn routes(services: &Services) -> Router {
    let checks = Checks {
        hub: Arc::clone(&services.hub),
        logs: Arc::clone(&services.logs),
        liveness: Arc::clone(&services.liveness),
        tasks: services.tasks.clone(),
        outputs: Arc::clone(&services.outputs),
        alerts: Arc::clone(&services.alerts),
        cluster: services.cluster.clone(),
        started: services.started,
    };
    Router::new()
        .route("/health", get(health))
        .route("/health/deep", get(deep))
        .route("/health/ready", get(ready))
        .with_state(Arc::new(checks))
}

/// The response of `/health/deep`. Monitors search it for the bytes `"status":"healthy"`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deep {
    /// `healthy`, `degraded` or `unhealthy`.
    status: &'static str,
    logs_healthy: usize,
    logs_degraded: usize,
    logs_unhealthy: usize,
    logs_total: usize,
    /// Verification alarms that are not acknowledged.
    alarms: usize,
    active_connections: u64,
    uptime_secs: u64,
    /// The reason why the status is not `healthy`, or another problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// This node, in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Description>,
}

/// Readiness for clients.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// The reason, if not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Liveness: the process is running
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "OK", body = String, content_type = "text/plain"))
)]
pub(super) async fn health() -> &'static str {
    "OK"
}

/// The health of the logs: 503 if none is followed, none has responded yet, more than half are
/// unhealthy, or nothing is published
#[utoipa::path(
    get,
    path = "/health/deep",
    tag = "health",
    responses(
        (status = 200, description = "Healthy, or degraded", body = Deep),
        (status = 503, description = "Unhealthy", body = Deep),
    )
)]
pub(super) async fn deep(State(checks): State<Arc<Checks>>) -> Response {
    let mut answer = assess(&checks);
    let problem = not_publishing(&checks.liveness).await;
    match (&checks.cluster, problem) {
        (Some(cluster), problem) => judge_node(&mut answer, cluster, problem),
        (None, Some(reason)) => (answer.status, answer.reason) = ("unhealthy", Some(reason)),
        (None, None) => {}
    }
    respond(answer.status != "unhealthy", answer)
}

/// Readiness for clients: 503 before the first log is followed, while nothing is published, and during
/// shutdown. Unlike `/health/deep` it ignores failing logs
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses(
        (status = 200, description = "Ready", body = Ready),
        (status = 503, description = "Not ready", body = Ready),
    )
)]
pub(super) async fn ready(State(checks): State<Arc<Checks>>) -> Response {
    let reason = if checks.liveness.is_stopping() {
        Some("the server is about to stop".to_owned())
    } else if let Some(cluster) = &checks.cluster {
        cluster.not_ready()
    } else if checks.logs.count() == 0 {
        let reason = checks.logs.reason().map(|reason| reason.0);
        Some(reason.unwrap_or_else(|| "no log is followed".to_owned()))
    } else {
        not_publishing(&checks.liveness).await
    };
    respond(reason.is_none(), Ready { ready: reason.is_none(), reason })
}

/// Returns the reason why nothing is published, if its thread hangs or has been waiting for the commit
/// log.
async fn not_publishing(liveness: &Liveness) -> Option<String> {
    let publisher = liveness.publisher()?;
    if !publisher.responds(PATIENCE).await {
        return Some(NO_PUBLISHER.to_owned());
    }
    if let Some((problem, since)) = liveness.journal.problem() {
        let seconds = since.as_secs();
        return Some(format!("the journal cannot be written for {seconds} s: {problem}"));
    }
    let waits = publisher.waits_for_commit_log().filter(|waits| *waits > PATIENCE)?;
    let seconds = waits.as_secs();
    Some(format!("the publisher has been waiting for the commit log for {seconds} s"))
}

/// Answers with 200 or 503, which monitors and load balancers check first.
fn respond(is_healthy: bool, answer: impl Serialize) -> Response {
    let status = if is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(answer)).into_response()
}

fn assess(checks: &Checks) -> Deep {
    let logs = checks.logs.logs();
    let mut counts = [0; 3];
    let mut alarms = Vec::new();
    let mut have_answered = false;
    for log in &logs {
        have_answered |= log.at.last_success.is_some();
        match log.at.health {
            Health::Healthy => counts[0] += 1,
            Health::Degraded => counts[1] += 1,
            Health::Unhealthy => counts[2] += 1,
        }
        let name = &log.log.name;
        let texts = log.at.alarms.iter();
        alarms.extend(texts.map(|alarm| format!("{name}: {}: {}", alarm.kind, alarm.text)));
    }
    let [logs_healthy, logs_degraded, logs_unhealthy] = counts;
    let reason = checks.logs.reason().map(|reason| reason.0);
    let down = first_down(&checks.tasks.tasks());
    let output = first_failing(&checks.outputs);
    let alert = checks.alerts.problem();
    let found = Found { counts, have_answered, alarms: &alarms, down, output, alert, reason };
    let (status, reason) = verdict(&found);
    Deep {
        status,
        logs_healthy,
        logs_degraded,
        logs_unhealthy,
        logs_total: logs.len(),
        alarms: alarms.len(),
        active_connections: checks.hub.stats().readers as u64,
        uptime_secs: checks.started.elapsed().as_secs(),
        reason,
        cluster: checks.cluster.as_ref().map(|cluster| cluster.describe()),
    }
}

/// Judges a node of a cluster. It is unhealthy only if clients should not be sent to it: logs that fail,
/// or servers that do not respond for a short time, are no reason to restart it.
fn judge_node(answer: &mut Deep, cluster: &cluster::Status, problem: Option<String>) {
    if let Some(reason) = cluster.not_ready() {
        (answer.status, answer.reason) = ("unhealthy", Some(reason));
    } else if let Some(problem) = cluster.problem().or(problem) {
        (answer.status, answer.reason) = ("degraded", Some(problem));
    } else if answer.status == "unhealthy" {
        answer.status = "degraded";
    }
}

/// Names a task that has panicked and is not running again yet.
fn first_down(tasks: &[TaskStatus]) -> Option<String> {
    let task = tasks.iter().find(|task| task.down > 0)?;
    let TaskStatus { name, panics, .. } = task;
    Some(format!("the task {name} has panicked ({panics} times) and is waiting to be restarted"))
}

/// Names an output whose broker has taken nothing for longer than it may.
fn first_failing(outputs: &[Arc<Status>]) -> Option<String> {
    outputs.iter().find_map(|output| {
        let (problem, since) = output.problem().filter(|(_, since)| *since > OUTPUT_PATIENCE)?;
        let (name, seconds) = (output.name(), since.as_secs());
        Some(format!("the output {name} has published nothing for {seconds} s: {problem}"))
    })
}

/// The findings to judge by.
#[derive(Debug, Default)]
struct Found<'a> {
    /// Logs that are healthy, degraded and unhealthy.
    counts: [usize; 3],
    /// True once any log has answered.
    have_answered: bool,
    alarms: &'a [String],
    /// The description of a task that is down.
    down: Option<String>,
    /// The description of an output that fails.
    output: Option<String>,
    /// The description of an alert that does not arrive.
    alert: Option<String>,
    /// The reason why no log is followed, or the list is not fresh.
    reason: Option<String>,
}

/// Decides about the status, and its reason. One failing log among many is no reason to restart the
/// server, so it does not change the status. A log with an alarm does, until that is acknowledged.
fn verdict(found: &Found<'_>) -> (&'static str, Option<String>) {
    let [healthy, degraded, unhealthy] = found.counts;
    let total = healthy + degraded + unhealthy;
    if total == 0 {
        let reason = found.reason.clone().unwrap_or_else(|| "no log is followed".to_owned());
        return ("unhealthy", Some(reason));
    }
    if unhealthy * 2 > total {
        let why = format!("{unhealthy} of {total} logs do not respond");
        return ("unhealthy", Some(why));
    }
    if healthy == 0 && !found.have_answered {
        return ("unhealthy", Some("no log has responded yet".to_owned()));
    }
    if let Some(first) = found.alarms.first() {
        let more = match found.alarms.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more alarms)"),
        };
        return ("degraded", Some(format!("verification alarm: {first}{more}")));
    }
    if let Some(down) = &found.down {
        return ("degraded", Some(down.clone()));
    }
    if let Some(output) = &found.output {
        return ("degraded", Some(output.clone()));
    }
    if let Some(alert) = &found.alert {
        return ("degraded", Some(alert.clone()));
    }
    if healthy == 0 {
        let why = "no log is healthy: each has failed recently or has not recovered yet";
        return ("degraded", Some(why.to_owned()));
    }
    (if unhealthy > 1 { "degraded" } else { "healthy" }, found.reason.clone())
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::pin::pin;

    use supervise::Supervisor;

    use super::*;

    #[test]
    fn one_unhealthy_log_among_many_does_not_change_the_status() {
        let cases = [
            ([0, 0, 0], "unhealthy"),
            ([40, 0, 0], "healthy"),
            ([39, 0, 1], "healthy"),
            ([1, 9, 0], "healthy"),
            ([30, 0, 10], "degraded"),
            ([1, 0, 2], "unhealthy"),
            ([0, 0, 1], "unhealthy"),
            ([0, 1, 0], "degraded"),
            ([0, 40, 0], "degraded"),
        ];
        for (counts, expected) in cases {
            let found = Found { counts, have_answered: true, ..Found::default() };
            assert_eq!(verdict(&found).0, expected, "{counts:?}");
        }
        let found = Found { reason: Some("no network".into()), ..Found::default() };
        assert_eq!(verdict(&found).1.as_deref(), Some("no network"));
    }

    #[test]
    fn logs_that_never_responded_are_unhealthy() {
        for counts in [[0, 1, 0], [0, 40, 0], [0, 0, 1]] {
            let (status, reason) = verdict(&Found { counts, ..Found::default() });
            assert_eq!(status, "unhealthy", "{counts:?}");
            assert!(reason.is_some(), "{counts:?}");
        }
    }

    #[test]
    fn an_open_alarm_degrades_the_status_and_is_the_reason() {
        let alarms = ["a log: fork: two trees".to_owned(), "another".to_owned()];
        let found = Found { counts: [40, 0, 0], alarms: &alarms, ..Found::default() };
        let (status, reason) = verdict(&found);
        assert_eq!(status, "degraded");
        let expected = "verification alarm: a log: fork: two trees (and 1 more alarms)";
        assert_eq!(reason.as_deref(), Some(expected));
        assert_eq!(verdict(&Found { counts: [1, 0, 2], ..found }).0, "unhealthy");
    }

    #[test]
    fn a_task_that_is_down_degrades_the_status_and_is_named() {
        let task = |name, down| TaskStatus { name, panics: 3, down };
        let down = first_down(&[task("accept", 0), task("log_list", 1)]);
        let (status, reason) = verdict(&Found { counts: [9, 0, 0], down, ..Found::default() });
        assert_eq!(status, "degraded");
        let expected = "the task log_list has panicked (3 times) and is waiting to be restarted";
        assert_eq!(reason.as_deref(), Some(expected));
        assert_eq!(first_down(&[task("accept", 0)]), None);
    }
    #[tokio::test(start_paused = true)]
    async fn a_panicked_task_degrades_the_status_until_it_restarts() {
        let tasks = Supervisor::default();
        let mut starts = 0;
        let mut run = pin!(tasks.run("log_list", || {
            starts += 1;
            let is_first = starts == 1;
            async move { assert!(!is_first, "a defect") }
        }));
        let judge = || {
            let down = first_down(&tasks.tasks());
            verdict(&Found { counts: [9, 0, 0], down, ..Found::default() })
        };
        tokio::select! {
            biased;
            () = &mut run => panic!("it waits before it starts again"),
            () = ready(()) => {}
        }
        let (status, reason) = judge();
        let expected = "the task log_list has panicked (1 times) and is waiting to be restarted";
        assert_eq!((status, reason.as_deref()), ("degraded", Some(expected)));
        run.await;
        assert_eq!(judge(), ("healthy", None));
    }
}
