//! The environment: which variables set what.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{ConfigError, Origin};
use super::overlay::Assignment;
use super::peers::{Fate, PEER_KEYS, PeerKey, PeerValue};
use super::table::{SETTINGS, Setting};

/// The variable that names the configuration file.
pub(super) const CONFIG_FILE: &str = "CERTSTREAM_CONFIG";

const PREFIX: &str = "CERTSTREAM_";

/// The variables that are set and not blank. A blank one counts as not set, which is what
/// `${NAME:-}` in a compose file means.
#[derive(Debug)]
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Variables whose names are not text are none of ours.
    pub(super) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Self(named.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// The configuration file, where a variable names one.
    pub(super) fn config_file(&self) -> Option<PathBuf> {
        self.0.get(CONFIG_FILE).map(PathBuf::from)
    }

    /// What the variables set, in the order of the table.
    pub(super) fn assignments(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Assignment>, ConfigError> {
        self.warn_of_unknown(warnings);
        let assignments = SETTINGS.iter().map(|setting| self.assignment(setting, warnings));
        assignments.filter_map(Result::transpose).collect()
    }

    fn assignment(
        &self,
        setting: &'static Setting,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Assignment>, ConfigError> {
        let mut set = setting.env.iter().filter_map(|name| Some((*name, self.0.get(*name)?)));
        let Some((name, value)) = set.next() else {
            return Ok(None);
        };
        for (other, _) in set.filter(|(_, overridden)| *overridden != value) {
            warnings.push(format!("{name} overrides {other}"));
        }
        let text = level_of_elixir(name, value.to_string_lossy().into_owned());
        if is_service_link(name, &text) {
            warnings.push(format!("{name}={text} is ignored: it is the link of a service"));
            return Ok(None);
        }
        let assignment = Assignment { setting, origin: Origin::Variable(name.to_owned()), text };
        if value.to_str().is_none() { Err(assignment.refused()) } else { Ok(Some(assignment)) }
    }

    /// What the variables say that only other servers have.
    pub(super) fn of_peers(&self) -> Result<Vec<PeerValue>, ConfigError> {
        let known = PEER_KEYS.iter().filter(|known| !is_setting(known));
        let set = known.filter_map(|key| Some((key, key.env?, self.0.get(key.env?)?)));
        set.map(|(key, name, value)| {
            let text = value.to_string_lossy();
            let refused = || ConfigError::Value {
                origin: Origin::Variable(name.to_owned()),
                value: format!("{text:?}"),
                expected: key.kind,
            };
            let value = value.to_str().and_then(|text| key.kind.parse(text)).ok_or_else(refused)?;
            Ok(PeerValue { key, value })
        })
        .collect()
    }

    fn warn_of_unknown(&self, warnings: &mut Vec<String>) {
        let known = |name: &str| {
            SETTINGS.iter().any(|setting| setting.env.contains(&name))
                || PEER_KEYS.iter().any(|known| known.env == Some(name))
        };
        let ours = self.0.keys().filter(|name| name.starts_with(PREFIX) && *name != CONFIG_FILE);
        for name in ours.filter(|name| !known(name) && !is_service_variable(name)) {
            warnings.push(format!("{name} sets nothing: there is no such variable"));
        }
    }
}

/// Whether a variable of another server is one of a setting's own.
fn is_setting(known: &PeerKey) -> bool {
    let name = known.env.unwrap_or_default();
    matches!(known.fate, Fate::Honoured)
        || SETTINGS.iter().any(|setting| setting.env.contains(&name))
}

/// `LOG_LEVEL` is the variable of CaliDog's server, whose levels have other names in part.
fn level_of_elixir(name: &str, text: String) -> String {
    let known = match text.trim().to_ascii_lowercase().as_str() {
        "warning" => "warn",
        "notice" => "info",
        "critical" | "alert" | "emergency" => "error",
        "none" => "off",
        _ => return text,
    };
    if name == "LOG_LEVEL" { known.to_owned() } else { text }
}

/// Kubernetes and Docker links set `CERTSTREAM_PORT=tcp://…` in the containers next to a service
/// that is called `certstream`.
fn is_service_link(name: &str, text: &str) -> bool {
    name == "CERTSTREAM_PORT" && text.starts_with("tcp://")
}

/// The other variables of such a service: `CERTSTREAM_SERVICE_HOST`, `CERTSTREAM_PORT_8080_TCP`.
fn is_service_variable(name: &str) -> bool {
    name.starts_with("CERTSTREAM_SERVICE_") || name.starts_with("CERTSTREAM_PORT_")
}
