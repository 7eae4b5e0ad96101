//! Everything `/metrics` shows, in one place.
//!
//! Counters are added to where things happen; what a log's follower or the ring knows is read at
//! the moment of the scrape.

pub mod guard;
mod logs;

use std::fmt;
use std::sync::Arc;

use feed::{Hub, Written};
use follow::Fleet;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use wire::filter::Filters;

use self::guard::GuardMetrics;
use self::logs::Logs;
use crate::publish::CertificateStream;

/// Labels of what concerns a client connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    /// `websocket` or `sse`.
    pub protocol: &'static str,
    /// `full`, `lite` or `domains`.
    pub stream: &'static str,
}

/// Labels of published certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EntryLabels {
    /// `X509LogEntry` or `PrecertLogEntry`.
    pub update_type: &'static str,
}

/// Labels of refused filters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// `invalid`, `too_many_terms` (of one connection) or `full` (over all connections).
    pub reason: &'static str,
}

/// The server's own counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Client connections open now.
    pub connections: Family<ConnectionLabels, Gauge>,
    /// Client connections since the start.
    pub connections_opened: Family<ConnectionLabels, Counter>,
    /// Messages written to clients.
    pub messages_sent: Family<ConnectionLabels, Counter>,
    /// Bytes written to clients, framing included.
    pub bytes_sent: Family<ConnectionLabels, Counter>,
    /// Connections that the server closed: protocol errors, silence, shutdown.
    pub closed_by_server: Family<ConnectionLabels, Counter>,
    /// Messages that clients missed because they read too slowly, or were behind at the end.
    pub messages_lost: Family<ConnectionLabels, Counter>,
    /// Certificates published.
    pub certificates: Family<EntryLabels, Counter>,
    /// Entries left out because the same certificate was published lately.
    pub duplicates: Counter,
    /// Certificates remembered to tell duplicates.
    pub dedup_window: Gauge,
    /// Published certificates that some part of could not be parsed.
    pub parse_errors: Counter,
    /// Messages that had to leave out something for their size.
    pub truncated: Counter,
    /// Connections refused for their filter.
    pub filters_refused: Family<RefusalLabels, Counter>,
    /// TCP connections that could not be accepted.
    pub accept_errors: Counter,
    /// Connections closed because the peer took no byte for too long.
    pub write_stalls: Counter,
    /// TLS handshakes that failed or took too long.
    pub tls_handshake_errors: Counter,
    /// Times the TLS certificate was replaced by a new one.
    pub tls_reloads: Counter,
    /// Times a new TLS certificate could not be used.
    pub tls_reload_errors: Counter,
    /// State file writes that failed.
    pub state_errors: Counter,
    /// Clients that were refused.
    pub guard: GuardMetrics,
}

/// One connection's share of [`Metrics`], looked up once.
#[derive(Debug)]
pub struct ConnectionMetrics {
    open: Gauge,
    messages: Counter,
    bytes: Counter,
    lost: Counter,
    closed: Counter,
    /// What this client was sent.
    sent_here: u64,
    /// What this client missed.
    lost_here: u64,
}

impl Metrics {
    /// Counts a connection as open until the returned value is dropped.
    #[must_use]
    pub fn connected(&self, labels: &ConnectionLabels) -> ConnectionMetrics {
        self.connections_opened.get_or_create(labels).inc();
        let open = self.connections.get_or_create(labels).clone();
        open.inc();
        ConnectionMetrics {
            open,
            messages: self.messages_sent.get_or_create(labels).clone(),
            bytes: self.bytes_sent.get_or_create(labels).clone(),
            lost: self.messages_lost.get_or_create(labels).clone(),
            closed: self.closed_by_server.get_or_create(labels).clone(),
            sent_here: 0,
            lost_here: 0,
        }
    }
}

impl ConnectionMetrics {
    /// Counts what a write brought to the client, or what it missed.
    pub fn wrote(&mut self, written: Written) {
        self.bytes.inc_by(written.bytes as u64);
        self.messages.inc_by(written.messages as u64);
        self.sent_here += written.messages as u64;
        self.missed(written.lost);
    }

    /// Counts messages that the client will not get.
    pub fn missed(&mut self, messages: u64) {
        if messages > 0 {
            self.lost.inc_by(messages);
            self.lost_here += messages;
            tracing::debug!(messages, "a client was too slow for these");
        }
    }

    /// Counts that the server closed the connection, for whatever reason.
    pub fn closed_by_server(&self) {
        self.closed.inc();
    }
}

impl Drop for ConnectionMetrics {
    fn drop(&mut self) {
        self.open.dec();
        let (sent, lost) = (self.sent_here, self.lost_here);
        if lost > 0 {
            tracing::info!(sent, lost, "a client has left that was too slow for some messages");
        } else {
            tracing::debug!(sent, "a client has left");
        }
    }
}

/// The registry with every metric in it, ready to be scraped.
#[must_use]
pub fn registry(
    metrics: &Metrics,
    hub: Arc<Hub<CertificateStream>>,
    filters: Filters,
    fleet: Arc<Fleet>,
) -> Registry {
    let mut registry = Registry::with_prefix("certstream");
    register_connections(&mut registry, metrics);
    metrics.guard.register(&mut registry);
    registry.register(
        "certificates",
        "Certificates published, by update type",
        metrics.certificates.clone(),
    );
    registry.register(
        "duplicates",
        "Entries left out because the same certificate was published lately",
        metrics.duplicates.clone(),
    );
    registry.register(
        "dedup_window",
        "Certificates remembered to tell duplicates",
        metrics.dedup_window.clone(),
    );
    registry.register(
        "parse_errors",
        "Published certificates of which some part could not be parsed",
        metrics.parse_errors.clone(),
    );
    registry.register(
        "messages_truncated",
        "Messages rendered without a part that made them too large",
        metrics.truncated.clone(),
    );
    registry.register(
        "filters_refused",
        "Connections refused for their filter, by reason",
        metrics.filters_refused.clone(),
    );
    registry.register(
        "accept_errors",
        "TCP connections that could not be accepted",
        metrics.accept_errors.clone(),
    );
    registry.register(
        "write_stalls",
        "Connections closed because the peer took no byte for too long",
        metrics.write_stalls.clone(),
    );
    registry.register(
        "tls_handshake_errors",
        "TLS handshakes that failed or took too long",
        metrics.tls_handshake_errors.clone(),
    );
    registry.register(
        "tls_reloads",
        "Times the TLS certificate was replaced by a new one",
        metrics.tls_reloads.clone(),
    );
    registry.register(
        "tls_reload_errors",
        "Times a new TLS certificate could not be used",
        metrics.tls_reload_errors.clone(),
    );
    registry.register(
        "state_errors",
        "State file writes that failed",
        metrics.state_errors.clone(),
    );
    registry.register_collector(Box::new(Ring(hub)));
    registry.register_collector(Box::new(Filtered(filters)));
    registry.register_collector(Box::new(Logs(fleet)));
    registry
}

fn register_connections(registry: &mut Registry, metrics: &Metrics) {
    registry.register("connections", "Client connections open now", metrics.connections.clone());
    registry.register(
        "connections_opened",
        "Client connections since the start",
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
        "messages_lost",
        "Messages that clients missed because they read too slowly, or were behind at the end",
        metrics.messages_lost.clone(),
    );
}

/// The registry as Prometheus reads it.
///
/// # Errors
/// When a metric cannot be written, which would be a defect of the metric.
pub fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

/// What the ring knows.
#[derive(Debug)]
struct Ring(Arc<Hub<CertificateStream>>);

impl Collector for Ring {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let gauges = [
            ("ring_bytes", "Bytes of entries kept for readers", stats.bytes as u64),
            ("ring_messages", "Entries kept for readers", stats.entries),
            ("feeds", "Renderings of the stream that are kept warm", stats.feeds as u64),
            ("chunk_bytes", "Bytes of rendered chunks kept", stats.chunk_bytes as u64),
            ("offset", "The newest offset published", self.0.head().unwrap_or(0)),
        ];
        for (name, help, value) in gauges {
            gauge(&mut encoder, name, help, value)?;
        }
        Ok(())
    }
}

/// What the filters know.
#[derive(Debug)]
struct Filtered(Filters);

impl Collector for Filtered {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let gauges = [
            ("filtered_connections", "Connections with a filter", stats.registered),
            ("filters", "Different filters of these connections", stats.filters),
            ("filter_terms", "Different terms of these filters", stats.terms),
        ];
        for (name, help, value) in gauges {
            gauge(&mut encoder, name, help, value as u64)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
