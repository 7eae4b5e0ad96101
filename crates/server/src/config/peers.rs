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
}

/// Each key with the key of the setting it stands for.
const KEYS: [(&str, &str); 5] = [
    ("webserver.listen_addr", "host"),
    ("webserver.listen_port", "port"),
    ("webserver.cert_path", "tls_cert"),
    ("webserver.cert_key_path", "tls_key"),
    ("webserver.compression_enabled", "compression.websocket"),
];

/// The setting that a key of a file sets, be it under its own name or another server's.
pub(super) fn setting(key: &str) -> Option<&'static Setting> {
    let ours = KEYS.iter().find(|(theirs, _)| *theirs == key).map_or(key, |(_, ours)| ours);
    table::find(ours)
}

/// The other name of a setting.
pub(super) fn other_name(key: &str) -> Option<&'static str> {
    KEYS.iter().find(|(_, ours)| *ours == key).map(|(theirs, _)| *theirs)
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
