//! Decisions about certificates, in the order of publication.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use firstseen::{First, Key};
use record::{Batch, Record};

use super::{Failure, FirstSeen, Phase, keeper};

/// Decides for the publisher, from the set and from what is staged.
#[derive(Debug)]
pub(super) struct Decider {
    shared: Arc<FirstSeen>,
    staged: VecDeque<Staged>,
    /// The domains of what is staged, unless the set has them.
    domains: HashSet<Key>,
    keeper: Option<JoinHandle<()>>,
}

/// The domains that a record adds once it is committed.
#[derive(Debug)]
struct Staged {
    offset: u64,
    /// They were not in the set. Otherwise it was not asked, as it was incomplete.
    is_new: bool,
    /// Each with its certificate; none for this one.
    domains: Vec<(Key, Option<First>)>,
}

impl Decider {
    /// Brings the set up to date within this time, or else leaves that to the thread that it starts.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(
        shared: Arc<FirstSeen>,
        patience: Option<Duration>,
    ) -> std::io::Result<Self> {
        let start = Instant::now();
        let end = shared.journal.head().next_offset;
        let until = patience.and_then(|patience| start.checked_add(patience));
        let caught_up = shared.catch_up(end, until, true);
        {
            let mut state = shared.state.lock();
            match &caught_up {
                Ok(true) => shared.enter(&mut state, Phase::Deciding),
                Ok(false) => tracing::info!(
                    "the set of domains is being built from the journal; until then no certificate \
                     is marked as new"
                ),
                Err(failure) => shared.rebuild(&mut state, failure),
            }
        }
        let domains = shared.stats().domains;
        tracing::info!(domains, seconds = start.elapsed().as_secs_f64(), "domains that were seen");
        let (kept, name) = (Arc::clone(&shared), "first-seen".to_owned());
        let keeper = thread::Builder::new().name(name).spawn(move || keeper::run(&kept))?;
        let (staged, domains) = (VecDeque::new(), HashSet::new());
        Ok(Self { shared, staged, domains, keeper: Some(keeper) })
    }

    /// Looks a domain up. Returns what the record adds, if it adds the domain.
    fn look_up(&self, key: Key) -> Result<Option<Option<First>>, Failure> {
        Ok(match self.shared.set.find(key)? {
            None => Some(None),
            Some(found) => found.is_fading.then_some(Some(found.first)),
        })
    }

    /// Takes what the records of a batch add, each domain with its certificate.
    fn take(&mut self, batch: &Batch) -> Vec<(Key, First, bool)> {
        let mut added = Vec::new();
        while let Some(staged) = self.staged.pop_front_if(|one| one.offset < batch.next_offset()) {
            let place = staged.offset.checked_sub(batch.first_offset);
            let record = place.and_then(|place| batch.records.get(usize::try_from(place).ok()?));
            let Some(record) = record else { continue };
            for (key, known) in staged.domains {
                self.domains.remove(&key);
                let first = known.unwrap_or_else(|| First::of(staged.offset, record));
                added.push((key, first, staged.is_new));
            }
        }
        added
    }

    /// Adds what a committed batch brought. What was staged while the set was incomplete is looked up
    /// now.
    fn add(&self, added: Vec<(Key, First, bool)>, batch: &Batch) -> Result<(), Failure> {
        let mut domains = Vec::with_capacity(added.len());
        for (key, first, is_new) in added {
            if is_new || self.shared.set.find(key)?.is_none() {
                domains.push((key, first));
            }
        }
        self.shared.set.add(domains, batch);
        Ok(())
    }
}

impl ingest::FirstSeen for Decider {
    fn is_new(&mut self, record: &Record, offset: u64) -> bool {
        let keys = self.shared.set.keys(record);
        let shared = Arc::clone(&self.shared);
        // The set stays what it is until the decision is made.
        let mut state = shared.state.lock();
        let mut staged =
            Staged { offset, is_new: state.phase == Phase::Deciding, domains: Vec::new() };
        let mut is_new = false;
        for key in keys {
            if self.domains.contains(&key) {
                continue;
            }
            if staged.is_new {
                match self.look_up(key) {
                    Ok(None) => continue,
                    Ok(Some(known)) => {
                        is_new |= known.is_none();
                        staged.domains.push((key, known));
                    }
                    Err(failure) => {
                        shared.rebuild(&mut state, &failure);
                        staged.is_new = false;
                        staged.domains.push((key, None));
                    }
                }
            } else {
                staged.domains.push((key, None));
            }
            self.domains.insert(key);
        }
        if !staged.domains.is_empty() {
            self.staged.push_back(staged);
        }
        is_new
    }

    fn committed(&mut self, batch: &Batch) {
        let added = self.take(batch);
        let mut state = self.shared.state.lock();
        let outcome = match state.phase {
            Phase::Building => return,
            Phase::Deciding if self.shared.set.is_stuck() => {
                self.shared.set.forget_unwritten();
                tracing::warn!(
                    "the set of domains cannot be written: no certificate is marked as new until it \
                     can"
                );
                Ok(false)
            }
            Phase::Deciding => self.add(added, batch).map(|()| true),
        };
        match outcome {
            Ok(true) => {
                state.is_full = self.shared.set.is_full();
                if state.is_full {
                    self.shared.changed.notify_all();
                }
            }
            Ok(false) => self.shared.enter(&mut state, Phase::Building),
            Err(failure) => self.shared.rebuild(&mut state, &failure),
        }
    }

    fn discard(&mut self) {
        self.staged.clear();
        self.domains.clear();
    }
}

impl Drop for Decider {
    /// Has what is in memory written, and waits for that.
    fn drop(&mut self) {
        {
            let _waiting = self.shared.state.lock();
            self.shared.is_stopping.store(true, Ordering::Release);
        }
        self.shared.changed.notify_all();
        if let Some(keeper) = self.keeper.take()
            && keeper.join().is_err()
        {
            tracing::error!("the thread that keeps the set of domains has panicked");
        }
    }
}
