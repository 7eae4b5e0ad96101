//! Rows of the table: metrics, REST API and statistics.

use super::{Setting, row};
use crate::kind::Kind::{Address, Bool, Integer, Networks, Path, Route, Size, Subset};
use crate::model::values::ByteSize;

pub(super) const ROWS: &[Setting] = &[
    row(
        "prometheus.enabled",
        &["CERTSTREAM_PROMETHEUS_ENABLED"],
        Bool,
        "Serve metrics only on a listener of their own; if off, the main listener serves them \
         where protocols.metrics is on",
    )
    .restart(),
    row(
        "prometheus.listen_addr",
        &["CERTSTREAM_PROMETHEUS_LISTEN_ADDR"],
        Address,
        "IP address of that listener",
    )
    .restart(),
    row(
        "prometheus.listen_port",
        &["CERTSTREAM_PROMETHEUS_LISTEN_PORT"],
        Integer(1, 65535),
        "TCP port of that listener; with the server's own address and port, both share one \
         listener",
    )
    .restart(),
    row(
        "prometheus.metrics_url",
        &["CERTSTREAM_PROMETHEUS_METRICS_URL"],
        Route,
        "Path of the metrics, on either listener",
    ),
    row(
        "prometheus.expose_system_metrics",
        &["CERTSTREAM_PROMETHEUS_EXPOSE_SYSTEM_METRICS"],
        Bool,
        "Show memory, CPU time and open files of the process, and statistics of its allocator",
    ),
    row(
        "prometheus.cert_path",
        &["CERTSTREAM_PROMETHEUS_CERT_PATH"],
        Path,
        "PEM certificate chain for TLS on that listener; reloaded when the file changes",
    )
    .example("/etc/certstream/metrics.pem")
    .restart(),
    row(
        "prometheus.cert_key_path",
        &["CERTSTREAM_PROMETHEUS_CERT_KEY_PATH"],
        Path,
        "PEM private key of that certificate",
    )
    .example("/etc/certstream/metrics-key.pem")
    .restart(),
    row(
        "prometheus.whitelist",
        &["CERTSTREAM_PROMETHEUS_WHITELIST"],
        Networks,
        "Addresses that may read metrics, on either listener; others get 403. Empty allows \
         everyone",
    ),
    row(
        "prometheus.trusted_proxies",
        &["CERTSTREAM_PROMETHEUS_TRUSTED_PROXIES"],
        Networks,
        "Proxies whose X-Forwarded-For header is trusted on the metrics listener, as \
         trusted_proxies are on the main one",
    ),
    row(
        "prometheus.real_ip",
        &["CERTSTREAM_PROMETHEUS_REAL_IP"],
        Bool,
        "false ignores X-Forwarded-For even from prometheus.trusted_proxies",
    )
    .example("true"),
    row(
        "metrics.compat",
        &["CERTSTREAM_METRICS_COMPAT"],
        Subset(&["go", "rust"]),
        "Also show metrics under the names of certstream-server-go or certstream-server-rust",
    ),
    row(
        "api.cache_capacity",
        &["CERTSTREAM_API_CACHE_CAPACITY"],
        Integer(0, 10_000_000),
        "Maximum number of certificates, the latest ones, that /api/cert can return; 0 keeps none",
    ),
    row(
        "api.cache_bytes",
        &["CERTSTREAM_API_CACHE_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Maximum size of these certificates, in bytes of DER",
    ),
    row("stats.url", &["STATS_URL", "CERTSTREAM_STATS_URL"], Route, "Path of the statistics"),
    row(
        "stats.client_addresses",
        &["CERTSTREAM_STATS_CLIENT_ADDRESSES"],
        Bool,
        "Show the clients' addresses and User-Agents in the statistics",
    ),
];
