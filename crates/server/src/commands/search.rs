//! `certstream-server search`: certificates that a server keeps, from its data directory or by its API.

mod directory;
mod ending;
mod output;
mod remote;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use config::{Config, SearchCommand};
use url::form_urlencoded;

use self::ending::Left;
use self::output::Output;
use self::remote::Server;
use super::journal::moment::{self, Place};
use super::journal::now;
use crate::history::search::{Bounds, Query};
use crate::http::api::search;

/// Terms at most.
const MOST_TERMS: usize = 10_000;

/// A search that can begin.
#[derive(Debug)]
pub struct Settings {
    query: Query,
    bounds: Bounds,
    place: SearchedPlace,
}

/// The place of the certificates.
#[derive(Debug)]
enum SearchedPlace {
    Directory(PathBuf),
    Server(Server),
}

/// Reads the command, before anything is opened.
///
/// # Errors
/// If a bound, a filter, the URL, the token or the trusted certificates cannot be used, or there is nothing to
/// search.
pub fn settings(
    config: Option<&Config>,
    command: &SearchCommand,
    environment: &HashMap<OsString, OsString>,
) -> anyhow::Result<Settings> {
    let bounds = bounds(command)?;
    let query = search::query(&parameters(command).finish(), MOST_TERMS);
    let query = query.map_err(|problem| anyhow!("--{}", problem.trim_end()))?;
    let configured = || config?.data_dir.clone();
    let place = match (&command.url, &command.directory) {
        (Some(url), _) => SearchedPlace::Server(Server::new(url, command, environment)?),
        (None, directory) => {
            let directory = directory.clone().or_else(configured).context(
                "no directory is named: give one, set data_dir, or ask a server with --url",
            )?;
            SearchedPlace::Directory(directory)
        }
    };
    Ok(Settings { query, bounds, place })
}

/// Searches, and prints what is found.
///
/// # Errors
/// If the journal cannot be read, or the server refuses.
pub fn run(
    settings: Settings,
    config: Option<&Config>,
    command: &SearchCommand,
) -> anyhow::Result<()> {
    let Settings { query, bounds, place } = settings;
    let mut output = Output::new(command);
    let searched = match place {
        SearchedPlace::Server(server) => remote::run(&server, command, bounds, &mut output),
        SearchedPlace::Directory(place) => {
            directory::run(&place, config, &query, command.limit, bounds, &mut output)
        }
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
    let place = |option: &'static str, text: &Option<String>| {
        text.as_deref().map(|text| moment::place(text, now).context(option)).transpose()
    };
    let mut bounds = Bounds::default();
    match place("--since", &command.since)? {
        Some(Place::Offset(offset)) => bounds.since = offset.checked_sub(1),
        Some(Place::Time(time)) => bounds.since_time = Some(time),
        None => {}
    }
    match place("--until", &command.until)? {
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
