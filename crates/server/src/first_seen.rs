//! The registrable domains that the stream has seen: which certificates have a new one, and when each
//! domain was first seen.
//!
//! The publisher decides ([`Decider`]) before a batch is committed, so the journal has the decision. A
//! thread ([`keeper`]) writes the set, and builds it from the journal where it is missing or behind.

mod decider;
mod keeper;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use config::Config;
use firstseen::{Error, First, Seed, Set, Settings, Stats};
use journal::storage::Disk;
use journal::{Journal, ReadError, WriteError};
use parking_lot::{Condvar, Mutex};

pub(crate) use self::decider::Decider;
use crate::options;

/// The folder of the set in the data directory.
const FOLDER: &str = "first-seen";

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
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The set should be written before its time.
    is_full: bool,
}

/// The state of the set. Only a `Deciding` set is given committed batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It lacks batches that are committed, which are read from the journal. Nothing is marked as new.
    Building {
        /// It has to begin anew.
        is_damaged: bool,
    },
    /// It has what is committed, but perhaps for a few batches.
    Built,
    /// Certificates are marked by it.
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
    fn is_damage(&self) -> bool {
        matches!(self, Self::Set(error) if error.is_damage())
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
    /// Opens the set of a journal. One that cannot be used is made again from what the journal keeps.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub(crate) fn open(
        config: &Config,
        data_dir: &Path,
        journal: &Journal,
    ) -> anyhow::Result<Arc<Self>> {
        let settings = options::first_seen(config);
        let folder = data_dir.join(FOLDER);
        let set = open(&folder, settings, journal).with_context(|| {
            format!("data_dir: the domains that were seen cannot be kept in {}", folder.display())
        })?;
        let phase = Phase::Building { is_damaged: false };
        Ok(Arc::new(Self {
            set,
            journal: journal.clone(),
            state: Mutex::new(State { phase, is_full: false }),
            changed: Condvar::new(),
            is_complete: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        }))
    }

    /// Finds the first certificate for a registrable domain, which is in lower case.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn find(&self, domain: &str) -> Result<Answer, Error> {
        // Asked before, as what is applied meanwhile may come too late for this look-up.
        let was_complete = self.is_complete();
        let found = self.set.find(self.set.key(domain))?;
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

    fn enter(&self, state: &mut State, phase: Phase) {
        state.phase = phase;
        self.is_complete.store(!matches!(phase, Phase::Building { .. }), Ordering::Release);
        self.changed.notify_all();
    }

    /// Has the set built again from the journal, after a failure.
    fn rebuild(&self, state: &mut State, failure: &Failure) {
        let is_damaged = failure.is_damage();
        if is_damaged {
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
        self.enter(state, Phase::Building { is_damaged });
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
                self.set.tidy(&|| self.is_stopping())?;
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
}

/// Opens the set in a folder, or begins one.
fn open(folder: &Path, settings: Settings, journal: &Journal) -> Result<Set, Error> {
    let head = journal.head().next_offset;
    let problem = match Set::open(Arc::new(Disk), folder, settings) {
        Ok(Some(set)) if set.end() <= head => return Ok(set),
        Ok(Some(set)) => {
            Some(format!("it has offsets up to {}, the journal up to {head}", set.end()))
        }
        Ok(None) => None,
        Err(error) if error.is_damage() => Some(error.to_string()),
        Err(error) => return Err(error),
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
        set.clear(begin)?;
    }
    Ok(set)
}

/// Returns the offset that a new set begins at.
fn begin(journal: &Journal) -> u64 {
    journal.oldest().unwrap_or_else(|| journal.head().next_offset)
}

fn seed() -> Seed {
    let mut seed = [0; 16];
    if aws_lc_rs::rand::fill(&mut seed).is_err() {
        tracing::warn!("the machine has no randomness: hashes of domains can be guessed");
    }
    Seed(seed)
}
