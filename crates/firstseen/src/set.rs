//! The set: its runs, and the domains that are not in one yet.

mod files;
mod open;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use journal::storage::Storage;
use parking_lot::{Mutex, RwLock};
use record::{Batch, Record};

use self::files::Sealed;
use crate::error::Error;
use crate::key::{Key, Seed};
use crate::run::Run;
use crate::{First, names};

/// The bounds of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of all files, those included that are being written.
    pub max_bytes: u64,
    /// New domains in memory at which they should be written: 40 bytes each. As many again may come
    /// while they are.
    pub fresh: usize,
}

/// A domain that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its first certificate.
    pub first: First,
    /// Only the run that is deleted next has it: it should be added again, so that a domain in use is
    /// not forgotten.
    pub is_fading: bool,
}

/// Figures about a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Domains. One that was added again counts twice.
    pub domains: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files.
    pub runs: usize,
    /// Look-ups since the start.
    pub lookups: u64,
    /// Certificates since the start with more than [`MOST_DOMAINS`](crate::MOST_DOMAINS) domains.
    pub oversized: u64,
    /// Domains since the start that were forgotten because the files reached their limit.
    pub forgotten: u64,
    /// Attempts since the start to delete a file that failed.
    pub failed_deletions: u64,
    /// The time of the first certificate that it covers, seconds since 1970; none if it is empty.
    pub since: Option<u32>,
}

/// The domains that a stream has seen. All methods may be called from any thread.
#[derive(Debug)]
pub struct Set {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    settings: Settings,
    seed: Seed,
    state: RwLock<State>,
    /// Locked while files are written or deleted: those that are to be deleted.
    unwanted: Mutex<VecDeque<PathBuf>>,
    lookups: AtomicU64,
    oversized: AtomicU64,
    forgotten: AtomicU64,
    failed_deletions: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// Oldest first.
    runs: Arc<[Arc<Run>]>,
    /// Domains that become the next run.
    sealed: Option<Arc<Sealed>>,
    /// Domains after those.
    fresh: HashMap<Key, First>,
    /// The offset after the last one that a run covers.
    written: u64,
    /// The offset that `fresh` begins at.
    from: u64,
    end: u64,
    /// The time of the first certificate from there on.
    since: Option<u32>,
}

impl Set {
    /// Returns the key of a registrable domain, which is in lower case.
    #[must_use]
    pub fn key(&self, domain: &str) -> Key {
        self.seed.key(domain)
    }

    /// Returns the keys of the registrable domains of a certificate's names.
    #[must_use]
    pub fn keys(&self, record: &Record) -> Vec<Key> {
        let (domains, has_more) = names::domains(record);
        if has_more {
            self.oversized.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                log = record.log.0,
                index = record.index,
                most = names::MOST_DOMAINS,
                "a certificate has too many registrable domains: those beyond the limit do not count \
                 as seen"
            );
        }
        domains.iter().map(|domain| self.key(domain)).collect()
    }

    /// Returns the offset up to which the set is complete: what comes from there on is to be applied.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.state.read().end
    }

    /// Returns the first certificate of a domain, if it was seen. Reads a block of each run at most.
    ///
    /// # Errors
    /// If a file cannot be read, or is damaged.
    pub fn find(&self, key: Key) -> Result<Option<Found>, Error> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let runs = {
            let state = self.state.read();
            let sealed = || state.sealed.as_ref()?.domains.get(&key);
            if let Some(first) = state.fresh.get(&key).or_else(sealed) {
                return Ok(Some(Found { first: *first, is_fading: false }));
            }
            Arc::clone(&state.runs)
        };
        for (age, run) in runs.iter().enumerate().rev() {
            if let Some(first) = run.find(key)? {
                let is_fading = age == 0 && self.is_oldest_fading(&runs);
                return Ok(Some(Found { first, is_fading }));
            }
        }
        Ok(None)
    }

    /// Reports whether the oldest run will be deleted before long.
    fn is_oldest_fading(&self, runs: &[Arc<Run>]) -> bool {
        runs.len() > 1 && files::bytes(runs) > self.settings.max_bytes / 2
    }

    /// Applies a committed batch, the next one after [`end`](Self::end): adds the domains that are new.
    /// One that was applied already changes nothing.
    ///
    /// # Errors
    /// As those of [`find`](Self::find); a part of the batch is then applied, which does not matter if
    /// it is applied again.
    pub fn note(&self, batch: &Batch) -> Result<(), Error> {
        if batch.next_offset() <= self.end() {
            return Ok(());
        }
        for (offset, record) in (batch.first_offset..).zip(&batch.records) {
            let first = First::of(offset, record);
            for key in self.keys(record) {
                let added = match self.find(key)? {
                    None => first,
                    Some(found) if found.is_fading => found.first,
                    Some(_) => continue,
                };
                self.state.write().fresh.insert(key, added);
            }
        }
        self.add([], batch);
        Ok(())
    }

    /// Adds the domains that were found to be new, or fading, in a committed batch, the next one after
    /// [`end`](Self::end).
    pub fn add(&self, domains: impl IntoIterator<Item = (Key, First)>, batch: &Batch) {
        let mut state = self.state.write();
        for (key, first) in domains {
            state.fresh.entry(key).or_insert(first);
        }
        if let Some(record) = batch.records.first() {
            let time = First::of(batch.first_offset, record).time;
            state.since.get_or_insert(time);
            state.end = state.end.max(batch.next_offset());
        }
    }

    /// Reports whether so many domains are in memory that they should be written now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state.read().fresh.len() >= self.settings.fresh
    }

    /// Reports whether the domains in memory cannot be written, and no more should be added:
    /// [`forget_unwritten`](Self::forget_unwritten) them.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let state = self.state.read();
        let limits = if state.sealed.is_some() { 1 } else { 2 };
        state.fresh.len() >= self.settings.fresh.saturating_mul(limits)
    }

    /// Forgets what is not written: the set ends where its runs do.
    pub fn forget_unwritten(&self) {
        self.state.write().forget_unwritten();
    }

    /// Returns figures about the set.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.state.read();
        let sealed = state.sealed.as_ref();
        let in_memory = state.fresh.len().saturating_add(sealed.map_or(0, |one| one.domains.len()));
        let written = state.runs.iter().map(|run| run.header().entries);
        let oldest = state.runs.first().map(|run| run.header().since);
        let since_sealed = sealed.and_then(|sealed| sealed.since);
        Stats {
            domains: written.fold(in_memory as u64, u64::saturating_add),
            bytes: files::bytes(&state.runs),
            runs: state.runs.len(),
            lookups: self.lookups.load(Ordering::Relaxed),
            oversized: self.oversized.load(Ordering::Relaxed),
            forgotten: self.forgotten.load(Ordering::Relaxed),
            failed_deletions: self.failed_deletions.load(Ordering::Relaxed),
            since: oldest.or(since_sealed).or(state.since),
        }
    }
}

impl State {
    fn forget_unwritten(&mut self) {
        self.sealed = None;
        self.fresh = HashMap::new();
        self.since = None;
        (self.from, self.end) = (self.written, self.written);
    }
}
