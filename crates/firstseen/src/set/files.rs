//! The files of a set: new runs, merged runs, and the end of the oldest.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Set, State};
use crate::First;
use crate::error::Error;
use crate::key::Key;
use crate::run::{Header, Merge, Run, Writer};

/// A run is more than so many times as large as the one after it, or the two are too large together.
const GROWTH: u64 = 8;
/// The largest run has this part of all bytes, so that deleting one forgets as little.
const LARGEST: u64 = 8;

/// Domains in memory that become a run.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) domains: HashMap<Key, First>,
    from: u64,
    end: u64,
    pub(super) since: Option<u32>,
}

impl Set {
    /// Sets aside the domains in memory for the next run, unless there are some already. Returns false
    /// if there is nothing to write. Before it is written, the stream must be durable up to here: the
    /// set must not remember what the stream may still lose.
    #[must_use]
    pub fn seal(&self) -> bool {
        let mut state = self.state.write();
        if state.sealed.is_none() && state.end > state.from {
            let State { from, end, .. } = *state;
            let (domains, since) = (std::mem::take(&mut state.fresh), state.since.take());
            state.sealed = Some(Arc::new(Sealed { domains, from, end, since }));
            state.from = end;
        }
        state.sealed.is_some()
    }

    /// Writes what was sealed as a run. Nothing is written before all files are deleted that are to be, so
    /// that files stay within their limit.
    ///
    /// # Errors
    /// If the disk fails, or is full. The domains stay in memory; try again later.
    pub fn write(&self) -> Result<(), Error> {
        let mut unwanted = self.unwanted.lock();
        self.delete(&mut unwanted)?;
        let Some(sealed) = self.state.read().sealed.clone() else { return Ok(()) };
        let Sealed { from, end, since, .. } = *sealed;
        let since = since.unwrap_or_default();
        let header = Header { seed: self.seed, from, end, entries: 0, since, fences_crc: 0 };
        let mut domains: Vec<_> =
            sealed.domains.iter().map(|(key, first)| (*key, *first)).collect();
        domains.sort_unstable_by_key(|(key, _)| *key);
        let domains = domains.into_iter().map(Ok);
        let Some(run) = self.create(header, domains, &|| false, &mut unwanted)? else {
            return Ok(());
        };
        let mut state = self.state.write();
        if !state.sealed.as_ref().is_some_and(|still| Arc::ptr_eq(still, &sealed)) {
            // It was forgotten meanwhile.
            drop(state);
            unwanted.push_back(run.path().to_owned());
            return self.delete(&mut unwanted);
        }
        state.runs = state.runs.iter().cloned().chain([Arc::new(run)]).collect();
        state.written = end;
        state.sealed = None;
        Ok(())
    }

    /// Writes a run, and opens it; none if `stops` became true. Otherwise nothing of it stays on the disk,
    /// or is deleted at the next attempt.
    fn create(
        &self,
        header: Header,
        entries: impl Iterator<Item = Result<(Key, First), Error>>,
        stops: &dyn Fn() -> bool,
        unwanted: &mut VecDeque<PathBuf>,
    ) -> Result<Option<Run>, Error> {
        let path = self.dir.join(super::open::name(header.from, header.end));
        let unfinished = path.with_extension(super::open::UNFINISHED);
        let created = self.write_run(header, entries, stops, &unfinished, &path);
        if !matches!(created, Ok(Some(_))) {
            unwanted.extend([unfinished, path]);
            if let Err(error) = self.delete(unwanted) {
                tracing::warn!(%error, "an unfinished file stays until it can be deleted");
            }
        }
        created
    }

    fn write_run(
        &self,
        header: Header,
        entries: impl Iterator<Item = Result<(Key, First), Error>>,
        stops: &dyn Fn() -> bool,
        unfinished: &Path,
        path: &Path,
    ) -> Result<Option<Run>, Error> {
        let mut writer = Writer::create(&*self.storage, unfinished)?;
        for (number, entry) in entries.enumerate() {
            writer.push(entry?)?;
            if number.is_multiple_of(1 << 16) && stops() {
                return Ok(None);
            }
        }
        writer.finish(header, path)?;
        Run::open(&*self.storage, path).map(Some)
    }

    /// Deletes the oldest runs beyond the limit, and merges those that are too small beside each other.
    /// Stops early once `stops` becomes true. [`Stats::forgotten`](super::Stats::forgotten) counts the
    /// domains that are forgotten.
    ///
    /// # Errors
    /// If the disk fails, or a file is damaged.
    pub fn tidy(&self, stops: &dyn Fn() -> bool) -> Result<(), Error> {
        let mut unwanted = self.unwanted.lock();
        self.delete(&mut unwanted)?;
        let largest = self.settings.max_bytes / LARGEST;
        while !stops() {
            let runs = Arc::clone(&self.state.read().runs);
            if bytes(&runs) > self.settings.max_bytes.saturating_sub(largest)
                && let [oldest, _, ..] = &*runs
            {
                self.forgotten.fetch_add(oldest.header().entries, Ordering::Relaxed);
                self.replace(0, 1, None);
                unwanted.push_back(oldest.path().to_owned());
                self.delete(&mut unwanted)?;
                continue;
            }
            let Some((place, older, newer)) = to_merge(&runs, largest) else { break };
            let header = Header { end: newer.header().end, ..*older.header() };
            let merge = Merge::new(older, newer);
            let Some(merged) = self.create(header, merge, stops, &mut unwanted)? else { break };
            self.replace(place, 2, Some(merged));
            unwanted.extend([older, newer].map(|run| run.path().to_owned()));
            self.delete(&mut unwanted)?;
        }
        Ok(())
    }

    /// Puts a run in the place of others.
    fn replace(&self, place: usize, count: usize, by: Option<Run>) {
        let mut state = self.state.write();
        let mut runs = state.runs.to_vec();
        drop(runs.splice(place..place.saturating_add(count), by.map(Arc::new)));
        state.runs = runs.into();
    }

    /// Deletes files one by one, each durably, so that no crash leaves a gap between runs. Those that
    /// cannot be deleted stay in the list.
    fn delete(&self, unwanted: &mut VecDeque<PathBuf>) -> Result<(), Error> {
        while let Some(path) = unwanted.front() {
            let deleted = match self.storage.remove(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(Error::io("delete", path)(error))
                }
                // It may have been deleted before, but not durably.
                _ => self.storage.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir)),
            };
            if deleted.is_err() {
                self.failed_deletions.fetch_add(1, Ordering::Relaxed);
                return deleted;
            }
            unwanted.pop_front();
        }
        Ok(())
    }

    /// Deletes all runs and begins anew at an offset. A damaged run stays under another name, in place of
    /// an earlier one.
    ///
    /// # Errors
    /// If a file cannot be renamed or deleted.
    pub fn clear(&self, begin: u64, damaged: Option<&Path>) -> Result<(), Error> {
        let mut unwanted = self.unwanted.lock();
        {
            let mut state = self.state.write();
            (state.runs, state.written) = (Arc::from([]), begin);
            state.forget_unwritten();
        }
        let aside = damaged.map(|path| self.set_aside(path)).transpose()?;
        let listed = self.storage.list(&self.dir).map_err(Error::io("list", &self.dir))?;
        let is_unwanted = |name: &str| {
            super::open::is_ours(name) || aside.is_some() && super::open::was_damaged(name)
        };
        let names = listed.iter().map(|entry| entry.name.as_str()).filter(|name| is_unwanted(name));
        let paths =
            names.map(|name| self.dir.join(name)).filter(|path| Some(path) != aside.as_ref());
        *unwanted = paths.collect();
        self.delete(&mut unwanted)
    }

    /// Gives a damaged run another name, unless it has it already, and returns its path.
    fn set_aside(&self, path: &Path) -> Result<PathBuf, Error> {
        let aside = path.with_extension(super::open::DAMAGED);
        match self.storage.rename(path, &aside) {
            Ok(()) => tracing::warn!(path = %aside.display(), "the damaged file is moved aside"),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("rename", path)(error)),
        }
        Ok(aside)
    }
}

/// Returns the newest two neighbours that are to be one run, and the place of the older.
fn to_merge(runs: &[Arc<Run>], largest: u64) -> Option<(usize, &Run, &Run)> {
    let pairs = runs.iter().zip(runs.iter().skip(1)).enumerate();
    let pairs = pairs.map(|(place, (older, newer))| (place, &**older, &**newer));
    pairs.rev().find(|(_, older, newer)| {
        let (older, newer) = (older.header().file_bytes(), newer.header().file_bytes());
        older <= newer.saturating_mul(GROWTH) && older.saturating_add(newer) <= largest
    })
}

/// Returns the bytes of runs.
pub(super) fn bytes(runs: &[Arc<Run>]) -> u64 {
    runs.iter().map(|run| run.header().file_bytes()).fold(0, u64::saturating_add)
}
