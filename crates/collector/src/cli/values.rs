//! Values of options, and the error for invalid ones.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;

use crate::quantity;

/// An invalid command line, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub(super) String);

/// Returns a usage error with this text.
pub(super) fn usage(error: impl std::fmt::Display) -> UsageError {
    UsageError(error.to_string())
}

pub(super) fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

pub(super) fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

pub(super) fn duration(matches: &ArgMatches, name: &str) -> Result<Option<Duration>, UsageError> {
    let read = |text: String| {
        quantity::duration(&text).map_err(|error| usage(format!("--{name}: {error}")))
    };
    text(matches, name).map(read).transpose()
}
