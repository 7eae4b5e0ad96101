//! Opening a set: which of the files in its folder count.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use journal::storage::Storage;
use parking_lot::{Mutex, RwLock};

use super::{Set, Settings, State};
use crate::error::Error;
use crate::key::Seed;
use crate::run::Run;

/// The end of the name of a run.
const FINISHED: &str = "run";
/// The end of the name of a run that is being written.
pub(super) const UNFINISHED: &str = "new";
/// The end of the name of a run that was damaged.
pub(super) const DAMAGED: &str = "damaged";

/// Returns the name of a run that covers these offsets.
pub(super) fn name(from: u64, end: u64) -> String {
    format!("{from:020}-{end:020}.{FINISHED}")
}

/// Reports whether a file is a run, finished or not.
pub(super) fn is_ours(name: &str) -> bool {
    range(name, FINISHED).or_else(|| range(name, UNFINISHED)).is_some()
}

/// Reports whether a file is a run that was damaged.
pub(super) fn was_damaged(name: &str) -> bool {
    range(name, DAMAGED).is_some()
}

/// Returns the offsets in a name with this end.
fn range(name: &str, end_of_name: &str) -> Option<(u64, u64)> {
    let (from, rest) = name.split_once('-')?;
    let (end, extension) = rest.split_once('.')?;
    let is_number = |text: &str| text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = extension == end_of_name && is_number(from) && is_number(end);
    let range = if is_name { (from.parse().ok()?, end.parse().ok()?) } else { return None };
    (range.0 < range.1).then_some(range)
}

impl Set {
    /// Creates a set without domains, which begins at an offset. What is in the folder is ignored until
    /// [`clear`](Self::clear).
    #[must_use]
    pub fn empty(
        storage: Arc<dyn Storage>,
        dir: &Path,
        settings: Settings,
        seed: Seed,
        begin: u64,
    ) -> Self {
        Self::of(storage, dir, settings, seed, begin, Vec::new())
    }

    fn of(
        storage: Arc<dyn Storage>,
        dir: &Path,
        settings: Settings,
        seed: Seed,
        end: u64,
        runs: Vec<Arc<Run>>,
    ) -> Self {
        let (runs, fresh, sealed) = (runs.into(), HashMap::new(), None);
        let state = State { runs, sealed, fresh, written: end, from: end, end, since: None };
        Self {
            storage,
            dir: dir.to_owned(),
            settings,
            seed,
            state: RwLock::new(state),
            unwanted: Mutex::new(VecDeque::new()),
            lookups: AtomicU64::new(0),
            oversized: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            failed_deletions: AtomicU64::new(0),
        }
    }

    /// Opens the set in a folder, which is created if needed; none if there is no run.
    ///
    /// # Errors
    /// If the folder cannot be used, or a run cannot be read, is damaged, or has a newer version.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        settings: Settings,
    ) -> Result<Option<Self>, Error> {
        storage.create_dir(dir).map_err(Error::io("create", dir))?;
        let runs = runs(&*storage, dir)?;
        let open = |path: &PathBuf| Run::open(&*storage, path).map(Arc::new);
        let runs: Vec<Arc<Run>> = runs.iter().map(open).collect::<Result<_, _>>()?;
        let Some(last) = runs.last() else { return Ok(None) };
        let (seed, mut end) = (last.seed(), last.header().end);
        for run in runs.iter().rev() {
            if run.seed() != seed || run.header().end != end {
                return Err(Error::damaged(run.path(), "it is of another set"));
            }
            end = run.header().from;
        }
        let end = last.header().end;
        Ok(Some(Self::of(storage, dir, settings, seed, end, runs)))
    }
}

/// Returns the paths of the runs that count, oldest first, and deletes other files: those that were not
/// finished, those that were merged, and those before a gap.
fn runs(storage: &dyn Storage, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = storage.list(dir).map_err(Error::io("list", dir))?;
    let names = listed.iter().map(|entry| entry.name.as_str());
    let unfinished = names.clone().filter(|name| range(name, UNFINISHED).is_some());
    for name in unfinished {
        remove(storage, &dir.join(name))?;
    }
    let all: Vec<(u64, u64)> = names.filter_map(|name| range(name, FINISHED)).collect();
    let kept = chain(&all);
    let begin = kept.first().map(|(from, _)| *from);
    if all.iter().any(|(_, end)| Some(*end) < begin) {
        tracing::warn!(
            folder = %dir.display(),
            begin,
            "a run of domains is missing before this offset: domains that were first seen before it \
             count as new"
        );
    }
    // Before others are deleted: a run that a crash left may have a name that is not durable.
    storage.sync_dir(dir).map_err(Error::io("sync", dir))?;
    for (from, end) in all.iter().filter(|range| !kept.contains(range)) {
        remove(storage, &dir.join(name(*from, *end)))?;
    }
    Ok(kept.into_iter().map(|(from, end)| dir.join(name(from, end))).collect())
}

/// Returns the contiguous ranges that reach the largest offset, in order. Of those with the same end, the
/// largest counts: it was merged from others.
fn chain(all: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut kept = Vec::new();
    let mut next = all.iter().map(|(_, end)| *end).max();
    while let Some(end) = next {
        let ends_here = all.iter().filter(|range| range.1 == end);
        let Some(range) = ends_here.min() else { break };
        kept.push(*range);
        next = Some(range.0);
    }
    kept.reverse();
    kept
}

fn remove(storage: &dyn Storage, path: &Path) -> Result<(), Error> {
    match storage.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("delete", path)(error)),
        _ => Ok(()),
    }
}
