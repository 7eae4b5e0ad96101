//! The command line: a few switches, one flag for each setting of the table, and commands.

pub(crate) mod alerts;
mod commands;
mod flags;
pub(crate) mod journal;
mod manual;
mod search;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, Command};
use usage::completions;

use self::alerts::AlertsCommand;
use self::journal::JournalCommand;
use crate::error::{ConfigError, Origin};
use crate::overlay::Assignment;
use crate::table::{SETTINGS, Setting};
pub use commands::{BackfillCommand, CreateIndex, LogsCommand, TailCommand};
pub use manual::MANUAL;
pub use search::SearchCommand;

/// The request of a command line.
#[derive(Debug)]
pub(crate) enum Request {
    /// Something that needs the configuration.
    Run(CommandLine),
    /// Printing the stream of a server that no configuration names.
    Tail(TailCommand),
    /// A search in a server that no configuration names.
    Search(SearchCommand),
    /// This help, or these completions.
    Help(String),
    /// This line.
    Version(String),
}

/// A command line that needs the configuration.
#[derive(Debug)]
pub(crate) struct CommandLine {
    pub(crate) action: Action,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) demo: bool,
    pub(crate) dry_run: bool,
    pub(crate) strict: bool,
    pub(crate) assignments: Vec<Assignment>,
}

/// The action to take with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Serve,
    Validate,
    Print,
    PrintChanged,
    Logs(LogsCommand),
    Alerts(AlertsCommand),
    Backfill(BackfillCommand),
    Journal(Option<PathBuf>, JournalCommand),
    CreateIndex(CreateIndex),
    Healthcheck(Option<String>),
    Tail(TailCommand),
    Search(SearchCommand),
}

/// Reads a command line, of which the first argument is the program's name.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Request, ConfigError> {
    let args: Vec<OsString> = args.into_iter().map(with_two_dashes).collect();
    for (flag, advice) in NOT_OFFERED {
        let is_flag = |arg: &str| arg.split_once('=').map_or(arg, |(name, _)| name) == flag;
        if args.iter().skip(1).filter_map(|arg| arg.to_str()).any(is_flag) {
            return Err(ConfigError::Usage(format!("{flag} is not supported: {advice}")));
        }
    }
    let names_auth = args.iter().any(|arg| arg.to_string_lossy().starts_with("--auth"));
    let may_quote_a_token = |error: &clap::Error| {
        let quoted = error.get(ContextKind::InvalidSubcommand).into_iter();
        let mut quoted = quoted.chain(error.get(ContextKind::InvalidArg));
        names_auth && quoted.any(|text| !text.to_string().starts_with("--"))
    };
    match command().try_get_matches_from(args) {
        Ok(matches) => Ok(match matches.subcommand() {
            Some((completions::NAME, requested)) => {
                Request::Help(completions::requested(requested, command()))
            }
            Some(("tail", tail)) if tail.contains_id("url") => Request::Tail(commands::tail(tail)),
            Some(("search", matches)) if matches.contains_id("url") => {
                Request::Search(search::read(matches))
            }
            _ => Request::Run(command_line(&matches)),
        }),
        Err(error) => {
            let text = error.render().to_string();
            match error.kind() {
                ErrorKind::DisplayHelp => Ok(Request::Help(text)),
                ErrorKind::DisplayVersion => Ok(Request::Version(text)),
                _ if may_quote_a_token(&error) => Err(ConfigError::Usage(NOT_QUOTED.to_owned())),
                _ => Err(ConfigError::Usage(message(&text))),
            }
        }
    }
}

/// The message in place of an argument that may be a token.
const NOT_QUOTED: &str = "an argument is not understood; it is not shown, because it may be a token: \
                          give several tokens with commas between them, --auth-tokens=ONE,TWO";

/// Flags of other servers that this one does not have, each with advice (`wire.md` 4.4).
const NOT_OFFERED: [(&str, &str); 4] = [
    (
        "--export-metrics",
        "read the metrics of a running server at /metrics (curl http://localhost:8080/metrics)",
    ),
    (
        "--backfill",
        "to read a log from the beginning or from an index, name it in custom_logs or static_logs, \
         with ct_log.start and ct_log.disable_default_logs",
    ),
    ("completion", "use certstream-server completions bash"),
    ("-create-index-file", "use create-index --out FILE"),
];

/// Turns `-config FILE` and `-version` of older certstream servers into long flags; they would
/// otherwise be read as `-c onfig` and `-v ersion`.
fn with_two_dashes(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text == "-version" || text == "-config" || text.starts_with("-config=") => {
            format!("-{text}").into()
        }
        _ => arg,
    }
}

/// Removes "error: ", which the caller adds itself.
fn message(rendered: &str) -> String {
    rendered.strip_prefix("error: ").unwrap_or(rendered).trim_end().to_owned()
}

fn command_line(matches: &ArgMatches) -> CommandLine {
    let flag = |name: &str| matches.get_flag(name);
    let action = match matches.subcommand() {
        Some(("logs", logs)) => Action::Logs(commands::logs(logs)),
        Some(("alerts", matches)) => Action::Alerts(alerts::read(matches)),
        Some(("journal", matches)) => {
            let (directory, command) = journal::read(matches);
            Action::Journal(directory, command)
        }
        Some(("backfill", matches)) => Action::Backfill(commands::backfill(matches)),
        Some(("create-index", index)) => Action::CreateIndex(commands::create_index(index)),
        Some(("healthcheck", check)) => Action::Healthcheck(check.get_one("url").cloned()),
        Some(("tail", tail)) => Action::Tail(commands::tail(tail)),
        Some(("search", matches)) => Action::Search(search::read(matches)),
        Some(_) => Action::Validate,
        None if flag("validate-config") => Action::Validate,
        None if flag("print-config") && flag("changed") => Action::PrintChanged,
        None if flag("print-config") => Action::Print,
        None => Action::Serve,
    };
    CommandLine {
        action,
        config_file: matches.get_one("config").cloned(),
        demo: flag("demo"),
        dry_run: flag("dry-run"),
        strict: flag("strict"),
        assignments: SETTINGS.iter().filter_map(|setting| assignment(setting, matches)).collect(),
    }
}

fn assignment(setting: &'static Setting, matches: &ArgMatches) -> Option<Assignment> {
    let flag = setting.flag()?;
    let texts: Vec<String> = matches.get_many(&flag)?.cloned().collect();
    Some(Assignment { setting, origin: Origin::Flag(flag), text: texts.join(",") })
}

/// Returns the command line, from which help, manual page and completions are made.
#[must_use]
pub fn command() -> Command {
    Command::new("certstream-server")
        .version(env!("CARGO_PKG_VERSION"))
        .bin_name("certstream-server")
        .about("Follows Certificate Transparency logs and streams every certificate")
        .after_help(short_end())
        .after_long_help(long_end())
        .max_term_width(100)
        .disable_version_flag(true)
        .args(flags::switches())
        .args(flags::settings())
        .subcommands(commands::all())
}

/// Returns the end of `-h`.
fn short_end() -> String {
    format!(
        "{}\n\nAll {} settings: certstream-server --help\nDocumentation:   {}",
        usage::examples(MANUAL.examples.get(..3).unwrap_or_default()),
        SETTINGS.len(),
        usage::DOCUMENTATION,
    )
}

/// Returns the end of `--help`.
fn long_end() -> String {
    format!(
        "{}\n\n\
         A flag overrides an environment variable, which overrides the configuration file. \
         custom_logs and static_logs can only be given in a file.\n\n\
         Exit status: 0 after SIGTERM or Ctrl-C, 1 if the server or a command fails, 64 if the \
         command line, a variable or the configuration is invalid.\n\n\
         Documentation: {}",
        usage::examples(MANUAL.examples),
        usage::DOCUMENTATION,
    )
}
