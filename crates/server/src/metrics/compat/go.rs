//! The names of certstream-server-go (wire.md 4.7). All of them are gauges there, though their names
//! end like those of counters. The order of labels counts: scripts read these lines by pattern.

use super::View;
use crate::metrics::exposition::{Exposition, Kind};

const CERTIFICATES: &str = "certstreamservergo_certificates_total";
const CLIENTS: &str = "certstreamservergo_clients_total";
const BY_LOG: &str = "certstreamservergo_certs_by_log_total";
const SKIPPED: &str = "certstreamservergo_skipped_certs";

pub(super) fn write(view: &View<'_>, out: &mut Exposition) {
    out.family(CERTIFICATES, Kind::Gauge, "Certificates published, by type");
    for (kind, update_type) in [("regular", "X509LogEntry"), ("precert", "PrecertLogEntry")] {
        out.sample(CERTIFICATES, &[("type", kind)], view.certificates(update_type));
    }
    out.family(CLIENTS, Kind::Gauge, "Connected clients, by stream");
    for (kind, stream) in [("full", "full"), ("lite", "lite"), ("domain", "domains")] {
        let open = view.connections("websocket", stream) + view.connections("sse", stream);
        out.sample(CLIENTS, &[("type", kind)], open);
    }
    out.family(BY_LOG, Kind::Gauge, "Entries read, by log");
    for log in view.logs() {
        let (url, operator) = (&log.named().url, &log.named().operator);
        let labels = [("url", without_scheme(url)), ("operator", operator)];
        out.sample(BY_LOG, &labels, log.count(|counters| &counters.entries));
    }
    out.family(SKIPPED, Kind::Gauge, "Messages that a connected client has missed");
    for client in view.metrics.clients.list() {
        out.sample(SKIPPED, &[("client", &client.name())], client.lost());
    }
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}
