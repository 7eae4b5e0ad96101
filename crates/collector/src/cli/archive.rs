//! The commands for archives: `backfill`, `verify`, `compact` and `views`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use columns::Compression;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Environment;
use super::options::option;
use super::values::{UsageError, duration, path, text, usage};
use crate::backfill::{BackfillSettings, Bounds, Logs, TimeBound};
use crate::quantity;
use crate::settings::Format;

/// The variable that names the log list, as for the server.
const LIST: &str = "CERTSTREAM_CT_LOG_LOG_LIST_URL";
/// Entries of a part, unless another number is given: 256 full tiles.
const PART_ENTRIES: &str = "65536";

/// Returns the command `backfill`.
pub(super) fn backfill() -> Command {
    Command::new("backfill")
        .about(
            "Read ranges of logs, prove every entry against the log's signed head, and store them in \
             Parquet or Feather",
        )
        .args(log_options())
        .args(range_options())
        .args(file_options())
        .args(run_options())
        .after_help(
            "Start the same command again after any interruption: it reads what is missing.\n\n\
             Exit status: 0 if everything requested is in the output, 1 if not (the same command \
             continues), 2 if a log contradicts itself, 64 if the request is impossible: an unknown \
             log, a range beyond the log's head, or other parts in the output.",
        )
}

/// Returns the command `verify`.
pub(super) fn verify() -> Command {
    Command::new("verify")
        .about("Prove files of `backfill` again, offline, and name the rows that differ")
        .arg(
            Arg::new("files")
                .value_name("PATH")
                .help("Files, or directories of them")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON"))
        .after_help("Exit status: 0 if all files pass, 2 if one does not, 1 if one cannot be read.")
}

/// Returns the command `compact`.
pub(super) fn compact() -> Command {
    Command::new("compact")
        .about("Make few large parts of the many that `backfill` wrote below a directory")
        .arg(
            Arg::new("file")
                .value_name("DIR")
                .help("The directory")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            option(
                "entries",
                "NUMBER",
                "Most entries of a part, which begins at a multiple of them",
            )
            .value_parser(value_parser!(u64).range(256..))
            .default_value("16777216"),
        )
        .arg(
            option("sort", "ORDER", "Order of the rows of all parts, for queries by name")
                .value_parser(["name"]),
        )
}

/// Returns the command `views`.
pub(super) fn views() -> Command {
    Command::new("views")
        .about("Print SQL that makes views of the Parquet files of `backfill` for DuckDB")
        .arg(
            Arg::new("output")
                .value_name("DIR")
                .help("Directory of the archive, or s3://BUCKET/PREFIX, as DuckDB is to find it")
                .required(true),
        )
}

fn log_options() -> [Arg; 3] {
    [
        option(
            "log",
            "NAME|URL|ID",
            "Log to read, by name or a part of it, or file:PATH of its tiles (a directory, a zip, or a \
             directory of zips); may be repeated",
        )
        .action(ArgAction::Append)
        .required_unless_present("all")
        .conflicts_with("all"),
        Arg::new("all").long("all").action(ArgAction::SetTrue).help("Read all logs in use"),
        option(
            "list",
            "URL|FILE",
            "Log list to find logs and keys in [default: CERTSTREAM_CT_LOG_LOG_LIST_URL, or Chrome's]",
        ),
    ]
}

fn range_options() -> [Arg; 4] {
    let index =
        |arg: Arg| arg.value_parser(value_parser!(u64)).conflicts_with_all(["since", "until"]);
    [
        index(option("start", "INDEX", "First entry [default: 0]")),
        index(option("end", "INDEX", "Entry after the last one [default: the log's head]")),
        option(
            "since",
            "TIME",
            "Entries submitted since: 2026-11-01, 2026-11-01T12:00:00Z, or a span such as 7d; some \
             earlier ones come too, because logs merge entries late",
        ),
        option("until", "TIME", "Entries submitted before [default: now]").requires("since"),
    ]
}

fn file_options() -> [Arg; 7] {
    [
        option("output", "DIR", "Directory of the archive, or s3://BUCKET/PREFIX")
            .short('o')
            .default_value("certstream_archive"),
        option("format", "FORMAT", "File format")
            .value_parser(["parquet", "feather"])
            .default_value(if cfg!(feature = "parquet") { "parquet" } else { "feather" }),
        option("compression", "CODEC", "Compression of the columns")
            .value_parser(["none", "lz4", "zstd"])
            .default_value("zstd"),
        Arg::new("with-der").long("with-der").action(ArgAction::SetTrue).help(
            "Also store certificates and leaves, so that `verify` can compute every column again",
        ),
        option("part-entries", "NUMBER", "Entries of a part, which begins at a multiple of them")
            .value_parser(value_parser!(u64).range(256..=16_777_216))
            .default_value(PART_ENTRIES),
        option("spool", "DIR", "Directory of parts that are being written for s3://")
            .value_parser(value_parser!(PathBuf))
            .default_value("certstream_spool"),
        option("allow-dir", "DIR", "Refuse outputs that are not below this directory")
            .value_parser(value_parser!(PathBuf))
            .action(ArgAction::Append),
    ]
}

fn run_options() -> [Arg; 6] {
    [
        option("concurrency", "NUMBER", "Requests of a log at the same time")
            .value_parser(value_parser!(u64).range(1..=64))
            .default_value("4"),
        option("patience", "TIME", "Give a log up after this time without progress")
            .default_value("15m"),
        option(
            "contact",
            "TEXT",
            "E-mail or URL for User-Agent; some logs serve more to clients that give one",
        ),
        Arg::new("resume")
            .long("resume")
            .action(ArgAction::SetTrue)
            .help("Continue an archive that is there; always the case"),
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print events as JSON, one a line"),
        option("log-level", "LEVEL", "Log level")
            .short('l')
            .value_parser(["trace", "debug", "info", "warn", "error"])
            .default_value("info"),
    ]
}

/// Reads the settings of a backfill.
pub(super) fn settings(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<BackfillSettings, UsageError> {
    let list = environment.get(OsStr::new(LIST)).and_then(|list| list.to_str());
    let list = list.filter(|list| !list.is_empty()).map(str::to_owned);
    let named = matches.get_many::<String>("log").unwrap_or_default().cloned();
    let logs = if matches.get_flag("all") { Logs::All } else { Logs::Named(named.collect()) };
    let format = match text(matches, "format").as_deref() {
        Some("feather") => Format::Feather,
        _ if cfg!(feature = "parquet") => Format::Parquet,
        _ => return Err(usage("--format parquet: this program was built without it")),
    };
    let compression = match text(matches, "compression").as_deref() {
        Some("none") => Compression::None,
        Some("lz4") => Compression::Lz4,
        _ => Compression::Zstd,
    };
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let contact = text(matches, "contact").unwrap_or_else(|| ::usage::DOCUMENTATION.to_owned());
    if contact.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(usage("--contact: only ASCII characters can be sent"));
    }
    Ok(BackfillSettings {
        logs,
        bounds: bounds(matches)?,
        list: text(matches, "list").or(list),
        output: text(matches, "output").unwrap_or_default(),
        spool: path(matches, "spool").unwrap_or_default(),
        allowed: matches.get_many::<PathBuf>("allow-dir").unwrap_or_default().cloned().collect(),
        format,
        compression,
        with_der: matches.get_flag("with-der"),
        concurrency: usize::try_from(number("concurrency").unwrap_or(1)).unwrap_or(1),
        part_entries: number("part-entries").unwrap_or(1 << 16),
        patience: duration(matches, "patience")?.unwrap_or_default(),
        user_agent: format!("{} (+{contact})", super::USER_AGENT),
    })
}

/// Reads the entries to read.
fn bounds(matches: &ArgMatches) -> Result<Bounds, UsageError> {
    let time = |name: &str| text(matches, name).map(|text| time(name, &text)).transpose();
    if let Some(since) = time("since")? {
        let until = time("until")?;
        if until.is_some_and(|until| until <= since) {
            return Err(usage("--until is not after --since"));
        }
        return Ok(Bounds::Times(TimeBound { since, until }));
    }
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let (start, end) = (number("start").unwrap_or(0), number("end"));
    if end.is_some_and(|end| end <= start) {
        return Err(usage("--end is not after --start"));
    }
    Ok(Bounds::Indexes { start, end })
}

/// Reads a time, a date, or a span before now.
fn time(name: &str, text: &str) -> Result<u64, UsageError> {
    let span = || {
        let span = SignedDuration::try_from(quantity::duration(text).ok()?).ok()?;
        Timestamp::now().checked_sub(span).ok()
    };
    let date = || {
        let date: Date = text.parse().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let time = text.parse::<Timestamp>().ok().or_else(date).or_else(span);
    let milliseconds = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
    milliseconds.ok_or_else(|| {
        usage(format!(
            "--{name} {text:?}: write a date like 2026-11-01, a time like 2026-11-01T12:00:00Z, or a \
             span before now like 7d"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<BackfillSettings, String> {
        let arguments = ["backfill"].into_iter().chain(words.split_whitespace());
        let matches = backfill().try_get_matches_from(arguments).map_err(|it| it.to_string())?;
        settings(&matches, &Environment::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn bounds_are_indexes_or_times() {
        let bounds = |words: &str| parse(words).unwrap().bounds;
        assert_eq!(bounds("--log a"), Bounds::Indexes { start: 0, end: None });
        let indexes = Bounds::Indexes { start: 5, end: Some(9) };
        assert_eq!(bounds("--log a --start 5 --end 9"), indexes);
        let times = TimeBound { since: 1_793_491_200_000, until: Some(1_793_577_600_000) };
        let words = "--log a --since 2026-11-01 --until 2026-11-02T00:00:00Z";
        assert_eq!(bounds(words), Bounds::Times(times));
        let Bounds::Times(TimeBound { since, until: None }) = bounds("--all --since 7d") else {
            panic!()
        };
        let week = Timestamp::now().as_millisecond() as u64 - since;
        assert!((604_800_000..604_860_000).contains(&week), "{week}");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (words, expected) in [
            ("", "--log"),
            ("--log a --all", "--all"),
            ("--log a --start 9 --end 9", "--end is not after"),
            ("--log a --start 1 --since 7d", "--since"),
            ("--log a --until 7d", "--since"),
            ("--log a --since soon", "write a date"),
            ("--log a --since 2026-11-02 --until 2026-11-01", "--until is not after"),
            ("--log a --part-entries 1", "--part-entries"),
        ] {
            let error = parse(words).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{words}: {error}");
        }
    }
}
