//! The options of the command line, with their help.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};
use usage::completions;

use super::manual::MANUAL;

pub(super) fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// Returns the command line, from which the help, the manual page and completions are made.
#[must_use]
pub fn command() -> Command {
    let path = |name: &'static str, help: &'static str| {
        let path = Arg::new("file").value_name(name).help(help).required(true);
        path.value_parser(value_parser!(PathBuf))
    };
    Command::new("certstream-arrow")
        .about("Stores the stream of a certstream server in Arrow Feather or Parquet files")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .max_term_width(100)
        .args(server_options())
        .args(output_options())
        .args(part_options())
        .args(other_options())
        .subcommand(
            Command::new("inspect")
                .about(
                    "Show the contents of a file or a directory of parts: rows, times, sources, \
                     gaps, columns")
                .arg(path("PATH", "The file, or a directory of parts"))
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON")),
        )
        .subcommand(
            Command::new("repair")
                .about("Repair a file whose last write was incomplete")
                .arg(path("FILE", "The Feather file")),
        )
        .subcommand(super::archive::backfill())
        .subcommand(super::archive::verify())
        .subcommand(super::archive::compact())
        .subcommand(super::archive::views())
        .subcommand(completions::command("certstream-arrow"))
        .after_help(format!(
            "{}\n\nAll options: certstream-arrow --help\nDocumentation: {}",
            usage::examples(MANUAL.examples.get(..3).unwrap_or_default()),
            usage::DOCUMENTATION,
        ))
        .after_long_help(format!(
            "{}\n\n\
             Environment: CERTSTREAM_TOKEN is the token for the server. HTTPS_PROXY (for wss://) and \
             HTTP_PROXY (for ws://), or ALL_PROXY for both, name an HTTP proxy; NO_PROXY lists the \
             hosts to reach without it. Lower-case names also work.\n\n\
             Exit status: 0 after SIGTERM or Ctrl-C, 1 if it cannot continue, 2 if a log or an archive \
             is not what it should be, 64 if the command line is invalid.\n\n\
             Documentation: {}",
            usage::examples(MANUAL.examples),
            usage::DOCUMENTATION,
        ))
}

fn server_options() -> [Arg; 10] {
    [
        option("url", "URL", "The server: any certstream server, over ws:// or wss://")
            .long_help(
                "The server: any certstream server, over ws:// or wss://. The public \
                 wss://certstream.calidog.io has been silent since 2025",
            )
            .short('u')
            .default_value("ws://127.0.0.1:8080/"),
        option(
            "stream",
            "STREAM",
            "Stream to store; domains stores names only, without detecting duplicates",
        )
        .value_parser(["full", "lite", "domains"])
        .default_value("lite"),
        Arg::new("from-oldest").long("from-oldest").action(ArgAction::SetTrue).help(
            "Start a new output with the oldest message that the server still has, instead of the \
             next one",
        ),
        filter("domain", "Only certificates with these names or names below them"),
        filter("issuer", "Only certificates whose issuer name contains one of these"),
        filter("match", "Only certificates with a name that contains one of these"),
        filter("log", "Only entries of logs whose name contains one of these"),
        option(
            "token-file",
            "FILE",
            "File that contains the server's token; alternatively, set CERTSTREAM_TOKEN",
        )
        .value_parser(value_parser!(PathBuf)),
        option("token-header", "NAME", "Header that carries the token")
            .default_value("Authorization"),
        option(
            "ca-file",
            "FILE",
            "PEM file of certificate authorities to trust in addition to the system's, or of \
             exactly the server's certificate",
        )
        .value_parser(value_parser!(PathBuf)),
    ]
}

fn filter(name: &'static str, help: &'static str) -> Arg {
    option(name, "TERMS", help).action(ArgAction::Append)
}

fn output_options() -> [Arg; 6] {
    [
        option(
            "output",
            "PATH",
            "Where to write: a file (NAME.feather), a directory of Parquet files (NAME.parquet), a \
             directory (with --rotate), or s3://BUCKET/PREFIX [default: certstream_data.feather, or \
             certstream_data with --format parquet]",
        )
        .short('o'),
        option(
            "format",
            "FORMAT",
            "File format [default: from the extension of --output, or feather]",
        )
        .value_parser(["feather", "parquet"]),
        option("compression", "CODEC", "Compression of the columns")
            .value_parser(["none", "lz4", "zstd"])
            .default_value("zstd"),
        option("buffer-size", "ROWS", "Number of rows to write together")
            .short('b')
            .value_parser(value_parser!(u64).range(1..=1_000_000))
            .default_value("1000"),
        option("flush-interval", "TIME", "Maximum time before a row is written")
            .default_value("10s"),
        Arg::new("with-der")
            .long("with-der")
            .action(ArgAction::SetTrue)
            .help("Also store the certificates themselves (column as_der); implies --stream full"),
    ]
}

fn part_options() -> [Arg; 4] {
    [
        option(
            "rotate",
            "SIZE|TIME",
            "Write parts below the output, and close each at this size or time: 512MB, 1h, or both \
             as 1h,512MB [default with Parquet or s3: 10m]",
        ),
        option("max-bytes", "SIZE", "Delete the oldest parts beyond this total size"),
        option("retain", "TIME", "Delete parts older than this"),
        option("spool", "DIR", "Directory where parts for s3:// wait to be copied")
            .value_parser(value_parser!(PathBuf))
            .default_value("certstream_spool"),
    ]
}

fn other_options() -> [Arg; 3] {
    [
        option(
            "allow-dir",
            "DIR",
            "Refuse outputs that are not below this directory; may be repeated",
        )
        .value_parser(value_parser!(PathBuf))
        .action(ArgAction::Append),
        option(
            "stats",
            "TIME",
            "How often to log progress; 0s is never [default: 60s, and a status line on a \
             terminal]",
        ),
        option("log-level", "LEVEL", "Log level")
            .short('l')
            .value_parser(["trace", "debug", "info", "warn", "error"])
            .default_value("info"),
    ]
}
