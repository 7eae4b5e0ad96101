//! Counting entries by their offsets, across holes.

use std::collections::VecDeque;

/// The stretches of offsets without a hole: how many entries lie before an offset, also before one
/// that the ring no longer has.
///
/// Holes are rare (a restart, another leader), so few stretches are kept; of offsets before these
/// nothing is known.
#[derive(Debug)]
pub(crate) struct Runs {
    runs: VecDeque<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    /// Entries before its first.
    before: u64,
}

impl Runs {
    /// Most runs that are kept: 4 KiB.
    const MOST: usize = 256;

    /// Begins with the run at the offset `first`, before which there are `before` entries.
    pub(crate) fn new(first: u64, before: u64) -> Self {
        Self { runs: [Run { first, before }].into() }
    }

    /// Begins another run, after a hole.
    pub(crate) fn begin(&mut self, first: u64, before: u64) {
        if self.runs.len() == Self::MOST {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { first, before });
    }

    /// Returns how many entries lie before `offset`, of `entries` in all; none where it is not known.
    pub(crate) fn entries_before(&self, offset: u64, entries: u64) -> Option<u64> {
        let next = self.runs.partition_point(|run| run.first <= offset);
        let run = self.runs.get(next.checked_sub(1)?)?;
        let end = self.runs.get(next).map_or(entries, |run| run.before);
        Some(run.before.saturating_add(offset - run.first).min(end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_are_counted_across_holes(
            start in 0..20_u64,
            pages in vec((0..5_u64, 1..6_u64), 0..12),
        ) {
            let (mut runs, mut next, mut offsets) = (Runs::new(start, 7), start, Vec::new());
            for (hole, entries) in pages {
                if hole > 0 {
                    runs.begin(next + hole, 7 + offsets.len() as u64);
                }
                offsets.extend(next + hole..next + hole + entries);
                next += hole + entries;
            }
            for offset in 0..next + 3 {
                let before = offsets.iter().filter(|each| **each < offset).count() as u64;
                let counted = runs.entries_before(offset, 7 + offsets.len() as u64);
                prop_assert_eq!(counted, (offset >= start).then_some(7 + before), "{}", offset);
            }
        }
    }

    #[test]
    fn before_the_runs_kept_nothing_is_known() {
        let mut runs = Runs::new(0, 0);
        let count = Runs::MOST as u64;
        (1..=count).for_each(|run| runs.begin(10 * run, run));
        assert_eq!(runs.entries_before(9, count + 1), None);
        assert_eq!(runs.entries_before(10, count + 1), Some(1));
        assert_eq!(runs.entries_before(19, count + 1), Some(2));
        assert_eq!(runs.entries_before(10 * count, count + 1), Some(count));
        assert_eq!(runs.entries_before(u64::MAX, count + 1), Some(count + 1));
    }
}
