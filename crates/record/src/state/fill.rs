//! Entries that come after their log has advanced over their indexes: each closes a part of a gap.

use super::{LogState, MAX_GAPS, Refused, State};
use crate::batch::Batch;
use crate::entry::{Gap, LogNumber};

/// Returns the entries of a batch below the positions that their logs have before it, ordered.
pub(super) fn entries(state: &State, batch: &Batch) -> Vec<(LogNumber, u64)> {
    let records = batch.records.iter().map(|record| (record.log, record.index));
    let sightings = batch.sightings.iter().map(|sighting| (sighting.log, sighting.index));
    let entries = records.chain(sightings);
    let mut passed: Vec<_> =
        entries.filter(|(log, index)| is_passed(state, *log, *index)).collect();
    passed.sort_unstable();
    passed
}

/// Checks that each of them is in a gap and there once, and that records say what they are.
pub(super) fn check(state: &State, batch: &Batch) -> Result<(), Refused> {
    let refused = |log: LogNumber, index| Refused::Coverage { log: log.0, index };
    let is_wrong = |record: &&crate::entry::Record| {
        record.is_backfilled != is_passed(state, record.log, record.index)
    };
    if let Some(record) = batch.records.iter().find(is_wrong) {
        return Err(refused(record.log, record.index));
    }
    let entries = entries(state, batch);
    let is_missing = |log, index| state.log(log).is_some_and(|log| log.is_missing(index));
    let mut pairs = entries.iter().zip(entries.iter().skip(1));
    let twice = pairs.find(|(one, two)| one == two).map(|(twice, _)| twice);
    match twice.or_else(|| entries.iter().find(|(log, index)| !is_missing(*log, *index))) {
        Some((log, index)) => Err(refused(*log, *index)),
        None => Ok(()),
    }
}

/// Reports whether a log has advanced over an index.
pub(super) fn is_passed(state: &State, log: LogNumber, index: u64) -> bool {
    let position = state.log(log).and_then(|log| log.position.as_ref());
    position.is_some_and(|position| index < position.next)
}

impl LogState {
    /// Reports whether an entry is in one of the gaps.
    #[must_use]
    pub fn is_missing(&self, index: u64) -> bool {
        self.gaps.iter().any(|gap| gap.range.contains(&index))
    }

    /// Takes an index out of its gap. If that makes more gaps than are kept, the newest stay.
    pub(super) fn fill(&mut self, index: u64) {
        let is_of = |gap: &Gap| gap.range.contains(&index);
        let Some(at) = self.gaps.iter().position(is_of) else { return };
        let Some(gap) = self.gaps.get_mut(at) else { return };
        let after = Gap { range: index.saturating_add(1)..gap.range.end, ..gap.clone() };
        gap.range.end = index;
        let is_first = gap.range.is_empty();
        if !after.range.is_empty() {
            self.gaps.insert(at.saturating_add(1), after);
        }
        if is_first {
            self.gaps.remove(at);
        }
        if self.gaps.len() > MAX_GAPS {
            self.gaps.remove(0);
        }
    }
}
