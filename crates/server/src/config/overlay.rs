//! Values from variables and flags, laid over the file's.

use serde::Deserialize;
use serde_json::Value;

use super::error::{ConfigError, Origin};
use super::model::Config;
use super::table::Setting;
use super::tree;

/// A value for a setting, as text from outside a file.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) setting: &'static Setting,
    pub(super) origin: Origin,
    pub(super) text: String,
}

/// The configuration with each assignment made, the later over the earlier.
pub(super) fn apply(mut config: Config, assignments: &[Assignment]) -> Result<Config, ConfigError> {
    for assignment in assignments {
        let value = assignment.value().ok_or_else(|| assignment.refused())?;
        config = assignment.assign(&config, value).ok_or_else(|| assignment.refused())?;
    }
    Ok(config)
}

impl Assignment {
    fn value(&self) -> Option<Value> {
        let any_free_port = self.setting.key == "port" && self.text == "0";
        if any_free_port && matches!(self.origin, Origin::Flag(_)) {
            return Some(0.into());
        }
        self.setting.kind.parse(&self.text)
    }

    /// None where the type of the field does not take the value.
    fn assign(&self, config: &Config, value: Value) -> Option<Config> {
        let mut tree = tree::of(config);
        tree::set(&mut tree, self.setting.key, value);
        Config::deserialize(tree).ok()
    }

    /// The error that the text is not a value of the setting.
    pub(super) fn refused(&self) -> ConfigError {
        let value =
            if self.setting.secret { "its value".to_owned() } else { format!("{:?}", self.text) };
        ConfigError::Value { origin: self.origin.clone(), value, expected: self.setting.kind }
    }
}

/// The settings `--demo` listens to.
const DEMO_SETTINGS: &[&str] = &["host", "port", "log_level", "log_format"];

/// Takes away what `--demo` does not listen to; returns its origins.
pub(super) fn retain_for_demo(assignments: &mut Vec<Assignment>) -> Vec<Origin> {
    let is_heard = |assignment: &Assignment| DEMO_SETTINGS.contains(&assignment.setting.key);
    let (heard, ignored) = assignments.drain(..).partition(is_heard);
    *assignments = heard;
    let ignored: Vec<Assignment> = ignored;
    ignored.into_iter().map(|assignment| assignment.origin).collect()
}
