//! The acts of the model: publishing, clients that join, read and leave.

use feed::{Framing, Limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::*;

/// The things that can happen to a hub.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// After a hole of so many offsets.
    Publish(u64, Vec<usize>),
    /// From an offset that is taken.
    StepBack(u64),
    /// The history forgets its oldest pages.
    Expire(usize),
    /// The history loses a page.
    Damage(Index),
    Join(Rendering, Framing, Option<Since>, Option<Wish>),
    /// All filters there are will be applied from now on.
    Compile,
    /// Wait until there is something, or give up at once.
    Ready(Index, bool),
    /// Fill with a budget, and write a share (of 8) of what was gathered.
    Write(Index, usize, usize),
    /// Fill, and write nothing.
    Cancel(Index, usize),
    Take(Index, usize),
    Interject(Index),
    Leave(Index),
    Close,
}

/// A place to join after.
#[derive(Clone, Debug)]
pub(super) enum Since {
    Offset(u64),
    BehindHead(u64),
    AheadOfHead(u64),
}

/// A filter: a new one, or that of another client.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    New(u64, u64),
    Same(Index),
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let size = prop_oneof![9 => 0..60_usize, 1 => 30_000..150_000_usize];
    let hole = prop_oneof![6 => Just(0), 2 => 1..6_u64, 1 => Just(1 << 24)];
    let since = prop_oneof![
        Just(None),
        prop_oneof![0..FIRST + 40, FIRST - 25..FIRST, Just(u64::MAX)]
            .prop_map(|o| Some(Since::Offset(o))),
        (0..30_u64).prop_map(|n| Some(Since::BehindHead(n))),
        (1..3_u64).prop_map(|n| Some(Since::AheadOfHead(n))),
    ];
    let new = (1..8_u64, 0..8_u64).prop_map(|(one_in, rest)| Wish::New(one_in, rest % one_in));
    let wish = prop_oneof![
        4 => Just(None),
        3 => new.prop_map(Some),
        1 => any::<Index>().prop_map(|index| Some(Wish::Same(index))),
    ];
    let rendering = prop::sample::select(RENDERINGS.to_vec());
    let framing = prop::sample::select(FRAMINGS.to_vec());
    let budget = prop_oneof![0..400_usize, Just(1 << 20)];
    let join = (rendering, framing, since, wish);
    let write = (any::<Index>(), budget.clone(), 0..=8_usize);
    prop_oneof![
        8 => (hole, vec(size, 0..6)).prop_map(|(hole, sizes)| Act::Publish(hole, sizes)),
        1 => (1..40_u64).prop_map(Act::StepBack),
        1 => (1..3_usize).prop_map(Act::Expire),
        1 => any::<Index>().prop_map(Act::Damage),
        4 => join.prop_map(|(r, f, s, w)| Act::Join(r, f, s, w)),
        1 => Just(Act::Compile),
        6 => (any::<Index>(), prop::bool::weighted(0.8)).prop_map(|(i, wait)| Act::Ready(i, wait)),
        10 => write.prop_map(|(i, b, n)| Act::Write(i, b, n)),
        2 => (any::<Index>(), budget.clone()).prop_map(|(i, b)| Act::Cancel(i, b)),
        4 => (any::<Index>(), budget).prop_map(|(i, b)| Act::Take(i, b)),
        2 => any::<Index>().prop_map(Act::Interject),
        1 => any::<Index>().prop_map(Act::Leave),
        1 => Just(Act::Close),
    ]
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let ring_bytes = prop_oneof![0..2_000_usize, Just(1 << 20)];
    (ring_bytes, 0..3_000_usize, any::<bool>()).prop_map(|(ring_bytes, chunk_bytes, linger)| {
        let linger = if linger { ROOMY.linger } else { std::time::Duration::ZERO };
        Limits { ring_bytes, chunk_bytes, linger, ..ROOMY }
    })
}

/// The history of a world: how many pages it has at the start, and how many readers may read it.
pub(super) fn archive() -> impl Strategy<Value = Option<(usize, usize)>> {
    prop::option::of((0..4_usize, 0..4_usize))
}
