//! The registrable domains that the stream has seen: which certificates have a new one, and when each
//! domain was first seen.
//!
//! The publisher decides ([`Decider`]) before a batch is committed, so the journal has the decision. A
//! thread ([`keeper`]) writes the set, and builds it from the journal where it is missing or behind.

mod decider;
mod keeper;
mod pauses;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use config::Config;
use firstseen::{Error, First, Seed, Set, Settings, Stats};
use journal::storage::Disk;
use journal::{Journal, ReadError, WriteError};
use parking_lot::{Condvar, Mutex};

use self::decider::Decider;
use self::pauses::Pauses;
use crate::options;

/// The folder of the set in the data directory.
const FOLDER: &str = "first-seen";
/// Time for which publishing waits at a start until the set has everything that the journal has. The
/// rest comes in the background.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The set, and who works on it.
#[derive(Debug)]
pub(crate) struct FirstSeen {
    set: Set,
    journal: Journal,
    state: Mutex<State>,
    changed: Condvar,
    /// A copy of the phase for readers: the set has everything that is committed.
    is_complete: AtomicBool,
    is_stopping: AtomicBool,
    failures: AtomicU64,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The set should be written before its time.
    is_full: bool,
    /// The file because of which the set has to begin anew.
    damaged: Option<PathBuf>,
    /// Work waits after failures.
    pauses: Pauses,
}

/// The state of the set. Only a `Deciding` set is given committed batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It lacks batches that are committed, which are read from the journal. Nothing is marked as new.
    Building,
    /// It has what is committed, and certificates are marked by it.
    Deciding,
}

/// A reason why the set cannot be changed at present.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Set(#[from] Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Journal(#[from] WriteError),
}

impl Failure {
    fn damaged_file(&self) -> Option<&Path> {
        match self {
            Self::Set(error) => error.damaged_file(),
            Self::Read(_) | Self::Journal(_) => None,
        }
    }
}

/// The answer to when a domain was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// By this certificate.
    Seen(First),
    /// Never, as far as the set knows: since this time, seconds since 1970.
    NotSeen(Option<u32>),
    /// It is not known yet: the set is being built.
    Building,
}

impl FirstSeen {
    /// Opens the set of a journal. One that is damaged is made again from what the journal keeps.
    ///
    /// # Errors
    /// If the folder cannot be used, or a newer program wrote what is in it.
    pub(crate) fn open(
        config: &Config,
        data_dir: &Path,
        journal: &Journal,
    ) -> anyhow::Result<Arc<Self>> {
        let settings = options::first_seen(config);
        let folder = data_dir.join(FOLDER);
        let set = open(&folder, settings, journal).with_context(|| {
            format!(
                "data_dir: the domains that were seen cannot be kept in {}; without what is in it, they \
                 are read from the journal again",
                folder.display()
            )
        })?;
        let (phase, pauses) = (Phase::Building, Pauses::default());
        let state = State { phase, is_full: false, damaged: None, pauses };
        Ok(Arc::new(Self {
            set,
            journal: journal.clone(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_complete: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        }))
    }

    /// Finds the first certificate for a registrable domain, which is in lower case.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn find(&self, domain: &str) -> Result<Answer, Error> {
        // Asked before, as what is applied meanwhile may come too late for this look-up.
        let was_complete = self.is_complete();
        let found = self.set.find(self.set.key(domain)).inspect_err(|_| self.count_failure())?;
        Ok(match found {
            Some(found) => Answer::Seen(found.first),
            None if was_complete && self.is_complete() => Answer::NotSeen(self.set.stats().since),
            None => Answer::Building,
        })
    }

    /// Reports whether the set has everything that is committed.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Returns figures about the set.
    pub(crate) fn stats(&self) -> Stats {
        self.set.stats()
    }

    /// Returns the number of failures to read or write the set since the start.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, state: &mut State, phase: Phase) {
        state.phase = phase;
        self.is_complete.store(phase == Phase::Deciding, Ordering::Release);
        self.changed.notify_all();
    }

    /// Has the set built again from the journal, some time after a failure. Only a damaged set begins
    /// anew.
    fn rebuild(&self, state: &mut State, failure: &Failure) {
        self.count_failure();
        state.pauses.fail(Instant::now());
        if let Some(path) = failure.damaged_file() {
            state.damaged = Some(path.to_owned());
            tracing::warn!(
                error = %failure,
                "the set of domains is damaged: it is made again from what the journal keeps, and \
                 domains that were first seen before that count as new"
            );
        } else {
            tracing::warn!(
                error = %failure,
                "the set of domains cannot be used: no certificate is marked as new until it can"
            );
        }
        self.enter(state, Phase::Building);
    }

    /// Applies committed batches up to an offset. Returns false if it stopped before: at `until`, as
    /// the server stops, or, unless it may write, as there is no room in memory.
    fn catch_up(&self, end: u64, until: Option<Instant>, may_write: bool) -> Result<bool, Failure> {
        let mut reader = self.journal.reader(self.set.end());
        loop {
            if self.set.is_full() {
                if !may_write {
                    return Ok(false);
                }
                self.write()?;
                self.tidy()?;
            }
            let Some(stored) = reader.next_batch(end)? else { return Ok(true) };
            self.set.note(&stored.batch)?;
            if self.is_stopping() || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(false);
            }
        }
    }

    /// Writes what is in memory. The journal is synced first: the set must not remember what the
    /// journal may still lose.
    fn write(&self) -> Result<(), Failure> {
        if self.set.seal() {
            self.journal.sync()?;
            self.set.write()?;
        }
        Ok(())
    }

    /// Merges files, and keeps them within their limit.
    fn tidy(&self) -> Result<(), Failure> {
        let before = self.set.stats().forgotten;
        let tidied = self.set.tidy(&|| self.is_stopping());
        let forgotten = self.set.stats().forgotten.saturating_sub(before);
        if forgotten > 0 {
            tracing::info!(
                forgotten,
                "domains that were not seen for longest are forgotten, and count as new again \
                 (journal.first_seen_max_bytes)"
            );
        }
        Ok(tidied?)
    }
}

/// Opens the set in a folder, or begins one.
fn open(folder: &Path, settings: Settings, journal: &Journal) -> Result<Set, Error> {
    let head = journal.head().next_offset;
    let (problem, damaged) = match Set::open(Arc::new(Disk), folder, settings) {
        Ok(Some(set)) if set.end() <= head => return Ok(set),
        Ok(Some(set)) => {
            let problem = format!("it has offsets up to {}, the journal up to {head}", set.end());
            (Some(problem), None)
        }
        Ok(None) => (None, None),
        Err(error) => match error.damaged_file() {
            Some(path) => (Some(error.to_string()), Some(path.to_owned())),
            None => return Err(error),
        },
    };
    let begin = begin(journal);
    let set = Set::empty(Arc::new(Disk), folder, settings, seed(), begin);
    if let Some(problem) = problem {
        tracing::warn!(
            folder = %folder.display(),
            problem,
            "the set of domains cannot be used: it is made again from what the journal keeps, and \
             domains that were first seen before that count as new"
        );
        set.clear(begin, damaged.as_deref())?;
    }
    Ok(set)
}

/// Returns the offset that a new set begins at.
fn begin(journal: &Journal) -> u64 {
    journal.oldest().unwrap_or_else(|| journal.head().next_offset)
}

/// Starts to decide which certificates have new domains. Waits for at most `patience` until the set is
/// complete; without one until it is.
pub(crate) fn decider(
    first_seen: Arc<FirstSeen>,
    patience: Option<Duration>,
) -> Option<Box<dyn ingest::FirstSeen>> {
    match Decider::start(first_seen, patience) {
        Ok(decider) => Some(Box::new(decider)),
        Err(error) => {
            tracing::error!(%error, "cannot start a thread: no certificate is marked as new");
            None
        }
    }
}

fn seed() -> Seed {
    let mut seed = [0; 16];
    if aws_lc_rs::rand::fill(&mut seed).is_err() {
        tracing::warn!("the machine has no randomness: hashes of domains can be guessed");
    }
    Seed(seed)
}
