//! The metrics of the followed logs, their hosts and the log lists, read at the scrape.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use follow::catalogue::ListStatus;
use follow::{BreakerState, Health, HostSnapshot, LogView, LogsView};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::registry::gauge;

/// The status of the logs, by log, by host and by list.
#[derive(Debug)]
pub(super) struct Logs(pub(super) Arc<dyn LogsView>);

/// A metric of every `T`.
struct Row<T> {
    name: &'static str,
    help: &'static str,
    value: Value<T>,
}

enum Value<T> {
    Count(fn(&T) -> u64),
    Level(fn(&T) -> u64),
    Real(fn(&T) -> f64),
}

const fn count<T>(name: &'static str, help: &'static str, read: fn(&T) -> u64) -> Row<T> {
    Row { name, help, value: Value::Count(read) }
}

const fn level<T>(name: &'static str, help: &'static str, read: fn(&T) -> u64) -> Row<T> {
    Row { name, help, value: Value::Level(read) }
}

const fn real<T>(name: &'static str, help: &'static str, read: fn(&T) -> f64) -> Row<T> {
    Row { name, help, value: Value::Real(read) }
}

const LOGS: &[Row<LogView>] = &[
    count("log_entries", "Entries read from the log", |log| log.counts.entries),
    count("log_errors", "Requests to the log, or checks of its responses, that failed", |log| {
        log.counts.errors
    }),
    count(
        "log_limited",
        "Responses with status 429 or 503, which ask the server to slow down",
        |log| log.counts.limited,
    ),
    count("log_gaps", "Times entries were skipped because the log was too far behind", |log| {
        log.counts.gaps
    }),
    count("log_skipped_entries", "Entries skipped because the log was too far behind", |log| {
        log.counts.skipped_entries
    }),
    count("log_stale_heads", "Tree heads smaller than one seen before", |log| {
        log.counts.stale_heads
    }),
    count("log_refused_heads", "Tree heads refused: signature, or two roots at one size", |log| {
        log.counts.refused_heads
    }),
    count("log_audited_heads", "Stale tree heads that the log has proved consistent", |log| {
        log.counts.audited_heads
    }),
    count("log_unaudited_heads", "Tree heads that were never compared with anything", |log| {
        log.counts.unaudited_heads
    }),
    count("log_proof_errors", "Proofs that could not be fetched, or are wrong", |log| {
        log.counts.proof_errors
    }),
    count("log_alarms", "Alarms raised: the log contradicted itself", |log| log.counts.alarms),
    count("log_undecodable", "Entries that could not be decoded, passed on unchanged", |log| {
        log.counts.undecodable
    }),
    count(
        "log_malformed",
        "Certificates delivered without a chain because the rest of the entry is malformed",
        |log| log.counts.malformed,
    ),
    count(
        "log_refused_addresses",
        "Requests not made because they lead to a private address",
        |log| log.counts.refused_addresses,
    ),
    count("log_unreadable", "Entries skipped because they could not be parsed", |log| {
        log.counts.unreadable
    }),
    count("log_wrong_leaf_indexes", "Leaves whose index differs from their position", |log| {
        log.counts.wrong_leaf_indexes
    }),
    count("log_foreign_precertificates", "Precertificates that do not match their leaf", |log| {
        log.counts.foreign_precertificates
    }),
    count(
        "log_foreign_issuers",
        "Chains whose issuer key differs from the one in the leaf",
        |log| log.counts.foreign_issuers,
    ),
    count("log_forged_issuers", "Issuers served under a name other than their hash", |log| {
        log.counts.forged_issuers
    }),
    count(
        "log_missing_issuers",
        "Chain certificates omitted because they could not be fetched",
        |log| log.counts.missing_issuers,
    ),
    count("log_cut_chains", "Chains cut because they were too long", |log| log.counts.cut_chains),
    count("log_panics", "Restarts of the log's follower after a defect", |log| log.counts.panics),
    level("log_tree_size", "The largest tree size of the log so far", |log| log.at.tree_size),
    level("log_next_index", "The next index to read", |log| log.at.next_index.unwrap_or(0)),
    level("log_lag_entries", "Entries of the log's tree not read yet", |log| log.at.lag_entries()),
    level("log_lag_seconds", "Time from the newest entry read to the newest head", |log| {
        log.at.lag().as_secs()
    }),
    level("log_head_age_seconds", "Age of the newest tree head; 0 before the first", |log| {
        log.at.head_age(now()).as_secs()
    }),
    level(
        "log_head_overdue",
        "1 when the newest head is older than the log's maximum merge delay",
        |log| u64::from(log.at.overdue),
    ),
    level("log_verified_through", "Entries below this index are verified; 0 for none", |log| {
        log.at.proved.as_ref().map_or(0, |proved| proved.end)
    }),
    level("log_open_alarms", "Alarms not acknowledged", |log| log.at.alarms.len() as u64),
    level(
        "log_paused_seconds",
        "Remaining pause of requests, as the log requested (Retry-After)",
        |log| log.paused_for.map_or(0, |left| left.as_secs().max(1)),
    ),
    level("log_draining", "1 when the log left the list and is only read to its end", |log| {
        u64::from(log.draining)
    }),
    level("log_healthy", "1 when the log is healthy, otherwise 0", |log| {
        u64::from(log.at.health == Health::Healthy)
    }),
    level("log_breaker_open", "1 when requests to the log are suspended after failures", |log| {
        u64::from(log.at.breaker != BreakerState::Closed)
    }),
];

const HOSTS: &[Row<HostSnapshot>] = &[
    count("host_requests", "Requests to the host", |host| host.requests),
    count("host_limited", "Responses of the host with status 429", |host| host.limited),
    level("host_in_flight", "Requests to the host in progress", |host| host.in_flight as u64),
    level("host_paced", "1 while requests to the host are slowed down after status 429", |host| {
        u64::from(host.rate.is_some())
    }),
    real("host_rate", "Requests per second that the host accepts; 0 while not limited", |host| {
        host.rate.unwrap_or(0.0)
    }),
];

const LISTS: &[Row<ListStatus>] = &[
    level("list_logs", "Valid logs in the list, followed or not", |list| list.logs as u64),
    level("list_skipped", "Invalid logs in the list", |list| list.skipped as u64),
    level("list_age_seconds", "Time since the list was fetched; 0 before that", |list| {
        let fetched = list.fetched.map(Duration::from_secs);
        fetched.map_or(0, |fetched| now().saturating_sub(fetched).as_secs())
    }),
    level("list_signed", "1 when the list's signature is verified", |list| u64::from(list.signed)),
    level("list_cached", "1 when the list comes from the cache", |list| u64::from(list.cached)),
    level("list_stale", "1 when the list is too old to stop a log", |list| u64::from(list.stale)),
    level("list_failed", "1 when the last attempt to fetch the list failed", |list| {
        u64::from(list.error.is_some())
    }),
];

/// Returns the time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Collector for Logs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = &self.0;
        let logs = view.logs();
        let held = view.held_bytes();
        let issuers = view.issuers().known;
        gauge(&mut encoder, "logs", "Logs followed", logs.len() as u64)?;
        gauge(&mut encoder, "issuers", "Chain certificates kept", issuers as u64)?;
        gauge(
            &mut encoder,
            "body_bytes",
            "Bytes of responses from logs, until they are published",
            held.responses as u64,
        )?;
        gauge(
            &mut encoder,
            "waiting_bytes",
            "Bytes of responses that wait to be published",
            held.waiting as u64,
        )?;
        rows(&mut encoder, LOGS, &logs, |LogView { log, .. }| {
            vec![("log", &log.name), ("operator", &log.operator)]
        })?;
        rows(&mut encoder, HOSTS, &view.hosts(), |host| vec![("host", &host.host)])?;
        rows(&mut encoder, LISTS, &view.lists(), |list| vec![("url", &list.url)])
    }
}

fn rows<T>(
    encoder: &mut DescriptorEncoder<'_>,
    rows: &[Row<T>],
    all: &[T],
    labels: impl for<'a> Fn(&'a T) -> Vec<(&'static str, &'a String)>,
) -> Result<(), fmt::Error> {
    for Row { name, help, value } in rows {
        let kind = match value {
            Value::Count(_) => MetricType::Counter,
            Value::Level(_) | Value::Real(_) => MetricType::Gauge,
        };
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for one in all {
            let labels = labels(one);
            let metric = family.encode_family(&labels)?;
            match value {
                Value::Count(read) => ConstCounter::new(read(one)).encode(metric)?,
                Value::Level(read) => ConstGauge::new(read(one)).encode(metric)?,
                Value::Real(read) => ConstGauge::new(read(one)).encode(metric)?,
            }
        }
    }
    Ok(())
}
