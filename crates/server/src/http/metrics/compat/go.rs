//! The names of certstream-server-go (wire.md 4.7). All of them are gauges there, though their names
//! end like those of counters. The order of labels counts: scripts read these lines by pattern.

use crate::http::metrics::Scrape;
use crate::http::metrics::text::{Exposition, Kind};

const CERTIFICATES: &str = "certstreamservergo_certificates_total";
const CLIENTS: &str = "certstreamservergo_clients_total";
const BY_LOG: &str = "certstreamservergo_certs_by_log_total";
const SKIPPED: &str = "certstreamservergo_skipped_certs";

pub(super) fn write(scrape: &Scrape, out: &mut Exposition) {
    out.family(CERTIFICATES, Kind::Gauge, "Certificates published, by type");
    for (kind, update_type) in [("regular", "X509LogEntry"), ("precert", "PrecertLogEntry")] {
        out.sample(CERTIFICATES, &[("type", kind)], scrape.certificates(update_type));
    }
    out.family(CLIENTS, Kind::Gauge, "Connected clients, by stream");
    for (kind, stream) in [("full", "full"), ("lite", "lite"), ("domain", "domains")] {
        let open = scrape.connections("websocket", stream) + scrape.connections("sse", stream);
        out.sample(CLIENTS, &[("type", kind)], open);
    }
    out.family(BY_LOG, Kind::Gauge, "Entries read, by log");
    for log in scrape.logs.logs() {
        let (url, operator) = (&log.log.url, &log.log.operator);
        let labels = [("url", without_scheme(url)), ("operator", operator)];
        out.sample(BY_LOG, &labels, log.counts.entries);
    }
    out.family(SKIPPED, Kind::Gauge, "Messages that a connected client has missed");
    for client in scrape.metrics.clients.list() {
        out.sample(SKIPPED, &[("client", &client.name())], client.lost());
    }
}

fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}
