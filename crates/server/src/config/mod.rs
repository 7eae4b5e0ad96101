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
mod file;
mod guard;
mod kind;
mod model;
mod overlay;
mod peers;
mod places;
pub mod reporting;
mod rules;
mod table;
mod tree;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

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
pub use peers::{Fate, PEER_KEYS, Peer, PeerKey};
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
    /// Nothing is wrong with the configuration: write [`Setup::summary`] and exit.
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
    /// What is strange about the configuration, to be logged; one line each.
    pub warnings: Vec<String>,
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
    let CommandLine { demo, dry_run, .. } = command;
    let mut warnings = Vec::new();
    let mut assignments = env.assignments(&mut warnings)?;
    let named = command
        .config_file
        .map(|path| file::Named { path, by: "--config" })
        .or_else(|| Some(file::Named { path: env.config_file()?, by: environment::CONFIG_FILE }));
    assignments.extend(command.assignments);

    let (base, file) = if demo {
        let ignored = overlay::retain_for_demo(&mut assignments);
        warnings.extend(ignored.iter().map(|origin| format!("--demo ignores {origin}")));
        warnings.extend(named.map(|named| format!("--demo ignores {}", named.by)));
        (Config::demo(), None)
    } else {
        file::load(named, search, &env.of_peers()?, &mut warnings)?
    };
    let config = overlay::apply(base, &assignments)?;
    let problems = rules::check(&config);
    if !problems.is_empty() {
        return Err(ConfigError::Rules { file, problems });
    }
    warnings.extend(rules::doubts(&config));
    Ok(Setup { config, file, demo, dry_run, warnings })
}

impl Setup {
    /// What the configuration comes to, in a few lines.
    #[must_use]
    pub fn summary(&self) -> String {
        let config = &self.config;
        let tree = tree::of(config);
        let file = self.file.as_deref().unwrap_or_else(|| Path::new("none"));
        let list =
            if config.ct_log.disable_default_logs { "none" } else { &config.ct_log.log_list_url };
        format!(
            "the configuration is valid\n\
             file:       {}\n\
             listens on: {}\n\
             serves:     {}\n\
             streams:    {}\n\
             log list:   {list}\n\
             other logs: {}\n",
            file.display(),
            config.address(),
            switched_on(&tree, "/protocols"),
            switched_on(&tree, "/streams"),
            config.custom_logs.len() + config.static_logs.len(),
        )
    }
}

/// The names of what is true in a section.
fn switched_on(tree: &serde_json::Value, section: &str) -> String {
    let switches = tree.pointer(section).and_then(serde_json::Value::as_object);
    let on = switches.into_iter().flatten().filter(|(_, value)| value.as_bool() == Some(true));
    on.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}
