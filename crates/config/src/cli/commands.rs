//! The commands: their options, and what they request.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use usage::completions;

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

/// The command that reads what is missing into the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillCommand {
    /// The logs, each given by name, URL or id; none to list what is missing.
    pub logs: Vec<String>,
    /// The directory of the journal; `None` for that of the configuration.
    pub directory: Option<PathBuf>,
}

/// The command that prints the stream of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailCommand {
    /// The server; `None` for the one of the configuration.
    pub url: Option<String>,
    /// The stream, by name: `lite`, `full` or `domains`.
    pub stream: String,
    /// The filters: the parameter, and its terms separated by commas.
    pub filters: Vec<(&'static str, String)>,
    /// True to print the messages unchanged.
    pub json: bool,
    /// True to begin with the oldest message that the server still has.
    pub from_oldest: bool,
    /// The file that keeps the position across restarts of the command.
    pub resume: Option<PathBuf>,
    /// The file that contains the token.
    pub token_file: Option<PathBuf>,
    /// The request header that carries the token.
    pub token_header: String,
    /// PEM certificates to trust.
    pub ca_file: Option<PathBuf>,
}

/// Returns all commands.
pub(super) fn all() -> [Command; 10] {
    [
        tail_command(),
        super::search::command(),
        healthcheck_command(),
        Command::new("validate").about("Check the configuration; the same as --validate-config"),
        logs_command(),
        super::alerts::command(),
        backfill_command(),
        super::journal::command(),
        create_index_command(),
        completions::command("certstream-server"),
    ]
}

pub(super) fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Returns the options with which a client is allowed to use a server, and trusts it.
pub(super) fn access() -> [Arg; 3] {
    let path = value_parser!(PathBuf);
    let token_file = option(
        "token-file",
        "FILE",
        "File that contains the server's token; alternatively, set CERTSTREAM_TOKEN",
    );
    let token_header = option("token-header", "NAME", "Header that carries the token")
        .default_value("Authorization");
    let ca_file = option(
        "ca-file",
        "FILE",
        "PEM file of certificate authorities to trust in addition to the system's, or of exactly \
         the server's certificate",
    );
    [token_file.value_parser(path.clone()), token_header, ca_file.value_parser(path)]
}

/// The parameters that filter a stream, and their help.
const FILTERS: [(&str, &str); 4] = [
    ("domain", "Only certificates for these domains and names below them"),
    ("match", "Only certificates with a name that contains one of these"),
    ("issuer", "Only certificates whose issuer name contains one of these"),
    ("log", "Only entries of logs whose name contains one of these"),
];

/// The parameter that selects a kind of entry.
const ENTRY: &str = "entry";

const TAIL_EXAMPLES: &[usage::Example] = &[
    ("certstream-server tail --domain example.com", "a domain and the names below it"),
    ("certstream-server tail --url wss://ct.example.org/", "another server"),
    ("certstream-server tail --domain example.com --resume tail.json", "across restarts"),
    ("certstream-server tail --json | jq -r '.data.leaf_cert.all_domains[]'", "only the names"),
];

fn tail_command() -> Command {
    let url = option(
        "url",
        "URL",
        "The server: any certstream server, over ws:// or wss:// [default: the one of this \
         configuration, on this machine]",
    );
    let stream = option("stream", "STREAM", "The stream to print")
        .value_parser(["lite", "full", "domains"])
        .default_value("lite");
    let resume = option(
        "resume",
        "FILE",
        "Save the position in this file, and resume there when started again; one file per tail",
    );
    let entry = option(
        ENTRY,
        "KIND",
        "Only precertificates, or only final certificates; most certificates are logged as both",
    );
    Command::new("tail")
        .about("Print the stream of a server, one line per certificate")
        .arg(url.short('u'))
        .args(FILTERS.map(|(name, help)| option(name, "TERMS", help).action(ArgAction::Append)))
        .arg(entry.value_parser(["precert", "final"]))
        .arg(switch("json", "Print the messages as JSON, one per line, for jq and scripts"))
        .arg(stream)
        .arg(switch("from-oldest", "Start with the oldest message that the server still has"))
        .arg(resume.value_parser(value_parser!(PathBuf)))
        .args(access())
        .after_help(usage::examples(TAIL_EXAMPLES))
        .after_long_help(format!(
            "{}\n\n\
             After a lost connection, or a restart of the server, tail resumes where it stopped; \
             after a restart of its own, only with --resume. After a kill it prints the last lines \
             again. Gaps and lost connections are reported on standard error. Separate several TERMS with \
             commas, or repeat the option.\n\n\
             Exit status: 0 after Ctrl-C, SIGTERM or if the reader of the output is gone; 1 if the \
             server refuses the request.",
            usage::examples(TAIL_EXAMPLES),
        ))
}

/// Returns the request of `tail`.
pub(super) fn tail(matches: &ArgMatches) -> TailCommand {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let terms = |name: &'static str| {
        let terms: Vec<String> = matches.get_many(name)?.cloned().collect();
        Some((name, terms.join(",")))
    };
    TailCommand {
        url: text("url"),
        stream: text("stream").unwrap_or_default(),
        filters: FILTERS
            .iter()
            .filter_map(|(name, _)| terms(name))
            .chain(text(ENTRY).map(|kind| (ENTRY, kind)))
            .collect(),
        json: matches.get_flag("json"),
        from_oldest: matches.get_flag("from-oldest"),
        resume: matches.get_one("resume").cloned(),
        token_file: matches.get_one("token-file").cloned(),
        token_header: text("token-header").unwrap_or_default(),
        ca_file: matches.get_one("ca-file").cloned(),
    }
}

fn create_index_command() -> Command {
    let out = option(
        "out",
        "FILE",
        "File to write [default: ct_log.import_index, or else ct_index.json]",
    );
    Command::new("create-index")
        .about("Write every log's current size, as certstream-server-go does")
        .arg(out.short('o').value_parser(value_parser!(PathBuf)))
        .arg(switch("force", "Replace the file if it exists").short('f'))
        .after_help("A server that starts with ct_log.import_index resumes there.")
}

/// Returns the request of `create-index`.
pub(super) fn create_index(matches: &ArgMatches) -> CreateIndex {
    CreateIndex { file: matches.get_one("out").cloned(), replace: matches.get_flag("force") }
}

fn healthcheck_command() -> Command {
    let url = option(
        "url",
        "URL",
        "Query this URL instead of /health/deep on the configured host and port",
    );
    Command::new("healthcheck")
        .about("Query a running server's health; exit 0 if healthy or degraded, otherwise 1")
        .arg(url)
}

fn logs_command() -> Command {
    let names = Arg::new("name")
        .value_name("NAME")
        .required(true)
        .num_args(1..)
        .help("The log's name, URL or id");
    let ack = Command::new("ack")
        .about("Acknowledge a log's alarms, whether or not the server is running")
        .arg(names);
    Command::new("logs")
        .about("Show the logs in the journal or the state file, and acknowledge alarms")
        .disable_help_subcommand(true)
        .subcommand(Command::new("list").about("List each log's position and open alarms"))
        .subcommand(ack)
}

/// Returns the request of `logs`.
pub(super) fn logs(matches: &ArgMatches) -> LogsCommand {
    let acknowledged = matches.subcommand_matches("ack");
    match acknowledged.and_then(|matches| matches.get_many("name")) {
        Some(names) => LogsCommand::Acknowledge(names.cloned().collect()),
        None => LogsCommand::List,
    }
}

const BACKFILL_EXAMPLES: &[usage::Example] = &[
    ("certstream-server backfill", "what is missing"),
    ("certstream-server backfill --log \"Example Log 2027h1\"", "reads it"),
];

fn backfill_command() -> Command {
    let log = option("log", "NAME", "Read what is missing of this log: its name, URL or id")
        .action(ArgAction::Append);
    let directory = Arg::new("directory")
        .value_name("DIRECTORY")
        .value_parser(value_parser!(PathBuf))
        .help("Directory of the journal [default: data_dir]");
    Command::new("backfill")
        .about("List entries of logs that are missing in the journal, or read them into it")
        .arg(log)
        .arg(directory)
        .after_help(usage::examples(BACKFILL_EXAMPLES))
        .after_long_help(format!(
            "{}\n\n\
             Entries are missing where the server had to skip them; /api/logs lists them too. They get \
             new offsets. Streams leave them out unless they are requested with backfilled=true, and \
             a certificate that was published before is not published again. A running server does the work \
             itself, also if this command is stopped. Without one, the command reads the logs by \
             itself. What was read is kept: the same command continues after a stop.\n\n\
             Exit status: 0 if everything requested was read or cannot be read, 1 if not.",
            usage::examples(BACKFILL_EXAMPLES),
        ))
}

/// Returns the request of `backfill`.
pub(super) fn backfill(matches: &ArgMatches) -> BackfillCommand {
    BackfillCommand {
        logs: matches.get_many("log").map(|logs| logs.cloned().collect()).unwrap_or_default(),
        directory: matches.get_one("directory").cloned(),
    }
}
