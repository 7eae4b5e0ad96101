//! A search in a data directory. It is only read, so that a server may run with it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use config::Config;
use jiff::Timestamp;
use journal::storage::Disk;
use journal::{Directory, System};

use super::ending::{Ending, Left};
use super::output::Output;
use crate::history::search::{Between, Bounds, Limits, Position, Query, Search};
use crate::http::api::search;
use crate::options;
use crate::publish::entries::Entries;

/// Results that are printed at once.
const AT_ONCE: usize = 256;
/// The time after which results are printed.
const PAUSE: Duration = Duration::from_millis(250);

/// Searches a directory, and returns how far it came.
///
/// # Errors
/// If the journal cannot be read.
pub(super) fn run(
    directory: &Path,
    config: Option<&Config>,
    query: &Query,
    limit: usize,
    bounds: Bounds,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let opened = Directory::open(Arc::new(Disk), &System::new(), directory);
    let journal =
        opened.with_context(|| format!("cannot read the journal in {}", directory.display()))?;
    let logs = Entries::new(journal.state());
    let default = Config::default();
    let renderer = options::renderer(config.unwrap_or(&default));
    let search = Search { journal: journal.searchable(), logs: &logs, query };
    let mut position = Position::begin(journal.searchable(), &bounds)?;
    let (mut left, mut between) = (limit, Between::default());
    while left > 0 && !position.is_at_end() {
        let now = Instant::now();
        let until = now.checked_add(PAUSE).unwrap_or(now);
        let limits = Limits { results: left.min(AT_ONCE), until };
        let hits = search.continue_at(&mut position, &mut between, limits)?;
        left = left.saturating_sub(hits.len());
        for hit in &hits {
            if let Some(json) = search::result(hit, &renderer) {
                output.result(json.get())?;
            }
        }
        output.flush()?;
    }
    let times = position.searched(journal.searchable(), query.order)?.times;
    let time = |millis: u64| Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok();
    let times = times.and_then(|(since, until)| {
        Some((time(since)?, until.map_or_else(|| Some(Timestamp::now()), time)?))
    });
    Ok(Ending { times, left: Left::of(position.is_at_end(), position.has_lost) })
}
