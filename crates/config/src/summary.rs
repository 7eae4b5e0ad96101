//! A summary of a configuration in a few lines, for an operator to check before replacing a server.

use std::path::Path;

use serde_json::Value;

use crate::alerts::Alerts;
use crate::error::may_have_credentials;
use crate::tree::{self, yaml};
use crate::{CompatProfile, Config, ProfileOrigin, Setup};

/// Most receivers of alerts that are listed.
const MOST_RECEIVERS: usize = 5;

impl Setup {
    /// Returns a summary: one line for each part that changes what clients see or who may connect.
    /// It does not read the files that the configuration names.
    #[must_use]
    pub fn summary(&self) -> String {
        let config = &self.config;
        let tree = tree::of(config);
        let file = self.file.as_deref().unwrap_or_else(|| Path::new("none"));
        let list = match config.ct_log.log_list_url.as_str() {
            _ if config.ct_log.disable_default_logs => "none",
            url if may_have_credentials(url) => "(hidden)",
            url => url,
        };
        let mut lines = vec![
            ("file", file.display().to_string()),
            ("listens on", listens(config)),
            ("serves", switched_on(&tree, "/protocols")),
            ("streams", switched_on(&tree, "/streams")),
            ("profile", self.profile()),
            ("dedup", dedup(config, &tree)),
            ("verification", word(&tree, "verification")),
            ("state", state(config)),
            ("access", access(config)),
            ("limits", limits(config)),
            ("log list", list.to_owned()),
            ("other logs", (config.custom_logs.len() + config.static_logs.len()).to_string()),
        ];
        lines.extend(outputs(config).map(|output| ("output", output)));
        lines.extend(alerts(&config.alerts).map(|alerts| ("alerts", alerts)));
        lines.iter().map(|(name, value)| format!("{:<14}{value}\n", format!("{name}:"))).collect()
    }

    /// Returns the profile of messages, its reason, and the line to add for that of
    /// certstream-server-rust.
    #[must_use]
    pub fn profile(&self) -> String {
        let name = match self.config.compat_profile {
            CompatProfile::Calidog => "calidog",
            CompatProfile::Go => "go",
            CompatProfile::Rust => "rust",
        };
        match &self.profile {
            ProfileOrigin::Set => name.to_owned(),
            ProfileOrigin::ImpliedByGo(why) => {
                format!(
                    "{name}, because of {why} (to choose another, add `compat_profile: calidog`)"
                )
            }
            ProfileOrigin::Default => format!(
                "{name}, by default (for the messages of certstream-server-rust, add \
                 `compat_profile: rust`)"
            ),
        }
    }
}

fn listens(config: &Config) -> String {
    let tls = config
        .tls_cert
        .as_ref()
        .map_or_else(|| "without TLS".to_owned(), |cert| format!("with TLS ({})", cert.display()));
    format!("{}, {tls}", config.address())
}

fn dedup(config: &Config, tree: &Value) -> String {
    match config.dedup.enabled {
        true => format!(
            "each certificate once ({}; every entry of every log: `dedup: false`)",
            word(tree, "dedup.mode")
        ),
        false => "off, every entry of every log is sent".to_owned(),
    }
}

/// Returns a line for each output to a broker.
fn outputs(config: &Config) -> impl Iterator<Item = String> {
    let nats = &config.nats;
    let nats = nats.enabled.then(|| {
        let servers = nats.servers().map(|url| url.rsplit('@').next().unwrap_or(url));
        let servers = servers.collect::<Vec<_>>().join(", ");
        format!("nats, to the stream {} ({}.>) on {servers}", nats.stream, nats.subject_prefix)
    });
    let kafka =
        config.stream_processing.iter().filter(|output| output.is_enabled()).map(|output| {
            let brokers = output.addresses().join(", ");
            format!("{}, to the topic {} on {brokers}", output.name, output.topic())
        });
    nats.into_iter().chain(kafka)
}

/// Returns a line for alerts, without the URLs of receivers, which are secrets.
fn alerts(alerts: &Alerts) -> Option<String> {
    let rules = match alerts.rules.len() {
        0 => return None,
        1 => "1 rule".to_owned(),
        more => format!("{more} rules"),
    };
    let mut names = alerts
        .receivers
        .iter()
        .map(|receiver| format!("{} ({})", receiver.name, receiver.kind.name()));
    let shown: Vec<String> = names.by_ref().take(MOST_RECEIVERS).collect();
    let to = match (shown.as_slice(), names.count()) {
        ([], _) => "no receiver".to_owned(),
        (shown, 0) => shown.join(", "),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    };
    Some(format!("{rules}, to {to}"))
}

fn state(config: &Config) -> String {
    if config.cluster.is_on() {
        let servers = config.cluster.servers().collect::<Vec<_>>().join(", ");
        return format!("the stream {} on {servers}", config.cluster.stream);
    }
    let logs = &config.ct_log;
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let kept = match path(&config.data_dir) {
        Some(dir) => {
            let size = config.journal.max_bytes;
            let age = config.journal.max_age.map(|age| format!(" and {age}")).unwrap_or_default();
            Some(format!("journal of at most {size}{age} in {dir}"))
        }
        None => path(&logs.state_file),
    };
    match (kept, path(&logs.import_index)) {
        (None, None) => "none, every start begins at the head (data_dir)".to_owned(),
        (None, Some(index)) => format!("none; positions are taken from {index} at every start"),
        (Some(kept), None) => kept,
        (Some(kept), Some(index)) => format!("{kept}; for logs not in it, {index}"),
    }
}

fn access(config: &Config) -> String {
    let auth = &config.auth;
    let tokens = [&auth.tokens, &auth.standard_tokens, &auth.premium_tokens];
    let tokens: usize = tokens.iter().map(|tokens| tokens.hashes().count()).sum();
    let token = match auth.enabled {
        true => format!("with a token ({tokens} configured)"),
        false => "without a token".to_owned(),
    };
    match config.ip_allow_list.as_slice() {
        [] => format!("from any address, {token}"),
        networks => format!("from {}, {token}", networks.join(", ")),
    }
}

fn limits(config: &Config) -> String {
    let (connections, rates) = (&config.connection_limit, &config.rate_limit);
    let connections = match (connections.enabled, connections.per_ip_limit) {
        (false, _) => "any number of streams".to_owned(),
        (true, None | Some(0)) => format!("{} streams", connections.max_connections),
        (true, Some(each)) => {
            format!("{} streams, {each} per address", connections.max_connections)
        }
    };
    let rates = match rates.enabled {
        false => "any number of requests".to_owned(),
        true => format!(
            "{} requests per client in {} s",
            rates.window_max_requests, rates.window_seconds
        ),
    };
    format!("{connections}; {rates}")
}

fn word(tree: &Value, key: &str) -> String {
    tree::select(tree, key).pop().map(|(_, value)| yaml::flow(value)).unwrap_or_default()
}

/// Returns the names of the switches of a section that are on.
fn switched_on(tree: &Value, section: &str) -> String {
    let switches = tree.pointer(section).and_then(Value::as_object);
    let on = switches.into_iter().flatten().filter(|(_, value)| value.as_bool() == Some(true));
    on.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}
