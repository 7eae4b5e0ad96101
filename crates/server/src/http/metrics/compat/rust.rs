//! The names of certstream-server-rust 1.5 and 1.6 (wire.md 4.7): its counters do not end in
//! `_total`.

use std::collections::BTreeMap;

use follow::catalogue::ListStatus;
use follow::{Counts, LogView, Protocol};

use crate::http::metrics::Scrape;
use crate::http::metrics::text::Exposition;
use crate::http::metrics::text::Kind::{self, Counter, Gauge};

/// A metric without labels.
struct Plain(&'static str, Kind, &'static str, fn(&Scrape, &[LogView]) -> u64);

/// A metric with a sample for each log that its first function selects.
struct ByLog(&'static str, Kind, &'static str, fn(&LogView) -> bool, fn(&LogView) -> u64);

fn sum(logs: &[LogView], count: fn(&Counts) -> u64) -> u64 {
    logs.iter().map(|log| count(&log.counts)).sum()
}

fn any(_: &LogView) -> bool {
    true
}

fn is_tiled(log: &LogView) -> bool {
    log.log.protocol == Protocol::StaticCt
}

fn is_rfc6962(log: &LogView) -> bool {
    log.log.protocol == Protocol::Rfc6962
}

const PLAIN: &[Plain] = &[
    Plain(
        "certstream_worker_panics",
        Counter,
        "Restarts of followers after a defect",
        |_, logs| sum(logs, |counts| counts.panics),
    ),
    Plain(
        "certstream_log_health_checks_failed",
        Counter,
        "Requests to logs, or checks of their responses, that failed",
        |_, logs| sum(logs, |counts| counts.errors),
    ),
    Plain(
        "certstream_duplicates_filtered",
        Counter,
        "Entries dropped because the same certificate was published recently",
        |scrape, _| scrape.metrics.duplicates.get(),
    ),
    Plain(
        "certstream_ws_messages_lagged",
        Counter,
        "Messages that WebSocket clients missed",
        |scrape, _| scrape.metrics.over_streams("websocket", |metrics| &metrics.messages_lost),
    ),
    Plain(
        "certstream_sse_messages_lagged",
        Counter,
        "Messages that SSE clients missed",
        |scrape, _| scrape.metrics.over_streams("sse", |metrics| &metrics.messages_lost),
    ),
    Plain(
        "certstream_ws_disconnect_lag",
        Counter,
        "WebSocket connections closed by the server",
        |scrape, _| scrape.metrics.over_streams("websocket", |metrics| &metrics.closed_by_server),
    ),
    Plain(
        "certstream_sse_disconnect_lag",
        Counter,
        "SSE connections closed by the server",
        |scrape, _| scrape.metrics.over_streams("sse", |metrics| &metrics.closed_by_server),
    ),
    Plain(
        "certstream_ws_disconnect_write_timeout",
        Counter,
        "Connections closed because the client read nothing for too long",
        |scrape, _| scrape.metrics.write_stalls.get(),
    ),
    Plain("certstream_issuer_fetch_attempts", Counter, "Issuers requested", |scrape, _| {
        let counts = scrape.logs.issuers().counts;
        counts.fetched + counts.failed
    }),
    Plain(
        "certstream_issuer_cache_misses",
        Counter,
        "Issuers that had to be fetched",
        |scrape, _| scrape.logs.issuers().counts.fetched,
    ),
    Plain(
        "certstream_ct_log_skipped_entries_total",
        Counter,
        "Entries skipped because a log was too far behind",
        |_, logs| sum(logs, |counts| counts.skipped_entries),
    ),
    Plain(
        "certstream_bytes_serialized_total",
        Counter,
        "Bytes of messages rendered",
        |scrape, _| scrape.metrics.rendered_bytes.get(),
    ),
    Plain(
        "certstream_nats_published_total",
        Counter,
        "Messages that NATS has acknowledged",
        |scrape, _| scrape.nats().published,
    ),
    Plain(
        "certstream_nats_publish_failures_total",
        Counter,
        "Attempts to publish to NATS that failed",
        |scrape, _| scrape.nats().failures,
    ),
    Plain(
        "certstream_nats_dropped_total",
        Counter,
        "Certificates left out of the output to NATS",
        |scrape, _| scrape.nats().dropped + scrape.nats().refused,
    ),
    Plain("certstream_ws_connections_total", Gauge, "Connected WebSocket clients", |scrape, _| {
        scrape.metrics.open_connections("websocket")
    }),
    Plain(
        "certstream_ws_connections_full",
        Gauge,
        "Connected WebSocket clients of the full stream",
        |scrape, _| scrape.connections("websocket", "full"),
    ),
    Plain(
        "certstream_ws_connections_lite",
        Gauge,
        "Connected WebSocket clients of the lite stream",
        |scrape, _| scrape.connections("websocket", "lite"),
    ),
    Plain(
        "certstream_ws_connections_domains",
        Gauge,
        "Connected WebSocket clients of the domains-only stream",
        |scrape, _| scrape.connections("websocket", "domains"),
    ),
    Plain("certstream_sse_connections", Gauge, "Connected SSE clients", |scrape, _| {
        scrape.metrics.open_connections("sse")
    }),
    Plain(
        "certstream_dedup_cache_size",
        Gauge,
        "Certificates remembered to detect duplicates",
        |scrape, _| u64::try_from(scrape.metrics.dedup_window.get()).unwrap_or(0),
    ),
    Plain(
        "certstream_dedup_effective_ttl_seconds",
        Gauge,
        "How long certificates are remembered",
        |scrape, _| scrape.config.dedup.ttl_secs,
    ),
    Plain("certstream_issuer_cache_size", Gauge, "Chain certificates kept", |scrape, _| {
        scrape.logs.issuers().known as u64
    }),
    Plain("certstream_ct_logs_count", Gauge, "RFC 6962 logs followed", |_, logs| {
        logs.iter().filter(|log| is_rfc6962(log)).count() as u64
    }),
    Plain("certstream_static_ct_logs_count", Gauge, "Tiled logs followed", |_, logs| {
        logs.iter().filter(|log| is_tiled(log)).count() as u64
    }),
];

/// Metrics that are always zero, because this server does not count them separately or the event cannot
/// happen: panels then show a line.
const NEVER: &[(&str, &str)] = &[
    ("certstream_worker_init_failures", "followers start independently"),
    ("certstream_issuer_cache_hits", "not counted"),
    ("certstream_static_ct_decompress_oversize", "oversized data counts as a failed request"),
    ("certstream_static_ct_tiles_fetched", "not counted separately"),
    ("certstream_static_ct_tile_width_mismatch", "counts as a failed request"),
    ("certstream_static_ct_checkpoint_sig_verified", "not counted"),
    (
        "certstream_static_ct_checkpoint_sig_unverifiable",
        "see certstream_log_unaudited_heads_total",
    ),
    ("certstream_ct_log_empty_responses_total", "an empty response is an error of the log"),
    ("certstream_ct_catalog_tls_pin_failed_total", "log lists are verified by their signature"),
    ("certstream_catalog_unknown_field_total", "unknown fields of log lists are ignored"),
    ("certstream_catalog_unknown_enum_total", "see certstream_list_skipped"),
    ("certstream_input_parse_rejected_total", "the server does not start with an invalid setting"),
    ("certstream_input_clamp_total", "the server does not start with a setting out of bounds"),
    ("certstream_dedup_capacity_trims", "not counted"),
];

/// Metrics of ours under a name that differs only in its end.
const AGAIN: &[(&str, &str)] = &[
    ("certstream_connection_limit_rejected", "Stream connections refused: max_connections reached"),
    ("certstream_per_ip_limit_rejected", "Stream connections refused: per_ip_limit reached"),
    ("certstream_auth_rejected", "Requests refused without a valid token"),
    ("certstream_rate_limit_rejected", "Requests refused because of rate_limit"),
    ("certstream_rate_limit_burst_used", "Requests accepted from the burst"),
    ("certstream_config_reloads", "Reloads of the configuration"),
];

const BY_LOG: &[ByLog] = &[
    ByLog("certstream_messages_sent", Counter, "Entries read, by log", any, |log| {
        log.counts.entries
    }),
    ByLog("certstream_parse_failures", Counter, "Entries that could not be decoded", any, |log| {
        log.counts.undecodable
    }),
    ByLog(
        "certstream_rfc6962_tree_size_rollbacks",
        Counter,
        "Tree heads smaller than one seen before",
        is_rfc6962,
        |log| log.counts.stale_heads,
    ),
    ByLog(
        "certstream_static_ct_entries_parsed",
        Counter,
        "Entries read from tiled logs",
        is_tiled,
        |log| log.counts.entries,
    ),
    ByLog(
        "certstream_static_ct_parse_failures",
        Counter,
        "Entries of tiled logs that could not be decoded",
        is_tiled,
        |log| log.counts.undecodable,
    ),
    ByLog(
        "certstream_static_ct_checkpoint_errors",
        Counter,
        "Requests to tiled logs, or checks of their responses, that failed",
        is_tiled,
        |log| log.counts.errors,
    ),
    ByLog(
        "certstream_static_ct_leaf_index_mismatch",
        Counter,
        "Leaves whose index differs from their position",
        is_tiled,
        |log| log.counts.wrong_leaf_indexes,
    ),
    ByLog(
        "certstream_static_ct_tree_size_rollbacks",
        Counter,
        "Checkpoints smaller than one seen before",
        is_tiled,
        |log| log.counts.stale_heads,
    ),
    ByLog(
        "certstream_static_ct_checkpoint_sig_failed",
        Counter,
        "Checkpoints refused: signature, or two roots at one size",
        is_tiled,
        |log| log.counts.refused_heads,
    ),
];

pub(super) fn write(scrape: &Scrape, out: &mut Exposition) {
    let logs = scrape.logs.logs();
    for Plain(name, kind, help, value) in PLAIN {
        out.family(name, *kind, help);
        out.sample(name, &[], value(scrape, &logs));
    }
    for (name, why) in NEVER {
        out.family(name, Counter, &format!("Always 0: {why}"));
        out.sample(name, &[], 0);
    }
    for (name, help) in AGAIN {
        out.again(&format!("{name}_total"), name, Counter, help);
    }
    for ByLog(name, kind, help, is_shown, value) in BY_LOG {
        out.family(name, *kind, help);
        let chosen: Vec<&LogView> = logs.iter().filter(|log| is_shown(log)).collect();
        for log in &chosen {
            let labels = [("log", log.log.name.as_str()), ("source_id", &source_id(log))];
            out.sample(name, &labels, value(log));
        }
        // Present from the start.
        if chosen.is_empty() {
            out.sample(name, &[], 0);
        }
    }
    by_log_and_type(&logs, out);
    runtime(&logs, out);
    bytes_sent(scrape, out);
    lists(&scrape.logs.lists(), out);
    operators(scrape, &logs, out);
}

fn by_log_and_type(logs: &[LogView], out: &mut Exposition) {
    let name = "certstream_ct_log_rate_limited_total";
    out.family(
        name,
        Counter,
        "Responses with status 429 or 503, which ask the server to slow down",
    );
    for log in logs {
        let id = source_id(log);
        let labels = [("log", log.log.name.as_str()), ("source_id", &id), ("log_type", kind(log))];
        out.sample(name, &labels, log.counts.limited);
    }
    let name = "certstream_ct_log_lag_entries";
    out.family(name, Gauge, "Entries of the log's tree not read yet");
    for log in logs {
        out.sample(name, &[("log", &log.log.name)], log.at.lag_entries());
    }
    let name = "certstream_ct_log_ingest_delay_seconds";
    out.family(name, Gauge, "Time from the newest entry read to the newest head");
    for log in logs {
        out.sample(name, &[("log", &log.log.name)], log.at.lag().as_secs());
    }
}

fn runtime(logs: &[LogView], out: &mut Exposition) {
    let name = "certstream_ct_runtime_log_info";
    out.family(name, Gauge, "1 for each log followed");
    for log in logs {
        let named = &log.log;
        let id = named.id.map(|id| id.to_string()).unwrap_or_default();
        let labels = [
            ("source_id", source_id(log)),
            ("log_id", id),
            ("log", named.name.clone()),
            ("operator", named.operator.clone()),
            ("log_type", kind(log).to_owned()),
        ];
        let labels = labels.each_ref().map(|(label, text)| (*label, text.as_str()));
        out.sample(name, &labels, 1);
    }
}

fn bytes_sent(scrape: &Scrape, out: &mut Exposition) {
    let name = "certstream_bytes_sent_total";
    out.family(name, Counter, "Bytes written to clients, framing included");
    for protocol in ["websocket", "sse"] {
        let bytes = scrape.metrics.over_streams(protocol, |metrics| &metrics.bytes_sent);
        out.sample(name, &[("protocol", protocol)], bytes);
    }
}

fn lists(lists: &[ListStatus], out: &mut Exposition) {
    let name = "certstream_ct_catalog_source_verified";
    out.family(name, Gauge, "1 when the list's signature is verified");
    for list in lists {
        let verified = list.signed && list.edition.is_some();
        out.sample(name, &[("catalog_source", &list.url)], u64::from(verified));
    }
    let name = "certstream_ct_catalog_source_verifier_present";
    out.family(name, Gauge, "1 when there is a key to verify the list");
    for list in lists {
        out.sample(name, &[("catalog_source", &list.url)], u64::from(list.signed));
    }
    let name = "certstream_catalog_entry_skipped_total";
    out.family(name, Gauge, "Invalid logs in the current list");
    for list in lists {
        let labels = [("catalog_source", list.url.as_str()), ("reason", "unreadable")];
        out.sample(name, &labels, list.skipped);
    }
}

/// Requests and pauses of the hosts, by operator. Logs share hosts, operators do not.
fn operators(scrape: &Scrape, logs: &[LogView], out: &mut Exposition) {
    let operator_of = |host: &str| {
        let of_host = |log: &&LogView| log.host.as_ref().is_some_and(|known| known.host == host);
        logs.iter().find(of_host).map(|log| log.log.operator.clone()).unwrap_or_default()
    };
    let mut by_operator: BTreeMap<String, (u64, u128)> = BTreeMap::new();
    for host in scrape.logs.hosts() {
        let (requests, interval) = by_operator.entry(operator_of(&host.host)).or_default();
        *requests += host.requests;
        *interval = (*interval).max(host.interval.as_millis());
    }
    let name = "certstream_operator_requests_total";
    out.family(name, Counter, "Requests to the operator's hosts");
    for (operator, (requests, _)) in &by_operator {
        out.sample(name, &[("operator", operator)], requests);
    }
    let name = "certstream_operator_request_interval_ms";
    out.family(name, Gauge, "Fixed time between two requests to a host of the operator");
    for (operator, (_, interval)) in &by_operator {
        out.sample(name, &[("operator", operator)], interval);
    }
}

fn source_id(log: &LogView) -> String {
    match log.log.id {
        Some(id) => format!("ctlog:{id}"),
        None => format!("url:{}", log.log.url),
    }
}

fn kind(log: &LogView) -> &'static str {
    if is_tiled(log) { "static_ct" } else { "rfc6962" }
}
