//! `certstream-server search`: certificates that a server keeps, from its data directory or by its API.

mod directory;
mod ending;
mod output;
mod remote;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};

use config::{Config, SearchCommand};
use url::form_urlencoded;

use self::ending::Left;
use self::output::Output;
use super::journal::moment::{self, Place};
use super::journal::now;
use crate::history::search::Bounds;

/// Terms at most.
const MOST_TERMS: usize = 10_000;

/// Searches, and prints what is found.
///
/// # Errors
/// If the request is wrong, the journal cannot be read, or the server refuses.
pub fn run(
    config: Option<&Config>,
    command: &SearchCommand,
    environment: &HashMap<OsString, OsString>,
) -> anyhow::Result<()> {
    let mut output = Output::new(command);
    let bounds = bounds(command)?;
    let searched = match (&command.url, config) {
        (Some(url), _) => remote::run(url, command, bounds, environment, &mut output),
        (None, config) => directory::run(config, command, bounds, &mut output),
    };
    let flushed = output.flush();
    match searched.and_then(|ending| flushed.map(|()| ending).map_err(Into::into)) {
        Ok(ending) => {
            if output.is_table() || output.found == 0 || ending.left != Left::Nothing {
                note(&ending.text(output.found));
            }
            Ok(())
        }
        Err(error) if is_closed(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reports whether the reader of standard output has seen enough.
fn is_closed(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Returns the bounds of the search: places name the first entry, and the one to stop before.
fn bounds(command: &SearchCommand) -> anyhow::Result<Bounds> {
    let now = now();
    let place =
        |text: &Option<String>| text.as_deref().map(|text| moment::place(text, now)).transpose();
    let mut bounds = Bounds::default();
    match place(&command.since)? {
        Some(Place::Offset(offset)) => bounds.since = offset.checked_sub(1),
        Some(Place::Time(time)) => bounds.since_time = Some(time),
        None => {}
    }
    match place(&command.until)? {
        Some(Place::Offset(offset)) => bounds.until = Some(offset.saturating_sub(1)),
        Some(Place::Time(time)) => bounds.until_time = Some(time),
        None => {}
    }
    Ok(bounds)
}

/// Returns the parameters of the filter as a query string.
fn parameters(command: &SearchCommand) -> form_urlencoded::Serializer<'static, String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&command.parameters);
    query
}

/// Writes a line to standard error.
fn note(text: &str) {
    logging::stderr().line(format!("search: {text}\n").as_bytes());
}
