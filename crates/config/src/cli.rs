//! The command line: a few switches, and one flag for each setting of the table.

pub(crate) mod journal;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;

use self::journal::JournalCommand;
use crate::error::{ConfigError, Origin};
use crate::kind::Kind;
use crate::model::Config;
use crate::overlay::Assignment;
use crate::table::{SECTIONS, SETTINGS, Section, Setting};
use crate::tree::{self, yaml};

/// The request of a command line.
#[derive(Debug)]
pub(crate) enum Request {
    /// Something that needs the configuration.
    Run(CommandLine),
    /// This help.
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
    Logs(LogsCommand),
    Journal(Option<PathBuf>, JournalCommand),
    CreateIndex(CreateIndex),
    Healthcheck(Option<String>),
}

/// The command that writes every log's current end, in certstream-server-go's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// The file to write; `None` for the one that the configuration names.
    pub file: Option<PathBuf>,
    /// True if an existing file is replaced.
    pub replace: bool,
}

/// An action on the logs in the state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogsCommand {
    /// Lists the position of each.
    List,
    /// Acknowledges the alarms of these logs, each given by name, URL or id.
    Acknowledge(Vec<String>),
}

/// Reads a command line, of which the first argument is the program's name.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Request, ConfigError> {
    let args: Vec<OsString> = args.into_iter().map(with_two_dashes).collect();
    for (flag, advice) in NOT_OFFERED {
        let is_flag = |arg: &str| arg.split_once('=').map_or(arg, |(name, _)| name) == flag;
        if args.iter().skip(1).filter_map(|arg| arg.to_str()).any(is_flag) {
            return Err(ConfigError::Usage(format!("{flag} is not offered: {advice}")));
        }
    }
    let names_auth = args.iter().any(|arg| arg.to_string_lossy().starts_with("--auth"));
    let may_quote_a_token = |error: &clap::Error| {
        let quoted = error.get(ContextKind::InvalidSubcommand).into_iter();
        let mut quoted = quoted.chain(error.get(ContextKind::InvalidArg));
        names_auth && quoted.any(|text| !text.to_string().starts_with("--"))
    };
    match command().try_get_matches_from(args) {
        Ok(matches) => Ok(Request::Run(command_line(&matches))),
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
        "the metrics are those of a running server, read them at /metrics (curl \
         http://localhost:8080/metrics)",
    ),
    (
        "--backfill",
        "to read a log from the beginning or from an index, name it in custom_logs or static_logs, \
         with ct_log.start and ct_log.disable_default_logs",
    ),
    ("completion", "the flags are in certstream-server --help"),
    ("-create-index-file", "it is called create-index --out FILE"),
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
    let flags = (matches.get_flag("validate-config"), matches.get_flag("print-config"));
    let action = match (matches.subcommand(), flags) {
        (Some(("logs", logs)), _) => Action::Logs(logs_command(logs)),
        (Some(("journal", matches)), _) => {
            let (directory, command) = journal::read(matches);
            Action::Journal(directory, command)
        }
        (Some(("create-index", index)), _) => Action::CreateIndex(create_index(index)),
        (Some(("healthcheck", check)), _) => Action::Healthcheck(check.get_one("url").cloned()),
        (Some(_), _) | (None, (true, _)) => Action::Validate,
        (None, (_, true)) => Action::Print,
        (None, _) => Action::Serve,
    };
    CommandLine {
        action,
        config_file: matches.get_one("config").cloned(),
        demo: matches.get_flag("demo"),
        dry_run: matches.get_flag("dry-run"),
        strict: matches.get_flag("strict"),
        assignments: SETTINGS.iter().filter_map(|setting| assignment(setting, matches)).collect(),
    }
}

fn create_index(matches: &ArgMatches) -> CreateIndex {
    CreateIndex { file: matches.get_one("out").cloned(), replace: matches.get_flag("force") }
}

fn logs_command(matches: &ArgMatches) -> LogsCommand {
    let acknowledged = matches.subcommand_matches("ack");
    match acknowledged.and_then(|matches| matches.get_many("name")) {
        Some(names) => LogsCommand::Acknowledge(names.cloned().collect()),
        None => LogsCommand::List,
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
    let defaults = tree::of(&Config::default());
    let settings = SECTIONS.iter().flat_map(|section| {
        section.settings().filter_map(|setting| flag(section, setting, &defaults))
    });
    Command::new("certstream-server")
        .version(env!("CARGO_PKG_VERSION"))
        .bin_name("certstream-server")
        .about("Follows Certificate Transparency logs and streams every certificate")
        .after_help(
            "A flag overrides an environment variable, which overrides the configuration file. \
             custom_logs and static_logs can only be given in a file.",
        )
        .max_term_width(100)
        .disable_version_flag(true)
        .args(switches())
        .args(settings)
        .subcommand(logs())
        .subcommand(journal::command())
        .subcommand(Command::new("validate").about("The same as --validate-config"))
        .subcommand(index())
        .subcommand(healthcheck())
}

fn index() -> Command {
    let out = Arg::new("out")
        .short('o')
        .long("out")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("File to write [default: ct_log.import_index, or else ct_index.json]");
    let force = Arg::new("force")
        .short('f')
        .long("force")
        .action(ArgAction::SetTrue)
        .help("Replace the file if it exists");
    Command::new("create-index")
        .about(
            "Write every log's current head index to a file in certstream-server-go's format; see \
             ct_log.import_index",
        )
        .args([out, force])
}

fn healthcheck() -> Command {
    let url = Arg::new("url")
        .long("url")
        .value_name("URL")
        .help("Query this URL instead of /health/deep on the configured host and port");
    Command::new("healthcheck")
        .about("Query a running server's health; exit status 0 if it is healthy, otherwise 1")
        .arg(url)
}

fn logs() -> Command {
    let names = Arg::new("name")
        .value_name("NAME")
        .required(true)
        .num_args(1..)
        .help("The log's name, URL or id");
    let ack = Command::new("ack")
        .about("Acknowledge a log's alarms, whether or not the server is running")
        .arg(names);
    Command::new("logs")
        .about("Show the logs in the state file, and acknowledge alarms")
        .disable_help_subcommand(true)
        .subcommand(Command::new("list").about("List each log's position and open alarms"))
        .subcommand(ack)
}

fn switches() -> [Arg; 7] {
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    [
        Arg::new("config")
            .short('c')
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .global(true)
            .help(
                "Configuration file [env: CERTSTREAM_CONFIG] [default: the first that exists of \
                 config.yaml, config.yml, /etc/certstream/config.yaml]",
            ),
        switch(
            "demo",
            "Run on simulated logs, without network or state; settings for log sources and state \
             are ignored, all others apply",
        ),
        switch("dry-run", "Serve clients, but read no logs"),
        switch(
            "validate-config",
            "Check the configuration and the files it names, print a summary and all warnings, and \
             exit",
        )
        .conflicts_with("print-config"),
        switch("strict", "Treat warnings about the configuration as errors (exit status 64)")
            .global(true),
        switch(
            "print-config",
            "Print the complete configuration as YAML, with secrets hidden, and exit",
        ),
        Arg::new("version")
            .short('V')
            .visible_short_alias('v')
            .long("version")
            .action(ArgAction::Version)
            .help("Print the version"),
    ]
}

fn flag(section: &Section, setting: &Setting, defaults: &Value) -> Option<Arg> {
    let name = setting.flag()?;
    let arg = Arg::new(name.clone())
        .long(name)
        .value_name(setting.kind.value_name())
        .help(help(setting, defaults))
        .hide_possible_values(true)
        .help_heading(section.title);
    Some(match setting.kind {
        Kind::Bool => arg
            .num_args(0..=1)
            .default_missing_value("true")
            .value_parser(Words(&["true", "false"])),
        Kind::Choice(words) => arg.value_parser(Words(words)),
        Kind::Choices(_) | Kind::Subset(_) | Kind::Texts | Kind::Urls => {
            arg.action(ArgAction::Append)
        }
        _ => arg,
    })
}

/// The words that shells complete a value with. [`Kind`] decides which values are allowed, as for
/// variables and files.
#[derive(Clone)]
struct Words(&'static [&'static str]);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|word| PossibleValue::new(*word))))
    }
}

fn help(setting: &Setting, defaults: &Value) -> String {
    let mut help = setting.doc.to_owned();
    if !setting.kind.is_obvious() {
        help += &format!(" [{}]", setting.kind);
    }
    help += &format!(" [env: {}]", setting.env.join(", "));
    match tree::select(defaults, setting.key).first().map(|(_, value)| yaml::flow(value)) {
        Some(default) if default != "null" => help + &format!(" [default: {default}]"),
        _ => help,
    }
}
