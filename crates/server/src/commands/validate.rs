//! `--validate-config`: checks everything that a start would, without starting.

use std::path::Path;

use config::{Config, Setup, StateRecovery};
use follow::file;
use follow::position::{self, State, StateError};
use logging::causes::in_full;
use serde_json::Value;

use crate::app;
use crate::state::persistent;

/// The findings of a validation.
#[derive(Debug, Default)]
pub struct Findings {
    /// Problems that prevent the start.
    pub problems: Vec<String>,
    /// Warnings about a configuration that is valid but probably not intended.
    pub warnings: Vec<String>,
    /// The present meaning of the configuration.
    pub notes: Vec<String>,
}

impl Findings {
    /// Returns the text to print: every problem, or a summary and every warning.
    ///
    /// # Errors
    /// If there is a problem, or a warning where these are errors.
    pub fn report(&self, setup: &Setup) -> Result<String, String> {
        let lines = |items: &[String]| -> String {
            items.iter().map(|item| format!("\n  {}", item.replace('\n', "\n  "))).collect()
        };
        let Self { problems, warnings, notes } = self;
        let warned = match warnings.len() {
            0 => String::new(),
            1 => format!("\n1 warning:{}\n", lines(warnings)),
            count => format!("\n{count} warnings:{}\n", lines(warnings)),
        };
        if !problems.is_empty() {
            return Err(format!("the configuration is invalid{}\n{warned}", lines(problems)));
        }
        if setup.strict && !warnings.is_empty() {
            return Err(format!("--strict treats warnings as errors\n{warned}"));
        }
        let valid = match warnings.len() {
            0 => "the configuration is valid",
            _ => "the configuration is valid, with warnings",
        };
        let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
        Ok(format!("{valid}\n{}{notes}{warned}", setup.summary()))
    }
}

/// Finds everything that would prevent the start, or would lose positions.
#[must_use]
pub fn run(setup: &Setup) -> Findings {
    let mut findings = Findings {
        problems: setup.problems.clone(),
        warnings: setup.warnings.clone(),
        notes: Vec::new(),
    };
    let of_files = app::check(&setup.config);
    findings.problems.extend(of_files.iter().map(|error| in_full(error.as_ref())));
    findings.warnings.extend(app::warnings(&setup.config));
    if !setup.demo {
        check_data_dir(&setup.config, &mut findings);
        check_state_file(&setup.config, &mut findings);
        check_import_index(&setup.config, &mut findings);
    }
    findings
}

/// Checks that the journal can be opened, without changing anything.
fn check_data_dir(config: &Config, findings: &mut Findings) {
    let Some(data_dir) = &config.data_dir else { return };
    match persistent::check(data_dir, config) {
        Ok(note) => findings.notes.extend(note),
        Err(problem) => findings.problems.push(format!("data_dir: {problem}")),
    }
}

fn check_state_file(config: &Config, findings: &mut Findings) {
    let Some(path) = &config.ct_log.state_file else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        findings.problems.push(format!(
            "ct_log.state_file: directory {} does not exist; create it (mkdir -p {0})",
            folder.display()
        ));
        return;
    }
    if matches!(path.try_exists(), Ok(false)) {
        return;
    }
    let mistakes = if path.is_file() { mistakes_in_state(path) } else { Vec::new() };
    let Err(error) = State::read(path) else {
        // The server starts without the invalid parts.
        findings.warnings.extend(mistakes.into_iter().map(|mistake| {
            format!("ct_log.state_file: {}: {mistake}; it would be ignored", path.display())
        }));
        return;
    };
    if mistakes.is_empty() || matches!(error, StateError::Newer { .. }) {
        // With a newer format, or a file that cannot be read at all, the server does not start.
        findings.problems.push(format!("ct_log.state_file: {error}"));
        return;
    }
    let mistakes = mistakes
        .into_iter()
        .map(|mistake| format!("ct_log.state_file: {}: {mistake}", path.display()));
    match config.ct_log.state_recovery {
        StateRecovery::Fail => findings.problems.extend(mistakes),
        StateRecovery::Fresh => {
            findings.warnings.extend(mistakes);
            findings.warnings.push(format!(
                "ct_log.state_file: {} would be moved aside, and all logs would start afresh \
                 (with ct_log.state_recovery: fail, the server refuses to start instead)",
                path.display()
            ));
        }
    }
}

/// Returns every part of a state file that cannot be used.
fn mistakes_in_state(path: &Path) -> Vec<String> {
    match read_json(path) {
        Ok(file) => State::mistakes(&file),
        Err(mistake) => vec![mistake],
    }
}

fn check_import_index(config: &Config, findings: &mut Findings) {
    let logs = &config.ct_log;
    let Some(path) = &logs.import_index else { return };
    let started_before = logs.state_file.as_ref().is_some_and(|file| file.is_file());
    match position::import(path) {
        Ok(Some(_)) => {}
        Ok(None) if started_before => {}
        Ok(None) => findings.warnings.push(format!(
            "ct_log.import_index: {} does not exist, and neither does a state file: all logs \
             start at their heads, and entries since the old server stopped are lost",
            path.display()
        )),
        Err(error) => {
            let mistakes = if path.is_file() { mistakes_in_index(path) } else { Vec::new() };
            let what =
                |mistake: &str| format!("ct_log.import_index: {}: {mistake}", path.display());
            match mistakes.is_empty() {
                true => findings.problems.push(what(&error.to_string())),
                false => {
                    findings.problems.extend(mistakes.iter().map(|mistake| what(mistake)));
                }
            }
        }
    }
}

/// Returns every invalid part of certstream-server-go's index.
fn mistakes_in_index(path: &Path) -> Vec<String> {
    match read_json(path) {
        Ok(Value::Object(indexes)) => {
            let wrong = indexes.iter().filter(|(_, index)| !index.is_u64());
            wrong.map(|(url, _)| format!("{url}: its index is not a whole number")).collect()
        }
        Ok(_) => vec!["is not a JSON object of URLs and indexes".to_owned()],
        Err(mistake) => vec![mistake],
    }
}

fn read_json(path: &Path) -> Result<Value, String> {
    let bytes = file::read(path, position::LARGEST).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| "no longer exists".to_owned())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("is not JSON: {error}"))
}
