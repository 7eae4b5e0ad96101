//! The environment: the variables of settings, of other servers, and unknown ones.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::compat::{COMPAT_KEYS, CompatKey, CompatValue, OtherServer, OtherVariables, Support};
use crate::error::{ConfigError, Origin, quoted};
use crate::model::Variables;
use crate::overlay::Assignment;
use crate::table::suggest;
use crate::table::{SETTINGS, Setting};

/// The variable that names the configuration file.
pub(crate) const CONFIG_FILE: &str = "CERTSTREAM_CONFIG";

/// The variable that contains the token for `tail`.
const TOKEN: &str = "CERTSTREAM_TOKEN";

const PREFIX: &str = "CERTSTREAM_";

/// Prefixes of the variables of certstream-server-go's own sections.
const GO_PREFIXES: [&str; 2] = ["CERTSTREAM_WEBSERVER_", "CERTSTREAM_GENERAL_"];

/// The variables that are set and not blank. A blank one counts as not set, which is what
/// `${NAME:-}` in a compose file means.
#[derive(Debug)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Keeps the variables whose names are text.
    pub(crate) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.into_iter().filter(|(_, value)| !value.is_empty());
        Self(named.filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect())
    }

    /// Returns the configuration file that a variable names.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.0.get(CONFIG_FILE).map(PathBuf::from)
    }

    /// Returns the values that variables set, in the order of the table.
    pub(crate) fn assignments(
        &self,
        warnings: &mut Vec<String>,
        problems: &mut Vec<ConfigError>,
    ) -> Vec<Assignment> {
        self.warn_of_service(warnings);
        let mut assignments = Vec::new();
        for setting in SETTINGS {
            match self.assignment(setting, warnings) {
                Ok(assignment) => assignments.extend(assignment),
                Err(problem) => problems.push(problem),
            }
        }
        assignments
    }

    fn assignment(
        &self,
        setting: &'static Setting,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Assignment>, ConfigError> {
        let is_meant = |(name, value): &(&str, &OsString)| !is_of_service(name, value);
        let set = setting.env.iter().filter_map(|name| Some((*name, self.0.get(*name)?)));
        let mut set = set.filter(is_meant);
        let Some((name, value)) = set.next() else {
            return Ok(None);
        };
        for (other, _) in set.filter(|(_, overridden)| *overridden != value) {
            warnings.push(format!("{name} overrides {other}"));
        }
        let text = level_of_elixir(name, value.to_string_lossy().into_owned());
        let assignment = Assignment { setting, origin: Origin::Variable(name.to_owned()), text };
        if value.to_str().is_none() { Err(assignment.refused()) } else { Ok(Some(assignment)) }
    }

    /// Returns the values of variables that only other servers have.
    pub(crate) fn of_other_servers(&self, problems: &mut Vec<ConfigError>) -> OtherVariables {
        let mut values = Vec::new();
        for key in COMPAT_KEYS.iter().filter(|known| !is_setting(known)) {
            let Some((name, value)) = key.env.and_then(|name| Some((name, self.0.get(name)?)))
            else {
                continue;
            };
            match value.to_str().and_then(|text| key.kind.parse(text)) {
                Some(value) => values.push(CompatValue { key, value }),
                None => problems.push(ConfigError::Value {
                    origin: Origin::Variable(name.to_owned()),
                    value: quoted(&value.to_string_lossy()),
                    expected: key.kind,
                }),
            }
        }
        let of_go = COMPAT_KEYS.iter().filter(|known| known.server == OtherServer::Go);
        let names = of_go.filter_map(|known| known.env);
        let mut own = names.filter(|name| GO_PREFIXES.iter().any(|own| name.starts_with(own)));
        OtherVariables { values, of_go: own.find(|name| self.0.contains_key(*name)) }
    }

    /// Returns the variables that settings name.
    pub(crate) fn named<'n>(&self, names: impl Iterator<Item = &'n str>) -> Variables {
        let set = names.filter_map(|name| Some((name.to_owned(), self.0.get(name)?.clone())));
        set.collect()
    }

    /// Warns of the variables that Kubernetes sets in every container beside a service named
    /// `certstream`.
    fn warn_of_service(&self, warnings: &mut Vec<String>) {
        let ignored = self.0.iter().filter(|(name, value)| is_of_service(name, value));
        let names: Vec<&str> = ignored.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            warnings.push(format!(
                "{} ignored: Kubernetes sets such variables if a service is named certstream; \
                 `enableServiceLinks: false` in the pod's spec prevents them",
                match names.as_slice() {
                    [name] => format!("{name} is"),
                    names => format!("{} are", names.join(", ")),
                }
            ));
        }
    }

    /// Returns a warning for each variable that begins like those of settings, is none of them, and is not
    /// named by one.
    pub(crate) fn unknown(&self, named: &Variables) -> Vec<String> {
        let mut warnings = Vec::new();
        let ours = || SETTINGS.iter().flat_map(|setting| setting.env.iter().copied());
        let theirs = || COMPAT_KEYS.iter().filter_map(|known| known.env);
        let set = self.0.iter().filter(|(name, value)| {
            let is_ours = [CONFIG_FILE, TOKEN].contains(&name.as_str());
            let is_known = is_ours || named.get(name).is_some();
            name.starts_with(PREFIX) && !is_known && !is_of_service(name, value)
        });
        for (name, _) in set {
            if ours().chain(theirs()).any(|known| known == name) {
                continue;
            }
            // The common prefix would make any two names similar.
            let bare = |name: &'static str| name.strip_prefix(PREFIX);
            let known = ours().chain(theirs()).chain([CONFIG_FILE]).filter_map(bare);
            let near = suggest::nearest(name.strip_prefix(PREFIX).unwrap_or(name), known);
            let advice =
                near.map_or_else(String::new, |near| format!("; did you mean {PREFIX}{near}?"));
            warnings.push(format!("{name} has no effect: there is no such variable{advice}"));
        }
        warnings
    }
}

/// Reports whether a variable of another server also sets a setting of ours.
fn is_setting(known: &CompatKey) -> bool {
    let name = known.env.unwrap_or_default();
    matches!(known.support, Support::Honoured)
        || SETTINGS.iter().any(|setting| setting.env.contains(&name))
}

/// Translates the levels of CaliDog's server in `LOG_LEVEL`, some of which have other names.
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

/// Reports whether a variable is one that Kubernetes, or Docker with links, sets in the containers
/// beside a service named `certstream`: `CERTSTREAM_PORT=tcp://…`, `CERTSTREAM_SERVICE_HOST`,
/// `CERTSTREAM_PORT_8080_TCP`.
fn is_of_service(name: &str, value: &OsString) -> bool {
    let is_link = || value.to_str().is_some_and(|text| text.contains("://"));
    name == "CERTSTREAM_PORT" && is_link()
        || name.starts_with("CERTSTREAM_SERVICE_")
        || name.starts_with("CERTSTREAM_PORT_")
}
