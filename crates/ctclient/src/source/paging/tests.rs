use proptest::prelude::*;

use super::*;

/// A log that gives `limit` entries at most, and ends answers at multiples of it if `aligned`.
#[derive(Debug, Clone, Copy)]
struct Server {
    limit: u64,
    aligned: bool,
}

impl Server {
    /// The end of the response.
    fn answer(self, asked: &Range<u64>) -> u64 {
        match self.aligned {
            true => first_page(asked.clone(), self.limit).end,
            false => asked.end.min(asked.start + self.limit),
        }
    }
}

/// Reads `range` as a follower does; the number of requests it took.
fn read(paging: &mut Paging, server: Server, range: Range<u64>) -> u64 {
    let mut next = range.start;
    let mut requests = 0;
    while next < range.end {
        let asked = first_page(next..range.end, paging.size());
        next = server.answer(&asked);
        assert!(asked.start < next && next <= asked.end);
        paging.answered(&asked, next);
        requests += 1;
    }
    requests
}

#[test]
fn the_page_of_each_kind_of_log_is_learned_from_a_misaligned_start() {
    for (limit, most, expected) in [
        (32, 256, 32),
        (256, 1000, 256),
        (256, 256, 256),
        (100, 256, 100),
        (1, 256, 1),
        (1000, 256, 256),
    ] {
        for aligned in [true, false] {
            let mut paging = Paging::new(most);
            let server = Server { limit, aligned };
            read(&mut paging, server, 1_000_003..1_000_003 + 8 * most.max(limit));
            assert_eq!(paging.size(), expected, "{server:?}");
            let start = 2_000_000 / expected * expected;
            let pages = read(&mut paging, server, start..start + 10 * expected);
            // Pages larger than are asked for end within some of ours.
            let cut = if limit > expected { 10 * expected / limit + 1 } else { 0 };
            assert!(pages <= 11 + cut, "{server:?}: {pages} requests for ten pages");
        }
    }
}

#[test]
fn a_change_of_the_page_is_learned() {
    let mut paging = Paging::new(256);
    let small = Server { limit: 32, aligned: true };
    read(&mut paging, small, 0..4096);
    assert_eq!(paging.size(), 32);
    let large = Server { limit: 256, aligned: true };
    read(&mut paging, large, 4096..200_000);
    assert_eq!(paging.size(), 256);
    read(&mut paging, small, 200_000..204_096);
    assert_eq!(paging.size(), 32);
}

#[test]
fn the_size_shrinks_after_too_much_and_grows_again_later() {
    let mut paging = Paging::new(256);
    paging.too_much();
    paging.too_much();
    assert_eq!(paging.size(), 64);
    for _ in 0..PAGES_TO_GROW {
        paging.answered(&(0..64), 64);
    }
    assert_eq!(paging.size(), 128);
    for _ in 0..10 {
        paging.too_much();
    }
    assert_eq!(paging.size(), 1);
    read(&mut paging, Server { limit: 256, aligned: true }, 0..100_000);
    assert_eq!(paging.size(), 256);
}

#[test]
fn a_short_last_page_changes_nothing() {
    let mut paging = Paging::new(256);
    paging.answered(&(0..256), 9);
    paging.answered(&(0..256), 256);
    paging.answered(&(0..256), 5);
    assert_eq!(paging.size(), 256);
    paging.answered(&(0..7), 7);
    assert_eq!(paging.size(), 256, "nor does a small question");
}

#[test]
fn pages_end_at_boundaries() {
    let ends =
        |range, page_size| pages(range, || page_size).map(|page| page.end).collect::<Vec<_>>();
    assert!(ends(0..0, 256).is_empty());
    assert_eq!(ends(0..256, 256), [256]);
    assert_eq!(ends(10..600, 256), [256, 512, 600]);
    assert_eq!(ends(5..7, 0), [6, 7]);
    assert_eq!(ends(u64::MAX - 1..u64::MAX, 256), [u64::MAX]);
    let starts: Vec<_> = pages(10..600, || 256).map(|page| page.start).collect();
    assert_eq!(starts, [10, 256, 512]);
}

#[test]
fn short_responses_among_longer_ones_are_ignored() {
    let mut paging = Paging::new(256);
    for round in 0..100 {
        let start = round * 75;
        paging.answered(&(start..start + 75), start + 17);
        paging.answered(&(start + 17..start + 75), start + 75);
    }
    assert_eq!(paging.size(), 256);
    for round in 0..2 {
        let start = 10_000 + round * 17;
        paging.answered(&(start..start + 75), start + 17);
    }
    assert_eq!(paging.size(), 17, "two in a row are no strays");
}

proptest! {
    #[test]
    fn requests_come_close_to_the_fewest_possible(
        limit in 1..2000_u64,
        most in 1..2000_u64,
        aligned: bool,
        start in 0..1_000_000_u64,
    ) {
        let mut paging = Paging::new(most);
        let server = Server { limit, aligned };
        let page = limit.min(most);
        let count = page * 200;
        let requests = read(&mut paging, server, start..start + count);
        // Larger pages are tried now and then; those cost no more than an entry's scrap each.
        prop_assert!(requests <= 2 * 200 + 20, "{requests} requests for 200 pages");
        prop_assert!(paging.size() <= most);
    }

    #[test]
    fn the_size_stays_usable_after_any_responses(
        most in 0..5000_u64,
        answers in prop::collection::vec((any::<u32>(), 1..6000_u64, 0..6000_u64, any::<bool>()), 0..200),
    ) {
        let mut paging = Paging::new(most);
        for (start, asked, got, too_much) in answers {
            let start = u64::from(start);
            if too_much {
                paging.too_much();
            } else {
                paging.answered(&(start..start + asked), start + got);
            }
            prop_assert!((1..=most.max(1)).contains(&paging.size()));
        }
    }
}
