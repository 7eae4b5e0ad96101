//! The settings of metrics, statistics and the REST API.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::de::{address, blank_is_none};
use super::values::{ByteSize, MetricsCompat};

/// The listener and path of metrics, with the keys of certstream-server-go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prometheus {
    /// True if metrics have a separate listener; then the main one does not serve them.
    pub enabled: bool,
    /// The address of that listener.
    #[serde(deserialize_with = "address")]
    pub listen_addr: IpAddr,
    /// Its TCP port; with `host` and `port` of the server there is one listener for both.
    pub listen_port: u16,
    /// The path, with or without a slash before it.
    pub metrics_url: String,
    /// True if metrics of the process and its allocator are shown.
    pub expose_system_metrics: bool,
    /// The PEM certificate chain of that listener; none for plain HTTP.
    #[serde(deserialize_with = "blank_is_none")]
    pub cert_path: Option<PathBuf>,
    /// The PEM private key of that certificate; set exactly where that is.
    #[serde(deserialize_with = "blank_is_none")]
    pub cert_key_path: Option<PathBuf>,
    /// The addresses that may read metrics; empty for everybody.
    pub whitelist: Vec<String>,
    /// Trusted proxies of that listener: their `X-Forwarded-For` is used.
    pub trusted_proxies: Vec<String>,
    /// `false` to trust no proxy; otherwise those of `trusted_proxies` are trusted.
    pub real_ip: Option<bool>,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            enabled: false,
            listen_addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            listen_port: 9090,
            metrics_url: "/metrics".to_owned(),
            expose_system_metrics: true,
            cert_path: None,
            cert_key_path: None,
            whitelist: Vec::new(),
            trusted_proxies: Vec::new(),
            real_ip: None,
        }
    }
}

/// Metrics under other servers' names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// The servers whose metric names are shown too.
    pub compat: Vec<MetricsCompat>,
}

/// Files that other servers can resume from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compat {
    /// The file with positions in the format of certstream-server-go.
    pub export_index: Option<PathBuf>,
    /// The state file to write besides a journal.
    pub export_state: Option<PathBuf>,
}

/// The certificates that the REST API keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Maximum number of certificates that `/api/cert` finds, the newest; 0 for none.
    pub cache_capacity: u64,
    /// Maximum size of these, in bytes of their DER.
    pub cache_bytes: ByteSize,
}

impl Default for Api {
    fn default() -> Self {
        Self { cache_capacity: 1000, cache_bytes: ByteSize::new(4 * ByteSize::MIB) }
    }
}

/// The statistics of `/stats`, as CaliDog's server has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatsSettings {
    /// The path, with or without a slash before it.
    pub url: String,
    /// True if the clients' addresses and programs are shown.
    pub client_addresses: bool,
}

impl Default for StatsSettings {
    fn default() -> Self {
        Self { url: "/stats".to_owned(), client_addresses: false }
    }
}

/// Returns a path with one slash before it.
#[must_use]
pub fn route(setting: &str) -> String {
    format!("/{}", setting.trim_start_matches('/'))
}
