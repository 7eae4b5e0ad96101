//! Rows of the table: streams, duplicates, heartbeats, compression and filters.

use super::{Setting, row};
use crate::kind::Kind::{Bool, Choice, Integer, Seconds, StreamPath};

const HOUR: u64 = 3600;

pub(super) const ROWS: &[Setting] = &[
    row(
        "streams.full",
        &["CERTSTREAM_STREAM_FULL_ENABLED"],
        Bool,
        "The full stream: certificates with DER and chain",
    ),
    row(
        "streams.lite",
        &["CERTSTREAM_STREAM_LITE_ENABLED"],
        Bool,
        "The lite stream: certificates without DER and chain",
    ),
    row(
        "streams.domains_only",
        &["CERTSTREAM_STREAM_DOMAINS_ONLY_ENABLED"],
        Bool,
        "The domains-only stream: only the domain names",
    ),
    row(
        "streams.full_path",
        &["CERTSTREAM_STREAMS_FULL_PATH", "CERTSTREAM_WEBSERVER_FULL_URL"],
        StreamPath,
        "Path of the full stream, with or without a trailing slash",
    ),
    row(
        "streams.lite_path",
        &["CERTSTREAM_STREAMS_LITE_PATH", "CERTSTREAM_WEBSERVER_LITE_URL"],
        StreamPath,
        "Path of the lite stream; it is also at / unless another stream is there",
    ),
    row(
        "streams.domains_only_path",
        &["CERTSTREAM_STREAMS_DOMAINS_ONLY_PATH", "CERTSTREAM_WEBSERVER_DOMAINS_ONLY_URL"],
        StreamPath,
        "Path of the domains-only stream",
    ),
    row(
        "dedup.enabled",
        &["CERTSTREAM_DEDUP_ENABLED"],
        Bool,
        "Send a certificate once, however many logs contain it",
    )
    .restart(),
    row(
        "dedup.mode",
        &["CERTSTREAM_DEDUP_MODE"],
        Choice(&["certificate", "linked"]),
        "What counts as a duplicate: the same bytes (certificate), or also a precertificate and \
         its final certificate (linked)",
    )
    .restart(),
    row(
        "dedup.capacity",
        &["CERTSTREAM_DEDUP_CAPACITY"],
        Integer(1, 100_000_000),
        "Maximum number of certificates remembered; each takes about 35 bytes",
    )
    .restart(),
    row(
        "dedup.ttl_secs",
        &["CERTSTREAM_DEDUP_TTL_SECS"],
        Seconds(1, 604_800),
        "How long a certificate is remembered",
    )
    .restart(),
    row(
        "heartbeat.mode",
        &["CERTSTREAM_HEARTBEAT_MODE"],
        Choice(&["idle", "always", "off"]),
        "When to send heartbeats: idle, after a quiet interval; always, at every interval; off, \
         never",
    ),
    row(
        "heartbeat.interval_secs",
        &["CERTSTREAM_HEARTBEAT_INTERVAL_SECS"],
        Seconds(1, HOUR),
        "Quiet time before a heartbeat (idle), or time between heartbeats (always)",
    ),
    row(
        "compression.websocket",
        &["CERTSTREAM_COMPRESSION_WEBSOCKET", "CERTSTREAM_WEBSERVER_COMPRESSION_ENABLED"],
        Bool,
        "Offer permessage-deflate (RFC 7692) to WebSocket clients",
    ),
    row(
        "compression.sse",
        &["CERTSTREAM_COMPRESSION_SSE"],
        Bool,
        "Offer gzip to SSE clients (Accept-Encoding)",
    ),
    row(
        "filters.max_terms",
        &["CERTSTREAM_FILTERS_MAX_TERMS"],
        Integer(1, 1000),
        "Maximum number of different terms in the filter of one connection",
    ),
    row(
        "filters.max_distinct",
        &["CERTSTREAM_FILTERS_MAX_DISTINCT"],
        Integer(1, 100_000),
        "Maximum number of different terms in the filters of all connections together, of 32 bytes \
         each on average. One address may use a quarter of them",
    ),
];
