//! What `/metrics` shows of refused clients.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The label of why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// One word.
    pub reason: &'static str,
}

/// The label of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TierLabel {
    /// `free`, `standard` or `premium`.
    pub tier: &'static str,
}

/// The counts of `http::guard`.
#[derive(Debug, Clone, Default)]
pub struct GuardMetrics {
    /// Requests accepted, by tier.
    pub admitted: Family<TierLabel, Counter>,
    /// Requests from outside `ip_allow_list`.
    pub address_rejected: Counter,
    /// Requests without a valid token: `missing` or `wrong`.
    pub auth_rejected: Family<Reason, Counter>,
    /// Requests over a rate limit: `token_bucket` or `sliding_window`.
    pub rate_limit_rejected: Family<Reason, Counter>,
    /// Requests accepted from the burst.
    pub burst_used: Counter,
    /// Clients whose requests are remembered.
    pub clients: Gauge,
    /// Clients forgotten too early, for want of room.
    pub clients_forgotten: Counter,
    /// Stream connections refused: max_connections reached.
    pub connection_limit_rejected: Counter,
    /// Stream connections refused: per_ip_limit reached.
    pub per_ip_limit_rejected: Counter,
    /// Connections closed because their address has too many that are no streams.
    pub pending_per_ip_rejected: Counter,
    /// Times that accepting waited because too many connections are no streams.
    pub accept_pauses: Counter,
}

impl GuardMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("requests_admitted", "Requests accepted, by tier", self.admitted.clone());
        let families = [
            (
                "auth_rejected",
                "Requests refused without a valid token, by reason",
                &self.auth_rejected,
                ["missing", "wrong"],
            ),
            (
                "rate_limit_rejected",
                "Requests refused because of rate_limit, by reason",
                &self.rate_limit_rejected,
                ["token_bucket", "sliding_window"],
            ),
        ];
        for (name, help, family, reasons) in families {
            for reason in reasons {
                // Present at zero from the start.
                drop(family.get_or_create(&Reason { reason }));
            }
            registry.register(name, help, family.clone());
        }
        let counters = [
            (
                "address_rejected",
                "Requests refused because their address is not in ip_allow_list",
                &self.address_rejected,
            ),
            ("rate_limit_burst_used", "Requests accepted from the burst", &self.burst_used),
            (
                "rate_limit_clients_forgotten",
                "Clients whose request history was dropped early: the table was full",
                &self.clients_forgotten,
            ),
            (
                "connection_limit_rejected",
                "Stream connections refused: max_connections reached",
                &self.connection_limit_rejected,
            ),
            (
                "per_ip_limit_rejected",
                "Stream connections refused: per_ip_limit reached",
                &self.per_ip_limit_rejected,
            ),
            (
                "pending_per_ip_rejected",
                "Connections closed because their address has too many that are not streams",
                &self.pending_per_ip_rejected,
            ),
            (
                "accept_pauses",
                "Times that new connections waited because too many were not streams",
                &self.accept_pauses,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "rate_limit_clients",
            "Clients whose request history is kept",
            self.clients.clone(),
        );
    }
}
