//! Counts of requests.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::Endpoint;

/// Counts of what one log, or the log list, was asked.
#[derive(Debug, Default)]
pub struct Stats {
    requests: [AtomicU64; Endpoint::ALL.len()],
    faults: AtomicU64,
    entries: AtomicU64,
}

impl Stats {
    /// Returns the number of requests for `endpoint`, including those answered by a fault.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.requests[endpoint as usize].load(Ordering::Relaxed)
    }

    /// Returns the number of requests.
    #[must_use]
    pub fn all_requests(&self) -> u64 {
        self.requests.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Returns the number of requests that met a fault.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Returns the number of entries sent, in get-entries responses and data tiles.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, endpoint: Endpoint, met_fault: bool) {
        self.requests[endpoint as usize].fetch_add(1, Ordering::Relaxed);
        self.faults.fetch_add(met_fault.into(), Ordering::Relaxed);
    }

    /// Returns the number of requests by endpoint.
    pub(crate) fn by_endpoint(&self) -> Value {
        let counts = Endpoint::ALL.map(|endpoint| (endpoint, self.requests(endpoint)));
        let asked = counts.into_iter().filter(|(_, count)| *count > 0);
        let named = asked.map(|(endpoint, count)| (endpoint.name().to_owned(), count.into()));
        Value::Object(named.collect::<Map<_, _>>())
    }

    pub(crate) fn count_entries(&self, count: u64) {
        self.entries.fetch_add(count, Ordering::Relaxed);
    }
}
