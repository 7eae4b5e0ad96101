//! Messages counted by log and index: what was lost, what came twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::figures::record::Received;

/// Which entries came.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) received: usize,
    logs: BTreeMap<String, BTreeSet<u64>>,
}

impl Counts {
    pub(crate) fn add(&mut self, message: &Received) {
        self.received += 1;
        match self.logs.get_mut(&message.log) {
            Some(indexes) => indexes.insert(message.index),
            None => self.logs.entry(message.log.clone()).or_default().insert(message.index),
        };
    }

    /// Entries that came at least once.
    pub(crate) fn different(&self) -> usize {
        self.logs.values().map(BTreeSet::len).sum()
    }

    /// Messages with an entry that had come before.
    pub(crate) fn repeated(&self) -> usize {
        self.received - self.different()
    }

    /// Indexes between the first and the last of a log that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.logs.values().map(holes).sum()
    }

    /// Logs of which something came.
    pub(crate) fn logs(&self) -> usize {
        self.logs.len()
    }

    /// The index after the last one that came of a log; 0 where none did.
    pub(crate) fn next_index(&self, log: &str) -> u64 {
        let newest = self.logs.get(log).and_then(BTreeSet::last);
        newest.map_or(0, |newest| newest + 1)
    }
}

fn holes(indexes: &BTreeSet<u64>) -> u64 {
    let (Some(first), Some(last)) = (indexes.first(), indexes.last()) else { return 0 };
    last - first + 1 - indexes.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_repeats_are_counted_by_log() {
        let mut counts = Counts::default();
        for (log, index) in
            [("a", 5), ("b", 90), ("a", 6), ("a", 9), ("a", 6), ("b", 91), ("a", 7), ("a", 6)]
        {
            let log = log.to_owned();
            let domains = vec![];
            counts.add(&Received {
                at: 0,
                client: 0,
                offset: 0,
                index,
                submitted: 0,
                log,
                domains,
            });
        }
        assert_eq!((counts.received, counts.different(), counts.logs()), (8, 6, 2));
        assert_eq!((counts.lost(), counts.repeated()), (1, 2));
        assert_eq!((counts.next_index("a"), counts.next_index("c")), (10, 0));
    }
}
