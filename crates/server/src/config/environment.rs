//! The environment: which variables set what.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::error::{ConfigError, Origin};
use super::overlay::Assignment;
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
        let text = value.to_string_lossy().into_owned();
        if is_service_link(name, &text) {
            warnings.push(format!("{name}={text} is ignored: it is the link of a service"));
            return Ok(None);
        }
        let assignment = Assignment { setting, origin: Origin::Variable(name.to_owned()), text };
        if value.to_str().is_none() { Err(assignment.refused()) } else { Ok(Some(assignment)) }
    }

    fn warn_of_unknown(&self, warnings: &mut Vec<String>) {
        let known = |name: &str| SETTINGS.iter().any(|setting| setting.env.contains(&name));
        let ours = self.0.keys().filter(|name| name.starts_with(PREFIX) && *name != CONFIG_FILE);
        for name in ours.filter(|name| !known(name) && !is_service_variable(name)) {
            warnings.push(format!("{name} sets nothing: there is no such variable"));
        }
    }
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
