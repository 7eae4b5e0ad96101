//! The server's own counters. They are incremented where things happen; `http::metrics` shows them.

pub mod clients;
pub mod guard;
pub mod search;

use feed::Written;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use self::clients::{Clients, Presence, Visitor};
use self::guard::GuardMetrics;
use self::search::SearchMetrics;

/// Labels of the counts of client connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    /// `websocket` or `sse`.
    pub protocol: &'static str,
    /// `full`, `lite` or `domains`, or [`ALERTS`].
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

/// The reason why a filter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request is wrong.
    Invalid,
    /// One connection asks for too many terms.
    TooManyTerms,
    /// All connections together have as many terms as there may be.
    Full,
    /// The address of the client already has its share of the terms.
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
/// The label of the stream of alerts, which has only SSE.
pub const ALERTS: &str = "alerts";
const UPDATE_TYPES: [&str; 2] = ["X509LogEntry", "PrecertLogEntry"];

/// The server's own counters.
#[derive(Debug)]
pub struct Metrics {
    /// The connected clients.
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
    /// Entries left out because the same certificate was published recently.
    pub duplicates: Counter,
    /// Certificates remembered to detect duplicates.
    pub dedup_window: Gauge,
    /// Published certificates with a part that could not be parsed.
    pub parse_errors: Counter,
    /// Messages rendered without parts that made them too large.
    pub truncated: Counter,
    /// Bytes of messages rendered, each once however many clients get it.
    pub rendered_bytes: Counter,
    /// Connections refused for their filter.
    pub filters_refused: Family<RefusalLabels, Counter>,
    /// Clients that resume and were refused, because too many read the journal, or the stream of the
    /// cluster.
    pub replays_refused: Counter,
    /// Clients that resume and were refused, because this node of a cluster had not read what they know.
    pub resumes_refused: Counter,
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
    /// Searches of the journal.
    pub search: SearchMetrics,
}

/// Begins at zero, with all labels present: an alert on a counter that appears only with its first
/// event would miss that event.
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
            replays_refused: Counter::default(),
            resumes_refused: Counter::default(),
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
            search: SearchMetrics::default(),
        };
        metrics.begin_at_zero();
        metrics.guard.begin_at_zero();
        metrics.search.begin_at_zero();
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
    /// Messages sent to this client.
    sent_here: u64,
}

impl Metrics {
    /// Counts a connection as open until the returned value is dropped.
    #[must_use]
    pub fn connected(&self, labels: &ConnectionLabels, visitor: Visitor) -> ConnectionMetrics {
        let presence = self.clients.enter(visitor);
        log_connected(presence.client(), labels);
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

    /// Returns the open connections of a protocol.
    #[must_use]
    pub fn open_connections(&self, protocol: &'static str) -> u64 {
        let open = STREAMS.map(|stream| {
            let labels = ConnectionLabels { protocol, stream };
            u64::try_from(self.connections.get_or_create(&labels).get()).unwrap_or(0)
        });
        open.iter().sum()
    }

    /// Returns the sum of a count over all connections.
    #[must_use]
    pub fn over_connections(&self, count: fn(&Self) -> &ConnectionCounter) -> u64 {
        PROTOCOLS.iter().map(|protocol| self.over_streams(protocol, count)).sum()
    }

    /// Returns the sum of a count over all streams of a protocol.
    pub(crate) fn over_streams(
        &self,
        protocol: &'static str,
        count: fn(&Self) -> &ConnectionCounter,
    ) -> u64 {
        let of = |stream| ConnectionLabels { protocol, stream };
        STREAMS.map(|stream| count(self).get_or_create(&of(stream)).get()).iter().sum()
    }

    /// Returns the number of certificates published.
    #[must_use]
    pub fn certificates_published(&self) -> u64 {
        let of = |update_type| EntryLabels { update_type };
        UPDATE_TYPES.map(|kind| self.certificates.get_or_create(&of(kind)).get()).iter().sum()
    }

    fn begin_at_zero(&self) {
        let streams =
            PROTOCOLS.iter().flat_map(|protocol| STREAMS.map(|stream| (*protocol, stream)));
        for (protocol, stream) in streams.chain([("sse", ALERTS)]) {
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

/// Logs that a client has connected: at `info` only where addresses are configured to be shown.
fn log_connected(client: &clients::Client, labels: &ConnectionLabels) {
    let ConnectionLabels { protocol, stream } = labels;
    match client.visitor.identity {
        Some(_) => tracing::info!(client = client.name(), protocol, stream, "client connected"),
        None => tracing::debug!(client = client.name(), protocol, stream, "client connected"),
    }
}

impl ConnectionMetrics {
    /// Counts the messages and bytes of a write, and those that the client missed.
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
            tracing::debug!(messages, "a client reads too slowly and missed these messages");
        }
    }

    /// Counts that the server closed the connection, for any reason.
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
            let said = "client disconnected; it had missed messages because it read too slowly";
            tracing::info!(client = name, protocol, stream, sent, lost, "{said}");
        } else if client.visitor.identity.is_some() {
            tracing::info!(client = name, protocol, stream, sent, "client disconnected");
        } else {
            tracing::debug!(client = name, protocol, stream, sent, "client disconnected");
        }
    }
}
