//! The late work under way, so that readers which miss the same page wait for it together.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::job::Job;
use crate::ring::filter::Backfilled;

/// The subject of late work: a feed, a page by its first offset, and the id of a filter.
pub(crate) type Key = (u64, u64, Option<u64>);

/// The late work that readers wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    by_key: Arc<Mutex<BTreeMap<Key, Weak<LateWork>>>>,
}

/// Late work that readers wait for together; when the last of them drops it, it ends.
#[derive(Debug)]
pub(crate) struct LateWork {
    registry: Registry,
    key: Key,
    /// Results in the matches that were found, besides the chunks that the feed then has.
    pub(crate) job: Job<Arc<Backfilled>>,
}

impl Registry {
    /// Returns the work that others wait for, or else what `start` begins.
    pub(crate) fn join(
        &self,
        key: Key,
        start: impl FnOnce() -> Job<Arc<Backfilled>>,
    ) -> Arc<LateWork> {
        // Declared first, so that it is dropped after the lock: its end takes the lock too.
        let known;
        let mut by_key = self.by_key.lock();
        known = by_key.get(&key).and_then(Weak::upgrade);
        if let Some(work) = &known
            && work.job.is_pending()
        {
            return Arc::clone(work);
        }
        let work = Arc::new(LateWork { registry: self.clone(), key, job: start() });
        by_key.insert(key, Arc::downgrade(&work));
        work
    }
}

impl Drop for LateWork {
    /// Forgets it; not what has begun since in its place.
    fn drop(&mut self) {
        let mut by_key = self.registry.by_key.lock();
        if by_key.get(&self.key).is_some_and(|work| work.strong_count() == 0) {
            by_key.remove(&self.key);
        }
    }
}
