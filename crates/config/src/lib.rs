//! The configuration: one [`Config`], read from a file, the environment and the command line.
//!
//! A flag overrides a variable, a variable overrides the file, the file overrides the default.
//! Everything unknown is refused: [`parse`] never guesses and never drops a value.
//!
//! * [`SETTINGS`] is the one table of settings, from which variables, flags, help and
//!   documentation come. A new setting is a field of [`Config`] and a row of the table.
//! * Each value has a [`Kind`], the same wherever the value is given.
//! * Rules between settings are checked last, on the whole configuration.
//!
//! Nothing here reads a clock, the network or the process's own environment.

mod changed;
mod cli;
mod compat;
mod environment;
mod error;
mod file;
mod kind;
mod model;
mod overlay;
mod rules;
mod summary;
mod table;
mod tree;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;

use changed::Origins;
pub use cli::alerts::{AlertFilter, AlertsCommand, ListAlerts, RetryAlerts};
pub use cli::journal::{ExportFormat, JournalCommand, JournalExport};
use cli::{Action, CommandLine, Request};
pub use cli::{
    BackfillCommand, CreateIndex, LogsCommand, MANUAL, SearchCommand, TailCommand, command,
};
pub use compat::{COMPAT_KEYS, CompatKey, OtherServer, ProfileOrigin, Support};
use environment::Environment;
pub use error::{ConfigError, FileError, Origin, Problem};
pub use kind::Kind;
pub use model::alerts;
pub use model::guard::{Auth, ConnectionLimit, RateLimit, Tokens, network};
pub use model::outputs;
pub use model::reporting;
pub use model::values::{
    ByteSize, CompatProfile, DedupMode, HeartbeatMode, LogFormat, LogState, MetricsCompat,
    OperatorIntervals, ParseByteSizeError, ParseOperatorIntervalsError, ParseStartError,
    ParseTreeSizeSourceError, RemovedLogPolicy, SignatureMode, SlowClient, Start, StateRecovery,
    TreeSizeSource, Verification,
};
pub use model::{
    Cluster, Compression, Config, CtLog, Dedup, Feed, Filters, Heartbeat, HotReload, Journal,
    JournalSync, NamedLog, Protocols, Role, Span, Streams, Variables,
};
pub use table::{SECTIONS, SETTINGS, Section, Setting};
use tree::yaml;

/// The request of a command line, with the configuration that it needs.
#[derive(Debug)]
pub enum Invocation {
    /// Serve.
    Serve(Box<Setup>),
    /// Print a summary of the configuration, and exit.
    ValidateConfig(Box<Setup>),
    /// Do this with the logs in the state file and exit.
    Logs(Box<Setup>, LogsCommand),
    /// Do this with alerts, and exit.
    Alerts(Box<Setup>, AlertsCommand),
    /// List or read what is missing in the journal, and exit.
    Backfill(Box<Setup>, BackfillCommand),
    /// Do this with the journal, in this directory or else that of the configuration, and exit.
    Journal(Box<Setup>, Option<PathBuf>, JournalCommand),
    /// Write every log's current end, and exit.
    CreateIndex(Box<Setup>, CreateIndex),
    /// Query the health of the server of this configuration, or at this URL, and exit.
    Healthcheck(Box<Setup>, Option<String>),
    /// Print the stream of a server: of this configuration, unless the command names another one.
    Tail(Option<Box<Setup>>, TailCommand),
    /// Search a journal. The configuration is needed only if the command names no server.
    Search(Option<Box<Setup>>, SearchCommand),
    /// Write this YAML and exit.
    PrintConfig(String),
    /// Write this help, or these completions, and exit.
    Help(String),
    /// Write this line and exit.
    Version(String),
}

/// A configuration that can be used, and how to use it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// The file it came from.
    pub file: Option<PathBuf>,
    /// True to serve simulated certificates instead of reading logs.
    pub demo: bool,
    /// True to serve, but read no logs.
    pub dry_run: bool,
    /// The reason for the profile of messages.
    pub profile: ProfileOrigin,
    /// True if warnings are errors.
    pub strict: bool,
    /// Warnings about the configuration, to be logged; one line each.
    pub warnings: Vec<String>,
    /// Every mistake for which the configuration cannot be used; only
    /// [`ValidateConfig`](Invocation::ValidateConfig) gives a setup that has any.
    pub problems: Vec<String>,
}

/// Returns the part of a new configuration that a running server can apply: all but the settings
/// that require a restart. Also returns the keys of those.
///
/// # Errors
/// If the two together contradict themselves.
pub fn without_restart(
    running: &Config,
    wanted: &Config,
) -> Result<(Config, Vec<&'static str>), ConfigError> {
    let (old, mut new) = (tree::of(running), tree::of(wanted));
    let mut postponed = Vec::new();
    // There is a listener either with TLS or without.
    let tls = running.tls_cert.is_some() != wanted.tls_cert.is_some();
    for setting in SETTINGS {
        let waits = setting.restart || tls && ["tls_cert", "tls_key"].contains(&setting.key);
        let both = tree::select(&old, setting.key).pop().zip(tree::select(&new, setting.key).pop());
        let changed = both.filter(|((_, old), (_, new))| waits && old != new);
        let Some(value) = changed.map(|((_, old), _)| old.clone()) else { continue };
        tree::set(&mut new, setting.key, value);
        postponed.push(setting.key);
    }
    let mut config =
        Config::deserialize(new).map_err(|error| ConfigError::Usage(error.to_string()))?;
    config.variables = wanted.variables.clone();
    let problems = rules::check(&config);
    if !problems.is_empty() {
        return Err(ConfigError::Waiting { keys: postponed.join(", "), problems });
    }
    Ok((config, postponed))
}

/// Reads the command line (of which the first argument is the program's name), the environment
/// and the configuration file.
///
/// # Errors
/// If anything is not understood or contradicts itself. The process should write the error
/// and exit with [`ConfigError::EXIT_STATUS`].
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Invocation, ConfigError> {
    let search: Vec<PathBuf> = file::SEARCH.iter().map(PathBuf::from).collect();
    parse_with(args, env, &search)
}

fn parse_with(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    search: &[PathBuf],
) -> Result<Invocation, ConfigError> {
    let command = match cli::read(args)? {
        Request::Run(command) => command,
        Request::Tail(command) => return Ok(Invocation::Tail(None, command)),
        Request::Search(command) => return Ok(Invocation::Search(None, command)),
        Request::Help(text) => return Ok(Invocation::Help(text)),
        Request::Version(text) => return Ok(Invocation::Version(text)),
    };
    let action = command.action.clone();
    let (setup, origins) = set_up(command, &Environment::new(env), search)?;
    Ok(match action {
        Action::Serve => Invocation::Serve(Box::new(setup)),
        Action::Validate => Invocation::ValidateConfig(Box::new(setup)),
        Action::Logs(command) => Invocation::Logs(Box::new(setup), command),
        Action::Alerts(command) => Invocation::Alerts(Box::new(setup), command),
        Action::Backfill(command) => Invocation::Backfill(Box::new(setup), command),
        Action::Journal(directory, command) => {
            Invocation::Journal(Box::new(setup), directory, command)
        }
        Action::CreateIndex(command) => Invocation::CreateIndex(Box::new(setup), command),
        Action::Healthcheck(url) => Invocation::Healthcheck(Box::new(setup), url),
        Action::Tail(command) => Invocation::Tail(Some(Box::new(setup)), command),
        Action::Search(command) => Invocation::Search(Some(Box::new(setup)), command),
        Action::Print => Invocation::PrintConfig(yaml::print(&setup.config)),
        Action::PrintChanged => Invocation::PrintConfig(changed::print(&setup, &origins)),
    })
}

fn set_up(
    command: CommandLine,
    env: &Environment,
    search: &[PathBuf],
) -> Result<(Setup, Origins), ConfigError> {
    let CommandLine { demo, dry_run, strict, .. } = command;
    let (mut warnings, mut problems) = (Vec::new(), Vec::new());
    let mut assignments = env.assignments(&mut warnings, &mut problems);
    let named = command
        .config_file
        .map(|path| file::Named { path, by: "--config" })
        .or_else(|| Some(file::Named { path: env.config_file()?, by: environment::CONFIG_FILE }));
    assignments.extend(command.assignments);

    let theirs = env.of_other_servers(&mut problems);
    // What is served elsewhere on this machine is not for a demonstration.
    let search = if demo { &[] } else { search };
    let validates = command.action == Action::Validate;
    let loaded = file::load(named, search, &theirs, &mut warnings);
    // Of a file that cannot be read at all, nothing that it may say is missing.
    let is_read = loaded.is_ok();
    let loaded = match loaded {
        Err(error) if validates => file::Loaded { problems: vec![error], ..Default::default() },
        loaded => loaded?,
    };
    let mut origins = loaded.origins;
    origins.add_variables(&theirs);
    origins.add_assignments(&assignments);
    let in_file = loaded.problems.len();
    problems.splice(0..0, loaded.problems);
    let set = |key: &str| assignments.iter().any(|assignment| assignment.setting.key == key);
    let is_set = |key: &str| set(key) || tree::has(&loaded.contents, key);
    let base = if demo { overlay::enable_for_demo(loaded.config, is_set) } else { loaded.config };
    let mut config = overlay::apply(base, &assignments, &mut problems);
    let profile = if set("compat_profile") { ProfileOrigin::Set } else { loaded.profile };
    if demo {
        let ignored;
        (config, ignored) = overlay::for_demo(&config);
        warnings.extend(ignored.iter().map(|key| format!("--demo ignores {key}")));
    }
    config.variables = env.named(config.alerts.variables());
    warnings.splice(0..0, env.unknown(&config.variables));
    let file = loaded.file;
    let broken = if is_read { rules::check(&config) } else { Vec::new() };
    let broken: Vec<Problem> =
        broken.into_iter().filter(|rule| !is_consequence(rule, &problems, in_file)).collect();
    if !broken.is_empty() {
        problems.push(ConfigError::Rules { file: file.clone(), problems: broken });
    }
    let problems = match validates {
        true => problems.iter().map(ToString::to_string).collect(),
        false => ConfigError::none_of(problems).map(|()| Vec::new())?,
    };
    if is_read {
        warnings.extend(doubts(&config, is_set, demo, file.as_deref()));
    }
    if strict && !validates && !warnings.is_empty() {
        return Err(ConfigError::Strict { warnings });
    }
    Ok((Setup { config, file, demo, dry_run, profile, strict, warnings, problems }, origins))
}

/// Returns what is doubtful about a configuration that is valid.
fn doubts(
    config: &Config,
    is_set: impl Fn(&str) -> bool,
    demo: bool,
    file: Option<&Path>,
) -> Vec<String> {
    let mut warnings = rules::warnings(config);
    let has_no_state = !is_set("ct_log.state_file") && config.ct_log.state_file.is_none();
    warnings.extend(rules::unused_sections(config, &is_set));
    if !demo {
        warnings.extend(rules::warnings_of_cluster(config, &is_set));
    }
    if !demo && has_no_state {
        warnings.extend(file::unused_state(file));
    }
    warnings
}

/// Reports whether a rule may be broken only because a mistake was left out of the configuration:
/// one of the first `in_file` problems is about the same section.
fn is_consequence(rule: &Problem, problems: &[ConfigError], in_file: usize) -> bool {
    let section = |key: &str| key.split(['.', '[']).next().unwrap_or(key).to_owned();
    problems.iter().take(in_file).any(|problem| match problem {
        ConfigError::File(FileError { key: Some(key), .. }) => section(key) == section(&rule.key),
        _ => false,
    })
}
