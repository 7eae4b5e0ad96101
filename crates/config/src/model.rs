//! The configuration as the rest of the server sees it.
//!
//! Field docs give units and bounds. The text for users (help, `docs/configuration.md`,
//! `config.example.yaml`), the bounds themselves, and the names of variables and flags are in
//! [`SETTINGS`](super::SETTINGS), one row for each leaf of [`Config`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use super::guard::{Auth, ConnectionLimit, RateLimit};
use super::kind;
use super::reporting::{Api, MetricsSettings, Prometheus, StatsSettings};
use super::values::{
    ByteSize, CompatProfile, DedupMode, HeartbeatMode, LogFormat, LogState, OperatorIntervals,
    RemovedLogPolicy, SignatureMode, SlowClient, Start, StateRecovery, TreeSizeSource,
    Verification,
};

/// The whole configuration of a server. Its default is a server without configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    #[serde(deserialize_with = "address")]
    pub host: IpAddr,
    /// The TCP port to listen on; 0 (any free port) only from the command line.
    pub port: u16,
    /// The PEM certificate chain to speak TLS with; none for plain HTTP.
    pub tls_cert: Option<PathBuf>,
    /// The PEM private key of that certificate; set exactly where that is.
    pub tls_key: Option<PathBuf>,
    /// A filter as `tracing_subscriber::EnvFilter` reads it.
    pub log_level: String,
    /// The form of the server's own log lines.
    pub log_format: LogFormat,
    /// Whether those lines name the addresses of clients.
    pub log_client_addresses: bool,
    /// Largest message sent.
    pub max_message_bytes: ByteSize,
    /// Whose conventions messages follow where the client does not choose.
    pub compat_profile: CompatProfile,
    /// What becomes of a client that falls out of the ring.
    pub slow_client: SlowClient,
    /// Threads that serve clients and read logs; 0 for one a core.
    pub worker_threads: u64,
    /// Longest wait for connections to end after a stop signal, in milliseconds, at most 5000.
    pub shutdown_grace_ms: u64,
    /// What becomes of entries that are not those a log has signed.
    pub verification: Verification,
    /// Where evidence of that is kept, in place of a folder beside the state file.
    pub verification_evidence_dir: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed: addresses and networks.
    #[serde(deserialize_with = "blank_is_default")]
    pub trusted_proxies: Vec<String>,
    /// `false` to believe nobody's; otherwise that of `trusted_proxies`.
    pub real_ip: Option<bool>,
    /// Who may use streams and API: addresses and networks; empty for everybody.
    #[serde(deserialize_with = "blank_is_default")]
    pub ip_allow_list: Vec<String>,
    /// What is served.
    #[serde(deserialize_with = "blank_is_default")]
    pub protocols: Protocols,
    /// Where metrics are read.
    #[serde(deserialize_with = "blank_is_default")]
    pub prometheus: Prometheus,
    /// What metrics show besides the server's own.
    #[serde(deserialize_with = "blank_is_default")]
    pub metrics: MetricsSettings,
    /// What the REST API remembers.
    #[serde(deserialize_with = "blank_is_default")]
    pub api: Api,
    /// Statistics as CaliDog's server has them.
    #[serde(deserialize_with = "blank_is_default")]
    pub stats: StatsSettings,
    /// Which streams are rendered.
    #[serde(deserialize_with = "blank_is_default")]
    pub streams: Streams,
    /// What becomes of certificates that come from several logs.
    #[serde(deserialize_with = "switch_or_section")]
    pub dedup: Dedup,
    /// What is sent into silence.
    #[serde(deserialize_with = "blank_is_default")]
    pub heartbeat: Heartbeat,
    /// What is compressed for clients that ask for it.
    #[serde(deserialize_with = "blank_is_default")]
    pub compression: Compression,
    /// What clients may filter by.
    #[serde(deserialize_with = "blank_is_default")]
    pub filters: Filters,
    /// How many connections there may be.
    #[serde(deserialize_with = "blank_is_default")]
    pub connection_limit: ConnectionLimit,
    /// How many requests a client may make.
    #[serde(deserialize_with = "blank_is_default")]
    pub rate_limit: RateLimit,
    /// Who is let in.
    #[serde(deserialize_with = "blank_is_default")]
    pub auth: Auth,
    /// What is kept for clients.
    #[serde(deserialize_with = "blank_is_default")]
    pub feed: Feed,
    /// How logs are read.
    #[serde(deserialize_with = "blank_is_default")]
    pub ct_log: CtLog,
    /// RFC 6962 logs to follow besides those of the log list.
    #[serde(deserialize_with = "blank_is_default")]
    pub custom_logs: Vec<NamedLog>,
    /// static-ct-api logs to follow besides those of the log list.
    #[serde(deserialize_with = "blank_is_default")]
    pub static_logs: Vec<NamedLog>,
    /// When the configuration is read again.
    #[serde(deserialize_with = "blank_is_default")]
    pub hot_reload: HotReload,
    // What only other servers know is looked at beside this struct.
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub buffer_size: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub webserver: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub general: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub stream_processing: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub nats: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub ct_logs_url: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub additional_log_lists: IgnoredAny,
}

/// A section whose keys are all commented out is `null` in YAML; it means the section's defaults.
pub(super) fn blank_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An IP address or `localhost`.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = || D::Error::custom("expected an IP address or localhost");
    kind::address(&text).ok_or_else(expected)
}

impl Config {
    /// The configuration of `--demo`: the defaults, with everything on that shows something.
    #[must_use]
    pub fn demo() -> Self {
        let protocols = Protocols { sse: true, api: true, page: true, ..Protocols::default() };
        Self { protocols, ..Self::default() }
    }

    /// The address to listen on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 8080,
            tls_cert: None,
            tls_key: None,
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            log_client_addresses: false,
            max_message_bytes: ByteSize::new(ByteSize::MIB),
            compat_profile: CompatProfile::Calidog,
            slow_client: SlowClient::Drop,
            worker_threads: 0,
            shutdown_grace_ms: 3000,
            verification: Verification::Report,
            verification_evidence_dir: None,
            trusted_proxies: Vec::new(),
            real_ip: None,
            ip_allow_list: Vec::new(),
            protocols: Protocols::default(),
            prometheus: Prometheus::default(),
            metrics: MetricsSettings::default(),
            api: Api::default(),
            stats: StatsSettings::default(),
            streams: Streams::default(),
            dedup: Dedup::default(),
            heartbeat: Heartbeat::default(),
            compression: Compression::default(),
            filters: Filters::default(),
            connection_limit: ConnectionLimit::default(),
            rate_limit: RateLimit::default(),
            auth: Auth::default(),
            feed: Feed::default(),
            ct_log: CtLog::default(),
            custom_logs: Vec::new(),
            static_logs: Vec::new(),
            hot_reload: HotReload::default(),
            buffer_size: IgnoredAny,
            webserver: IgnoredAny,
            general: IgnoredAny,
            stream_processing: IgnoredAny,
            nats: IgnoredAny,
            ct_logs_url: IgnoredAny,
            additional_log_lists: IgnoredAny,
        }
    }
}

/// What is served; off means that the routes answer 404.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protocols {
    /// The WebSocket streams.
    pub websocket: bool,
    /// The SSE streams.
    pub sse: bool,
    /// `/metrics`.
    pub metrics: bool,
    /// `/health`, `/health/deep` and `/health/ready`.
    pub health: bool,
    /// `/example.json` of each stream.
    pub example_json: bool,
    /// `/api/…`.
    pub api: bool,
    /// `/stats`.
    pub stats: bool,
    /// The page at `/`.
    pub page: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self {
            websocket: true,
            sse: false,
            metrics: true,
            health: true,
            example_json: true,
            api: false,
            stats: true,
            page: true,
        }
    }
}

/// Which streams are rendered; off means that the route answers 404.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Streams {
    /// Whole certificates with their chains.
    pub full: bool,
    /// Certificates without DER and chain.
    pub lite: bool,
    /// Only the domain names.
    pub domains_only: bool,
    /// The path of the full stream, with or without a slash at its end.
    pub full_path: String,
    /// The path of the lite stream, which is also at `/` unless another is there.
    pub lite_path: String,
    /// The path of the domains-only stream.
    pub domains_only_path: String,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub v2: IgnoredAny,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            full: true,
            lite: true,
            domains_only: true,
            full_path: "/full-stream".to_owned(),
            lite_path: "/".to_owned(),
            domains_only_path: "/domains-only".to_owned(),
            v2: IgnoredAny,
        }
    }
}

/// When the configuration is read again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HotReload {
    /// When its file changes; on SIGHUP in any case.
    pub enabled: bool,
    /// A file, or a folder of files, whose change counts as well.
    pub watch_path: Option<PathBuf>,
}

/// What becomes of certificates that come from several logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dedup {
    /// Whether a certificate is sent only once.
    pub enabled: bool,
    /// What counts as the same certificate.
    pub mode: DedupMode,
    /// Most certificates remembered.
    pub capacity: u64,
    /// Seconds for which one is remembered, 1 to 604,800.
    pub ttl_secs: u64,
}

impl Default for Dedup {
    fn default() -> Self {
        Self { enabled: true, mode: DedupMode::Certificate, capacity: 200_000, ttl_secs: 900 }
    }
}

/// `dedup: false` is short for `dedup: {enabled: false}`.
fn switch_or_section<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dedup, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "false, true, or a map of enabled, mode, capacity and ttl_secs")]
    enum Either {
        Switch(bool),
        Section(Dedup),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Dedup::default(),
        Some(Either::Switch(enabled)) => Dedup { enabled, ..Dedup::default() },
        Some(Either::Section(section)) => section,
    })
}

/// What is sent into silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// When.
    pub mode: HeartbeatMode,
    /// Seconds of silence (`idle`) or between heartbeats (`always`), 1 to 3600.
    pub interval_secs: u64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { mode: HeartbeatMode::Idle, interval_secs: 10 }
    }
}

/// What is compressed for clients that ask for it. Compressed once for all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compression {
    /// WebSocket streams, with permessage-deflate (RFC 7692).
    pub websocket: bool,
    /// SSE streams, with gzip.
    pub sse: bool,
}

impl Default for Compression {
    fn default() -> Self {
        Self { websocket: true, sse: true }
    }
}

/// What clients may filter by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// Most different terms of one connection, 1 to 1000.
    pub max_terms: u64,
    /// Most different terms over all connections, 1 to 100,000.
    pub max_distinct: u64,
}

impl Default for Filters {
    fn default() -> Self {
        Self { max_terms: 20, max_distinct: 10_000 }
    }
}

/// What is kept for clients that resume or fall behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Feed {
    /// Entries kept, in bytes.
    pub ring_bytes: ByteSize,
    /// Framed chunks kept for each feed with readers, in bytes.
    pub chunk_bytes: ByteSize,
    /// Whether certificates without names are left out of the domains-only stream.
    pub skip_empty_domains: bool,
    /// Longest time for which a page waits for others to go out with it, in milliseconds, at most
    /// 1000.
    pub gather_ms: u64,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            ring_bytes: ByteSize::new(16 * ByteSize::MIB),
            chunk_bytes: ByteSize::new(8 * ByteSize::MIB),
            skip_empty_domains: true,
            gather_ms: 20,
        }
    }
}

/// Which logs are read, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CtLog {
    /// Follow RFC 6962 logs.
    pub rfc6962_enabled: bool,
    /// Follow static-ct-api logs.
    pub static_ct_enabled: bool,
    /// Follow only the logs named in this configuration.
    pub disable_default_logs: bool,
    /// The v3 log list.
    pub log_list_url: String,
    /// The PEM public key that signs the log list, in place of the built-in one.
    pub log_list_key_file: Option<PathBuf>,
    /// Where the lists are kept for a start without network, in place of a file beside `state_file`.
    pub log_list_cache: Option<PathBuf>,
    /// v3 log lists without signature, which only add logs.
    pub extra_log_lists: Vec<String>,
    /// Seconds between readings of the log lists; 0 reads them only at start.
    pub log_refresh_interval_secs: u64,
    /// What becomes of a log that leaves the signed list.
    pub removed_log_policy: RemovedLogPolicy,
    /// Kept for configurations of certstream-server-rust: signatures are always enforced.
    pub checkpoint_signature_mode: SignatureMode,
    /// The states a listed log must be in to be followed; never empty.
    pub states: Vec<LogState>,
    /// Follow test and monitoring logs too.
    pub include_test: bool,
    /// Logs of the lists that are not followed: operator, name, log id or URL.
    pub exclude: Vec<String>,
    /// Operators whose logs of the lists are not followed.
    pub excluded_operators: Vec<String>,
    /// Logs of the lists that are not followed: name, log id or URL.
    pub excluded_logs: Vec<String>,
    /// Where a log without a saved position starts.
    pub start: Start,
    /// Entries before the head at which `start: head` begins, at most 100,000.
    pub start_overlap_leaves: u64,
    /// Where positions are saved.
    pub state_file: Option<PathBuf>,
    /// What becomes of a state file that cannot be read.
    pub state_recovery: StateRecovery,
    /// Positions of certstream-server-go, for logs that `state_file` does not know.
    pub import_index: Option<PathBuf>,
    /// Seconds by which saved positions trail what is published.
    pub resume_overlap_secs: u64,
    /// Entries a log may be behind before some are skipped, at least 10,000; 0 for any number.
    pub max_catchup_lag_entries: u64,
    /// Seconds a log may be behind before entries are skipped, at least 300; 0 for any time.
    pub max_catchup_lag_secs: u64,
    /// Most entries asked for in one request.
    pub batch_size: u64,
    /// Longest wait between two tree heads of one log, in milliseconds.
    pub poll_interval_ms: u64,
    /// Most requests to one log at a time, 1 to 16.
    pub fetch_concurrency: u64,
    /// Fixed time between two requests to a host, in milliseconds; 0 for none.
    pub default_operator_rate_limit_ms: u64,
    /// The same for the hosts of some operators.
    pub operator_rate_limits: OperatorIntervals,
    /// Bytes of what logs answer at most, from the first byte received until it is published.
    pub in_flight_bytes: ByteSize,
    /// Whether logs that only a list names may be at private addresses.
    pub allow_private_addresses: bool,
    /// Longest wait for a partial tile to fill up, in milliseconds.
    pub partial_tile_wait_ms: u64,
    /// Time limit of a request, in seconds.
    pub request_timeout_secs: u64,
    /// Attempts at a request before it counts as a failure.
    pub retry_max_attempts: u64,
    /// First wait before another attempt, in milliseconds.
    pub retry_initial_delay_ms: u64,
    /// Longest wait before another attempt, in milliseconds.
    pub retry_max_delay_ms: u64,
    /// Successes in a row that make a failing log healthy.
    pub healthy_threshold: u64,
    /// Failures in a row that make a log unhealthy.
    pub unhealthy_threshold: u64,
    /// Seconds between attempts at an unhealthy log.
    pub health_check_interval_secs: u64,
    /// The User-Agent of requests; blank for the server's name, version and address.
    pub user_agent: String,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub catalog_authority_overrides: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub force_http1_operators: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub merkle_verification: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub names_tiles: IgnoredAny,
    /// Of another server, see [`PEER_KEYS`](super::PEER_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub partial_tile_wait_secs: IgnoredAny,
}

impl Default for CtLog {
    fn default() -> Self {
        Self {
            rfc6962_enabled: true,
            static_ct_enabled: true,
            disable_default_logs: false,
            log_list_url: "https://www.gstatic.com/ct/log_list/v3/log_list.json".to_owned(),
            log_list_key_file: None,
            log_list_cache: None,
            extra_log_lists: Vec::new(),
            log_refresh_interval_secs: 3600,
            removed_log_policy: RemovedLogPolicy::Stop,
            checkpoint_signature_mode: SignatureMode::Enforce,
            states: vec![LogState::Qualified, LogState::Usable, LogState::Readonly],
            include_test: false,
            exclude: Vec::new(),
            excluded_operators: Vec::new(),
            excluded_logs: Vec::new(),
            start: Start::Head,
            start_overlap_leaves: 256,
            state_file: None,
            state_recovery: StateRecovery::Fresh,
            import_index: None,
            resume_overlap_secs: 10,
            max_catchup_lag_entries: 0,
            max_catchup_lag_secs: 0,
            batch_size: 256,
            poll_interval_ms: 1000,
            fetch_concurrency: 4,
            default_operator_rate_limit_ms: 0,
            operator_rate_limits: OperatorIntervals::default(),
            in_flight_bytes: ByteSize::new(64 * ByteSize::MIB),
            allow_private_addresses: false,
            partial_tile_wait_ms: 2000,
            request_timeout_secs: 30,
            retry_max_attempts: 3,
            retry_initial_delay_ms: 1000,
            retry_max_delay_ms: 30_000,
            healthy_threshold: 2,
            unhealthy_threshold: 5,
            health_check_interval_secs: 60,
            user_agent: String::new(),
            catalog_authority_overrides: IgnoredAny,
            force_http1_operators: IgnoredAny,
            merkle_verification: IgnoredAny,
            names_tiles: IgnoredAny,
            partial_tile_wait_secs: IgnoredAny,
        }
    }
}

/// A log named by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedLog {
    /// What to call it.
    pub name: String,
    /// Where it is read: the part before `/ct/v1/` (RFC 6962) or before `/checkpoint`
    /// (static-ct-api).
    pub url: String,
    /// Base64 of the DER public key.
    pub key: Option<String>,
    /// Who runs it.
    pub operator: Option<String>,
    /// The first line of its checkpoints; only for static-ct-api.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_origin: Option<String>,
    /// Where its tree size comes from; only for static-ct-api.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree_size_source: Option<TreeSizeSource>,
    /// Base64 of the SHA-256 of the key (RFC 6962 section 3.2).
    pub expected_log_id: Option<String>,
    /// In place of [`CtLog::batch_size`].
    pub batch_size: Option<u64>,
    /// In place of [`CtLog::poll_interval_ms`].
    pub poll_interval_ms: Option<u64>,
}
