//! `/api/logs`: every followed log, their hosts, and the log lists.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use follow::catalogue::ListStatus;
use follow::{Counts, Health, HostSnapshot, LogView, LogsView};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Services;
use crate::state::backfill::missing;

/// The response of `/api/logs`. The fields of certstream-server-rust come first, in its order; its
/// clients ignore the rest.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Logs {
    total_logs: usize,
    healthy: usize,
    degraded: usize,
    unhealthy: usize,
    logs: Vec<Log>,
    hosts: Vec<Host>,
    lists: Vec<List>,
}

/// A followed log. Indexes are `u64`, times Unix seconds unless their name says otherwise.
#[derive(Debug, Serialize, ToSchema)]
struct Log {
    name: String,
    url: String,
    operator: String,
    status: &'static str,
    current_index: u64,
    tree_size: u64,
    total_errors: u64,
    last_success: Option<u64>,
    log_id: Option<String>,
    protocol: String,
    /// The state in the log list; null for a log from `custom_logs` or `static_logs`.
    state: Option<String>,
    lists: Vec<String>,
    /// True if the signed list contains the log.
    listed_signed: bool,
    /// True if the log has left the list and is only read to its end.
    draining: bool,
    breaker: &'static str,
    last_error: Option<String>,
    entries: u64,
    lag_entries: u64,
    lag_secs: u64,
    head_timestamp_ms: Option<u64>,
    head_age_secs: Option<u64>,
    head_overdue: bool,
    /// The entries verified to be those that the log has signed: from this index ...
    verified_from: Option<u64>,
    /// ... up to this index, exclusive.
    verified_through: Option<u64>,
    /// The reason why entries are currently not verified.
    unproved: Option<String>,
    alarms: Vec<Alarm>,
    gaps: u64,
    skipped_entries: u64,
    /// The entries that were never published, the newest 256 ranges.
    missing: Vec<Missing>,
    integrity: Integrity,
    host: Option<String>,
    /// True if the host has answered 429 and is queried slowly.
    paced: bool,
    /// Responses of this log that asked for fewer requests.
    limited: u64,
    /// The remaining pause that the log requested.
    paused_secs: Option<u64>,
}

/// Counts of integrity violations.
#[derive(Debug, Serialize, ToSchema)]
struct Integrity {
    stale_heads: u64,
    refused_heads: u64,
    audited_heads: u64,
    unaudited_heads: u64,
    proof_errors: u64,
    alarms: u64,
    undecodable: u64,
    unreadable: u64,
    wrong_leaf_indexes: u64,
    foreign_precertificates: u64,
    foreign_issuers: u64,
    forged_issuers: u64,
    missing_issuers: u64,
    cut_chains: u64,
    panics: u64,
}

/// Consecutive entries that were never published. `certstream-server backfill` reads them later.
#[derive(Debug, Serialize, ToSchema)]
struct Missing {
    first: u64,
    /// The index after the last one.
    end: u64,
    /// `skipped` (the log was too far behind), `unreadable`, `too_large` or `damaged`.
    reason: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Host {
    host: String,
    /// Requests per second that the host accepts; null while it has set no limit.
    rate: Option<f64>,
    /// The fixed time between requests that the configuration sets.
    interval_ms: u64,
    in_flight: usize,
    requests: u64,
    limited: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct List {
    url: String,
    signed: bool,
    version: Option<String>,
    timestamp: Option<String>,
    logs: usize,
    skipped: usize,
    fetched: Option<u64>,
    /// True if the list comes from the cache and has not been fetched since the start.
    cached: bool,
    /// True if the list is too old to stop a log.
    stale: bool,
    error: Option<String>,
}

/// A contradiction in what a log has signed or served.
#[derive(Debug, Serialize, ToSchema)]
struct Alarm {
    /// `equivocation`, `fork`, `mismatch`, `final_head` or `gap`.
    kind: &'static str,
    /// The time, Unix seconds.
    at: u64,
    /// A description.
    text: String,
    /// The entries from this index are not verified, ...
    first: u64,
    /// ... up to this one, exclusive.
    end: u64,
    /// The directory with the evidence, if there is one.
    evidence: Option<String>,
}

/// Every followed log, their hosts, and the log lists
#[utoipa::path(
    get,
    path = "/api/logs",
    tag = "api",
    responses((status = 200, description = "The state of the logs", body = Logs))
)]
pub(super) async fn logs(State(sources): State<Sources>) -> Response {
    let Sources { view, missing } = sources;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let logs: Vec<Log> = view.logs().into_iter().map(|one| log(one, &missing, now)).collect();
    let count = |health: Health| logs.iter().filter(|log| log.status == health.as_str()).count();
    axum::Json(Logs {
        total_logs: logs.len(),
        healthy: count(Health::Healthy),
        degraded: count(Health::Degraded),
        unhealthy: count(Health::Unhealthy),
        hosts: view.hosts().into_iter().map(host).collect(),
        lists: view.lists().into_iter().map(list).collect(),
        logs,
    })
    .into_response()
}

/// The state of the route.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    view: Arc<dyn LogsView>,
    missing: Arc<missing::Missing>,
}

impl Sources {
    pub(super) fn new(services: &Services) -> Self {
        Self { view: Arc::clone(&services.logs), missing: Arc::clone(&services.missing) }
    }
}

fn log(view: LogView, missing: &missing::Missing, now: Duration) -> Log {
    let LogView { log, at, counts, listing, draining, host, paused_for } = view;
    let has_head = at.head_timestamp > 0;
    Log {
        name: log.name.clone(),
        url: log.url.clone(),
        operator: log.operator.clone(),
        status: at.health.as_str(),
        current_index: at.next_index.unwrap_or(0),
        tree_size: at.tree_size,
        total_errors: counts.errors,
        last_success: at.last_success,
        log_id: log.id.map(|id| id.to_string()),
        protocol: log.protocol.to_string(),
        state: listing.state,
        lists: listing.lists,
        listed_signed: listing.signed,
        draining,
        breaker: at.breaker.as_str(),
        entries: counts.entries,
        lag_entries: at.lag_entries(),
        lag_secs: at.lag().as_secs(),
        head_timestamp_ms: has_head.then_some(at.head_timestamp),
        head_age_secs: has_head.then(|| at.head_age(now).as_secs()),
        head_overdue: at.overdue,
        verified_from: at.proved.as_ref().map(|proved| proved.start),
        verified_through: at.proved.as_ref().map(|proved| proved.end),
        gaps: counts.gaps,
        skipped_entries: counts.skipped_entries,
        missing: missing.of_log(log.id, &log.url).into_iter().map(Missing::from).collect(),
        integrity: integrity(&counts),
        host: host.as_ref().map(|host| host.host.clone()),
        paced: host.as_ref().is_some_and(|host| host.rate.is_some()),
        limited: counts.limited,
        paused_secs: paused_for.map(|left| left.as_secs().max(1)),
        last_error: at.last_error,
        unproved: at.unproved,
        alarms: at.alarms.into_iter().map(alarm).collect(),
    }
}

impl From<record::Gap> for Missing {
    fn from(gap: record::Gap) -> Self {
        let record::Gap { range, reason, .. } = gap;
        Self { first: range.start, end: range.end, reason: missing::reason(reason) }
    }
}

fn integrity(counts: &Counts) -> Integrity {
    Integrity {
        stale_heads: counts.stale_heads,
        refused_heads: counts.refused_heads,
        audited_heads: counts.audited_heads,
        unaudited_heads: counts.unaudited_heads,
        proof_errors: counts.proof_errors,
        alarms: counts.alarms,
        undecodable: counts.undecodable,
        unreadable: counts.unreadable,
        wrong_leaf_indexes: counts.wrong_leaf_indexes,
        foreign_precertificates: counts.foreign_precertificates,
        foreign_issuers: counts.foreign_issuers,
        forged_issuers: counts.forged_issuers,
        missing_issuers: counts.missing_issuers,
        cut_chains: counts.cut_chains,
        panics: counts.panics,
    }
}

fn alarm(alarm: follow::Alarm) -> Alarm {
    Alarm {
        kind: alarm.kind.as_str(),
        at: alarm.at,
        text: alarm.text,
        first: alarm.first,
        end: alarm.end,
        evidence: alarm.evidence,
    }
}

fn host(host: HostSnapshot) -> Host {
    Host {
        host: host.host,
        rate: host.rate,
        interval_ms: u64::try_from(host.interval.as_millis()).unwrap_or(u64::MAX),
        in_flight: host.in_flight,
        requests: host.requests,
        limited: host.limited,
    }
}

fn list(list: ListStatus) -> List {
    let edition = list.edition;
    List {
        url: list.url,
        signed: list.signed,
        version: edition.and_then(|edition| Some(edition.version?.to_string())),
        timestamp: edition.and_then(|edition| Some(edition.timestamp?.to_string())),
        logs: list.logs,
        skipped: list.skipped,
        fetched: list.fetched,
        cached: list.cached,
        stale: list.stale,
        error: list.error,
    }
}
