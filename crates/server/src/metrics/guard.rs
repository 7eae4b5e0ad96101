//! The counters of the guard: requests and connections that it accepted or refused.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The label with the reason of a refusal.
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
    /// Clients whose request history is kept.
    pub clients: Gauge,
    /// Clients whose request history was dropped early: the table was full.
    pub clients_forgotten: Counter,
    /// Stream connections refused: max_connections reached.
    pub connection_limit_rejected: Counter,
    /// Stream connections refused: per_ip_limit reached.
    pub per_ip_limit_rejected: Counter,
    /// Connections closed because their address has too many without a stream.
    pub pending_per_ip_rejected: Counter,
    /// Times that accepting waited because too many connections have no stream.
    pub accept_pauses: Counter,
}

impl GuardMetrics {
    /// Creates the counters of all reasons, so that they are shown from the start.
    pub(super) fn begin_at_zero(&self) {
        for (family, reasons) in [
            (&self.auth_rejected, ["missing", "wrong"]),
            (&self.rate_limit_rejected, ["token_bucket", "sliding_window"]),
        ] {
            for reason in reasons {
                drop(family.get_or_create(&Reason { reason }));
            }
        }
    }
}
