//! The command line: a few switches, and one flag for each setting of the table.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;

use super::error::{ConfigError, Origin};
use super::kind::Kind;
use super::model::Config;
use super::overlay::Assignment;
use super::table::{SECTIONS, SETTINGS, Section, Setting};
use super::{tree, yaml};

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Request {
    /// Something that needs the configuration.
    Run(CommandLine),
    /// This help.
    Help(String),
    /// This line.
    Version(String),
}

/// A command line that needs the configuration.
#[derive(Debug)]
pub(super) struct CommandLine {
    pub(super) action: Action,
    pub(super) config_file: Option<PathBuf>,
    pub(super) demo: bool,
    pub(super) dry_run: bool,
    pub(super) assignments: Vec<Assignment>,
}

/// What to do with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Serve,
    Validate,
    Print,
    Logs(LogsCommand),
    Healthcheck(Option<String>),
}

/// What to do with the logs in the state file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogsCommand {
    /// Say where each stands.
    List,
    /// End the alarms of these logs, each meant by name, URL or id.
    Acknowledge(Vec<String>),
}

/// Reads a command line, of which the first argument is the program's name.
pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Request, ConfigError> {
    match command().try_get_matches_from(args.into_iter().map(with_two_dashes)) {
        Ok(matches) => Ok(Request::Run(command_line(&matches))),
        Err(error) => {
            let text = error.render().to_string();
            match error.kind() {
                ErrorKind::DisplayHelp => Ok(Request::Help(text)),
                ErrorKind::DisplayVersion => Ok(Request::Version(text)),
                _ => Err(ConfigError::Usage(message(&text))),
            }
        }
    }
}

/// Older certstream servers take `-config FILE` and `-version`, which would otherwise be read as
/// `-c onfig` and `-v ersion`.
fn with_two_dashes(arg: OsString) -> OsString {
    match arg.to_str() {
        Some(text) if text == "-version" || text == "-config" || text.starts_with("-config=") => {
            format!("-{text}").into()
        }
        _ => arg,
    }
}

/// The caller puts its own "error: " before a message.
fn message(rendered: &str) -> String {
    rendered.strip_prefix("error: ").unwrap_or(rendered).trim_end().to_owned()
}

fn command_line(matches: &ArgMatches) -> CommandLine {
    let flags = (matches.get_flag("validate-config"), matches.get_flag("print-config"));
    let action = match (matches.subcommand(), flags) {
        (Some(("logs", logs)), _) => Action::Logs(logs_command(logs)),
        (Some((_, check)), _) => Action::Healthcheck(check.get_one("url").cloned()),
        (None, (true, _)) => Action::Validate,
        (None, (_, true)) => Action::Print,
        (None, _) => Action::Serve,
    };
    CommandLine {
        action,
        config_file: matches.get_one("config").cloned(),
        demo: matches.get_flag("demo"),
        dry_run: matches.get_flag("dry-run"),
        assignments: SETTINGS.iter().filter_map(|setting| assignment(setting, matches)).collect(),
    }
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

fn command() -> Command {
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
             Logs named by hand (custom_logs, static_logs) can only be given in a file.",
        )
        .max_term_width(100)
        .disable_version_flag(true)
        .args(switches())
        .args(settings)
        .disable_help_subcommand(true)
        .subcommand(logs())
        .subcommand(healthcheck())
}

fn healthcheck() -> Command {
    let url = Arg::new("url")
        .long("url")
        .value_name("URL")
        .help("Ask there instead of at /health/deep of the server that the configuration is of");
    Command::new("healthcheck")
        .about("Ask the running server how it is; exit status 0 if it is well, otherwise 1")
        .arg(url)
}

fn logs() -> Command {
    let names = Arg::new("name")
        .value_name("NAME")
        .required(true)
        .num_args(1..)
        .help("The log's name, URL or id");
    let ack = Command::new("ack")
        .about("Acknowledge a log's alarms, whether or not the server runs")
        .arg(names);
    Command::new("logs")
        .about("Look at the logs in the state file, and acknowledge alarms")
        .disable_help_subcommand(true)
        .subcommand(Command::new("list").about("Say where each log stands, and its alarms"))
        .subcommand(ack)
}

fn switches() -> [Arg; 6] {
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
                "Configuration file [env: CERTSTREAM_CONFIG] [default: the first there is of \
                 config.yaml, config.yml, /etc/certstream/config.yaml]",
            ),
        switch(
            "demo",
            "Show the server with certificates of its own: no network, no files; of \
             the settings only host, port, log_level and log_format count",
        ),
        switch("dry-run", "Serve, but read no logs"),
        switch("validate-config", "Check the configuration, say what it comes to, and exit")
            .conflicts_with("print-config"),
        switch("print-config", "Print the whole configuration as YAML, secrets hidden, and exit"),
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
        .help_heading(section.title);
    Some(match setting.kind {
        Kind::Bool => arg.num_args(0..=1).default_missing_value("true"),
        Kind::Choices(_) | Kind::Subset(_) | Kind::Texts | Kind::Urls => {
            arg.action(ArgAction::Append)
        }
        _ => arg,
    })
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
