//! One log's tree, recomputed from the entries as they were served.
//!
//! The frontier is a compact range ([`CompactRange`]): at most 64 hashes, from which the root at the
//! position follows and to which entries are appended. Where the log's signed heads have the same
//! roots, every entry read is the one the log has committed to.

use ct::Hash;
use ct::merkle::CompactRange;
use record::{Proved, Tree};

use crate::tree::contradiction::{Contradiction, Point};
use crate::tree::heads::{Heads, Reached};

/// The most points remembered between two proofs. If there are more, every other one is dropped.
const MOST_MARKS: usize = 128;

/// The tree of one log's entries as they are read, and how far it is proved.
#[derive(Debug, Clone)]
pub struct Frontier {
    /// Entries below were not read: the tree only commits to them.
    from: u64,
    /// The newest tree that a head proves.
    proved: Point,
    /// The tree of the entries emitted.
    emitted: CompactRange,
    /// The tree of the entries read.
    read: CompactRange,
    /// Trees between `proved` and `read`, to narrow down where a mismatch lies.
    marks: Vec<Point>,
    /// The number of batches for each mark.
    spacing: usize,
    unmarked: usize,
}

impl Frontier {
    /// Begins with a tree that is proved to be the beginning of a head's.
    pub fn new(proved: CompactRange) -> Self {
        let point = Point::of_range(&proved);
        Self::with(point.size, point, proved)
    }

    fn with(from: u64, proved: Point, read: CompactRange) -> Self {
        let emitted = read.clone();
        Self { from, proved, emitted, read, marks: Vec::new(), spacing: 1, unmarked: 0 }
    }

    /// Resumes from a tree that was saved; returns `None` if it is not one of `position` entries.
    #[must_use]
    pub fn resume(saved: Tree, position: u64) -> Option<Self> {
        if !saved.is_consistent(position) || saved.from > saved.proved.size {
            return None;
        }
        let Tree { read, from, proved: Proved { size, root } } = saved;
        let mut frontier = Self::with(from, Point { size, root }, read);
        frontier.mark();
        Some(frontier)
    }

    /// Returns the tree of the entries emitted, to resume from.
    #[must_use]
    pub fn save(&self) -> Tree {
        self.tree(self.emitted.clone())
    }

    /// Returns a tree that was read, with the largest part of it that is proved: all of it, if it is
    /// the beginning of the tree that a head proves.
    #[must_use]
    pub fn tree(&self, read: CompactRange) -> Tree {
        let is_proved = read.size() < self.proved.size;
        let proved = if is_proved { Point::of_range(&read) } else { self.proved };
        let Point { size, root } = proved;
        Tree { read, from: self.from, proved: Proved { size, root } }
    }

    /// Returns the index below which entries were not read.
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// Returns the newest tree that a head proves.
    pub const fn proved(&self) -> Point {
        self.proved
    }

    /// Returns the tree of the entries read.
    pub const fn read(&self) -> &CompactRange {
        &self.read
    }

    /// Returns the tree of the entries emitted.
    pub const fn emitted(&self) -> &CompactRange {
        &self.emitted
    }

    /// Returns trees between the one proved and the one read, smallest first; that one is last.
    pub fn marks(&self) -> Vec<Point> {
        let mut marks = self.marks.clone();
        if marks.last().is_none_or(|last| last.size < self.read.size()) {
            marks.push(Point::of_range(&self.read));
        }
        marks
    }

    /// Appends entries, and compares the tree with every head on the way. Returns the contradictions.
    pub fn push(&mut self, leaf_hashes: &[Hash], heads: &mut Heads) -> Vec<Contradiction> {
        if heads.next_size().is_some_and(|size| size <= self.read.size()) {
            heads.pass_over(self.read.size());
        }
        let mut contradictions = Vec::new();
        let mut rest = leaf_hashes;
        while !rest.is_empty() {
            let left = heads.next_size().map(|size| size.saturating_sub(self.read.size()));
            let left = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(rest.len());
            let (now, later) = rest.split_at(left.clamp(1, rest.len()));
            now.iter().for_each(|hash| self.read.push(*hash));
            contradictions.extend(self.compare(heads));
            rest = later;
        }
        if self.proved.size < self.read.size() {
            self.unmarked += 1;
            if self.unmarked >= self.spacing {
                self.mark();
            }
        }
        contradictions
    }

    /// Compares the tree with the head of its size, if there is one.
    fn compare(&mut self, heads: &mut Heads) -> Option<Contradiction> {
        if heads.next_size() != Some(self.read.size()) {
            return None;
        }
        match heads.reached(Point::of_range(&self.read))? {
            Reached::Proved => {
                self.prove();
                None
            }
            Reached::Contradicted(contradiction) => Some(contradiction),
        }
    }

    /// Notes that the entries read are proved; returns their tree.
    pub fn prove(&mut self) -> Point {
        self.proved = Point::of_range(&self.read);
        self.marks.clear();
        (self.spacing, self.unmarked) = (1, 0);
        self.proved
    }

    /// Notes that the entries of `range` have been emitted.
    pub fn emit(&mut self, range: CompactRange) {
        self.emitted = range;
    }

    /// Forgets the entries that were read and not emitted.
    pub fn rewind(&mut self) {
        self.read = self.emitted.clone();
        let end = self.read.size();
        self.marks.retain(|mark| mark.size <= end);
    }

    fn mark(&mut self) {
        self.unmarked = 0;
        self.marks.push(Point::of_range(&self.read));
        if self.marks.len() >= MOST_MARKS {
            let mut number = 0;
            self.marks.retain(|_| {
                number += 1;
                number % 2 == 0
            });
            self.spacing = self.spacing.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ct::head::{SignedHead, TreeHead};
    use ct::merkle::{leaf_hash, tree_hash};
    use proptest::prelude::*;

    use super::*;
    use crate::tree::contradiction::{AlarmKind, ServedHead};

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    fn head(size: u64, root: Hash) -> ServedHead {
        let head = TreeHead { size, timestamp: 0, root };
        ServedHead { signed: SignedHead { head, signature: vec![] }, body: Bytes::new() }
    }

    fn heads(trees: &[(u64, Hash)]) -> Heads {
        let mut heads = Heads::new(None, true);
        for (size, root) in trees {
            heads.accept(head(*size, *root), 0).expect("nothing is signed here");
        }
        heads
    }

    #[test]
    fn every_head_on_the_way_is_compared() {
        let all = leaves(700);
        let root = |size: usize| tree_hash(&all[..size]);
        let mut heads = heads(&[(1, root(1)), (256, root(256)), (300, [7; 32]), (699, root(699))]);
        let mut frontier = Frontier::new(CompactRange::new());
        let mut found = Vec::new();
        for batch in all.chunks(250) {
            found.extend(frontier.push(batch, &mut heads));
        }
        let [wrong] = &found[..] else { panic!("{found:?}") };
        assert_eq!((wrong.kind, wrong.expected.size), (AlarmKind::Mismatch, 300));
        assert_eq!(wrong.expected.root, root(300), "what was read is not to blame");
        assert_eq!(frontier.proved(), Point { size: 699, root: root(699) });
        assert_eq!((frontier.read().size(), heads.next_size()), (700, None));
    }

    #[test]
    fn a_saved_tree_is_resumed_and_an_inconsistent_one_is_not() {
        let mut frontier = Frontier::new(CompactRange::new());
        let mut heads = heads(&[(100, tree_hash(&leaves(100)))]);
        assert!(frontier.push(&leaves(130), &mut heads).is_empty());
        assert_eq!(frontier.save().read.size(), 0, "nothing has been emitted");
        frontier.emit(frontier.read().clone());
        let saved = frontier.save();
        let resumed = Frontier::resume(saved.clone(), 130).expect("it makes a tree");
        assert_eq!(resumed.read(), frontier.read());
        assert_eq!((resumed.from(), resumed.proved()), (0, frontier.proved()));
        assert_eq!(resumed.marks(), [Point::of_range(frontier.read())]);

        assert!(Frontier::resume(saved.clone(), 131).is_none(), "another position");
        let beyond = Proved { size: 131, ..saved.proved };
        for corrupt in [Tree { proved: beyond, ..saved.clone() }, Tree { from: 101, ..saved }] {
            assert!(Frontier::resume(corrupt.clone(), 130).is_none(), "{corrupt:?}");
        }
    }

    #[test]
    fn a_tree_below_the_proved_one_is_proved_as_a_whole() {
        let mut frontier = Frontier::new(CompactRange::new());
        let mut heads = heads(&[(100, tree_hash(&leaves(100)))]);
        frontier.push(&leaves(60), &mut heads);
        let before = frontier.read().clone();
        frontier.push(&leaves(100)[60..], &mut heads);
        assert_eq!(frontier.proved().size, 100);
        let tree = frontier.tree(before);
        assert_eq!((tree.proved.size, tree.proved.root), (60, tree_hash(&leaves(60))));
        let resumed = Frontier::resume(tree, 60).expect("it is consistent");
        assert_eq!(resumed.proved().size, 60);
    }

    #[test]
    fn marks_are_thinned_and_bounded() {
        let all = leaves(10_000);
        let mut frontier = Frontier::new(CompactRange::new());
        for batch in all.chunks(10) {
            frontier.push(batch, &mut Heads::new(None, true));
            assert!(frontier.marks().len() <= MOST_MARKS);
        }
        let marks = frontier.marks();
        assert!(marks.len() >= MOST_MARKS / 4, "{}", marks.len());
        assert_eq!(marks.last(), Some(&Point::of_range(frontier.read())));
        assert!(marks.iter().all(|mark| mark.root == tree_hash(&all[..mark.size as usize])));
        frontier.rewind();
        assert_eq!((frontier.read().size(), frontier.marks().len()), (0, 1));
    }

    proptest! {
        /// The tree is the same for all batches and all positions of heads.
        #[test]
        fn the_tree_does_not_depend_on_batches(
            cuts in proptest::collection::vec(1..40_usize, 1..20),
            sizes in proptest::collection::btree_set(1..300_u64, 0..10),
        ) {
            let all = leaves(cuts.iter().sum::<usize>() as u64);
            let trees: Vec<_> = sizes
                .iter()
                .filter(|size| **size <= all.len() as u64)
                .map(|size| (*size, tree_hash(&all[..*size as usize])))
                .collect();
            let mut heads = heads(&trees);
            let mut frontier = Frontier::new(CompactRange::new());
            let mut rest = &all[..];
            for cut in cuts {
                let (batch, later) = rest.split_at(cut);
                prop_assert!(frontier.push(batch, &mut heads).is_empty());
                rest = later;
            }
            prop_assert_eq!(frontier.read().root(), tree_hash(&all));
            prop_assert_eq!(frontier.proved().size, trees.last().map_or(0, |(size, _)| *size));
        }
    }
}
