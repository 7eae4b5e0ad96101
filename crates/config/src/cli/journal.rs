//! The command line of `certstream-server journal`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

/// An action on a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalCommand {
    /// Shows what it has.
    Info,
    /// Checks that every index of every log is accounted for once, and that nothing is damaged.
    Verify,
    /// Writes its certificates.
    Export(JournalExport),
    /// Gives it a new stream id.
    NewId,
}

/// The certificates to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalExport {
    /// The place of the first: a time, a time ago, or an offset. None for the oldest.
    pub since: Option<String>,
    /// The place after the last. None for the newest.
    pub until: Option<String>,
    /// Their form.
    pub format: ExportFormat,
}

/// The form of exported certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Messages of the full stream, one a line.
    Ndjson,
    /// DER certificates, one after another.
    Der,
}

/// Returns the command.
pub(super) fn command() -> Command {
    let place = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("PLACE").help(help)
    };
    let since =
        place("since", "First certificate: a time, a time ago (7d, 12h), or an offset (@N)");
    let until = place("until", "Certificate to stop before, in the same forms");
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(["ndjson", "der"])
        .default_value("ndjson")
        .help("ndjson: messages of the full stream; der: certificates one after another");
    Command::new("journal")
        .about("Show, verify or export a journal, also while the server runs; rename a restored copy")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(action("info", "Show what the journal has"))
        .subcommand(action(
            "verify",
            "Check that nothing is damaged and every index of every log is accounted for once; exit \
             status 1 otherwise",
        ))
        .subcommand(
            action("export", "Write certificates to standard output").args([since, until, format]),
        )
        .subcommand(action(
            "new-id",
            "Give a restored copy a new stream id before the server starts with it, so that nobody takes \
             its offsets for those of the original",
        ))
}

fn action(name: &'static str, about: &'static str) -> Command {
    let directory = Arg::new("directory")
        .value_name("DIRECTORY")
        .value_parser(value_parser!(PathBuf))
        .help("The directory with the journal [default: data_dir]");
    Command::new(name).about(about).arg(directory)
}

/// Reads the directory and the command.
pub(super) fn read(matches: &ArgMatches) -> (Option<PathBuf>, JournalCommand) {
    let (command, matches) = match matches.subcommand() {
        Some(("verify", matches)) => (JournalCommand::Verify, matches),
        Some(("export", matches)) => (JournalCommand::Export(export(matches)), matches),
        Some(("new-id", matches)) => (JournalCommand::NewId, matches),
        Some((_, matches)) => (JournalCommand::Info, matches),
        None => (JournalCommand::Info, matches),
    };
    (matches.get_one("directory").cloned(), command)
}

fn export(matches: &ArgMatches) -> JournalExport {
    let format = match matches.get_one::<String>("format").map(String::as_str) {
        Some("der") => ExportFormat::Der,
        _ => ExportFormat::Ndjson,
    };
    let (since, until) = (matches.get_one("since").cloned(), matches.get_one("until").cloned());
    JournalExport { since, until, format }
}
