//! `/page/logs.json`: the data that the page shows besides the stream. It contains nothing about
//! clients.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use config::reporting::route;
use config::{Config, Verification};
use feed::Hub;
use follow::{LogView, LogsView};
use parking_lot::Mutex;
use serde::Serialize;

use crate::cluster::Status;
use crate::cluster::status::Description;
use crate::http::Services;
use crate::metrics::Metrics;
use crate::options;
use crate::publish::messages::MessageStream;

/// An answer is reused for this long, however many pages ask.
const FRESH: Duration = Duration::from_secs(1);

/// The state of the route.
#[derive(Debug)]
pub(super) struct PageLogs {
    config: Arc<Config>,
    hub: Arc<Hub<MessageStream>>,
    logs: Arc<dyn LogsView>,
    metrics: Arc<Metrics>,
    started: Instant,
    is_demo: bool,
    has_history: bool,
    cluster: Option<Arc<Status>>,
    /// The last answer, and the time at which it was made.
    cache: Mutex<Option<(Instant, Bytes)>>,
}

impl PageLogs {
    pub(super) fn new(services: &Services, config: &Arc<Config>) -> Self {
        Self {
            config: Arc::clone(config),
            hub: Arc::clone(&services.hub),
            logs: Arc::clone(&services.logs),
            metrics: Arc::clone(&services.metrics),
            started: services.started,
            is_demo: services.is_demo,
            has_history: services.history.is_some(),
            cluster: services.cluster.clone(),
            cache: Mutex::default(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    version: &'static str,
    /// True if the certificates are simulated.
    demo: bool,
    /// The time of this answer in Unix seconds: browsers' clocks differ, and answers are reused.
    now: f64,
    uptime_secs: u64,
    /// Certificates published since the start, from which the page computes the rate.
    published: u64,
    /// The offset of the newest message, from which the page counts back to what it shows first.
    head: Option<u64>,
    serves: Serves,
    auth: Auth,
    verification: Verification,
    /// The reason why no log is followed, or not all that should be.
    reason: Option<String>,
    /// This node, in a cluster.
    cluster: Option<Description>,
    logs: Vec<Log>,
}

/// The streams and routes that the page can show.
#[derive(Debug, Serialize)]
struct Serves {
    websocket: bool,
    sse: bool,
    /// The path of each stream that is on.
    lite: Option<String>,
    full: Option<String>,
    domains: Option<String>,
    health: bool,
    /// True if what the server keeps can be searched.
    search: bool,
    /// True if there are rules for alerts, which `/api/alerts` shows to those who may read them.
    alerts: bool,
    /// The path of metrics, unless they have a separate listener.
    metrics: Option<String>,
}

/// The way to send a token with a request for a stream.
#[derive(Debug, Serialize)]
struct Auth {
    required: bool,
    /// The request header.
    header: String,
    /// True if a token is also read from the URL. Browsers cannot send headers with a WebSocket.
    query: bool,
}

#[derive(Debug, Serialize)]
struct Log {
    name: String,
    url: String,
    operator: String,
    protocol: String,
    state: Option<String>,
    draining: bool,
    health: &'static str,
    /// The current error.
    error: Option<String>,
    paused_secs: Option<u64>,
    lag_entries: u64,
    lag_secs: u64,
    tree_size: u64,
    next_index: Option<u64>,
    verified_through: Option<u64>,
    unproved: Option<String>,
    /// Contradictions that nobody has acknowledged, in words.
    alarms: Vec<String>,
}

pub(super) async fn logs(State(page): State<Arc<PageLogs>>) -> Response {
    let body = {
        let mut cached = page.cache.lock();
        match &*cached {
            Some((made, body)) if made.elapsed() < FRESH => body.clone(),
            _ => {
                let body = Bytes::from(serde_json::to_vec(&answer(&page)).unwrap_or_default());
                *cached = Some((Instant::now(), body.clone()));
                body
            }
        }
    };
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn answer(page: &PageLogs) -> Answer {
    let problem = page.cluster.as_ref().and_then(|cluster| cluster.problem());
    Answer {
        version: env!("CARGO_PKG_VERSION"),
        demo: page.is_demo,
        now: SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64(),
        uptime_secs: page.started.elapsed().as_secs(),
        published: page.metrics.certificates_published(),
        head: page.hub.head(),
        serves: serves(page),
        auth: auth(&page.config),
        verification: page.config.verification,
        reason: problem.or_else(|| page.logs.reason().map(|reason| reason.0)),
        cluster: page.cluster.as_ref().map(|cluster| cluster.describe()),
        logs: page.logs.logs().into_iter().map(log).collect(),
    }
}

fn auth(config: &Config) -> Auth {
    let auth = &config.auth;
    let (header, query) = (auth.header_name.clone(), auth.query_token);
    Auth { required: auth.enabled, header, query }
}

fn serves(page: &PageLogs) -> Serves {
    let config = &page.config;
    let streams = &config.streams;
    let at = |is_on: bool, path: &str| is_on.then(|| path.to_owned());
    Serves {
        websocket: config.protocols.websocket,
        sse: config.protocols.sse,
        lite: at(streams.lite, &streams.lite_path),
        full: at(streams.full, &streams.full_path),
        domains: at(streams.domains_only, &streams.domains_only_path),
        health: config.protocols.health,
        search: config.protocols.api && page.has_history,
        alerts: config.protocols.api && !config.alerts.rules.is_empty(),
        metrics: options::metrics_are_shared(config).then(|| route(&config.prometheus.metrics_url)),
    }
}

fn log(LogView { log, at, listing, draining, paused_for, .. }: LogView) -> Log {
    let alarms = at.alarms.iter().map(|alarm| format!("{}: {}", alarm.kind, alarm.text));
    Log {
        name: log.name.clone(),
        url: log.url.clone(),
        operator: log.operator.clone(),
        protocol: log.protocol.to_string(),
        state: listing.state,
        draining,
        health: at.health.as_str(),
        paused_secs: paused_for.map(|left| left.as_secs().max(1)),
        lag_entries: at.lag_entries(),
        lag_secs: at.lag().as_secs(),
        tree_size: at.tree_size,
        next_index: at.next_index,
        verified_through: at.proved.as_ref().map(|proved| proved.end),
        alarms: alarms.collect(),
        unproved: at.unproved,
        error: at.last_error,
    }
}
