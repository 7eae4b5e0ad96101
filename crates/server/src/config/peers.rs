//! Configuration files of certstream-server-go: the keys that mean what one of ours does.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::model::Config;
use super::table::{self, Setting};
use super::tree;

/// The section `webserver` of a file of certstream-server-go. What it can say and we have no
/// setting for is refused as unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoWebserver {
    listen_addr: Option<IpAddr>,
    listen_port: Option<u16>,
    /// Empty for no TLS.
    cert_path: Option<String>,
    cert_key_path: Option<String>,
    compression_enabled: Option<bool>,
    real_ip: Option<bool>,
    trusted_proxies: Option<Vec<String>>,
    whitelist: Option<Vec<String>>,
}

/// Each key with the key of the setting it stands for.
const KEYS: [(&str, &str); 8] = [
    ("webserver.real_ip", "real_ip"),
    ("webserver.trusted_proxies", "trusted_proxies"),
    ("webserver.whitelist", "ip_allow_list"),
    ("webserver.listen_addr", "host"),
    ("webserver.listen_port", "port"),
    ("webserver.cert_path", "tls_cert"),
    ("webserver.cert_key_path", "tls_key"),
    ("webserver.compression_enabled", "compression.websocket"),
];

/// Other names of keys, which serde knows as such.
const ALIASES: [(&str, &str); 3] = [
    ("rate_limit.max_tokens", "rate_limit.free_max_tokens"),
    ("rate_limit.refill_rate", "rate_limit.free_refill_rate"),
    ("rate_limit.burst", "rate_limit.free_burst"),
];

fn names() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    KEYS.iter().chain(&ALIASES)
}

/// The setting that a key of a file sets, be it under its own name or another server's.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    let ours = names().find(|(theirs, _)| *theirs == key).map_or(key, |(_, ours)| ours);
    table::find(ours)
}

/// The other name of a setting.
pub(super) fn other_name(key: &str) -> Option<&'static str> {
    names().find(|(_, ours)| *ours == key).map(|(theirs, _)| *theirs)
}

/// Moves what is said in another server's words to its place.
pub(super) fn translate(mut config: Config) -> Result<Config, serde_json::Error> {
    let webserver = std::mem::take(&mut config.webserver);
    if webserver == GoWebserver::default() {
        return Ok(config);
    }
    let theirs = serde_json::json!({ "webserver": serde_json::to_value(webserver)? });
    let mut ours = tree::of(&config);
    for (from, to) in KEYS {
        for (_, value) in tree::select(&theirs, from) {
            if !value.is_null() && value != "" {
                tree::set(&mut ours, to, value.clone());
            }
        }
    }
    Config::deserialize(ours)
}
