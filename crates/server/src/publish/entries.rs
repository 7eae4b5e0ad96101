//! Records as entries of the feed, live and in a replay.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use cert::Digests;
use journal::StoredBatch;
use parking_lot::RwLock;
use quick_cache::sync::Cache;
use record::{LogChange, LogIdentity, LogNumber, Record, State};
use wire::Source;

use crate::publish::issuers::Issuers;
use crate::publish::messages::RingEntry;

/// The description of each log in messages, by its number.
pub(crate) type Sources = Arc<Vec<Arc<Source>>>;

/// Former descriptions of logs that are remembered.
const FORMER: usize = 256;

/// Converts records to entries of the feed, with what entries share.
#[derive(Debug)]
pub(crate) struct Entries {
    sources: RwLock<Sources>,
    /// Descriptions of logs in stored batches, which may have other names by now.
    former: Cache<LogIdentity, Arc<Source>>,
    issuers: Issuers,
}

impl Entries {
    /// Creates the entries of a stream that is in this state.
    pub(crate) fn new(state: &State) -> Self {
        let sources = state.logs().map(|(_, log)| Arc::new(Source::from(&log.identity)));
        Self {
            sources: RwLock::new(Arc::new(sources.collect())),
            former: Cache::new(FORMER),
            issuers: Issuers::default(),
        }
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

    /// Returns the description of a log as it is now.
    pub(crate) fn source(&self, log: LogNumber) -> Option<Arc<Source>> {
        self.sources.read().get(index(log)).cloned()
    }

    /// Returns the descriptions of all logs as they are now.
    pub(crate) fn sources(&self) -> Sources {
        Arc::clone(&self.sources.read())
    }

    /// Converts the records of the newest batch, once its changes of the log table are
    /// [applied](Self::change); none if one of their logs is not known.
    pub(crate) fn of(&self, records: Vec<Record>) -> Option<Vec<RingEntry>> {
        let sources = self.sources();
        let source = |log| sources.get(index(log)).cloned();
        records.into_iter().map(|record| Some(self.entry(source(record.log)?, record))).collect()
    }

    /// Converts the records of any batch. Each has the description that its log had then, so that the
    /// messages are those that live clients got; none if one of their logs is not known.
    pub(crate) fn of_stored(&self, stored: StoredBatch) -> Option<Vec<RingEntry>> {
        let StoredBatch { batch, logs, .. } = stored;
        let mut last: Option<(LogNumber, Arc<Source>)> = None;
        let mut entries = Vec::with_capacity(batch.records.len());
        for record in batch.records {
            let source = match &last {
                Some((log, source)) if *log == record.log => Arc::clone(source),
                _ => self.former(logs.get(record.log)?),
            };
            last = Some((record.log, Arc::clone(&source)));
            entries.push(self.entry(source, record));
        }
        Some(entries)
    }

    /// Returns the description of a log with this identity.
    fn former(&self, identity: &LogIdentity) -> Arc<Source> {
        if let Some(source) = self.former.get(identity) {
            return source;
        }
        let source = Arc::new(Source::from(identity));
        self.former.insert(identity.clone(), Arc::clone(&source));
        source
    }

    fn entry(&self, source: Arc<Source>, mut record: Record) -> RingEntry {
        let mut new_issuers = 0;
        // The ring keeps the chain once: with its renderings.
        let issuers = std::mem::take(&mut record.chain);
        let chain = issuers
            .iter()
            .map(|issuer| self.issuers.get_or_add(issuer, &mut new_issuers))
            .collect();
        let Digests { sha1, .. } = Digests::with_sha256(record.fingerprint, &record.certificate);
        RingEntry { record, source, sha1, chain, new_issuers, noted: AtomicU8::new(0) }
    }
}

fn index(log: LogNumber) -> usize {
    usize::try_from(log.0).unwrap_or(usize::MAX)
}
