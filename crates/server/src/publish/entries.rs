//! Records as entries of the feed, live and in a replay.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use cert::Digests;
use parking_lot::RwLock;
use record::{LogChange, LogNumber, Record, State};
use wire::Source;

use crate::publish::issuers::Issuers;
use crate::publish::messages::RingEntry;

/// The description of each log in messages, by its number.
pub(crate) type Sources = Arc<Vec<Arc<Source>>>;

/// Converts records to entries of the feed, with what entries share.
#[derive(Debug)]
pub(crate) struct Entries {
    sources: RwLock<Sources>,
    issuers: Issuers,
}

impl Entries {
    /// Creates the entries of a stream that is in this state.
    pub(crate) fn new(state: &State) -> Self {
        Self { sources: RwLock::new(Arc::new(sources(state))), issuers: Issuers::default() }
    }

    /// Begins again with the log table of another state.
    pub(crate) fn reset(&self, state: &State) {
        *self.sources.write() = Arc::new(sources(state));
    }

    /// Adds or replaces rows of the log table.
    pub(crate) fn change(&self, changes: &[LogChange]) {
        if changes.is_empty() {
            return;
        }
        let mut sources = self.sources.write();
        let sources = Arc::make_mut(&mut sources);
        for change in changes {
            let source = Arc::new(Source::from(&change.identity));
            match sources.get_mut(index(change.number)) {
                Some(row) => *row = source,
                // Numbers are given in order.
                None => sources.push(source),
            }
        }
    }

    /// Returns the description of a log.
    pub(crate) fn source(&self, log: LogNumber) -> Option<Arc<Source>> {
        self.sources.read().get(index(log)).cloned()
    }

    /// Returns the descriptions of all logs.
    pub(crate) fn sources(&self) -> Sources {
        Arc::clone(&self.sources.read())
    }

    /// Converts the records of a batch that was applied, so that its logs are known; none if one of
    /// them is not.
    pub(crate) fn of(&self, records: Vec<Record>) -> Option<Vec<RingEntry>> {
        let sources = self.sources();
        records.into_iter().map(|record| self.entry(&sources, record)).collect()
    }

    fn entry(&self, sources: &Sources, mut record: Record) -> Option<RingEntry> {
        let source = sources.get(index(record.log)).cloned()?;
        let mut new_issuers = 0;
        // The ring keeps the chain once: with its renderings.
        let issuers = std::mem::take(&mut record.chain);
        let chain = issuers
            .iter()
            .map(|issuer| self.issuers.get_or_add(issuer, &mut new_issuers))
            .collect();
        let Digests { sha1, .. } = Digests::with_sha256(record.fingerprint, &record.certificate);
        Some(RingEntry { record, source, sha1, chain, new_issuers, noted: AtomicU8::new(0) })
    }
}

fn sources(state: &State) -> Vec<Arc<Source>> {
    state.logs().map(|(_, log)| Arc::new(Source::from(&log.identity))).collect()
}

fn index(log: LogNumber) -> usize {
    usize::try_from(log.0).unwrap_or(usize::MAX)
}
