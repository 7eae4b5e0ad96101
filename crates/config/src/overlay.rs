//! Values from variables and flags, which override the file's.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{ConfigError, Origin, may_have_credentials};
use crate::model::Config;
use crate::table::Setting;
use crate::tree;

/// A value for a setting, as text from outside a file.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) setting: &'static Setting,
    pub(crate) origin: Origin,
    pub(crate) text: String,
}

/// Returns the configuration with each assignment made, later ones over earlier ones; an invalid
/// one is a problem.
pub(crate) fn apply(
    mut config: Config,
    assignments: &[Assignment],
    problems: &mut Vec<ConfigError>,
) -> Config {
    for assignment in assignments {
        let assigned = assignment.value().and_then(|value| assignment.assign(&config, value));
        match assigned {
            Some(assigned) => config = assigned,
            None => problems.push(assignment.refused()),
        }
    }
    config
}

impl Assignment {
    fn value(&self) -> Option<Value> {
        let any_free_port = self.setting.key == "port" && self.text == "0";
        if any_free_port && matches!(self.origin, Origin::Flag(_)) {
            return Some(0.into());
        }
        self.setting.kind.parse(&self.text)
    }

    /// Returns the configuration with the value; `None` if the type of the field does not allow it.
    fn assign(&self, config: &Config, value: Value) -> Option<Config> {
        let mut tree = tree::of(config);
        tree::set(&mut tree, self.setting.key, value);
        Config::deserialize(tree).ok()
    }

    /// Returns the error of an invalid value. Values in the section `auth` are not quoted: a token
    /// may have been set under another key. Nor are URLs with credentials.
    pub(crate) fn refused(&self) -> ConfigError {
        let is_hidden = self.setting.secret
            || self.setting.section() == "auth"
            || may_have_credentials(&self.text);
        let value = if is_hidden { "its value".to_owned() } else { format!("{:?}", self.text) };
        ConfigError::Value { origin: self.origin.clone(), value, expected: self.setting.kind }
    }
}

/// Settings that `--demo` ignores: those of log sources, of state, and of outputs, whose consumers expect
/// real certificates.
const NOT_IN_DEMO: &[&str] = &[
    "role",
    "cluster.url",
    "data_dir",
    "compat.export_state",
    "verification_evidence_dir",
    "ct_log.rfc6962_enabled",
    "ct_log.static_ct_enabled",
    "ct_log.disable_default_logs",
    "ct_log.log_list_url",
    "ct_log.log_list_key_file",
    "ct_log.log_list_cache",
    "ct_log.extra_log_lists",
    "ct_log.log_refresh_interval_secs",
    "ct_log.removed_log_policy",
    "ct_log.states",
    "ct_log.include_test",
    "ct_log.exclude",
    "ct_log.excluded_operators",
    "ct_log.excluded_logs",
    "ct_log.state_file",
    "ct_log.state_recovery",
    "ct_log.import_index",
    "compat.export_index",
    "custom_logs",
    "static_logs",
    "nats.enabled",
    "stream_processing",
];

/// Returns the configuration with everything on that a demonstration can show, unless it was set.
pub(crate) fn enable_for_demo(mut config: Config, is_set: impl Fn(&str) -> bool) -> Config {
    let (shown, on) = (Config::demo().protocols, &mut config.protocols);
    for (key, on, shown) in [
        ("protocols.sse", &mut on.sse, shown.sse),
        ("protocols.api", &mut on.api, shown.api),
        ("protocols.page", &mut on.page, shown.page),
    ] {
        *on = if is_set(key) { *on } else { shown };
    }
    config
}

/// Returns the configuration of `--demo`, and the settings of `config` that it ignores although
/// they were set.
pub(crate) fn for_demo(config: &Config) -> (Config, Vec<&'static str>) {
    let (ours, demo) = (tree::of(config), tree::of(&Config::demo()));
    let mut changed = ours.clone();
    let mut ignored = Vec::new();
    for key in NOT_IN_DEMO {
        let [own, default] = [&ours, &demo].map(|tree| tree::select(tree, key).pop());
        let Some(((_, own), (_, default))) = own.zip(default) else { continue };
        if own != default {
            ignored.push(*key);
            tree::set(&mut changed, key, default.clone());
        }
    }
    (Config::deserialize(changed).unwrap_or_else(|_| Config::demo()), ignored)
}
