//! The files of a set: new runs, merged runs, and the end of the oldest.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

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

    /// Writes what was sealed as a run.
    ///
    /// # Errors
    /// If the disk fails, or is full. The domains stay in memory; try again later.
    pub fn write(&self) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock();
        let Some(sealed) = self.state.read().sealed.clone() else { return Ok(()) };
        let Sealed { from, end, since, .. } = *sealed;
        let since = since.unwrap_or_default();
        let header = Header { seed: self.seed, from, end, entries: 0, since, fences_crc: 0 };
        let mut domains: Vec<_> =
            sealed.domains.iter().map(|(key, first)| (*key, *first)).collect();
        domains.sort_unstable_by_key(|(key, _)| *key);
        let Some(run) = self.create(header, domains.into_iter().map(Ok), &|| false)? else {
            return Ok(());
        };
        let mut state = self.state.write();
        if !state.sealed.as_ref().is_some_and(|still| Arc::ptr_eq(still, &sealed)) {
            // It was forgotten meanwhile.
            drop(state);
            return self.remove(run.path());
        }
        state.runs = state.runs.iter().cloned().chain([Arc::new(run)]).collect();
        state.written = end;
        state.sealed = None;
        Ok(())
    }

    /// Writes a run, and opens it; none if `stops` became true.
    fn create(
        &self,
        header: Header,
        entries: impl Iterator<Item = Result<(Key, First), Error>>,
        stops: &dyn Fn() -> bool,
    ) -> Result<Option<Run>, Error> {
        let path = self.dir.join(super::open::name(header.from, header.end));
        let unfinished = path.with_extension(super::open::UNFINISHED);
        self.remove(&unfinished)?;
        let mut writer = Writer::create(&*self.storage, &unfinished)?;
        for (number, entry) in entries.enumerate() {
            writer.push(entry?)?;
            if number.is_multiple_of(1 << 16) && stops() {
                return Ok(None);
            }
        }
        writer.finish(header, &path)?;
        Run::open(&*self.storage, &path).map(Some)
    }

    /// Deletes the oldest runs beyond the limit, and merges those that are too small beside each other.
    /// Stops early once `stops` becomes true. Returns the domains that were forgotten.
    ///
    /// # Errors
    /// If the disk fails, or a file is damaged.
    pub fn tidy(&self, stops: &dyn Fn() -> bool) -> Result<u64, Error> {
        let _one_at_a_time = self.changing.lock();
        let largest = self.settings.max_bytes / LARGEST;
        let mut forgotten = 0_u64;
        while !stops() {
            let runs = Arc::clone(&self.state.read().runs);
            if bytes(&runs) > self.settings.max_bytes.saturating_sub(largest)
                && let [oldest, _, ..] = &*runs
            {
                forgotten = forgotten.saturating_add(oldest.header().entries);
                self.replace(0, 1, None);
                self.remove(oldest.path())?;
                continue;
            }
            let Some((place, older, newer)) = to_merge(&runs, largest) else { break };
            let header = Header { end: newer.header().end, ..*older.header() };
            let Some(merged) = self.create(header, Merge::new(older, newer), stops)? else { break };
            self.replace(place, 2, Some(merged));
            self.remove(older.path())?;
            self.remove(newer.path())?;
        }
        Ok(forgotten)
    }

    /// Puts a run in the place of others.
    fn replace(&self, place: usize, count: usize, by: Option<Run>) {
        let mut state = self.state.write();
        let mut runs = state.runs.to_vec();
        drop(runs.splice(place..place.saturating_add(count), by.map(Arc::new)));
        state.runs = runs.into();
    }

    /// Deletes a file durably, so that no crash leaves a gap between runs.
    fn remove(&self, path: &Path) -> Result<(), Error> {
        match self.storage.remove(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(Error::io("delete", path))?,
        }
        self.storage.sync_dir(&self.dir).map_err(Error::io("sync", &self.dir))
    }

    /// Deletes all runs, of which one is damaged, and begins anew at an offset.
    ///
    /// # Errors
    /// If a file cannot be deleted.
    pub fn clear(&self, begin: u64) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock();
        {
            let mut state = self.state.write();
            (state.runs, state.written) = (Arc::from([]), begin);
            state.forget_unwritten();
        }
        let listed = self.storage.list(&self.dir).map_err(Error::io("list", &self.dir))?;
        let files = listed.iter().filter(|entry| super::open::is_ours(&entry.name));
        files.map(|entry| &entry.name).try_for_each(|name| self.remove(&self.dir.join(name)))
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
