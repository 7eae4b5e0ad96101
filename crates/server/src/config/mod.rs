//! The configuration: one [`Config`], and how it comes from a file, the environment and the
//! command line.
//!
//! A flag overrides a variable, a variable overrides the file, the file overrides the default.
//! Anything that is not understood is refused: [`parse`] never guesses and never drops a value.
//!
//! * [`SETTINGS`] is the one table of settings, from which variables, flags, help and
//!   documentation come. A new setting is a field of [`Config`] and a row of the table.
//! * Each value has a [`Kind`], the same wherever the value is given.
//! * Rules between settings are checked last, on the whole configuration.
//!
//! Nothing here reads a clock, the network or the process's own environment.

mod cli;
mod environment;
mod error;
mod examine;
mod file;
mod guard;
mod kind;
mod model;
mod overlay;
mod peers;
mod places;
pub mod reporting;
mod rules;
mod suggest;
mod summary;
mod table;
mod tree;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize as _;

use cli::{Action, CommandLine, Request};
pub use cli::{CreateIndex, LogsCommand, command};
use environment::Environment;
pub use error::{ConfigError, FileError, Origin, Problem};
pub use guard::{Auth, ConnectionLimit, RateLimit, Tokens, network};
pub use kind::Kind;
pub use model::{
    Compression, Config, CtLog, Dedup, Feed, Filters, Heartbeat, HotReload, NamedLog, Protocols,
    Streams,
};
pub use peers::{Fate, PEER_KEYS, Peer, PeerKey, ProfileOrigin};
pub use table::{SECTIONS, SETTINGS, Section, Setting};
pub use values::{
    ByteSize, CompatProfile, DedupMode, HeartbeatMode, LogFormat, LogState, MetricsCompat,
    OperatorIntervals, ParseByteSizeError, ParseOperatorIntervalsError, ParseStartError,
    ParseTreeSizeSourceError, RemovedLogPolicy, SignatureMode, SlowClient, Start, StateRecovery,
    TreeSizeSource, Verification,
};

/// What the process was asked to do.
#[derive(Debug)]
pub enum Invocation {
    /// Serve.
    Serve(Box<Setup>),
    /// Say what the configuration comes to, see [`validate`](crate::validate), and exit.
    ValidateConfig(Box<Setup>),
    /// Do this with the logs in the state file and exit.
    Logs(Box<Setup>, LogsCommand),
    /// Write where every log ends now and exit.
    CreateIndex(Box<Setup>, CreateIndex),
    /// Ask the server of this configuration, or at this URL, how it is, and exit.
    Healthcheck(Box<Setup>, Option<String>),
    /// Write this YAML and exit.
    PrintConfig(String),
    /// Write this help and exit.
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
    /// Serve certificates of the server's own instead of reading logs.
    pub demo: bool,
    /// Serve, but read no logs.
    pub dry_run: bool,
    /// Why messages have the profile they have.
    pub profile: ProfileOrigin,
    /// Whether warnings are errors.
    pub strict: bool,
    /// What is strange about the configuration, to be logged; one line each.
    pub warnings: Vec<String>,
    /// Every mistake for which the configuration cannot be used; only
    /// [`ValidateConfig`](Invocation::ValidateConfig) gives a setup that has any.
    pub problems: Vec<String>,
}

/// What a server that runs with one configuration can go over to when it is to have another: that,
/// but for what takes a restart, whose keys are told.
///
/// # Errors
/// When the two together contradict themselves.
pub fn without_restart(
    running: &Config,
    wanted: &Config,
) -> Result<(Config, Vec<&'static str>), ConfigError> {
    let (old, mut new) = (tree::of(running), tree::of(wanted));
    let mut waiting = Vec::new();
    // There is a listener either with TLS or without.
    let tls = running.tls_cert.is_some() != wanted.tls_cert.is_some();
    for setting in SETTINGS {
        let waits = setting.restart || tls && ["tls_cert", "tls_key"].contains(&setting.key);
        let both = tree::select(&old, setting.key).pop().zip(tree::select(&new, setting.key).pop());
        let changed = both.filter(|((_, old), (_, new))| waits && old != new);
        let Some(value) = changed.map(|((_, old), _)| old.clone()) else { continue };
        tree::set(&mut new, setting.key, value);
        waiting.push(setting.key);
    }
    let config = Config::deserialize(new).map_err(|error| ConfigError::Usage(error.to_string()))?;
    let problems = rules::check(&config);
    if !problems.is_empty() {
        return Err(ConfigError::Waiting { keys: waiting.join(", "), problems });
    }
    Ok((config, waiting))
}

/// Reads the command line (of which the first argument is the program's name), the environment
/// and the configuration file.
///
/// # Errors
/// When anything is not understood or contradicts itself. The process should write the error and
/// exit with [`ConfigError::EXIT_STATUS`].
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
        Request::Help(text) => return Ok(Invocation::Help(text)),
        Request::Version(text) => return Ok(Invocation::Version(text)),
    };
    let action = command.action.clone();
    let setup = set_up(command, &Environment::new(env), search)?;
    Ok(match action {
        Action::Serve => Invocation::Serve(Box::new(setup)),
        Action::Validate => Invocation::ValidateConfig(Box::new(setup)),
        Action::Logs(command) => Invocation::Logs(Box::new(setup), command),
        Action::CreateIndex(command) => Invocation::CreateIndex(Box::new(setup), command),
        Action::Healthcheck(url) => Invocation::Healthcheck(Box::new(setup), url),
        Action::Print => Invocation::PrintConfig(yaml::print(&setup.config)),
    })
}

fn set_up(
    command: CommandLine,
    env: &Environment,
    search: &[PathBuf],
) -> Result<Setup, ConfigError> {
    let CommandLine { demo, dry_run, strict, .. } = command;
    let (mut warnings, mut problems) = (Vec::new(), Vec::new());
    let mut assignments = env.assignments(&mut warnings, &mut problems);
    let named = command
        .config_file
        .map(|path| file::Named { path, by: "--config" })
        .or_else(|| Some(file::Named { path: env.config_file()?, by: environment::CONFIG_FILE }));
    assignments.extend(command.assignments);

    let theirs = env.of_peers(&mut problems);
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
    let in_file = loaded.problems.len();
    problems.splice(0..0, loaded.problems);
    let set = |key: &str| assignments.iter().any(|assignment| assignment.setting.key == key);
    let is_set = |key: &str| set(key) || tree::has(&loaded.said, key);
    let base = if demo { overlay::show(loaded.config, is_set) } else { loaded.config };
    let mut config = overlay::apply(base, &assignments, &mut problems);
    let profile = if set("compat_profile") { ProfileOrigin::Set } else { loaded.profile };
    if demo {
        let ignored;
        (config, ignored) = overlay::for_demo(&config);
        warnings.extend(ignored.iter().map(|key| format!("--demo ignores {key}")));
    }
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
        warnings.extend(rules::doubts(&config));
        warnings.extend(rules::forgotten(&config, is_set));
        if !demo && !is_set("ct_log.state_file") && config.ct_log.state_file.is_none() {
            warnings.extend(file::unused_state(file.as_deref()));
        }
    }
    if strict && !validates && !warnings.is_empty() {
        return Err(ConfigError::Strict { warnings });
    }
    Ok(Setup { config, file, demo, dry_run, profile, strict, warnings, problems })
}

/// Whether a rule may be broken only because a mistake was left out of the configuration: one of the
/// first `in_file` problems is about the same section.
fn is_consequence(rule: &Problem, problems: &[ConfigError], in_file: usize) -> bool {
    let section = |key: &str| key.split(['.', '[']).next().unwrap_or(key).to_owned();
    problems.iter().take(in_file).any(|problem| match problem {
        ConfigError::File(FileError { key: Some(key), .. }) => section(key) == section(&rule.key),
        _ => false,
    })
}
