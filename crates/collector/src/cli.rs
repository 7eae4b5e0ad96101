//! The command line.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use http::HeaderName;
use wire::StreamKind;

use crate::address::{Address, Wanted};
use crate::feather::Compression;
use crate::quantity;
use crate::settings::{
    Format, OutputSettings, PartSettings, Retention, Rotation, Settings, Target,
};
use crate::stream::proxy::Proxy;
use crate::table::schema::Rows;

/// The status of a wrong command line (EX_USAGE of sysexits.h).
pub const EXIT_STATUS: u8 = 64;
/// The variable with a token.
const TOKEN: &str = "CERTSTREAM_TOKEN";
/// How often to say how things stand, unless it is said otherwise.
const STATS: Duration = Duration::from_secs(60);
/// When parts are closed, unless it is said otherwise.
const ROTATION: Duration = Duration::from_secs(600);
/// Extensions of data files that are not written here, and would be wrong as names of folders.
const OTHER_FORMATS: [&str; 14] = [
    "csv", "tsv", "txt", "json", "jsonl", "ndjson", "avro", "orc", "xlsx", "db", "sqlite",
    "duckdb", "gz", "zst",
];

/// The environment.
type Environment = HashMap<OsString, OsString>;

/// What the program is asked to do.
#[derive(Debug)]
pub enum Invocation {
    /// Collect.
    Collect {
        /// How.
        settings: Box<Settings>,
        /// How much to log.
        log_level: String,
    },
    /// Say what is in a file.
    Inspect {
        /// The file.
        path: PathBuf,
        /// Whether to say it in JSON.
        json: bool,
    },
    /// Repair a file.
    Repair {
        /// The file.
        path: PathBuf,
    },
    /// Print a text.
    Print(String),
}

/// A wrong command line, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

fn usage(error: impl std::fmt::Display) -> UsageError {
    UsageError(error.to_string())
}

/// Reads the command line and the environment.
///
/// # Errors
///
/// When something is wrong with it, with what to write instead.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Invocation, UsageError> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            return Ok(Invocation::Print(error.to_string()));
        }
        Err(error) => {
            let text = error.to_string();
            return Err(UsageError(text.trim_start_matches("error: ").trim_end().to_owned()));
        }
    };
    let path =
        |matches: &ArgMatches| matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    match matches.subcommand() {
        Some(("inspect", inspect)) => {
            Ok(Invocation::Inspect { path: path(inspect), json: inspect.get_flag("json") })
        }
        Some(("repair", repair)) => Ok(Invocation::Repair { path: path(repair) }),
        _ => {
            let settings = settings(&matches, &environment.into_iter().collect())?;
            let log_level = text(&matches, "log-level").unwrap_or_default();
            Ok(Invocation::Collect { settings: Box::new(settings), log_level })
        }
    }
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// The command line, for what is made from it: help, the manual page, completions.
#[must_use]
pub fn command() -> Command {
    let file =
        || Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf));
    Command::new("certstream-arrow")
        .about("Collects the stream of a certstream server into Arrow Feather or Parquet")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .args(server_options())
        .args(output_options())
        .args(part_options())
        .args(other_options())
        .subcommand(
            Command::new("inspect")
                .about(
                    "Show the contents of a file or a directory of parts: rows, times, sources, \
                     gaps, columns")
                .arg(file())
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON")),
        )
        .subcommand(
            Command::new("repair")
                .about("Make a file readable again whose last write was cut short")
                .arg(file()),
        )
        .after_help(
            "Examples:\n  \
             certstream-arrow -u wss://ct.example.org/ -o certs.feather --match paypal,login\n  \
             certstream-arrow -o certs.parquet --rotate 10m --retain 30d\n  \
             certstream-arrow inspect certs.parquet\n\n\
             Environment: CERTSTREAM_TOKEN is the token for the server. HTTPS_PROXY (for wss://) and \
             HTTP_PROXY (for ws://), or ALL_PROXY for both, name an HTTP proxy; NO_PROXY lists the \
             hosts to reach without it. Lower-case names also work.\n\n\
             Exit status: 0 after SIGTERM or Ctrl-C, 1 if it cannot continue, 64 if the command line \
             is wrong.",
        )
}

fn server_options() -> [Arg; 10] {
    [
        option(
            "url",
            "URL",
            "The server: any certstream server, over ws:// or wss://. The public \
             wss://certstream.calidog.io has been silent since 2025, so the default is your own \
             certstream-server",
        )
        .short('u')
        .default_value("ws://127.0.0.1:8080/"),
        option(
            "stream",
            "STREAM",
            "Stream to collect; domains stores names only, and cannot detect duplicates, because \
             its messages name neither log nor index",
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
            "Where to write: a file (.feather); with --rotate or Parquet a directory (NAME.parquet \
             is one too); or s3://BUCKET/PREFIX [default: certstream_data.feather, with --format \
             parquet certstream_data]",
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

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

fn duration(matches: &ArgMatches, name: &str) -> Result<Option<Duration>, UsageError> {
    let read = |text: String| {
        quantity::duration(&text).map_err(|error| usage(format!("--{name}: {error}")))
    };
    text(matches, name).map(read).transpose()
}

fn settings(matches: &ArgMatches, environment: &Environment) -> Result<Settings, UsageError> {
    let with_der = matches.get_flag("with-der");
    let stream = match text(matches, "stream").as_deref() {
        Some("domains") if with_der => {
            return Err(usage("--with-der: the domains stream has no certificates"));
        }
        Some("domains") => StreamKind::Domains,
        Some("full") => StreamKind::Full,
        _ if with_der => StreamKind::Full,
        _ => StreamKind::Lite,
    };
    let rows = match stream {
        StreamKind::Domains => Rows::Domains,
        _ => Rows::Certificates { with_der },
    };
    let wanted =
        Wanted { stream, filters: filters(matches), token: credentials(matches, environment)? };
    let url = text(matches, "url").unwrap_or_default();
    let address = Address::new(&url, &wanted).map_err(usage)?;
    let variable = |name: &str| environment.get(OsStr::new(name))?.to_str();
    let flush_interval = duration(matches, "flush-interval")?.unwrap_or_default();
    if flush_interval.is_zero() {
        return Err(usage("--flush-interval must be longer than 0"));
    }
    let buffer_size = matches.get_one::<u64>("buffer-size").copied().unwrap_or(1);
    Ok(Settings {
        proxy: Proxy::of(&address, variable).map_err(usage)?,
        address,
        ca_file: path(matches, "ca-file"),
        rows,
        from_oldest: matches.get_flag("from-oldest"),
        buffer_size: usize::try_from(buffer_size).unwrap_or(usize::MAX),
        flush_interval,
        output: output(matches)?,
        stats: duration(matches, "stats")?.or(Some(STATS)).filter(|time| !time.is_zero()),
    })
}

fn filters(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let values = |name: &'static str| {
        let values = matches.get_many::<String>(name).unwrap_or_default().cloned();
        let values: Vec<_> = values.collect();
        (!values.is_empty()).then(|| (name, values.join(",")))
    };
    ["domain", "issuer", "match", "log"].into_iter().filter_map(values).collect()
}

/// The token from the file, or else the environment.
fn credentials(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Option<(HeaderName, String)>, UsageError> {
    let name = text(matches, "token-header").unwrap_or_default();
    let header = HeaderName::try_from(&name)
        .map_err(|_| usage(format!("--token-header: {name:?} is no name of a header")))?;
    let token = match path(matches, "token-file") {
        Some(path) => {
            let read = std::fs::read_to_string(&path);
            let read =
                read.map_err(|error| usage(format!("--token-file {}: {error}", path.display())))?;
            Some(read)
        }
        None => {
            let token = environment.get(OsStr::new(TOKEN)).cloned();
            let token = token.map(OsString::into_string).transpose();
            token.map_err(|_| usage(format!("{TOKEN} is not text")))?
        }
    };
    let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    Ok(token.map(|token| (header, token)))
}

fn output(matches: &ArgMatches) -> Result<OutputSettings, UsageError> {
    let compression = match text(matches, "compression").as_deref() {
        Some("none") => Compression::None,
        Some("lz4") => Compression::Lz4,
        _ => Compression::Zstd,
    };
    let allowed = matches.get_many::<PathBuf>("allow-dir").unwrap_or_default().cloned().collect();
    Ok(OutputSettings { target: target(matches)?, compression, allowed })
}

/// The form of the files: as `--format` has it, or the extension of `--output`.
fn format(matches: &ArgMatches, output: Option<&str>) -> Result<Format, UsageError> {
    let asked = match text(matches, "format").as_deref() {
        Some("parquet") => Some(Format::Parquet),
        Some(_) => Some(Format::Feather),
        None => None,
    };
    let extension = output.and_then(|output| Path::new(output).extension()?.to_str());
    let named = extension.and_then(Format::of_extension);
    if let (Some(asked), Some(named)) = (asked, named)
        && asked != named
    {
        let (asked, named) = (asked.extension(), named.extension());
        return Err(usage(format!(
            "--format {asked}: the name of --output says {named}; leave one of them out"
        )));
    }
    let format = asked.or(named).unwrap_or(Format::Feather);
    if format == Format::Parquet && !cfg!(feature = "parquet") {
        return Err(usage("parquet: this program was built without it (cargo feature parquet)"));
    }
    Ok(format)
}

/// Refuses an output whose name promises something else. A folder may have a dot in its name.
fn check_name(output: &str, is_folder: bool) -> Result<(), UsageError> {
    if let Some((scheme, _)) = output.split_once("://")
        && scheme != "s3"
    {
        return Err(usage(format!(
            "--output {output:?}: {scheme}:// is not supported; give a path, or s3://BUCKET/PREFIX \
             (other stores that speak the protocol of S3: with AWS_ENDPOINT)"
        )));
    }
    let Some(extension) = Path::new(output).extension().and_then(OsStr::to_str) else {
        return Ok(());
    };
    let is_other = if is_folder {
        OTHER_FORMATS.iter().any(|other| extension.eq_ignore_ascii_case(other))
    } else {
        Format::of_extension(extension).is_none()
    };
    if is_other {
        return Err(usage(format!(
            "--output {output:?}: .{extension} files are not written; name it .feather (or .arrow) \
             for one Feather file, .parquet for a folder of Parquet files"
        )));
    }
    Ok(())
}

fn target(matches: &ArgMatches) -> Result<Target, UsageError> {
    let output = text(matches, "output");
    let format = format(matches, output.as_deref())?;
    let store = output.clone().filter(|output| output.starts_with("s3://"));
    if store.is_some() && !cfg!(feature = "s3") {
        return Err(usage("--output s3://: this program was built without it (cargo feature s3)"));
    }
    let retention = retention(matches)?;
    let is_kept = retention == Retention::default();
    let rotation = text(matches, "rotate").map(|text| rotation(&text)).transpose()?;
    let is_parts = format == Format::Parquet || rotation.is_some() || store.is_some();
    if let Some(output) = &output {
        check_name(output, is_parts)?;
    }
    if !is_parts && !is_kept {
        return Err(usage("--max-bytes and --retain delete whole parts: give --rotate too"));
    }
    if store.is_some() && !is_kept {
        return Err(usage(
            "--max-bytes and --retain are for folders; for s3 use rules of the bucket",
        ));
    }
    if !is_parts {
        let file = output.unwrap_or_else(|| "certstream_data.feather".to_owned());
        return Ok(Target::File(file.into()));
    }
    let spool = store.is_some().then(|| path(matches, "spool")).flatten();
    let named = || output.unwrap_or_else(|| "certstream_data".to_owned()).into();
    Ok(Target::Parts(PartSettings {
        folder: spool.unwrap_or_else(named),
        format,
        rotation: rotation.unwrap_or(Rotation { size: None, time: Some(ROTATION) }),
        retention,
        store,
    }))
}

fn retention(matches: &ArgMatches) -> Result<Retention, UsageError> {
    let size = |text: String| {
        quantity::size(&text).map_err(|error| usage(format!("--max-bytes: {error}")))
    };
    let bytes = text(matches, "max-bytes").map(size).transpose()?;
    Ok(Retention { bytes, age: duration(matches, "retain")? })
}

/// A size, a time, or one of each.
fn rotation(text: &str) -> Result<Rotation, UsageError> {
    let mut rotation = Rotation::default();
    for part in text.split(',') {
        let has_unit = part.trim().ends_with(|c: char| c.is_ascii_alphabetic());
        let size = quantity::size(part).ok().filter(|_| has_unit);
        match (quantity::duration(part), size) {
            (Ok(time), _) if rotation.time.is_none() && time >= Duration::from_secs(1) => {
                rotation.time = Some(time);
            }
            (Err(_), Some(size)) if rotation.size.is_none() && size > 0 => {
                rotation.size = Some(size);
            }
            _ => {
                return Err(usage(format!(
                    "--rotate {text:?}: write a size like 512MB, a time of a second or more like \
                     1h, or one of each as 1h,512MB"
                )));
            }
        }
    }
    Ok(rotation)
}

#[cfg(test)]
mod tests;
