//! The registry of metrics: the server's counters under their names, and collectors that read the
//! state of logs, ring, filters and tasks at the moment of the scrape.

use std::fmt;
use std::sync::Arc;

use feed::Hub;
use follow::LogsView;
use journal::Journal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use supervise::Supervisor;
use wire::filter::Filters;

use super::alerts::AlertMetrics;
use super::cluster::ClusterMetrics;
use super::first_seen::FirstSeenMetrics;
use super::journal::JournalMetrics;
use super::logs::Logs;
use super::outputs::OutputMetrics;
use super::process;
use crate::alerts;
use crate::cluster;
use crate::first_seen::FirstSeen;
use crate::metrics::Metrics;
use crate::metrics::guard::GuardMetrics;
use crate::metrics::search::SearchMetrics;
use crate::outputs::Statuses;
use crate::publish::messages::MessageStream;

/// The parts of the server that are read at the moment of a scrape.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) hub: Arc<Hub<MessageStream>>,
    pub(crate) filters: Filters,
    pub(crate) logs: Arc<dyn LogsView>,
    pub(crate) tasks: Supervisor,
    pub(crate) journal: Option<Journal>,
    pub(crate) first_seen: Option<Arc<FirstSeen>>,
    pub(crate) cluster: Option<Arc<cluster::Status>>,
    pub(crate) outputs: Statuses,
    pub(crate) alerts: Arc<alerts::Status>,
}

/// Builds the registry with every metric in it, ready to be scraped.
#[must_use]
pub(crate) fn registry(metrics: &Metrics, sources: Sources) -> Registry {
    let Sources { hub, filters, logs, tasks, journal, first_seen, cluster, outputs, alerts } =
        sources;
    let mut registry = Registry::with_prefix("certstream");
    register_connections(&mut registry, metrics);
    register_guard(&mut registry, &metrics.guard);
    register_certificates(&mut registry, metrics);
    register_operations(&mut registry, metrics);
    register_searches(&mut registry, &metrics.search);
    registry.register_collector(Box::new(Ring(hub)));
    registry.register_collector(Box::new(Filtered(filters)));
    registry.register_collector(Box::new(process::Tasks(tasks)));
    registry.register_collector(Box::new(process::LogOutput));
    registry.register_collector(Box::new(Logs(logs)));
    registry.register_collector(Box::new(OutputMetrics(outputs)));
    registry.register_collector(Box::new(AlertMetrics(alerts)));
    if let Some(journal) = journal {
        registry.register_collector(Box::new(JournalMetrics(journal)));
    }
    if let Some(first_seen) = first_seen {
        registry.register_collector(Box::new(FirstSeenMetrics(first_seen)));
    }
    if let Some(cluster) = cluster {
        registry.register(
            "cluster_resumes_refused",
            "Clients that resume and were refused, because this node had not read what they know",
            metrics.resumes_refused.clone(),
        );
        registry.register_collector(Box::new(ClusterMetrics(cluster)));
    }
    registry
}

fn register_certificates(registry: &mut Registry, metrics: &Metrics) {
    registry.register(
        "certificates",
        "Certificates published, by update type",
        metrics.certificates.clone(),
    );
    registry.register(
        "duplicates",
        "Entries dropped because the same certificate was published recently",
        metrics.duplicates.clone(),
    );
    registry.register(
        "dedup_window",
        "Certificates remembered to detect duplicates",
        metrics.dedup_window.clone(),
    );
    registry.register(
        "parse_errors",
        "Published certificates with a part that could not be parsed",
        metrics.parse_errors.clone(),
    );
    registry.register(
        "messages_truncated",
        "Messages rendered without parts that made them too large",
        metrics.truncated.clone(),
    );
    registry.register_with_unit(
        "rendered",
        "Bytes of messages rendered, each counted once however many clients get it",
        Unit::Bytes,
        metrics.rendered_bytes.clone(),
    );
    registry.register(
        "filters_refused",
        "Connections refused because of their filter, by reason",
        metrics.filters_refused.clone(),
    );
    registry.register(
        "replays_refused",
        "Clients that resume and were refused, because too many read the journal or the stream of \
         the cluster",
        metrics.replays_refused.clone(),
    );
}

fn register_searches(registry: &mut Registry, metrics: &SearchMetrics) {
    registry.register("searches", "Searches of the journal, by outcome", metrics.requests.clone());
    registry.register_with_unit(
        "search_work",
        "Time that searches of the journal worked",
        Unit::Seconds,
        metrics.work.clone(),
    );
    registry.register(
        "search_results",
        "Certificates that searches of the journal returned",
        metrics.results.clone(),
    );
}

fn register_operations(registry: &mut Registry, metrics: &Metrics) {
    registry.register(
        "accept_errors",
        "TCP connections that could not be accepted",
        metrics.accept_errors.clone(),
    );
    registry.register(
        "descriptor_limit_rejected",
        "Connections closed because the remaining descriptors are reserved for files and logs",
        metrics.descriptor_limit_rejected.clone(),
    );
    registry.register(
        "write_stalls",
        "Connections closed because the client read nothing for too long",
        metrics.write_stalls.clone(),
    );
    registry.register(
        "tls_handshake_errors",
        "TLS handshakes that failed or took too long",
        metrics.tls_handshake_errors.clone(),
    );
    registry.register("tls_reloads", "Reloads of the TLS certificate", metrics.tls_reloads.clone());
    registry.register(
        "tls_reload_errors",
        "New TLS certificates that could not be used",
        metrics.tls_reload_errors.clone(),
    );
    registry.register(
        "state_errors",
        "Writes of the state file, or of compat.export_index, that failed",
        metrics.state_errors.clone(),
    );
    registry.register(
        "config_reloads",
        "Reloads of the configuration",
        metrics.config_reloads.clone(),
    );
    registry.register(
        "config_reload_failures",
        "New configurations that could not be used",
        metrics.config_reload_failures.clone(),
    );
}

fn register_connections(registry: &mut Registry, metrics: &Metrics) {
    registry.register("connections", "Open client connections", metrics.connections.clone());
    registry.register(
        "connections_opened",
        "Client connections opened",
        metrics.connections_opened.clone(),
    );
    registry.register(
        "messages_sent",
        "Messages written to clients",
        metrics.messages_sent.clone(),
    );
    registry.register_with_unit(
        "sent",
        "Bytes written to clients, framing included",
        Unit::Bytes,
        metrics.bytes_sent.clone(),
    );
    registry.register(
        "connections_closed_by_server",
        "Connections closed by the server: protocol errors, silence, shutdown",
        metrics.closed_by_server.clone(),
    );
    registry.register(
        "connections_closed_for_flooding",
        "WebSocket connections closed because the client sent too much",
        metrics.floods.clone(),
    );
    registry.register(
        "messages_lost",
        "Messages that clients missed because they read too slowly or were behind at shutdown",
        metrics.messages_lost.clone(),
    );
}

/// The state of the ring, read at the scrape.
#[derive(Debug)]
struct Ring(Arc<Hub<MessageStream>>);

impl Collector for Ring {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let gauges = [
            ("ring_bytes", "Bytes of entries kept for readers", stats.bytes as u64),
            (
                "ring_seconds",
                "Seconds between the oldest and the newest entry kept for readers",
                stats.time.as_secs(),
            ),
            ("ring_messages", "Entries kept for readers", stats.entries),
            ("feeds", "Renderings of the stream that are kept up to date", stats.feeds as u64),
            ("chunk_bytes", "Bytes of rendered chunks kept", stats.chunk_bytes as u64),
            ("offset", "The newest offset published", self.0.head().unwrap_or(0)),
        ];
        for (name, help, value) in gauges {
            gauge(&mut encoder, name, help, value)?;
        }
        Ok(())
    }
}

/// The state of the filters, read at the scrape.
#[derive(Debug)]
struct Filtered(Filters);

impl Collector for Filtered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let gauges = [
            ("filtered_connections", "Connections with a filter", stats.registered),
            ("filters", "Different filters in use", stats.filters),
            ("filter_terms", "Different terms in these filters", stats.terms),
        ];
        for (name, help, value) in gauges {
            gauge(&mut encoder, name, help, value as u64)?;
        }
        Ok(())
    }
}

pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn register_guard(registry: &mut Registry, guard: &GuardMetrics) {
    registry.register("requests_admitted", "Requests accepted, by tier", guard.admitted.clone());
    let families = [
        (
            "auth_rejected",
            "Requests refused without a valid token, by reason",
            &guard.auth_rejected,
        ),
        (
            "rate_limit_rejected",
            "Requests refused because of rate_limit, by reason",
            &guard.rate_limit_rejected,
        ),
    ];
    for (name, help, family) in families {
        registry.register(name, help, family.clone());
    }
    let counters = [
        (
            "address_rejected",
            "Requests refused because their address is not in ip_allow_list",
            &guard.address_rejected,
        ),
        ("rate_limit_burst_used", "Requests accepted from the burst", &guard.burst_used),
        (
            "rate_limit_clients_forgotten",
            "Clients whose request history was dropped early: the table was full",
            &guard.clients_forgotten,
        ),
        (
            "connection_limit_rejected",
            "Stream connections refused: max_connections reached",
            &guard.connection_limit_rejected,
        ),
        (
            "per_ip_limit_rejected",
            "Stream connections refused: per_ip_limit reached",
            &guard.per_ip_limit_rejected,
        ),
        (
            "pending_per_ip_rejected",
            "Connections closed because their address has too many that are not streams",
            &guard.pending_per_ip_rejected,
        ),
        (
            "accept_pauses",
            "Times that new connections waited because too many were not streams",
            &guard.accept_pauses,
        ),
    ];
    for (name, help, counter) in counters {
        registry.register(name, help, counter.clone());
    }
    registry.register(
        "rate_limit_clients",
        "Clients whose request history is kept",
        guard.clients.clone(),
    );
}
