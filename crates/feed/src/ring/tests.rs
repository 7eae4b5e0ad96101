//! Pages pushed, counted and sought, with holes between them.

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;

use super::matches::Matches;
use super::span::Span;
use super::*;

/// The page that follows in a ring, after a hole of so many offsets.
fn page(ring: &Ring<()>, hole: u64, entries: usize, weight: usize, now: Instant) -> Page<()> {
    let span = Span::new(ring.next(), ring.next() + hole, entries, ring.entries()).unwrap();
    Page::new(span, vec![(); entries].into(), weight, now)
}

#[test]
fn the_time_of_the_ring_is_that_between_its_oldest_and_its_newest_page() {
    let limits = Limits { ring_bytes: 250, ..Limits::default() };
    let mut ring = Ring::new(1, 0);
    assert_eq!(ring.time(), Duration::ZERO);
    let start = Instant::now();
    let mut push = |seconds| {
        let page = page(&ring, 0, 1, 100, start + Duration::from_secs(seconds));
        ring.push(Arc::new(page), &limits);
        ring.time().as_secs()
    };
    assert_eq!([3, 10, 14, 100].map(&mut push), [0, 7, 4, 86], "two pages are kept");
}

/// The id of the filter.
const FILTER: u64 = 3;

/// A page to publish.
#[derive(Clone, Debug)]
struct Publish {
    hole: u64,
    /// Which of its entries pass the filter; none where it was not applied.
    passing: Vec<bool>,
    applied: bool,
}

fn publishes() -> impl Strategy<Value = Vec<Publish>> {
    let hole = prop_oneof![2 => Just(0), 1 => 1..4_u64];
    let publish = (hole, vec(any::<bool>(), 1..4), prop::bool::weighted(0.7));
    let publish = publish.prop_map(|(hole, passing, applied)| Publish { hole, passing, applied });
    vec(publish, 1..8)
}

proptest! {
    /// Every offset is looked up and sought, in holes too.
    #[test]
    fn holes_neither_count_nor_stop_a_reader(
        start in 0..5_u64,
        publishes in publishes(),
        kept in 0..40_usize,
    ) {
        let limits = Limits { ring_bytes: kept * 10, ..Limits::default() };
        let mut ring = Ring::new(start, 0);
        // Every entry: its offset, and whether it may be for the filter.
        let mut all = Vec::new();
        let mut pages = Vec::new();
        for Publish { hole, passing, applied } in publishes {
            let mut page = page(&ring, hole, passing.len(), 10 * passing.len(), Instant::now());
            let found = (0..).zip(&passing).filter(|(_, passes)| **passes);
            let found = found.map(|(position, _)| (FILTER, position)).collect();
            if applied {
                page.set_matches(Arc::new(Matches::new(FILTER + 1, found, passing.len())));
            }
            let wanted = passing.iter().map(|passes| *passes || !applied);
            all.extend((page.first()..).zip(wanted));
            pages.push((page.first(), page.end(), applied));
            ring.push(Arc::new(page), &limits);
        }
        let end = ring.next();
        prop_assert_eq!(ring.entries(), all.len() as u64);
        let oldest = ring.oldest();
        let held = &pages[pages.len() - ring.len()..];
        prop_assert!(ring.len() >= pages.len().min(LEAST_PAGES));
        let cursor = FilterCursor { filter: FILTER, backfilled: None };
        for offset in start..end + 2 {
            let before = all.iter().filter(|(each, _)| *each < offset).count() as u64;
            prop_assert_eq!(ring.entries_before_any(offset), Some(before));
            if offset < oldest {
                prop_assert!(all.iter().any(|(each, _)| (offset..oldest).contains(each)));
                continue;
            }
            prop_assert_eq!(ring.entries_before(offset), before);
            // Without a filter a reader moves to the next entry, whatever hole it is in.
            let covering = held.iter().find(|(_, end, _)| offset < *end);
            let mut at = Cursor { offset, passed: before };
            let page = ring.seek(&mut at, end, None);
            prop_assert_eq!(page.map(|page| page.first()), covering.map(|(first, ..)| *first));
            let next = all.iter().find(|(each, _)| *each >= offset).map_or(offset, |(each, _)| *each);
            prop_assert_eq!(at, Cursor { offset: next, passed: before });
            // With one, to the page that has the next entry for it.
            let mut at = Cursor { offset, passed: 0 };
            let page = ring.seek(&mut at, end, Some(&cursor)).map(|page| page.first());
            let next = all.iter().find(|(each, wanted)| *each >= offset && *wanted);
            let holder = next.and_then(|(each, _)| held.iter().find(|(_, end, _)| each < end));
            prop_assert_eq!(page, holder.map(|(first, ..)| *first));
            prop_assert!(at.offset >= offset && at.offset <= end.max(offset));
            prop_assert_eq!(at.passed, 0, "what it passed was not for it");
            let wanted = |range: Range<u64>| {
                all.iter().filter(|(each, wanted)| *wanted && range.contains(each)).count() as u64
            };
            for to in offset..end + 2 {
                prop_assert_eq!(ring.count(FILTER, offset..to), wanted(offset..to));
            }
        }
    }
}
