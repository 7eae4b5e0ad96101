//! The one table of settings: every key with its variables, kind, bounds and text for users.
//!
//! From it come the environment overlay, the command-line flags, `--help`, `--print-config`,
//! `docs/configuration.md` and `config.example.yaml`. Rows of one section stand together, in the
//! order in which they are shown.

use super::kind::Kind::{
    self, Address, Ascii, Bool, Choice, Choices, HeaderName, Integer, Intervals, LogFilter, Logs,
    Millis, Networks, Number, Path, Route, Seconds, Size, Start, StreamPath, Subset, Text, Texts,
    Tokens, TreeSize, Url, Urls,
};
use super::values::ByteSize;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key in a file, sections joined by dots; `[]` after the name of a list stands for each
    /// of its items.
    pub key: &'static str,
    /// The environment variables that set it; the first one set counts.
    pub env: &'static [&'static str],
    /// What its value may be.
    pub kind: Kind,
    /// What it does.
    pub doc: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
    /// A value to show where the default is nothing.
    pub example: Option<&'static str>,
    /// Whether a new value takes effect only when the server is started again.
    pub restart: bool,
}

/// A group of settings.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The key its settings stand under; empty for settings outside sections.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What its settings have in common.
    pub doc: &'static str,
}

impl Setting {
    /// The command-line flag, without the leading dashes; none for settings that only a file can
    /// hold.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let only_in_file = self.kind == Logs || self.key.contains("[]");
        (!only_in_file).then(|| self.key.replace(['.', '_'], "-"))
    }

    /// The name of the section it belongs to.
    #[must_use]
    pub fn section(&self) -> &'static str {
        let outer = self.key.rsplit_once('.').map_or("", |(section, _)| section);
        if self.kind == Logs { self.key } else { outer.trim_end_matches("[]") }
    }

    /// The last part of its key.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    const fn restart(self) -> Self {
        Self { restart: true, ..self }
    }
}

/// The setting with this key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const fn row(
    key: &'static str,
    env: &'static [&'static str],
    kind: Kind,
    doc: &'static str,
) -> Setting {
    Setting { key, env, kind, doc, secret: false, example: None, restart: false }
}

impl Section {
    /// Its settings, in the order of [`SETTINGS`].
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| setting.section() == self.name)
    }
}

/// The sections, in the order of [`SETTINGS`].
pub const SECTIONS: &[Section] = &[
    section("", "Server", "Where the server listens and what it logs"),
    section("protocols", "Protocols", "What is served; disabled routes answer 404"),
    section(
        "prometheus",
        "Metrics",
        "Where metrics are served; docs/metrics.md lists them. The keys are those of \
         certstream-server-go",
    ),
    section("metrics", "Metrics of other servers", "For dashboards built for those servers"),
    section("api", "REST API", "How many certificates /api/cert keeps, if protocols.api is on"),
    section("stats", "Statistics", "The statistics that CaliDog's server shows at /stats"),
    section(
        "streams",
        "Streams",
        "The streams that clients can choose from; a disabled stream costs nothing",
    ),
    section(
        "dedup",
        "Duplicates",
        "Most certificates are in several logs; `dedup: false` sends every entry of every log",
    ),
    section("heartbeat", "Heartbeats", "Messages that show clients that the connection is alive"),
    section(
        "compression",
        "Compression",
        "Messages are compressed once for all clients that request it, so further clients cost \
         nothing extra",
    ),
    section(
        "filters",
        "Filters",
        "Clients select certificates with ?domain=, ?match=, ?entry= and others; a filter over a \
         limit is refused",
    ),
    section(
        "connection_limit",
        "Connection limits",
        "How many connections are allowed at a time; beyond max_connections or per_ip_limit the \
         answer is 429. IPv6 clients are counted by /64",
    ),
    section(
        "rate_limit",
        "Rate limits",
        "How many requests a client may make, by its token's tier (auth): a token bucket, a burst \
         beyond it, and a sliding window; a stream counts as one request however long it lasts. \
         max_tokens, refill_rate and burst are aliases of the free_ keys",
    ),
    section(
        "auth",
        "Authentication",
        "Tokens for streams, /api, /stats and /latest.json, each in plain text or as sha256: \
         followed by its SHA-256 in hex, as `printf %s TOKEN | sha256sum` prints it. Standard and \
         premium tokens are recognised even with auth.enabled off; a client without a token is \
         Free",
    ),
    section(
        "feed",
        "Feeds",
        "How much is kept for clients that resume or fall behind, and how messages are sent",
    ),
    section("ct_log", "Logs", "Which logs are read, and how"),
    section(
        "hot_reload",
        "Reloading",
        "SIGHUP always reloads the configuration; an invalid one is logged and changes nothing",
    ),
    section("custom_logs", "Additional RFC 6962 logs", "A list of maps, only in a file"),
    section("static_logs", "Additional static-ct-api logs", "A list of maps, only in a file"),
];

const fn section(name: &'static str, title: &'static str, doc: &'static str) -> Section {
    Section { name, title, doc }
}

const MAX_BATCH: u64 = 65536;
const HOUR_MS: u64 = 3_600_000;
const HOUR: u64 = 3600;
const LOG_STATES: &[&str] = &["pending", "qualified", "usable", "readonly", "retired", "rejected"];

/// Sizes of buckets, in requests.
const BUCKET: Kind = Number(1, 1_000_000);
/// Rates and bursts, in requests.
const RATE: Kind = Number(0, 1_000_000);

/// Every setting.
pub const SETTINGS: &[Setting] = &[
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
        "Format of the server's log lines: text for people, json for log collectors",
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
        Path,
        "Directory for the evidence of alarms; by default one beside ct_log.state_file, and none \
         without a state file",
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
        "Addresses that may use streams, /api, /stats and /latest.json; others get 403. Empty \
         allows everyone",
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
        "Maximum number of certificates that /api/cert keeps, the newest; 0 keeps none",
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
    row(
        "connection_limit.enabled",
        &["CERTSTREAM_CONNECTION_LIMIT_ENABLED"],
        Bool,
        "Enforce max_connections and per_ip_limit",
    ),
    row(
        "connection_limit.max_connections",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_CONNECTIONS"],
        Integer(1, Kind::ANY),
        "Maximum number of streams at a time",
    ),
    row(
        "connection_limit.per_ip_limit",
        &["CERTSTREAM_CONNECTION_LIMIT_PER_IP_LIMIT"],
        Integer(0, Kind::ANY),
        "Maximum number of streams per address at a time; 0 or null for no limit",
    ),
    row(
        "connection_limit.max_pending",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING"],
        Integer(16, 1_000_000),
        "Maximum number of connections that are not streams (TLS handshake, request, response); \
         further ones wait. Always enforced",
    ),
    row(
        "connection_limit.max_pending_per_ip",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING_PER_IP"],
        Integer(1, 1_000_000),
        "The same per address, except for trusted_proxies; further ones are closed. Always \
         enforced",
    ),
    row(
        "rate_limit.enabled",
        &["CERTSTREAM_RATE_LIMIT_ENABLED"],
        Bool,
        "Limit requests; over the limit the answer is 429 with Retry-After",
    ),
    row(
        "rate_limit.free_max_tokens",
        &["CERTSTREAM_RATE_LIMIT_FREE_MAX_TOKENS", "CERTSTREAM_RATE_LIMIT_MAX_TOKENS"],
        BUCKET,
        "Free: requests in a full bucket",
    ),
    row(
        "rate_limit.free_refill_rate",
        &["CERTSTREAM_RATE_LIMIT_FREE_REFILL_RATE", "CERTSTREAM_RATE_LIMIT_REFILL_RATE"],
        RATE,
        "Free: requests added to the bucket each second, more than 0",
    ),
    row(
        "rate_limit.free_burst",
        &["CERTSTREAM_RATE_LIMIT_FREE_BURST", "CERTSTREAM_RATE_LIMIT_BURST"],
        RATE,
        "Free: further requests allowed in each burst window while the bucket is empty",
    ),
    row(
        "rate_limit.standard_max_tokens",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_MAX_TOKENS"],
        BUCKET,
        "Standard: requests in a full bucket",
    ),
    row(
        "rate_limit.standard_refill_rate",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_REFILL_RATE"],
        RATE,
        "Standard: requests added to the bucket each second, more than 0",
    ),
    row(
        "rate_limit.standard_burst",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_BURST"],
        RATE,
        "Standard: further requests allowed in each burst window while the bucket is empty",
    ),
    row(
        "rate_limit.premium_max_tokens",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_MAX_TOKENS"],
        BUCKET,
        "Premium: requests in a full bucket",
    ),
    row(
        "rate_limit.premium_refill_rate",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_REFILL_RATE"],
        RATE,
        "Premium: requests added to the bucket each second, more than 0",
    ),
    row(
        "rate_limit.premium_burst",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_BURST"],
        RATE,
        "Premium: further requests allowed in each burst window while the bucket is empty",
    ),
    row(
        "rate_limit.window_seconds",
        &["CERTSTREAM_RATE_LIMIT_WINDOW_SECONDS"],
        Seconds(1, 86_400),
        "Length of the sliding window",
    ),
    row(
        "rate_limit.window_max_requests",
        &["CERTSTREAM_RATE_LIMIT_WINDOW_MAX_REQUESTS"],
        Integer(1, 1_000_000),
        "Maximum number of requests of a Free client in any such window; Standard and Premium get \
         more, in proportion to their buckets",
    ),
    row(
        "rate_limit.burst_window_seconds",
        &["CERTSTREAM_RATE_LIMIT_BURST_WINDOW_SECONDS"],
        Seconds(1, 86_400),
        "Length of the burst window, which starts with the first request of a burst",
    ),
    row(
        "rate_limit.max_clients",
        &["CERTSTREAM_RATE_LIMIT_MAX_CLIENTS"],
        Integer(100, 10_000_000),
        "Maximum number of clients remembered, about 200 bytes each; beyond it the least recently \
         seen are forgotten",
    ),
    row(
        "auth.enabled",
        &["CERTSTREAM_AUTH_ENABLED"],
        Bool,
        "Require a token; without a valid one the answer is 401",
    ),
    row("auth.tokens", &["CERTSTREAM_AUTH_TOKENS"], Tokens, "Tokens of the tier Free").secret(),
    row(
        "auth.standard_tokens",
        &["CERTSTREAM_AUTH_STANDARD_TOKENS"],
        Tokens,
        "Tokens of the tier Standard",
    )
    .secret(),
    row(
        "auth.premium_tokens",
        &["CERTSTREAM_AUTH_PREMIUM_TOKENS"],
        Tokens,
        "Tokens of the tier Premium",
    )
    .secret(),
    row(
        "auth.header_name",
        &["CERTSTREAM_AUTH_HEADER_NAME"],
        HeaderName,
        "The request header that carries the token, alone or after \"Bearer \"",
    ),
    row(
        "auth.query_token",
        &["CERTSTREAM_AUTH_QUERY_TOKEN"],
        Bool,
        "Also accept the token in ?token=, for browsers, which cannot set headers; proxies log \
         URLs",
    ),
    row(
        "feed.ring_bytes",
        &["CERTSTREAM_FEED_RING_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Memory for the latest entries, from which clients resume; the default holds about 30 \
         seconds of all logs, and certstream_ring_seconds shows the current length",
    )
    .restart(),
    row(
        "feed.chunk_bytes",
        &["CERTSTREAM_FEED_CHUNK_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Memory for the rendered messages of each feed that has readers",
    )
    .restart(),
    row(
        "feed.skip_empty_domains",
        &["CERTSTREAM_FEED_SKIP_EMPTY_DOMAINS"],
        Bool,
        "Leave certificates without domain names out of the domains-only stream",
    )
    .restart(),
    row(
        "feed.gather_ms",
        &["CERTSTREAM_FEED_GATHER_MS"],
        Millis(0, 1000),
        "Maximum time that messages wait, under load, so that several go out in one write; with \
         fewer clients it is shorter, and 0 sends everything at once",
    )
    .restart(),
    row("ct_log.rfc6962_enabled", &["CERTSTREAM_RFC6962_ENABLED"], Bool, "Follow RFC 6962 logs"),
    row(
        "ct_log.static_ct_enabled",
        &["CERTSTREAM_STATIC_CT_ENABLED"],
        Bool,
        "Follow static-ct-api (tiled) logs",
    ),
    row(
        "ct_log.disable_default_logs",
        &["CERTSTREAM_CT_LOG_DISABLE_DEFAULT_LOGS", "CERTSTREAM_GENERAL_DISABLE_DEFAULT_LOGS"],
        Bool,
        "Follow only custom_logs and static_logs, not the log list",
    ),
    row(
        "ct_log.log_list_url",
        &["CERTSTREAM_CT_LOG_LOG_LIST_URL"],
        Url,
        "URL of the log list, in the v3 format that Chrome publishes",
    ),
    row(
        "ct_log.log_list_key_file",
        &["CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE"],
        Path,
        "PEM public key that the log list is signed with, instead of Chrome's",
    )
    .example("/etc/certstream/log_list_key.pem"),
    row(
        "ct_log.log_list_cache",
        &["CERTSTREAM_CT_LOG_LOG_LIST_CACHE"],
        Path,
        "File that caches the log lists for a start without network, and the newest version seen, \
         so that an older one is never used; by default a file beside ct_log.state_file",
    )
    .example("/var/lib/certstream/log_lists.json"),
    row(
        "ct_log.extra_log_lists",
        &["CERTSTREAM_CT_LOG_EXTRA_LOG_LISTS"],
        Urls,
        "Further log lists in the same format, without a signature, such as Apple's \
         (https://valid.apple.com/ct/log_list/current_log_list.json); they only add logs: a log \
         that they drop is still followed",
    ),
    row(
        "ct_log.log_refresh_interval_secs",
        &["CERTSTREAM_CT_LOG_REFRESH_INTERVAL_SECS"],
        Seconds(0, 604_800),
        "Time between fetches of the log lists; 0 fetches them only at the start",
    ),
    row(
        "ct_log.removed_log_policy",
        &["CERTSTREAM_CT_LOG_REMOVED_POLICY"],
        Choice(&["stop", "keep"]),
        "What to do when a log leaves the signed list or the states in ct_log.states: stop reads \
         it to its end, keep follows it as before",
    ),
    row(
        "ct_log.checkpoint_signature_mode",
        &["CERTSTREAM_STATIC_CT_CHECKPOINT_SIGNATURE"],
        Choice(&["enforce", "warn"]),
        "For configurations of certstream-server-rust. A tree head with an invalid signature is \
         never used, so warn is the same as enforce, with a warning at the start",
    ),
    row(
        "ct_log.states",
        &["CERTSTREAM_CT_LOG_STATES"],
        Choices(LOG_STATES),
        "States of the logs to follow from the log list",
    ),
    row(
        "ct_log.include_test",
        &["CERTSTREAM_CT_LOG_INCLUDE_TEST"],
        Bool,
        "Also follow test logs, mirrors and logs without a state, from Chrome's list of all logs \
         unless ct_log.log_list_url names another list",
    ),
    row(
        "ct_log.exclude",
        &["CERTSTREAM_CT_LOG_EXCLUDE"],
        Texts,
        "Logs of the lists not to follow, each given by operator, name, log id or URL; the URL of \
         a host excludes all its logs",
    ),
    row(
        "ct_log.excluded_operators",
        &["CERTSTREAM_CT_LOG_EXCLUDED_OPERATORS"],
        Texts,
        "The same, by operator only",
    ),
    row(
        "ct_log.excluded_logs",
        &["CERTSTREAM_CT_LOG_EXCLUDED_LOGS"],
        Texts,
        "The same, by name, log id or URL only",
    ),
    row(
        "ct_log.start",
        &["CERTSTREAM_CT_LOG_START"],
        Start,
        "Where a log without a saved position starts",
    )
    .restart(),
    row(
        "ct_log.start_overlap_leaves",
        &["CERTSTREAM_CT_LOG_START_OVERLAP_LEAVES"],
        Integer(0, 100_000),
        "How many entries before the head a start at the head begins",
    )
    .restart(),
    row(
        "ct_log.state_file",
        &["CERTSTREAM_CT_LOG_STATE_FILE"],
        Path,
        "File to save positions in and to resume from; without it every start begins afresh",
    )
    .example("/var/lib/certstream/state.json")
    .restart(),
    row(
        "ct_log.state_recovery",
        &["CERTSTREAM_CT_LOG_STATE_RECOVERY"],
        Choice(&["fresh", "fail"]),
        "What to do with a state file that cannot be read: fresh sets it aside and starts all logs \
         afresh, fail refuses to start",
    )
    .restart(),
    row(
        "ct_log.import_index",
        &["CERTSTREAM_CT_LOG_IMPORT_INDEX"],
        Path,
        "Positions in the format of certstream-server-go (ct_index.json), for logs that \
         ct_log.state_file does not know yet; the file is never written",
    )
    .example("/var/lib/certstream/ct_index.json")
    .restart(),
    row(
        "ct_log.resume_overlap_secs",
        &["CERTSTREAM_CT_LOG_RESUME_OVERLAP_SECS"],
        Seconds(0, HOUR),
        "How far saved positions trail the stream, so that a restart repeats entries rather than \
         skipping any",
    )
    .restart(),
    row(
        "ct_log.max_catchup_lag_entries",
        &["CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_ENTRIES"],
        Integer(0, Kind::ANY),
        "How many entries a log may be behind before it skips to its head, at least 10000; 0 never \
         skips. Skipped entries are logged and counted",
    )
    .restart(),
    row(
        "ct_log.max_catchup_lag_secs",
        &["CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_SECS"],
        Seconds(0, Kind::ANY),
        "The same in time, from the newest entry read to the log's head, at least 300",
    )
    .restart(),
    row(
        "ct_log.batch_size",
        &["CERTSTREAM_CT_LOG_BATCH_SIZE"],
        Integer(1, MAX_BATCH),
        "Maximum number of entries per request; the server learns how many each log returns at \
         once",
    )
    .restart(),
    row(
        "ct_log.poll_interval_ms",
        &["CERTSTREAM_CT_LOG_POLL_INTERVAL_MS"],
        Millis(1, HOUR_MS),
        "Maximum time between polls of a log; a log with new entries is polled sooner when more \
         are due, an idle one at most once a second",
    )
    .restart(),
    row(
        "ct_log.fetch_concurrency",
        &["CERTSTREAM_CT_LOG_FETCH_CONCURRENCY"],
        Integer(1, 16),
        "Maximum number of requests to one log at a time",
    )
    .restart(),
    row(
        "ct_log.default_operator_rate_limit_ms",
        &["CERTSTREAM_CT_LOG_DEFAULT_OPERATOR_RATE_LIMIT_MS"],
        Millis(0, HOUR_MS),
        "Fixed time between two requests to a host; with 0 the server learns how many requests a \
         host accepts",
    )
    .restart(),
    row(
        "ct_log.operator_rate_limits",
        &["CERTSTREAM_CT_LOG_OPERATOR_RATE_LIMITS"],
        Intervals,
        "The same for the hosts of particular operators; in a file also a map of names and \
         milliseconds",
    )
    .restart(),
    row(
        "ct_log.in_flight_bytes",
        &["CERTSTREAM_CT_LOG_IN_FLIGHT_BYTES"],
        Size(ByteSize::MIB, ByteSize::GIB),
        "Memory for responses of logs, from the first byte received until they are published; one \
         log may use a quarter",
    )
    .restart(),
    row(
        "ct_log.allow_private_addresses",
        &["CERTSTREAM_CT_LOG_ALLOW_PRIVATE_ADDRESSES"],
        Bool,
        "Connect to private addresses for logs that only a log list names; custom_logs, \
         static_logs, and lists at private addresses with their logs are always allowed",
    )
    .restart(),
    row(
        "ct_log.partial_tile_wait_ms",
        &["CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_MS"],
        Millis(0, 600_000),
        "Maximum time to wait for the newest tile of a static-ct-api log to fill up before it is \
         read",
    )
    .restart(),
    row(
        "ct_log.request_timeout_secs",
        &["CERTSTREAM_CT_LOG_REQUEST_TIMEOUT_SECS"],
        Seconds(1, HOUR),
        "Time limit of a request to a log",
    )
    .restart(),
    row(
        "ct_log.retry_max_attempts",
        &["CERTSTREAM_CT_LOG_RETRY_MAX_ATTEMPTS"],
        Integer(0, Kind::ANY),
        "Attempts at a request before it counts as a failure of the log",
    )
    .restart(),
    row(
        "ct_log.retry_initial_delay_ms",
        &["CERTSTREAM_CT_LOG_RETRY_INITIAL_DELAY_MS"],
        Millis(1, HOUR_MS),
        "Wait before the second attempt; it doubles with each further one",
    )
    .restart(),
    row(
        "ct_log.retry_max_delay_ms",
        &["CERTSTREAM_CT_LOG_RETRY_MAX_DELAY_MS"],
        Millis(1, HOUR_MS),
        "Maximum wait between two attempts",
    )
    .restart(),
    row(
        "ct_log.healthy_threshold",
        &["CERTSTREAM_CT_LOG_HEALTHY_THRESHOLD"],
        Integer(1, Kind::ANY),
        "Consecutive successes that make a failing log healthy",
    )
    .restart(),
    row(
        "ct_log.unhealthy_threshold",
        &["CERTSTREAM_CT_LOG_UNHEALTHY_THRESHOLD"],
        Integer(1, Kind::ANY),
        "Consecutive failures that make a log unhealthy",
    )
    .restart(),
    row(
        "ct_log.health_check_interval_secs",
        &["CERTSTREAM_CT_LOG_HEALTH_CHECK_INTERVAL_SECS"],
        Seconds(1, 86_400),
        "Time between attempts at an unhealthy log",
    )
    .restart(),
    row(
        "ct_log.user_agent",
        &["CERTSTREAM_USER_AGENT"],
        Ascii,
        "User-Agent of requests to logs; blank for the server's own. Some logs slow down clients \
         whose User-Agent contains neither an e-mail address nor a URL",
    )
    .restart(),
    row(
        "hot_reload.enabled",
        &["CERTSTREAM_HOT_RELOAD_ENABLED"],
        Bool,
        "Reload the configuration when its file changes, also by rename or through a changed link",
    ),
    row(
        "hot_reload.watch_path",
        &["CERTSTREAM_HOT_RELOAD_WATCH_PATH"],
        Path,
        "File, or directory of files, whose changes also reload the configuration",
    )
    .example("/etc/certstream"),
    row("custom_logs", &[], Logs, "RFC 6962 logs to follow in addition to the log list"),
    row("custom_logs[].name", &[], Text, NAME).example("Example 2027"),
    row("custom_logs[].url", &[], Url, "The log's URL: the part before /ct/v1/")
        .example("https://ct.example/2027"),
    row("custom_logs[].key", &[], Text, KEY).example(KEY_EXAMPLE),
    row("custom_logs[].operator", &[], Text, OPERATOR).example("Example"),
    row("custom_logs[].expected_log_id", &[], Text, LOG_ID).example(LOG_ID_EXAMPLE),
    row("custom_logs[].batch_size", &[], Integer(1, MAX_BATCH), BATCH_SIZE).example("256"),
    row("custom_logs[].poll_interval_ms", &[], Millis(1, HOUR_MS), POLL_INTERVAL).example("5000"),
    row("static_logs", &[], Logs, "static-ct-api logs to follow in addition to the log list"),
    row("static_logs[].name", &[], Text, NAME).example("Example tiles 2027"),
    row("static_logs[].url", &[], Url, "The monitoring prefix: the part before /checkpoint")
        .example("https://tiles.ct.example/2027"),
    row("static_logs[].key", &[], Text, KEY).example(KEY_EXAMPLE),
    row("static_logs[].operator", &[], Text, OPERATOR).example("Example"),
    row("static_logs[].log_origin", &[], Text, "The first line of its checkpoints")
        .example("ct.example/2027"),
    row("static_logs[].tree_size_source", &[], TreeSize, TREE_SIZE).example("get_sth"),
    row("static_logs[].expected_log_id", &[], Text, LOG_ID).example(LOG_ID_EXAMPLE),
    row("static_logs[].batch_size", &[], Integer(1, MAX_BATCH), BATCH_SIZE).example("256"),
    row("static_logs[].poll_interval_ms", &[], Millis(1, HOUR_MS), POLL_INTERVAL).example("5000"),
];

const NAME: &str = "The log's name in messages (source.name)";
const KEY: &str = "Base64 of its DER public key; without a key, its signatures are not checked";
const KEY_EXAMPLE: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE...";
const OPERATOR: &str = "Its operator";
const LOG_ID: &str = "Its log id in base64; a key with another id is refused";
const LOG_ID_EXAMPLE: &str = "dNudWPfUfp39eHoWKpkcGM9pjafHKZGMmhiwRQ26RLw=";
const BATCH_SIZE: &str = "Overrides ct_log.batch_size";
const POLL_INTERVAL: &str = "Overrides ct_log.poll_interval_ms";
const TREE_SIZE: &str = "Where to read the tree size of a log without checkpoints: get_sth for the log's own URL, or \
     another URL (the part before /ct/v1/)";
