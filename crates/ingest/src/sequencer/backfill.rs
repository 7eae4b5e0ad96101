//! Entries that are missing, and were read later.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use record::{Batch, Gap, LogNumber, Record};

use super::{Sequencer, unix_millis};
use crate::commit_log::CommitLog;
use crate::dedup;
use crate::fanout::Fanout;
use crate::gather::Size;
use crate::page::Page;

impl<L: CommitLog, F: Fanout> Sequencer<L, F> {
    /// Adds the entries of a page that are missing to the open batch. Others are left out: they came
    /// with an earlier page. `published` has offsets of certificates, by index, that the window may have
    /// forgotten.
    pub(super) fn fill(
        &mut self,
        log: LogNumber,
        page: Page<F::Ticket>,
        published: &HashMap<u64, u64>,
    ) -> Size {
        let Page { records, ticket, .. } = page;
        let (now, seen) = (Instant::now(), unix_millis());
        let mut size = Size::default();
        for record in records {
            let index = record.index;
            if !self.is_missing(log, index) {
                continue;
            }
            let next = self.open.batch.next_offset();
            let known = published.get(&index).copied().filter(|offset| *offset < next);
            let hash = record.dedup_key();
            let later = || self.original(&dedup::read_later(hash), now);
            let original = self.original(hash, now).or_else(later).or(known);
            size += self.put(Record { log, seen, is_backfilled: true, ..record }, original);
        }
        self.open.bytes += size.bytes;
        self.open.tickets.push((ticket, log));
        size
    }

    /// Reports whether an entry is in a gap, and not in the open batch.
    fn is_missing(&self, log: LogNumber, index: u64) -> bool {
        let Batch { records, sightings, .. } = &self.open.batch;
        self.staged.log(log).is_some_and(|log| log.is_missing(index))
            && !records.iter().any(|record| (record.log, record.index) == (log, index))
            && !sightings.iter().any(|sighting| (sighting.log, sighting.index) == (log, index))
    }

    /// Returns the gaps of the logs in which a batch that was applied has opened or closed some.
    pub(super) fn missing(&self, batch: &Batch) -> Vec<(LogNumber, Vec<Gap>)> {
        let records = batch.records.iter().map(|record| (record.log, record.index));
        let sightings = batch.sightings.iter().map(|sighting| (sighting.log, sighting.index));
        let filled =
            records.chain(sightings).filter(|(log, index)| batch.is_backfilled(*log, *index));
        let changed = batch.gaps.iter().map(|gap| gap.log).chain(filled.map(|(log, _)| log));
        let changed: BTreeSet<LogNumber> = changed.collect();
        let gaps = |log| Some((log, self.committed.log(log)?.gaps.clone()));
        changed.into_iter().filter_map(gaps).collect()
    }
}
