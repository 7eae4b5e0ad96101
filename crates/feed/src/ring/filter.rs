//! The entries of a page that one filter selects.

use std::sync::Arc;

use crate::ring::span::Span;

/// One filter, with the matches that were found when pages were published, and those that were found
/// later in pages older than the filter.
#[derive(Debug)]
pub(crate) struct FilterCursor {
    pub(crate) filter: u64,
    pub(crate) backfilled: Option<Arc<Backfilled>>,
}

/// The result of applying one filter to pages after they were published.
#[derive(Debug, Default)]
pub(crate) struct Backfilled {
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// The offsets in there that pass; where a page has matches of its own, those apply instead.
    pub(crate) passed: Box<[u64]>,
}

/// The entries of one page that pass a filter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selection<'a> {
    Positions { first: u64, positions: &'a [u32] },
    Offsets(&'a [u64]),
}

impl FilterCursor {
    /// Returns the entries of a page that pass; none if that is not known.
    pub(crate) fn select<'a>(&'a self, span: &'a Span) -> Option<Selection<'a>> {
        if let Some(positions) = span.matches.of(self.filter) {
            return Some(Selection::Positions { first: span.first, positions });
        }
        let Backfilled { first, end, passed } = &**self.backfilled.as_ref()?;
        if span.first < *first || span.end > *end {
            return None;
        }
        let index = |offset| passed.partition_point(|&passed| passed < offset);
        passed.get(index(span.first)..index(span.end)).map(Selection::Offsets)
    }
}

impl Selection<'_> {
    /// Returns the first entry at `offset` or after.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ring::matches::Matches;

    proptest! {
        #[test]
        fn a_page_selects_and_counts_what_was_found_in_it(
            first in 0..5_u64,
            entries in 1..8_u64,
            covered in 0..6_u64,
            found in prop::collection::vec((0..8_u64, 0..10_u32), 0..40),
            range in (0..16_u64, 0..16_u64),
        ) {
            let matches = Matches::new(covered, found.clone(), usize::try_from(entries).unwrap());
            let size = usize::try_from(entries).unwrap();
            // A hole before the page changes nothing.
            let span = Span::new(first.saturating_sub(2), first, size, 9).unwrap();
            let span = Span { matches: Arc::new(matches), ..span };
            for filter in 0..8 {
                let cursor = FilterCursor { filter, backfilled: None };
                let passes = |offset: &u64| found.iter().any(|&(f, p)| {
                    f == filter && first + u64::from(p) == *offset
                });
                let count = span.count(filter, range.0..range.1);
                let inside = (span.first..span.end).filter(|o| (range.0..range.1).contains(o));
                let Some(selection) = cursor.select(&span) else {
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
    fn matches_found_at_publishing_take_precedence_over_those_found_later() {
        let span = |first, covered, found: &[(u64, u32)]| {
            let matches = Arc::new(Matches::new(covered, found.to_vec(), 10));
            Span { matches, ..Span::new(first, first, 10, 0).unwrap() }
        };
        let found_later = Backfilled { first: 100, end: 120, passed: [103, 109, 110].into() };
        let cursor = FilterCursor { filter: 5, backfilled: Some(Arc::new(found_later)) };
        let all = |span: &Span| {
            let selection = cursor.select(span)?;
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
