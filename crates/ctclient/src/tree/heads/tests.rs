use bytes::Bytes;
use ct::head::SignedHead;

use super::*;

fn head(size: u64, root: u8) -> ServedHead {
    let head = TreeHead { size, timestamp: 0, root: [root; 32] };
    ServedHead { signed: SignedHead { head, signature: vec![] }, body: Bytes::new() }
}

fn at(size: u64, root: u8) -> Point {
    Point { size, root: [root; 32] }
}

/// Accepts a head after entries below `position` were read; returns whether it is stale, and the kind
/// of its contradiction.
fn accept(heads: &mut Heads, head: ServedHead, position: u64) -> (bool, Option<AlarmKind>) {
    let accepted = heads.accept(head, position).expect("nothing is signed here");
    (accepted.stale, accepted.contradiction.map(|contradiction| contradiction.kind))
}

const EQUIVOCATION: Option<AlarmKind> = Some(AlarmKind::Equivocation);

#[test]
fn smaller_heads_are_stale_and_two_roots_of_one_size_contradict() {
    let mut heads = Heads::new(None, true);
    assert_eq!(accept(&mut heads, head(10, 1), 0), (false, None));
    assert_eq!(accept(&mut heads, head(10, 1), 0), (false, None));
    assert_eq!(accept(&mut heads, head(9, 2), 0), (true, None));
    assert_eq!(accept(&mut heads, head(9, 3), 0), (true, EQUIVOCATION));
    assert_eq!(accept(&mut heads, head(10, 2), 0), (false, EQUIVOCATION));
    assert_eq!(heads.newest().map(|head| (head.size, head.root)), Some((10, [1; 32])));
    assert_eq!(accept(&mut heads, head(11, 2), 0), (false, None));
    assert_eq!(heads.newest().map(|head| head.size), Some(11));
}

#[test]
fn without_verification_every_head_is_accepted() {
    let mut heads = Heads::new(None, false);
    assert_eq!(accept(&mut heads, head(10, 1), 0), (false, None));
    assert_eq!(accept(&mut heads, head(10, 2), 0), (false, None));
    assert_eq!(accept(&mut heads, head(9, 2), 0), (true, None));
    assert_eq!(heads.newest().map(|head| head.root), Some([2; 32]));
}

#[test]
fn heads_wait_until_reading_reaches_them() {
    let mut heads = Heads::new(None, true);
    for (size, root) in [(10, 1), (20, 2), (15, 3)] {
        accept(&mut heads, head(size, root), 5);
    }
    assert_eq!(heads.next_size(), Some(10));
    assert!(matches!(heads.reached(at(10, 1)), Some(Reached::Proved)));
    assert!(heads.reached(at(10, 1)).is_none(), "there is only one");
    let Some(Reached::Contradicted(found)) = heads.reached(at(15, 4)) else { panic!("15 differs") };
    assert_eq!((found.kind, found.expected), (AlarmKind::Mismatch, at(15, 4)));
    assert_eq!(heads.next_size(), Some(20));
    // Later heads of the sizes proved are held against what was proved.
    assert_eq!(accept(&mut heads, head(10, 1), 15), (true, None));
    assert_eq!(accept(&mut heads, head(10, 9), 15), (true, EQUIVOCATION));
    assert!(heads.next_stale().is_none(), "all of them have been compared");
}

#[test]
fn heads_that_reading_never_reaches_are_put_aside_for_an_audit() {
    let mut heads = Heads::new(None, true);
    for size in [10, 20, 30] {
        accept(&mut heads, head(size, 1), 0);
    }
    heads.pass_over(20);
    assert_eq!(heads.next_size(), Some(30));
    let audited: Vec<_> =
        std::iter::from_fn(|| heads.next_stale()).map(|head| head.signed.head.size).collect();
    assert_eq!(audited, [10, 20]);
    accept(&mut heads, head(7, 1), 25);
    accept(&mut heads, head(7, 1), 25);
    assert_eq!(heads.next_stale().map(|head| head.signed.head.size), Some(7));
    assert!(heads.next_stale().is_none(), "one of each size is enough");
    assert_eq!(heads.take_unaudited(), 0);
}

#[test]
fn heads_in_memory_are_bounded_and_dropped_ones_counted() {
    let mut heads = Heads::new(None, true);
    for size in 1..=1_000 {
        accept(&mut heads, head(size, 1), 0);
    }
    assert_eq!(heads.pending.len(), MOST_PENDING);
    assert_eq!(heads.next_size(), Some(1));
    assert!(heads.pending.contains_key(&1_000));
    assert_eq!(heads.take_unaudited(), 1_000 - MOST_PENDING as u64);
    assert_eq!(heads.take_unaudited(), 0);
    for size in 1..=1_000 {
        heads.remember(at(size, 1));
    }
    assert_eq!(heads.proved.len(), REMEMBERED);
    for size in 1..=100 {
        accept(&mut heads, head(size, 1), 1_000);
    }
    assert_eq!(heads.stale.len(), MOST_STALE);
    assert_eq!(heads.take_unaudited(), 100 - MOST_STALE as u64);
}

#[test]
fn a_frozen_log_ends_with_its_final_head() {
    let cases = [(9, 7, None), (10, 1, None), (10, 2, Some(())), (11, 1, Some(()))];
    for (size, root, expected) in cases {
        let mut heads = Heads::new(None, true);
        heads.set_final(Some(FinalTreeHead { size: 10, root: [1; 32] }));
        let expected = expected.map(|()| AlarmKind::FinalHead);
        assert_eq!(accept(&mut heads, head(size, root), 0), (false, expected), "{size} {root}");
        assert_eq!(heads.newest().map(|head| head.size), Some(size), "it is followed all the same");
    }
}
