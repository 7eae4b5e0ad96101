//! The configuration as types, one field for each setting.
//!
//! Field docs give units and bounds. The text for users (help, `docs/configuration.md`,
//! `config.example.yaml`), the bounds themselves, and the names of variables and flags are in
//! [`SETTINGS`](crate::SETTINGS), one row for each leaf of [`Config`].

pub mod alerts;
mod cluster;
mod ct_log;
mod de;
pub(crate) mod guard;
mod journal;
pub mod outputs;
pub mod reporting;
mod streams;
pub(crate) mod values;
mod variables;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use self::alerts::Alerts;
pub use self::cluster::{Cluster, Role};
pub use self::ct_log::{CtLog, NamedLog};
use self::de::{address, blank_is_default};
use self::guard::{Auth, ConnectionLimit, RateLimit};
pub use self::journal::{Journal, JournalSync, Span};
use self::outputs::{Nats, StreamProcessor};
use self::reporting::{Api, Compat, MetricsSettings, Prometheus, StatsSettings};
use self::streams::switch_or_section;
pub use self::streams::{Compression, Dedup, Feed, Filters, Heartbeat, Protocols, Streams};
use self::values::{ByteSize, CompatProfile, LogFormat, SlowClient, Verification};
pub use self::variables::Variables;

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
    /// The format of the server's own log lines.
    pub log_format: LogFormat,
    /// True if those lines contain client addresses.
    pub log_client_addresses: bool,
    /// Largest message sent.
    pub max_message_bytes: ByteSize,
    /// The format of messages where the client does not choose one.
    pub compat_profile: CompatProfile,
    /// The handling of a client that falls out of the ring.
    pub slow_client: SlowClient,
    /// Threads that serve clients and read logs; 0 for one a core.
    pub worker_threads: u64,
    /// Longest wait for connections to end after a stop signal, in milliseconds, at most 5000.
    pub shutdown_grace_ms: u64,
    /// The part of this server in a cluster.
    pub role: Role,
    /// The directory of the journal and of everything else that is kept; none for memory only.
    pub data_dir: Option<PathBuf>,
    /// The handling of entries that do not match the log's signed tree.
    pub verification: Verification,
    /// The directory for evidence of alarms, instead of one beside the state file.
    pub verification_evidence_dir: Option<PathBuf>,
    /// Trusted proxies, whose `X-Forwarded-For` is used: addresses and networks.
    #[serde(deserialize_with = "blank_is_default")]
    pub trusted_proxies: Vec<String>,
    /// `false` to trust no proxy; otherwise those of `trusted_proxies` are trusted.
    pub real_ip: Option<bool>,
    /// The addresses and networks that may use streams and API; empty for everybody.
    #[serde(deserialize_with = "blank_is_default")]
    pub ip_allow_list: Vec<String>,
    /// The protocols and routes that are served.
    #[serde(deserialize_with = "blank_is_default")]
    pub protocols: Protocols,
    /// The listener and path of metrics.
    #[serde(deserialize_with = "blank_is_default")]
    pub prometheus: Prometheus,
    /// Metrics under other servers' names.
    #[serde(deserialize_with = "blank_is_default")]
    pub metrics: MetricsSettings,
    /// The certificates that the REST API keeps.
    #[serde(deserialize_with = "blank_is_default")]
    pub api: Api,
    /// Statistics as CaliDog's server has them.
    #[serde(deserialize_with = "blank_is_default")]
    pub stats: StatsSettings,
    /// The streams that are rendered.
    #[serde(deserialize_with = "blank_is_default")]
    pub streams: Streams,
    /// The handling of certificates that are in several logs.
    #[serde(deserialize_with = "switch_or_section")]
    pub dedup: Dedup,
    /// The messages that show clients that the connection is alive.
    #[serde(deserialize_with = "blank_is_default")]
    pub heartbeat: Heartbeat,
    /// The streams that are compressed for clients that request it.
    #[serde(deserialize_with = "blank_is_default")]
    pub compression: Compression,
    /// The limits on clients' filters.
    #[serde(deserialize_with = "blank_is_default")]
    pub filters: Filters,
    /// The limits on connections.
    #[serde(deserialize_with = "blank_is_default")]
    pub connection_limit: ConnectionLimit,
    /// The limits on requests.
    #[serde(deserialize_with = "blank_is_default")]
    pub rate_limit: RateLimit,
    /// The accepted tokens.
    #[serde(deserialize_with = "blank_is_default")]
    pub auth: Auth,
    /// The memory for clients, and how messages are sent.
    #[serde(deserialize_with = "blank_is_default")]
    pub feed: Feed,
    /// The published certificates on disk, in `data_dir`.
    #[serde(deserialize_with = "blank_is_default")]
    pub journal: Journal,
    /// The cluster that this server is a node of.
    #[serde(deserialize_with = "blank_is_default")]
    pub cluster: Cluster,
    /// The logs of the log list, and how they are read.
    #[serde(deserialize_with = "blank_is_default")]
    pub ct_log: CtLog,
    /// RFC 6962 logs to follow besides those of the log list.
    #[serde(deserialize_with = "blank_is_default")]
    pub custom_logs: Vec<NamedLog>,
    /// static-ct-api logs to follow besides those of the log list.
    #[serde(deserialize_with = "blank_is_default")]
    pub static_logs: Vec<NamedLog>,
    /// The output to NATS.
    #[serde(deserialize_with = "blank_is_default")]
    pub nats: Nats,
    /// Outputs to Kafka.
    #[serde(deserialize_with = "blank_is_default")]
    pub stream_processing: Vec<StreamProcessor>,
    /// Rules, and the receivers of what they find.
    #[serde(deserialize_with = "blank_is_default")]
    pub alerts: Alerts,
    /// Files in the formats of other servers.
    #[serde(deserialize_with = "blank_is_default")]
    pub compat: Compat,
    /// The reloading of the configuration.
    #[serde(deserialize_with = "blank_is_default")]
    pub hot_reload: HotReload,
    /// The environment variables that other settings name, such as `alerts.receivers[].url_env`.
    #[serde(skip)]
    pub variables: Variables,
    // What only other servers know is looked at beside this struct.
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub buffer_size: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub webserver: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub general: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub ct_logs_url: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub additional_log_lists: IgnoredAny,
}

impl Config {
    /// Returns the configuration of `--demo`: the defaults, with everything on that shows
    /// something.
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
            role: Role::All,
            data_dir: None,
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
            journal: Journal::default(),
            cluster: Cluster::default(),
            ct_log: CtLog::default(),
            custom_logs: Vec::new(),
            static_logs: Vec::new(),
            nats: Nats::default(),
            stream_processing: Vec::new(),
            alerts: Alerts::default(),
            compat: Compat::default(),
            hot_reload: HotReload::default(),
            variables: Variables::default(),
            buffer_size: IgnoredAny,
            webserver: IgnoredAny,
            general: IgnoredAny,
            ct_logs_url: IgnoredAny,
            additional_log_lists: IgnoredAny,
        }
    }
}

/// The reloading of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HotReload {
    /// True if it is reloaded when its file changes; SIGHUP always reloads it.
    pub enabled: bool,
    /// A file, or a folder of files, whose changes also reload it.
    pub watch_path: Option<PathBuf>,
}
