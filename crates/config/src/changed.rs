//! The settings that differ from their defaults, and the origin of each.

use std::collections::BTreeMap;

use crate::compat::{OtherVariables, Support};
use crate::model::Config;
use crate::overlay::Assignment;
use crate::table::{SECTIONS, SETTINGS, Section};
use crate::tree::{self, yaml};
use crate::{ProfileOrigin, Setup};

/// The widest setting that its origin follows in a column; that of a wider one follows directly.
const COLUMN: usize = 40;

/// The origins of values: file and line, variable, or flag, by the key of the setting.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<&'static str, String>);

impl Origins {
    /// Sets the origin of a setting; a later one replaces an earlier one.
    pub(crate) fn set(&mut self, key: &'static str, origin: String) {
        self.0.insert(key, origin);
    }

    /// Adds the variables and flags.
    pub(crate) fn add_assignments(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            self.set(assignment.setting.key, assignment.origin.to_string());
        }
    }

    /// Adds the variables of other servers.
    pub(crate) fn add_variables(&mut self, variables: &OtherVariables) {
        for value in &variables.values {
            if let (Support::Mapped(to, _), Some(name)) = (value.key.support, value.key.env) {
                self.set(to, name.to_owned());
            }
        }
    }

    /// Returns the origin of a value that is not the default.
    fn of(&self, key: &str, setup: &Setup) -> String {
        let implied = ["compat_profile", "dedup.enabled"].contains(&key);
        match (self.0.get(key), &setup.profile, &setup.file) {
            (Some(origin), ..) => origin.clone(),
            (None, ..) if setup.demo => "--demo".to_owned(),
            (None, ProfileOrigin::ImpliedByGo(why), _) if implied => {
                format!("implied by {}", why.trim_end_matches(':'))
            }
            (None, _, Some(file)) => format!("implied by {}", file.display()),
            (None, _, None) => "implied by a variable of another server".to_owned(),
        }
    }
}

/// Writes the settings that differ from their defaults as YAML, each with its origin as a comment.
pub(crate) fn print(setup: &Setup, origins: &Origins) -> String {
    let sections: String =
        SECTIONS.iter().map(|section| in_section(section, setup, origins)).collect();
    let head = match sections.is_empty() {
        true => "# All settings have their defaults",
        false => "# The settings that differ from their defaults",
    };
    format!("{head}; --print-config alone prints all {} settings.\n{sections}", SETTINGS.len())
}

fn in_section(section: &Section, setup: &Setup, origins: &Origins) -> String {
    let (now, defaults) = (tree::of(&setup.config), tree::of(&Config::default()));
    let mut lines = String::new();
    for setting in section.settings().filter(|setting| !setting.key.contains("[]")) {
        let [now, default] = [&now, &defaults].map(|tree| tree::select(tree, setting.key).pop());
        let Some(((_, now), (_, default))) = now.zip(default) else { continue };
        if now != default {
            let line = yaml::line(setting, now);
            let origin = origins.of(setting.key, setup);
            lines += &format!("{:<COLUMN$}  # {origin}\n", line.trim_end());
        }
    }
    if lines.starts_with(' ') { format!("{}:\n{lines}", section.name) } else { lines }
}
