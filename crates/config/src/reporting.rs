//! The settings of what the server tells about itself: metrics, statistics and the REST API.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::model::address;
use super::values::{ByteSize, MetricsCompat};

/// Where metrics are read, in the words of certstream-server-go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prometheus {
    /// Whether metrics have a listener of their own; then the other one does not serve them.
    pub enabled: bool,
    /// The address of that listener.
    #[serde(deserialize_with = "address")]
    pub listen_addr: IpAddr,
    /// Its TCP port; with `host` and `port` of the server there is one listener for both.
    pub listen_port: u16,
    /// The path, with or without a slash before it.
    pub metrics_url: String,
    /// Whether metrics of the process and its allocator are shown.
    pub expose_system_metrics: bool,
    /// The PEM certificate chain of that listener; none for plain HTTP.
    #[serde(deserialize_with = "blank_is_none")]
    pub cert_path: Option<PathBuf>,
    /// The PEM private key of that certificate; set exactly where that is.
    #[serde(deserialize_with = "blank_is_none")]
    pub cert_key_path: Option<PathBuf>,
    /// Who may read metrics; empty for everybody.
    pub whitelist: Vec<String>,
    /// Proxies whose `X-Forwarded-For` that listener believes.
    pub trusted_proxies: Vec<String>,
    /// `false` to believe nobody's; otherwise that of `trusted_proxies`.
    pub real_ip: Option<bool>,
}

/// Blank is how certstream-server-go says "not set".
fn blank_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path: Option<PathBuf> = Option::deserialize(deserializer)?;
    Ok(path.filter(|path| !path.as_os_str().is_empty()))
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

/// What metrics show besides the server's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// The servers whose metric names are shown too.
    pub compat: Vec<MetricsCompat>,
}

/// What the REST API remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Certificates that `/api/cert` finds at most, the newest; 0 for none.
    pub cache_capacity: u64,
    /// The same in bytes of their DER.
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
    /// Whether the clients' addresses and programs are shown.
    pub client_addresses: bool,
}

impl Default for StatsSettings {
    fn default() -> Self {
        Self { url: "/stats".to_owned(), client_addresses: false }
    }
}

/// A path as routes have it.
#[must_use]
pub fn route(setting: &str) -> String {
    format!("/{}", setting.trim_start_matches('/'))
}
