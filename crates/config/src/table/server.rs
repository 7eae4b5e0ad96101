//! Rows of the table: settings outside sections, and the protocols.

use super::{Setting, row};
use crate::kind::Kind::{
    Address, Bool, Choice, Directory, Integer, LogFilter, Millis, Networks, Path, Size,
};
use crate::model::values::ByteSize;

pub(super) const ROWS: &[Setting] = &[
    row(
        "host",
        &["CERTSTREAM_HOST", "CERTSTREAM_WEBSERVER_LISTEN_ADDR"],
        Address,
        "IP address to listen on; \"::\" (quoted in a file) accepts IPv6 and IPv4",
    )
    .restart(),
    row(
        "port",
        &["CERTSTREAM_PORT", "CERTSTREAM_WEBSERVER_LISTEN_PORT", "PORT"],
        Integer(1, 65535),
        "TCP port to listen on; 0, on the command line only, picks any free port",
    )
    .restart(),
    row(
        "tls_cert",
        &["CERTSTREAM_TLS_CERT", "CERTSTREAM_WEBSERVER_CERT_PATH"],
        Path,
        "PEM certificate chain for TLS (https and wss), the server's own certificate first; \
         reloaded when the file changes",
    )
    .example("/etc/certstream/fullchain.pem"),
    row(
        "tls_key",
        &["CERTSTREAM_TLS_KEY", "CERTSTREAM_WEBSERVER_CERT_KEY_PATH"],
        Path,
        "PEM private key of that certificate; reloaded with it",
    )
    .example("/etc/certstream/privkey.pem"),
    row(
        "log_level",
        &["RUST_LOG", "CERTSTREAM_LOG_LEVEL", "LOG_LEVEL"],
        LogFilter,
        "Level of the server's own log",
    ),
    row(
        "log_format",
        &["CERTSTREAM_LOG_FORMAT"],
        Choice(&["text", "json"]),
        "Format of the server's log lines: text to read, json for log collectors",
    )
    .restart(),
    row(
        "log_client_addresses",
        &["CERTSTREAM_LOG_CLIENT_ADDRESSES"],
        Bool,
        "Log client addresses, in one line when a client connects and one when it disconnects; \
         also show them in the per-client metrics of metrics.compat",
    ),
    row(
        "max_message_bytes",
        &["CERTSTREAM_MAX_MESSAGE_BYTES"],
        Size(16 * ByteSize::KIB, 64 * ByteSize::MIB),
        "Largest message sent; a larger one is sent without as_der and chain, then without further \
         parts, and is marked as truncated",
    )
    .restart(),
    row(
        "compat_profile",
        &["CERTSTREAM_COMPAT_PROFILE"],
        Choice(&["calidog", "go", "rust"]),
        "Message format for clients that do not pass ?compat=: that of CaliDog's server, \
         certstream-server-go or certstream-server-rust",
    ),
    row(
        "slow_client",
        &["CERTSTREAM_SLOW_CLIENT"],
        Choice(&["drop", "disconnect"]),
        "What to do when a client falls behind the buffer: drop skips messages; disconnect \
         notifies the client and closes the connection",
    ),
    row(
        "worker_threads",
        &["CERTSTREAM_WORKER_THREADS", "TOKIO_WORKER_THREADS"],
        Integer(0, 1024),
        "Threads that serve clients and read logs; 0 for one per core",
    )
    .restart(),
    row(
        "shutdown_grace_ms",
        &["CERTSTREAM_SHUTDOWN_GRACE_MS"],
        Millis(0, 5000),
        "Maximum time to wait for connections to end after SIGTERM or Ctrl-C",
    ),
    row(
        "role",
        &["CERTSTREAM_ROLE"],
        Choice(&["all", "ingest", "edge"]),
        "Part of this server in a cluster (section cluster): ingest reads the logs while it leads; edge \
         serves clients; all does both. Without a cluster it is all",
    )
    .restart(),
    row(
        "data_dir",
        &["CERTSTREAM_DATA_DIR"],
        Directory,
        "Directory for everything that the server keeps: the journal (section journal), evidence of \
         alarms and the cached log lists; a node of a cluster keeps no journal. Without one, nothing published outlives the server, and \
         positions are kept in ct_log.state_file if that is set",
    )
    .example("/var/lib/certstream")
    .restart(),
    row(
        "verification",
        &["CERTSTREAM_VERIFICATION"],
        Choice(&["enforce", "report", "off"]),
        "How to handle entries that do not match the log's signed tree: report sends everything \
         and raises an alarm; enforce sends nothing until it is verified, and stops the log until \
         its alarm is acknowledged; off does not check",
    )
    .restart(),
    row(
        "verification_evidence_dir",
        &["CERTSTREAM_VERIFICATION_EVIDENCE_DIR"],
        Directory,
        "Directory for the evidence of alarms; by default one in data_dir or beside \
         ct_log.state_file, and none without either",
    )
    .example("/var/lib/certstream/evidence")
    .restart(),
    row(
        "trusted_proxies",
        &["CERTSTREAM_TRUSTED_PROXIES", "CERTSTREAM_WEBSERVER_TRUSTED_PROXIES"],
        Networks,
        "Proxies whose X-Forwarded-For header is trusted. The client is the rightmost address in \
         it that is not itself a trusted proxy. Other headers are ignored",
    ),
    row(
        "real_ip",
        &["CERTSTREAM_REAL_IP", "CERTSTREAM_WEBSERVER_REAL_IP"],
        Bool,
        "false ignores X-Forwarded-For even from trusted_proxies; otherwise the header is trusted \
         from trusted_proxies only, unlike in certstream-server-go",
    )
    .example("true"),
    row(
        "ip_allow_list",
        &["CERTSTREAM_IP_ALLOW_LIST", "CERTSTREAM_WEBSERVER_WHITELIST"],
        Networks,
        "Addresses that may use streams, /api, /crtsh (also as /?q=), /stats and /latest.json; \
         others get 403. Empty allows everyone",
    ),
    row("protocols.websocket", &["CERTSTREAM_WS_ENABLED"], Bool, "The streams over WebSocket"),
    row("protocols.sse", &["CERTSTREAM_SSE_ENABLED"], Bool, "The streams over SSE, at /sse"),
    row("protocols.metrics", &["CERTSTREAM_METRICS_ENABLED"], Bool, "Metrics, at /metrics"),
    row(
        "protocols.health",
        &["CERTSTREAM_HEALTH_ENABLED"],
        Bool,
        "Health, at /health, /health/deep and /health/ready",
    ),
    row(
        "protocols.example_json",
        &["CERTSTREAM_EXAMPLE_JSON_ENABLED"],
        Bool,
        "The latest message of each stream, at /example.json",
    ),
    row("protocols.api", &["CERTSTREAM_API_ENABLED"], Bool, "The REST API, under /api"),
    row(
        "protocols.stats",
        &["CERTSTREAM_PROTOCOLS_STATS"],
        Bool,
        "Statistics in the form of CaliDog's server, at stats.url",
    ),
    row("protocols.page", &["CERTSTREAM_PROTOCOLS_PAGE"], Bool, "The web page, at /"),
];
