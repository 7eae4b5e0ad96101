//! The command line: options and environment become settings.

mod archive;
mod manual;
mod options;
mod output;
mod values;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::error::ErrorKind;
use client::{Address, Proxy, Subscription, credentials};
use columns::Rows;
use http::HeaderName;
use usage::completions;
use wire::StreamKind;

use crate::archive::views::sql;
use crate::backfill::{BackfillSettings, Events};
use crate::settings::Settings;
pub use manual::MANUAL;
pub use options::command;
use output::output;
pub use values::UsageError;
use values::{duration, path, text, usage};

/// The status of an invalid command line (EX_USAGE of sysexits.h).
pub const EXIT_STATUS: u8 = 64;
/// The default interval of status log lines.
const STATS: Duration = Duration::from_secs(60);
/// The value of `User-Agent`.
const USER_AGENT: &str = concat!("certstream-arrow/", env!("CARGO_PKG_VERSION"));

/// The environment variables.
type Environment = HashMap<OsString, OsString>;

/// The command of an invocation.
#[derive(Debug)]
pub enum Invocation {
    /// Collect a stream.
    Collect {
        /// The settings.
        settings: Box<Settings>,
        /// The log level.
        log_level: String,
    },
    /// Show the contents of a file.
    Inspect {
        /// The file.
        path: PathBuf,
        /// True if to print JSON.
        json: bool,
    },
    /// Read ranges of logs.
    Backfill {
        /// The settings.
        settings: Box<BackfillSettings>,
        /// The form of events.
        events: Events,
        /// The log level.
        log_level: String,
    },
    /// Make few parts of many.
    Compact {
        /// The folder.
        folder: PathBuf,
        /// Most entries of a part.
        entries: u64,
        /// True if rows are sorted by name.
        by_name: bool,
    },
    /// Prove files again.
    Verify {
        /// The files and folders.
        paths: Vec<PathBuf>,
        /// True if to print JSON.
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

/// Reads the command line and the environment.
///
/// # Errors
///
/// If an option is invalid, with what to write instead.
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
    let environment: Environment = environment.into_iter().collect();
    let path =
        |matches: &ArgMatches| matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    match matches.subcommand() {
        Some(("inspect", inspect)) => {
            Ok(Invocation::Inspect { path: path(inspect), json: inspect.get_flag("json") })
        }
        Some(("backfill", backfill)) => Ok(Invocation::Backfill {
            settings: Box::new(archive::settings(backfill, &environment)?),
            events: if backfill.get_flag("json") { Events::Json } else { Events::None },
            log_level: text(backfill, "log-level").unwrap_or_default(),
        }),
        Some(("compact", compact)) => Ok(Invocation::Compact {
            folder: path(compact),
            entries: compact.get_one::<u64>("entries").copied().unwrap_or(u64::MAX),
            by_name: text(compact, "sort").is_some(),
        }),
        Some(("views", views)) => {
            Ok(Invocation::Print(sql(&text(views, "output").unwrap_or_default())))
        }
        Some(("verify", verify)) => Ok(Invocation::Verify {
            paths: verify.get_many("files").unwrap_or_default().cloned().collect(),
            json: verify.get_flag("json"),
        }),
        Some((completions::NAME, requested)) => {
            Ok(Invocation::Print(completions::requested(requested, command())))
        }
        Some(("repair", repair)) => Ok(Invocation::Repair { path: path(repair) }),
        _ => {
            let settings = settings(&matches, &environment)?;
            let log_level = text(&matches, "log-level").unwrap_or_default();
            Ok(Invocation::Collect { settings: Box::new(settings), log_level })
        }
    }
}

/// Reads the settings of a run.
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
    let subscription = Subscription {
        stream,
        filters: filters(matches),
        token: token(matches, environment)?,
        user_agent: USER_AGENT,
    };
    let url = text(matches, "url").unwrap_or_default();
    let address = Address::new(&url, &subscription).map_err(usage)?;
    let variable = |name: &str| environment.get(OsStr::new(name))?.to_str();
    let flush_interval = duration(matches, "flush-interval")?.unwrap_or_default();
    if flush_interval.is_zero() {
        return Err(usage("--flush-interval must be longer than 0"));
    }
    let buffer_size = matches.get_one::<u64>("buffer-size").copied().unwrap_or(1);
    Ok(Settings {
        proxy: Proxy::from_environment(&address, variable).map_err(usage)?,
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

/// Reads the filters: repeated options are joined by commas.
fn filters(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let values = |name: &'static str| {
        let values = matches.get_many::<String>(name).unwrap_or_default().cloned();
        let values: Vec<_> = values.collect();
        (!values.is_empty()).then(|| (name, values.join(",")))
    };
    ["domain", "issuer", "match", "log"].into_iter().filter_map(values).collect()
}

/// Reads the token from the file, or else from the environment.
fn token(
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Option<(HeaderName, String)>, UsageError> {
    let header = text(matches, "token-header").unwrap_or_default();
    let variable = environment.get(OsStr::new(credentials::VARIABLE));
    let file = path(matches, "token-file");
    credentials::read(&header, file.as_deref(), variable.map(OsString::as_os_str)).map_err(usage)
}

#[cfg(test)]
mod tests;
