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
    section("", "Server", "Where the server listens and what it says about itself"),
    section("protocols", "Protocols", "What is served; the routes of what is off answer 404"),
    section(
        "prometheus",
        "Metrics",
        "Where metrics are read; docs/metrics.md lists them. The names are those of \
         certstream-server-go",
    ),
    section("metrics", "Metrics of other servers", "For dashboards made for them"),
    section("api", "REST API", "What /api/cert remembers, where protocols.api is on"),
    section("stats", "Statistics", "What CaliDog's server shows at /stats"),
    section(
        "streams",
        "Streams",
        "What clients can choose from; a stream that is off costs nothing",
    ),
    section(
        "dedup",
        "Duplicates",
        "Most certificates are in several logs; `dedup: false` sends every entry of every log",
    ),
    section("heartbeat", "Heartbeats", "Messages sent so that clients know the connection lives"),
    section(
        "compression",
        "Compression",
        "Messages are compressed once for all clients that ask for it, so it costs no more with each",
    ),
    section(
        "filters",
        "Filters",
        "Clients choose certificates with ?domain=, ?match=, ?entry= and others; what is over a limit \
         is refused",
    ),
    section(
        "connection_limit",
        "Connection limits",
        "How many connections there may be at a time; over max_connections or per_ip_limit the answer \
         is 429. An IPv6 client counts by its /64",
    ),
    section(
        "rate_limit",
        "Rate limits",
        "How many requests a client may make, by its token's tier (auth): a bucket of tokens, a burst \
         beyond it, and a sliding window; a stream is one request however long it lasts. max_tokens, \
         refill_rate and burst are other names of the free_ keys",
    ),
    section(
        "auth",
        "Authentication",
        "Tokens for streams, /api, /stats and /latest.json; each as it is, or as sha256: and its \
         SHA-256 in hex, as `printf %s TOKEN | sha256sum` prints it. Where there are standard or \
         premium tokens they are read even with auth.enabled off, and who has none is Free",
    ),
    section(
        "feed",
        "Feeds",
        "What is kept for clients that resume or fall behind, and how it is sent",
    ),
    section("ct_log", "Logs", "Which logs are read, and how"),
    section(
        "hot_reload",
        "Reloading",
        "On SIGHUP the configuration is always read again; one that is wrong changes nothing, and says so",
    ),
    section("custom_logs", "RFC 6962 logs named by hand", "A list of maps, only in a file"),
    section("static_logs", "static-ct-api logs named by hand", "A list of maps, only in a file"),
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
        "IP address to listen on; \"::\" (quoted in a file) takes IPv6 and IPv4",
    )
    .restart(),
    row(
        "port",
        &["CERTSTREAM_PORT", "CERTSTREAM_WEBSERVER_LISTEN_PORT", "PORT"],
        Integer(1, 65535),
        "TCP port to listen on; 0, on the command line only, takes any free port",
    )
    .restart(),
    row(
        "tls_cert",
        &["CERTSTREAM_TLS_CERT", "CERTSTREAM_WEBSERVER_CERT_PATH"],
        Path,
        "PEM certificate chain, the server's own first, to speak TLS (https and wss) with; read again \
         when the file changes",
    )
    .example("/etc/certstream/fullchain.pem"),
    row(
        "tls_key",
        &["CERTSTREAM_TLS_KEY", "CERTSTREAM_WEBSERVER_CERT_KEY_PATH"],
        Path,
        "PEM private key of that certificate; read again with it",
    )
    .example("/etc/certstream/privkey.pem"),
    row(
        "log_level",
        &["RUST_LOG", "CERTSTREAM_LOG_LEVEL", "LOG_LEVEL"],
        LogFilter,
        "What the server logs about itself",
    ),
    row(
        "log_format",
        &["CERTSTREAM_LOG_FORMAT"],
        Choice(&["text", "json"]),
        "Form of those log lines: for people or for log collectors",
    )
    .restart(),
    row(
        "log_client_addresses",
        &["CERTSTREAM_LOG_CLIENT_ADDRESSES"],
        Bool,
        "Name the addresses of clients in those log lines, one when a client comes and one when it \
         leaves; also in the metrics of metrics.compat that are by client",
    ),
    row(
        "max_message_bytes",
        &["CERTSTREAM_MAX_MESSAGE_BYTES"],
        Size(16 * ByteSize::KIB, 64 * ByteSize::MIB),
        "Largest message sent; a larger one goes out without as_der and chain, and says so",
    )
    .restart(),
    row(
        "compat_profile",
        &["CERTSTREAM_COMPAT_PROFILE"],
        Choice(&["calidog", "go", "rust"]),
        "Whose messages are sent to clients that do not choose with ?compat=: those of CaliDog's \
         server, certstream-server-go or certstream-server-rust",
    ),
    row(
        "slow_client",
        &["CERTSTREAM_SLOW_CLIENT"],
        Choice(&["drop", "disconnect"]),
        "What becomes of a client that falls further behind than what is kept: it misses messages and \
         goes on, or it is told so and disconnected",
    ),
    row(
        "worker_threads",
        &["CERTSTREAM_WORKER_THREADS", "TOKIO_WORKER_THREADS"],
        Integer(0, 1024),
        "Threads that serve clients and read logs; 0 for one a core",
    )
    .restart(),
    row(
        "shutdown_grace_ms",
        &["CERTSTREAM_SHUTDOWN_GRACE_MS"],
        Millis(0, 5000),
        "Longest wait for connections to end after SIGTERM or Ctrl-C",
    ),
    row(
        "verification",
        &["CERTSTREAM_VERIFICATION"],
        Choice(&["enforce", "report", "off"]),
        "What becomes of entries that are not those a log has signed: enforce sends nothing before it \
         is proved, and stops a log until its alarm is acknowledged; report raises the alarm and goes \
         on; off believes the logs",
    )
    .restart(),
    row(
        "verification_evidence_dir",
        &["CERTSTREAM_VERIFICATION_EVIDENCE_DIR"],
        Path,
        "Folder for the evidence of alarms; without it a folder beside ct_log.state_file, and without \
         that none",
    )
    .example("/var/lib/certstream/evidence")
    .restart(),
    row(
        "trusted_proxies",
        &["CERTSTREAM_TRUSTED_PROXIES", "CERTSTREAM_WEBSERVER_TRUSTED_PROXIES"],
        Networks,
        "Proxies whose X-Forwarded-For is believed: the client is the rightmost address there that is \
         none of them. Nobody else's is read, and no other header",
    ),
    row(
        "real_ip",
        &["CERTSTREAM_REAL_IP", "CERTSTREAM_WEBSERVER_REAL_IP"],
        Bool,
        "Off believes not even trusted_proxies; unlike in certstream-server-go, on believes nobody \
         else",
    )
    .example("true"),
    row(
        "ip_allow_list",
        &["CERTSTREAM_IP_ALLOW_LIST", "CERTSTREAM_WEBSERVER_WHITELIST"],
        Networks,
        "Clients that may use streams, /api, /stats and /latest.json; others get 403. Empty for \
         everybody",
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
    row("protocols.page", &["CERTSTREAM_PROTOCOLS_PAGE"], Bool, "The page for browsers, at /"),
    row(
        "prometheus.enabled",
        &["CERTSTREAM_PROMETHEUS_ENABLED"],
        Bool,
        "Serve metrics on a listener of their own, and there only; off, they are served with \
         everything else where protocols.metrics is on",
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
        "TCP port of that listener; where address and port are those of the server there is one \
         listener for both",
    )
    .restart(),
    row(
        "prometheus.metrics_url",
        &["CERTSTREAM_PROMETHEUS_METRICS_URL"],
        Route,
        "Path of the metrics, on whichever listener",
    ),
    row(
        "prometheus.expose_system_metrics",
        &["CERTSTREAM_PROMETHEUS_EXPOSE_SYSTEM_METRICS"],
        Bool,
        "Show memory, CPU time and open files of the process, and what its allocator holds",
    ),
    row(
        "prometheus.cert_path",
        &["CERTSTREAM_PROMETHEUS_CERT_PATH"],
        Path,
        "PEM certificate chain for TLS on that listener; read again when the file changes",
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
        "Addresses that may read metrics, on whichever listener; others get 403. Empty for everybody",
    ),
    row(
        "prometheus.trusted_proxies",
        &["CERTSTREAM_PROMETHEUS_TRUSTED_PROXIES"],
        Networks,
        "Proxies whose X-Forwarded-For the metrics' own listener believes, as trusted_proxies are on \
         the server's",
    ),
    row(
        "prometheus.real_ip",
        &["CERTSTREAM_PROMETHEUS_REAL_IP"],
        Bool,
        "Off believes not even prometheus.trusted_proxies",
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
        "Most certificates that /api/cert finds, the newest",
    ),
    row(
        "api.cache_bytes",
        &["CERTSTREAM_API_CACHE_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "The same in bytes of their DER",
    ),
    row(
        "stats.url",
        &["STATS_URL", "CERTSTREAM_STATS_URL"],
        Route,
        "Path of the statistics",
    ),
    row(
        "stats.client_addresses",
        &["CERTSTREAM_STATS_CLIENT_ADDRESSES"],
        Bool,
        "Show the clients' addresses and User-Agents there",
    ),
    row(
        "streams.full",
        &["CERTSTREAM_STREAM_FULL_ENABLED"],
        Bool,
        "Whole certificates with DER and chain",
    ),
    row(
        "streams.lite",
        &["CERTSTREAM_STREAM_LITE_ENABLED"],
        Bool,
        "Certificates without DER and chain",
    ),
    row(
        "streams.domains_only",
        &["CERTSTREAM_STREAM_DOMAINS_ONLY_ENABLED"],
        Bool,
        "Only the domain names",
    ),
    row(
        "streams.full_path",
        &["CERTSTREAM_STREAMS_FULL_PATH", "CERTSTREAM_WEBSERVER_FULL_URL"],
        StreamPath,
        "Path of the full stream, with or without a slash at its end",
    ),
    row(
        "streams.lite_path",
        &["CERTSTREAM_STREAMS_LITE_PATH", "CERTSTREAM_WEBSERVER_LITE_URL"],
        StreamPath,
        "Path of the lite stream; unless another stream is there it is also at /",
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
        "Send a certificate once, however many logs it comes from",
    )
    .restart(),
    row(
        "dedup.mode",
        &["CERTSTREAM_DEDUP_MODE"],
        Choice(&["certificate", "linked"]),
        "What counts as the same: the same bytes, or also a precertificate and the certificate made \
         from it",
    )
    .restart(),
    row(
        "dedup.capacity",
        &["CERTSTREAM_DEDUP_CAPACITY"],
        Integer(1, 100_000_000),
        "Most certificates remembered; each takes some 35 bytes",
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
        "When heartbeats are sent: into silence only, regularly, or never",
    ),
    row(
        "heartbeat.interval_secs",
        &["CERTSTREAM_HEARTBEAT_INTERVAL_SECS"],
        Seconds(1, HOUR),
        "Silence before a heartbeat (idle), or time between two (always)",
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
        "Most different terms in the filter of one connection",
    ),
    row(
        "filters.max_distinct",
        &["CERTSTREAM_FILTERS_MAX_DISTINCT"],
        Integer(1, 100_000),
        "Most different terms in the filters of all connections together; they may have 32 bytes each \
         on average. One address may have a quarter of them",
    ),
    row(
        "connection_limit.enabled",
        &["CERTSTREAM_CONNECTION_LIMIT_ENABLED"],
        Bool,
        "Hold max_connections and per_ip_limit",
    ),
    row(
        "connection_limit.max_connections",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_CONNECTIONS"],
        Integer(1, Kind::ANY),
        "Most streams at a time",
    ),
    row(
        "connection_limit.per_ip_limit",
        &["CERTSTREAM_CONNECTION_LIMIT_PER_IP_LIMIT"],
        Integer(0, Kind::ANY),
        "Most streams of one address at a time; 0 or null for any number",
    ),
    row(
        "connection_limit.max_pending",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING"],
        Integer(16, 1_000_000),
        "Most connections at a time that are no streams: in a TLS handshake, sending a request or \
         being answered; further ones wait. It holds always",
    ),
    row(
        "connection_limit.max_pending_per_ip",
        &["CERTSTREAM_CONNECTION_LIMIT_MAX_PENDING_PER_IP"],
        Integer(1, 1_000_000),
        "Most of these of one address, unless it is one of trusted_proxies; further ones are closed. \
         It holds always",
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
        "Free: requests that come back each second, more than 0",
    ),
    row(
        "rate_limit.free_burst",
        &["CERTSTREAM_RATE_LIMIT_FREE_BURST", "CERTSTREAM_RATE_LIMIT_BURST"],
        RATE,
        "Free: requests more in each burst window while the bucket is empty",
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
        "Standard: requests that come back each second, more than 0",
    ),
    row(
        "rate_limit.standard_burst",
        &["CERTSTREAM_RATE_LIMIT_STANDARD_BURST"],
        RATE,
        "Standard: requests more in each burst window while the bucket is empty",
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
        "Premium: requests that come back each second, more than 0",
    ),
    row(
        "rate_limit.premium_burst",
        &["CERTSTREAM_RATE_LIMIT_PREMIUM_BURST"],
        RATE,
        "Premium: requests more in each burst window while the bucket is empty",
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
        "Most requests of a Free client in any such window; those of Standard and Premium are as many \
         times more as their buckets are larger",
    ),
    row(
        "rate_limit.burst_window_seconds",
        &["CERTSTREAM_RATE_LIMIT_BURST_WINDOW_SECONDS"],
        Seconds(1, 86_400),
        "Length of the burst window, which begins with the first request of a burst",
    ),
    row(
        "rate_limit.max_clients",
        &["CERTSTREAM_RATE_LIMIT_MAX_CLIENTS"],
        Integer(100, 10_000_000),
        "Most clients remembered, some 200 bytes each; past it those not seen longest are forgotten",
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
        "The request header that holds the token, as it is or after \"Bearer \"",
    ),
    row(
        "auth.query_token",
        &["CERTSTREAM_AUTH_QUERY_TOKEN"],
        Bool,
        "Also read the token from ?token=, for browsers, which cannot set headers; proxies log URLs",
    ),
    row(
        "feed.ring_bytes",
        &["CERTSTREAM_FEED_RING_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Memory for the latest entries, from which a client resumes; the default is some 30 seconds \
         of all logs, and certstream_ring_seconds says how long it is",
    )
    .restart(),
    row(
        "feed.chunk_bytes",
        &["CERTSTREAM_FEED_CHUNK_BYTES"],
        Size(64 * ByteSize::KIB, 64 * ByteSize::GIB),
        "Memory for the messages of each feed that has readers",
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
        "Longest time for which messages wait, under load, so that several go out in one write; the \
         fewer the clients the shorter it is, and 0 sends everything at once",
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
        "The log list, in the v3 form that Chrome publishes",
    ),
    row(
        "ct_log.log_list_key_file",
        &["CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE"],
        Path,
        "PEM public key that the log list is signed with, in place of Chrome's",
    )
    .example("/etc/certstream/log_list_key.pem"),
    row(
        "ct_log.log_list_cache",
        &["CERTSTREAM_CT_LOG_LOG_LIST_CACHE"],
        Path,
        "File that keeps the log lists for a start without network, and the newest version seen so \
         that no older one is ever used; without it a file beside ct_log.state_file does",
    )
    .example("/var/lib/certstream/log_lists.json"),
    row(
        "ct_log.extra_log_lists",
        &["CERTSTREAM_CT_LOG_EXTRA_LOG_LISTS"],
        Urls,
        "Further log lists in the same form, without signature, such as Apple's \
         (https://valid.apple.com/ct/log_list/current_log_list.json); they only add logs, and what \
         they drop is followed on",
    ),
    row(
        "ct_log.log_refresh_interval_secs",
        &["CERTSTREAM_CT_LOG_REFRESH_INTERVAL_SECS"],
        Seconds(0, 604_800),
        "Time between two readings of the log lists; 0 reads them only at start",
    ),
    row(
        "ct_log.removed_log_policy",
        &["CERTSTREAM_CT_LOG_REMOVED_POLICY"],
        Choice(&["stop", "keep"]),
        "What becomes of a log that leaves the signed list, or the wanted states there: it is read \
         to its end, or followed as before",
    ),
    row(
        "ct_log.checkpoint_signature_mode",
        &["CERTSTREAM_STATIC_CT_CHECKPOINT_SIGNATURE"],
        Choice(&["enforce", "warn"]),
        "For configurations of certstream-server-rust; a tree head whose signature fails is never \
         used, so warn is the same as enforce and says so at the start",
    ),
    row(
        "ct_log.states",
        &["CERTSTREAM_CT_LOG_STATES"],
        Choices(LOG_STATES),
        "States a log of the log list must be in to be followed",
    ),
    row(
        "ct_log.include_test",
        &["CERTSTREAM_CT_LOG_INCLUDE_TEST"],
        Bool,
        "Also follow logs for tests, mirrors and logs without a state, from Chrome's list of all \
         logs unless ct_log.log_list_url names another list",
    ),
    row(
        "ct_log.exclude",
        &["CERTSTREAM_CT_LOG_EXCLUDE"],
        Texts,
        "Logs of the lists not to follow, each by operator, name, log id or URL; the URL of a host \
         stands for all its logs",
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
        "Entries before the head at which a start at the head begins",
    )
    .restart(),
    row(
        "ct_log.state_file",
        &["CERTSTREAM_CT_LOG_STATE_FILE"],
        Path,
        "File to save positions in and to resume from; without it every start is fresh",
    )
    .example("/var/lib/certstream/state.json")
    .restart(),
    row(
        "ct_log.state_recovery",
        &["CERTSTREAM_CT_LOG_STATE_RECOVERY"],
        Choice(&["fresh", "fail"]),
        "What becomes of a state file that cannot be read: it is set aside and all logs begin afresh, \
         or the server does not start",
    )
    .restart(),
    row(
        "ct_log.import_index",
        &["CERTSTREAM_CT_LOG_IMPORT_INDEX"],
        Path,
        "Positions as certstream-server-go keeps them (ct_index.json), for logs that ct_log.state_file \
         does not know yet; it is only read",
    )
    .example("/var/lib/certstream/ct_index.json")
    .restart(),
    row(
        "ct_log.resume_overlap_secs",
        &["CERTSTREAM_CT_LOG_RESUME_OVERLAP_SECS"],
        Seconds(0, HOUR),
        "How far saved positions trail the stream, so that a restart repeats and never skips",
    )
    .restart(),
    row(
        "ct_log.max_catchup_lag_entries",
        &["CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_ENTRIES"],
        Integer(0, Kind::ANY),
        "Entries a log may be behind before it skips to its head, at least 10000; 0 never skips. \
         What is skipped is logged and counted",
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
        "Most entries asked for in one request; what a log gives at once is learned",
    )
    .restart(),
    row(
        "ct_log.poll_interval_ms",
        &["CERTSTREAM_CT_LOG_POLL_INTERVAL_MS"],
        Millis(1, HOUR_MS),
        "Longest time between two looks for new entries in a log; a log that brings some is looked \
         at sooner when more are due, one that brings none once a second at most",
    )
    .restart(),
    row(
        "ct_log.fetch_concurrency",
        &["CERTSTREAM_CT_LOG_FETCH_CONCURRENCY"],
        Integer(1, 16),
        "Most requests to one log at a time",
    )
    .restart(),
    row(
        "ct_log.default_operator_rate_limit_ms",
        &["CERTSTREAM_CT_LOG_DEFAULT_OPERATOR_RATE_LIMIT_MS"],
        Millis(0, HOUR_MS),
        "Fixed time between two requests to a host; 0 for none, what a host bears is learned",
    )
    .restart(),
    row(
        "ct_log.operator_rate_limits",
        &["CERTSTREAM_CT_LOG_OPERATOR_RATE_LIMITS"],
        Intervals,
        "The same for the hosts of some operators; in a file also a map of names and milliseconds",
    )
    .restart(),
    row(
        "ct_log.in_flight_bytes",
        &["CERTSTREAM_CT_LOG_IN_FLIGHT_BYTES"],
        Size(ByteSize::MIB, ByteSize::GIB),
        "Memory for what logs answer, from the first byte received until it is published; one log \
         may have a quarter",
    )
    .restart(),
    row(
        "ct_log.allow_private_addresses",
        &["CERTSTREAM_CT_LOG_ALLOW_PRIVATE_ADDRESSES"],
        Bool,
        "Connect to private addresses of logs that only a list names; logs named here, and lists \
         at private addresses with their logs, need no such leave",
    )
    .restart(),
    row(
        "ct_log.partial_tile_wait_ms",
        &["CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_MS"],
        Millis(0, 600_000),
        "Longest wait for the newest tile of a static-ct-api log to fill up before it is read",
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
        "Longest wait between two attempts",
    )
    .restart(),
    row(
        "ct_log.healthy_threshold",
        &["CERTSTREAM_CT_LOG_HEALTHY_THRESHOLD"],
        Integer(1, Kind::ANY),
        "Successes in a row that make a failing log healthy",
    )
    .restart(),
    row(
        "ct_log.unhealthy_threshold",
        &["CERTSTREAM_CT_LOG_UNHEALTHY_THRESHOLD"],
        Integer(1, Kind::ANY),
        "Failures in a row that make a log unhealthy",
    )
    .restart(),
    row(
        "ct_log.health_check_interval_secs",
        &["CERTSTREAM_CT_LOG_HEALTH_CHECK_INTERVAL_SECS"],
        Seconds(1, 86_400),
        "Time between two attempts at an unhealthy log",
    )
    .restart(),
    row(
        "ct_log.user_agent",
        &["CERTSTREAM_USER_AGENT"],
        Ascii,
        "User-Agent of requests to logs; blank for the server's own. Some logs slow down clients \
         whose User-Agent has neither an e-mail address nor a URL",
    )
    .restart(),
    row(
        "hot_reload.enabled",
        &["CERTSTREAM_HOT_RELOAD_ENABLED"],
        Bool,
        "Read the configuration again when its file changes, also by rename or by another link",
    ),
    row(
        "hot_reload.watch_path",
        &["CERTSTREAM_HOT_RELOAD_WATCH_PATH"],
        Path,
        "File, or folder of files, whose change counts as a change of the configuration file",
    )
    .example("/etc/certstream"),
    row("custom_logs", &[], Logs, "RFC 6962 logs to follow besides those of the log list"),
    row("custom_logs[].name", &[], Text, NAME).example("Example 2027"),
    row("custom_logs[].url", &[], Url, "The log's URL: what stands before /ct/v1/")
        .example("https://ct.example/2027"),
    row("custom_logs[].key", &[], Text, KEY).example(KEY_EXAMPLE),
    row("custom_logs[].operator", &[], Text, OPERATOR).example("Example"),
    row("custom_logs[].expected_log_id", &[], Text, LOG_ID).example(LOG_ID_EXAMPLE),
    row("custom_logs[].batch_size", &[], Integer(1, MAX_BATCH), BATCH_SIZE).example("256"),
    row("custom_logs[].poll_interval_ms", &[], Millis(1, HOUR_MS), POLL_INTERVAL).example("5000"),
    row("static_logs", &[], Logs, "static-ct-api logs to follow besides those of the log list"),
    row("static_logs[].name", &[], Text, NAME).example("Example tiles 2027"),
    row("static_logs[].url", &[], Url, "The monitoring prefix: what stands before /checkpoint")
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

const NAME: &str = "What the log is called in messages (source.name)";
const KEY: &str = "Base64 of its DER public key; without a key its signatures are not checked";
const KEY_EXAMPLE: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE...";
const OPERATOR: &str = "Who runs it";
const LOG_ID: &str = "Its log id, base64; a key that has another id is refused";
const LOG_ID_EXAMPLE: &str = "dNudWPfUfp39eHoWKpkcGM9pjafHKZGMmhiwRQ26RLw=";
const BATCH_SIZE: &str = "In place of ct_log.batch_size";
const POLL_INTERVAL: &str = "In place of ct_log.poll_interval_ms";
const TREE_SIZE: &str = "Where the tree size of a log without checkpoint comes from: get_sth, at the log's own URL, or \
     the URL before /ct/v1/";
