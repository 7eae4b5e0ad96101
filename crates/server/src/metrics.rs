//! Everything `/metrics` shows, in one place.
//!
//! Counters are added to where things happen; what a log's follower or the ring knows is read at
//! the moment of the scrape.

pub mod clients;
pub mod compat;
pub mod exposition;
pub mod guard;
mod logs;
mod process;
mod system;

use std::fmt;
use std::sync::Arc;

use feed::{Hub, Written};
use follow::Fleet;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use wire::filter::Filters;

use self::clients::{Clients, Presence, Visitor};
use self::compat::View;
use self::exposition::Exposition;
use self::guard::GuardMetrics;
use self::logs::Logs;
pub(crate) use self::system::resident_bytes;
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
    /// [`Refusal::name`].
    pub reason: &'static str,
}

/// Why a filter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request is wrong.
    Invalid,
    /// One connection asks for too many terms.
    TooManyTerms,
    /// All connections together have as many terms as there may be.
    Full,
    /// The address of the client has its share of the terms.
    Share,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Invalid, Self::TooManyTerms, Self::Full, Self::Share];

    /// Returns the reason as the metrics show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooManyTerms => "too_many_terms",
            Self::Full => "full",
            Self::Share => "share",
        }
    }

    /// Returns the label of its counter.
    #[must_use]
    pub const fn labels(self) -> RefusalLabels {
        RefusalLabels { reason: self.name() }
    }
}

/// A count by connection.
pub type ConnectionCounter = Family<ConnectionLabels, Counter>;

const PROTOCOLS: [&str; 2] = ["websocket", "sse"];
const STREAMS: [&str; 3] = ["full", "lite", "domains"];
const UPDATE_TYPES: [&str; 2] = ["X509LogEntry", "PrecertLogEntry"];

/// The server's own counts.
#[derive(Debug)]
pub struct Metrics {
    /// Who is connected.
    pub clients: Clients,
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
    /// WebSocket connections that the server closed because the client sent too much.
    pub floods: Counter,
    /// Messages that clients missed because they read too slowly, or were behind at the end.
    pub messages_lost: Family<ConnectionLabels, Counter>,
    /// Certificates published.
    pub certificates: Family<EntryLabels, Counter>,
    /// Entries left out because the same certificate was published lately.
    pub duplicates: Counter,
    /// Certificates remembered to detect duplicates.
    pub dedup_window: Gauge,
    /// Published certificates that some part of could not be parsed.
    pub parse_errors: Counter,
    /// Messages that had to leave out something for their size.
    pub truncated: Counter,
    /// Bytes of messages rendered, each once however many clients get it.
    pub rendered_bytes: Counter,
    /// Connections refused for their filter.
    pub filters_refused: Family<RefusalLabels, Counter>,
    /// TCP connections that could not be accepted.
    pub accept_errors: Counter,
    /// Connections closed because the descriptors left are for files and logs.
    pub descriptor_limit_rejected: Counter,
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
    /// Times the configuration was replaced by a new one.
    pub config_reloads: Counter,
    /// Times a new configuration could not be used.
    pub config_reload_failures: Counter,
    /// Clients that were refused.
    pub guard: GuardMetrics,
}

/// Everything at zero, and what has labels there from the start: an alert on a counter that appears
/// only with its first event misses that event.
impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            clients: Clients::default(),
            connections: Family::default(),
            connections_opened: Family::default(),
            messages_sent: Family::default(),
            bytes_sent: Family::default(),
            closed_by_server: Family::default(),
            floods: Counter::default(),
            messages_lost: Family::default(),
            certificates: Family::default(),
            duplicates: Counter::default(),
            dedup_window: Gauge::default(),
            parse_errors: Counter::default(),
            truncated: Counter::default(),
            rendered_bytes: Counter::default(),
            filters_refused: Family::default(),
            accept_errors: Counter::default(),
            descriptor_limit_rejected: Counter::default(),
            write_stalls: Counter::default(),
            tls_handshake_errors: Counter::default(),
            tls_reloads: Counter::default(),
            tls_reload_errors: Counter::default(),
            state_errors: Counter::default(),
            config_reloads: Counter::default(),
            config_reload_failures: Counter::default(),
            guard: GuardMetrics::default(),
        };
        metrics.begin_at_zero();
        metrics
    }
}

/// One connection's share of [`Metrics`], looked up once.
#[derive(Debug)]
pub struct ConnectionMetrics {
    presence: Presence,
    labels: ConnectionLabels,
    open: Gauge,
    messages: Counter,
    bytes: Counter,
    lost: Counter,
    closed: Counter,
    floods: Counter,
    /// What this client was sent.
    sent_here: u64,
}

impl Metrics {
    /// Counts a connection as open until the returned value is dropped.
    #[must_use]
    pub fn connected(&self, labels: &ConnectionLabels, visitor: Visitor) -> ConnectionMetrics {
        let presence = self.clients.enter(visitor);
        say_who_came(presence.client(), labels);
        self.connections_opened.get_or_create(labels).inc();
        let open = self.connections.get_or_create(labels).clone();
        open.inc();
        ConnectionMetrics {
            open,
            messages: self.messages_sent.get_or_create(labels).clone(),
            bytes: self.bytes_sent.get_or_create(labels).clone(),
            lost: self.messages_lost.get_or_create(labels).clone(),
            closed: self.closed_by_server.get_or_create(labels).clone(),
            floods: self.floods.clone(),
            sent_here: 0,
            labels: labels.clone(),
            presence,
        }
    }

    /// Connections of a protocol open now.
    #[must_use]
    pub fn open_connections(&self, protocol: &'static str) -> u64 {
        let open = STREAMS.map(|stream| {
            let labels = ConnectionLabels { protocol, stream };
            u64::try_from(self.connections.get_or_create(&labels).get()).unwrap_or(0)
        });
        open.iter().sum()
    }

    /// A count of connections over all of them.
    #[must_use]
    pub fn over_connections(&self, count: fn(&Self) -> &ConnectionCounter) -> u64 {
        PROTOCOLS.iter().map(|protocol| self.over_streams(protocol, count)).sum()
    }

    /// A count of connections over all streams of a protocol.
    fn over_streams(&self, protocol: &'static str, count: fn(&Self) -> &ConnectionCounter) -> u64 {
        let of = |stream| ConnectionLabels { protocol, stream };
        STREAMS.map(|stream| count(self).get_or_create(&of(stream)).get()).iter().sum()
    }

    /// Certificates published.
    #[must_use]
    pub fn certificates_published(&self) -> u64 {
        let of = |update_type| EntryLabels { update_type };
        UPDATE_TYPES.map(|kind| self.certificates.get_or_create(&of(kind)).get()).iter().sum()
    }

    fn begin_at_zero(&self) {
        for (protocol, stream) in
            PROTOCOLS.iter().flat_map(|protocol| STREAMS.map(|stream| (protocol, stream)))
        {
            let labels = ConnectionLabels { protocol, stream };
            drop(self.connections.get_or_create(&labels));
            for counter in [
                &self.connections_opened,
                &self.messages_sent,
                &self.bytes_sent,
                &self.closed_by_server,
                &self.messages_lost,
            ] {
                drop(counter.get_or_create(&labels));
            }
        }
        for update_type in UPDATE_TYPES {
            drop(self.certificates.get_or_create(&EntryLabels { update_type }));
        }
        for refusal in Refusal::ALL {
            drop(self.filters_refused.get_or_create(&refusal.labels()));
        }
    }
}

/// At `info` only where addresses are asked for: then somebody wants to see who comes and goes.
fn say_who_came(client: &clients::Client, labels: &ConnectionLabels) {
    let ConnectionLabels { protocol, stream } = labels;
    match client.visitor.identity {
        Some(_) => tracing::info!(client = client.name(), protocol, stream, "client connected"),
        None => tracing::debug!(client = client.name(), protocol, stream, "client connected"),
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
            self.presence.missed(messages);
            tracing::debug!(messages, "a client was too slow for these");
        }
    }

    /// Counts that the server closed the connection, for whatever reason.
    pub fn closed_by_server(&self) {
        self.closed.inc();
    }

    /// Counts that the client sent too much.
    pub fn flooded(&self) {
        self.floods.inc();
    }
}

impl Drop for ConnectionMetrics {
    fn drop(&mut self) {
        self.open.dec();
        let client = self.presence.client();
        let (name, sent, lost) = (client.name(), self.sent_here, client.lost());
        let ConnectionLabels { protocol, stream } = self.labels;
        if lost > 0 {
            let said = "client disconnected; it was too slow for some messages";
            tracing::info!(client = name, protocol, stream, sent, lost, "{said}");
        } else if client.visitor.identity.is_some() {
            tracing::info!(client = name, protocol, stream, sent, "client disconnected");
        } else {
            tracing::debug!(client = name, protocol, stream, sent, "client disconnected");
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
        "State file writes that failed",
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
    registry.register_collector(Box::new(Ring(hub)));
    registry.register_collector(Box::new(Filtered(filters)));
    registry.register_collector(Box::new(process::Tasks(fleet.tasks().clone())));
    registry.register_collector(Box::new(process::LogOutput));
    registry.register_collector(Box::new(Logs(fleet)));
    registry
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

/// Everything as Prometheus reads it: the server's own, the process's, and those under other
/// servers' names where the configuration asks for them.
///
/// # Errors
/// When a metric cannot be written, which would be a defect of the metric.
pub fn text(registry: &Registry, view: &View<'_>) -> Result<String, fmt::Error> {
    let mut text = Exposition::default();
    text.registry(registry)?;
    if view.config.prometheus.expose_system_metrics {
        system::write(&mut text);
    }
    for whose in &view.config.metrics.compat {
        compat::write(*whose, view, &mut text);
    }
    Ok(text.into_text())
}

/// What the ring knows.
#[derive(Debug)]
struct Ring(Arc<Hub<CertificateStream>>);

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
