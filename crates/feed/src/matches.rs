use std::ops::Range;
use std::sync::Arc;

/// Which filters the entries of a page passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    /// Filters with this id or a later one were not looked at.
    covered: u64,
    /// Those that an entry passed, ascending.
    groups: Box<[Group]>,
    positions: Box<[u32]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Group {
    filter: u64,
    /// Where its positions end; they begin where those of the group before end.
    end: usize,
}

impl Matches {
    /// From (filter id, position) in any order, of which those make no sense that are doubled, not
    /// covered, or past the page's `entries`.
    pub(crate) fn new(covered: u64, mut found: Vec<(u64, u32)>, entries: usize) -> Self {
        found.retain(|&(filter, position)| filter < covered && (position as usize) < entries);
        found.sort_unstable();
        found.dedup();
        let mut groups: Vec<Group> = Vec::new();
        for (end, &(filter, _)) in (1..).zip(&found) {
            match groups.last_mut() {
                Some(group) if group.filter == filter => group.end = end,
                _ => groups.push(Group { filter, end }),
            }
        }
        let positions = found.into_iter().map(|(_, position)| position).collect();
        Self { covered, groups: groups.into(), positions }
    }

    /// The positions, ascending, of the entries that passed the filter; none if it was not looked
    /// at.
    pub(crate) fn of(&self, filter: u64) -> Option<&[u32]> {
        if filter >= self.covered {
            return None;
        }
        let found = self.groups.binary_search_by_key(&filter, |group| group.filter);
        Some(found.map_or(&[], |index| self.group(index)))
    }

    /// All filters that an entry passed, with the positions.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, &[u32])> {
        self.groups.iter().enumerate().map(|(index, group)| (group.filter, self.group(index)))
    }

    /// The first id that was not looked at.
    pub(crate) const fn covered(&self) -> u64 {
        self.covered
    }

    /// Bytes of memory.
    pub(crate) fn weight(&self) -> usize {
        size_of_val(&*self.groups) + size_of_val(&*self.positions)
    }

    fn group(&self, index: usize) -> &[u32] {
        let end = |index: usize| self.groups.get(index).map_or(0, |group| group.end);
        let start = index.checked_sub(1).map_or(0, end);
        self.positions.get(start..end(index)).unwrap_or_default()
    }
}

/// The offsets of a page, and which filters its entries passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first entry.
    pub(crate) first: u64,
    /// After the last entry.
    pub(crate) end: u64,
    pub(crate) matches: Arc<Matches>,
}

impl Span {
    /// How many entries of `range` there are for a filter. Where it was not looked at, any may be
    /// for it, so all of them count.
    pub(crate) fn count(&self, filter: u64, range: Range<u64>) -> u64 {
        let range = range.start.max(self.first)..range.end.min(self.end);
        if range.is_empty() {
            return 0;
        }
        match self.matches.of(filter) {
            Some(positions) => {
                let before = |offset: u64| positions.partition_point(|&p| self.at(p) < offset);
                (before(range.end) - before(range.start)) as u64
            }
            None => range.end - range.start,
        }
    }

    /// The offset of a position.
    pub(crate) fn at(&self, position: u32) -> u64 {
        self.first + u64::from(position)
    }
}

/// What one filter lets through: what was found when pages were published, and what was found out
/// later of pages older than the filter.
#[derive(Debug)]
pub(crate) struct Sieve {
    pub(crate) filter: u64,
    pub(crate) looked: Option<Arc<Looked>>,
}

/// Pages one filter was applied to after they were published.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// The offsets in there that pass; where a page has matches of its own, those hold instead.
    pub(crate) passed: Box<[u64]>,
}

/// The entries of one page that pass a filter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection<'a> {
    Positions { first: u64, positions: &'a [u32] },
    Offsets(&'a [u64]),
}

impl Sieve {
    /// What of a page passes; none if that is not known.
    pub(crate) fn select<'a>(&'a self, span: &'a Span) -> Option<Selection<'a>> {
        if let Some(positions) = span.matches.of(self.filter) {
            return Some(Selection::Positions { first: span.first, positions });
        }
        let Looked { first, end, passed } = &**self.looked.as_ref()?;
        if span.first < *first || span.end > *end {
            return None;
        }
        let index = |offset| passed.partition_point(|&passed| passed < offset);
        passed.get(index(span.first)..index(span.end)).map(Selection::Offsets)
    }
}

impl Selection<'_> {
    /// The first entry at `offset` or after.
    pub(crate) fn next(&self, offset: u64) -> Option<u64> {
        match *self {
            Self::Positions { first, positions } => {
                let at = |position: u32| first + u64::from(position);
                let index = positions.partition_point(|&position| at(position) < offset);
                positions.get(index).map(|&position| at(position))
            }
            Self::Offsets(offsets) => {
                offsets.get(offsets.partition_point(|&passed| passed < offset)).copied()
            }
        }
    }
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Of the next entry.
    pub(crate) offset: u64,
    /// How many entries there were for the reader before it. Only differences mean something; for
    /// a reader without a filter it is the offset.
    pub(crate) passed: u64,
}

impl Place {
    /// The place in or after the page `span` that the reader comes to at `offset`.
    pub(crate) fn pass(self, span: &Span, offset: u64, sieve: Option<&Sieve>) -> Self {
        let passed = match sieve {
            Some(sieve) => self.passed + span.count(sieve.filter, self.offset..offset),
            None => offset,
        };
        Self { offset, passed }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn matches_are_what_was_found(
            first in 0..5_u64,
            entries in 1..8_u64,
            covered in 0..6_u64,
            found in prop::collection::vec((0..8_u64, 0..10_u32), 0..40),
            range in (0..16_u64, 0..16_u64),
        ) {
            let matches = Matches::new(covered, found.clone(), usize::try_from(entries).unwrap());
            let span = Span { first, end: first + entries, matches: Arc::new(matches) };
            for filter in 0..8 {
                let sieve = Sieve { filter, looked: None };
                let passes = |offset: &u64| found.iter().any(|&(f, p)| {
                    f == filter && first + u64::from(p) == *offset
                });
                let count = span.count(filter, range.0..range.1);
                let inside = (span.first..span.end).filter(|o| (range.0..range.1).contains(o));
                let Some(selection) = sieve.select(&span) else {
                    prop_assert!(filter >= covered);
                    prop_assert_eq!(count, inside.count() as u64);
                    continue;
                };
                prop_assert!(filter < covered);
                prop_assert_eq!(count, inside.filter(passes).count() as u64);
                for from in 0..16 {
                    let next = (from.max(first)..span.end).find(passes);
                    prop_assert_eq!(selection.next(from), next);
                }
            }
            let all: Vec<u64> = span.matches.all().map(|(filter, _)| filter).collect();
            prop_assert!(all.is_sorted_by(|a, b| a < b));
            prop_assert!(span.matches.all().all(|(_, positions)| !positions.is_empty()));
        }
    }

    #[test]
    fn what_was_looked_at_later_counts_only_where_nothing_was_known() {
        let span = |first, covered, found: &[(u64, u32)]| Span {
            first,
            end: first + 10,
            matches: Arc::new(Matches::new(covered, found.to_vec(), 10)),
        };
        let looked = Looked { first: 100, end: 120, passed: [103, 109, 110].into() };
        let sieve = Sieve { filter: 5, looked: Some(Arc::new(looked)) };
        let all = |span: &Span| {
            let selection = sieve.select(span)?;
            let next = |from: &u64| selection.next(*from + 1);
            Some(std::iter::successors(selection.next(0), next).collect::<Vec<_>>())
        };
        assert_eq!(all(&span(100, 5, &[])), Some(vec![103, 109]));
        assert_eq!(all(&span(110, 0, &[])), Some(vec![110]));
        assert_eq!(all(&span(110, 6, &[(5, 2)])), Some(vec![112]));
        assert_eq!(all(&span(120, 5, &[])), None);
        assert_eq!(all(&span(120, 6, &[])), Some(vec![]));
        assert_eq!(all(&span(95, 0, &[])), None);
    }
}
