//! The JSON of the status of all logs.

use std::sync::Arc;
use std::time::Duration;

use ctclient::{HostSnapshot, Log, LogError, Protocol};
use serde::{Deserialize, Serialize};

use super::LogsSnapshot;
use crate::catalogue::ListStatus;
use crate::catalogue::as_text;
use crate::fleet::Reason;
use crate::status::counters::Counts;
use crate::status::listing::Listing;
use crate::status::progress::Snapshot;
use crate::view::{HeldBytes, IssuersView, LogView};

/// The status of all logs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    /// Milliseconds since 1970.
    taken_at: u64,
    logs: Vec<LogDocument>,
    hosts: Vec<HostDocument>,
    lists: Vec<ListStatus>,
    reason: Option<Reason>,
    held: HeldBytes,
    issuers: IssuersView,
}

/// A followed log.
#[derive(Debug, Serialize, Deserialize)]
struct LogDocument {
    name: String,
    operator: String,
    url: String,
    #[serde(with = "ProtocolDocument")]
    protocol: Protocol,
    /// Base64.
    id: Option<String>,
    at: Snapshot,
    counts: Counts,
    listing: Listing,
    draining: bool,
    host: Option<HostDocument>,
    paused_for: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Protocol")]
enum ProtocolDocument {
    #[serde(rename = "rfc6962")]
    Rfc6962,
    #[serde(rename = "static-ct")]
    StaticCt,
}

/// The pace of a host.
#[derive(Debug, Serialize, Deserialize)]
struct HostDocument {
    host: String,
    #[serde(with = "as_text")]
    rate: Option<f64>,
    interval: Duration,
    in_flight: usize,
    requests: u64,
    limited: u64,
}

impl From<LogsSnapshot> for Document {
    fn from(snapshot: LogsSnapshot) -> Self {
        let LogsSnapshot { taken_at, logs, hosts, lists, reason, held, issuers } = snapshot;
        let logs = logs.into_iter().map(LogDocument::from).collect();
        let hosts = hosts.into_iter().map(HostDocument::from).collect();
        Self { taken_at, logs, hosts, lists, reason, held, issuers }
    }
}

impl TryFrom<Document> for LogsSnapshot {
    type Error = LogError;

    fn try_from(document: Document) -> Result<Self, LogError> {
        let Document { taken_at, logs, hosts, lists, reason, held, issuers } = document;
        let logs = logs.into_iter().map(LogView::try_from).collect::<Result<_, _>>()?;
        let hosts = hosts.into_iter().map(HostSnapshot::from).collect();
        Ok(Self { taken_at, logs, hosts, lists, reason, held, issuers })
    }
}

impl From<LogView> for LogDocument {
    fn from(view: LogView) -> Self {
        let LogView { log, at, counts, listing, draining, host, paused_for } = view;
        let Log { name, operator, url, protocol, id, .. } = Arc::unwrap_or_clone(log);
        let (id, host) = (id.map(|id| id.to_string()), host.map(HostDocument::from));
        Self { name, operator, url, protocol, id, at, counts, listing, draining, host, paused_for }
    }
}

impl TryFrom<LogDocument> for LogView {
    type Error = LogError;

    fn try_from(document: LogDocument) -> Result<Self, LogError> {
        let LogDocument { name, operator, url, protocol, id, .. } = document;
        let LogDocument { at, counts, listing, draining, host, paused_for, .. } = document;
        let log = Log::configured(protocol, &name, &url, None, id.as_deref())?;
        let log = Arc::new(Log { operator, ..log });
        let host = host.map(HostSnapshot::from);
        Ok(Self { log, at, counts, listing, draining, host, paused_for })
    }
}

impl From<HostSnapshot> for HostDocument {
    fn from(snapshot: HostSnapshot) -> Self {
        let HostSnapshot { host, rate, interval, in_flight, requests, limited } = snapshot;
        Self { host, rate, interval, in_flight, requests, limited }
    }
}

impl From<HostDocument> for HostSnapshot {
    fn from(document: HostDocument) -> Self {
        let HostDocument { host, rate, interval, in_flight, requests, limited } = document;
        // No host accepts infinitely many requests.
        let rate = rate.filter(|rate| rate.is_finite());
        Self { host, rate, interval, in_flight, requests, limited }
    }
}
