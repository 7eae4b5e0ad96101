//! Tests of the kept hashes of a growing tree.

use ct::merkle::{leaf_hash, root_of_size};

use super::*;

fn leaf(number: u64) -> Hash {
    leaf_hash(&number.to_be_bytes())
}

fn plain(leaves: impl Iterator<Item = Hash>, keep: usize) -> Tree {
    let mut tree = Tree::new(keep);
    leaves.for_each(|leaf| tree.push(leaf));
    tree
}

/// Any node, from leaf hashes all of which are kept.
fn node(tree: &Tree, level: u8, index: u64) -> Hash {
    match level {
        0..8 => tree_hash(&tree.leaves(index << level, 1 << level).unwrap()),
        _ => tree.inner_node(level.into(), index),
    }
}

#[test]
fn rows_and_frontier_agree_at_every_size() {
    let mut tree = Tree::new(70_000);
    for number in 0..67_000 {
        tree.push(leaf(number));
        if number % 997 == 0 || (65_530..65_540).contains(&number) {
            let root = root_of_size(number + 1, &|level, index| node(&tree, level, index));
            assert_eq!(tree.root(), root, "{number}");
        }
    }
}

#[test]
fn a_repeated_block_is_as_if_it_had_been_pushed() {
    let block: Vec<_> = (0..65_536).map(leaf).collect();
    let times = 3;
    let size = times * 65_536;
    let mut short = Tree::of_repeated_block(&block, times, 1_000).unwrap();
    let mut long = plain((0..size).map(|i| leaf(i % 65_536)), 1_000);
    for number in 0..66_000 {
        assert_eq!(short.size(), long.size());
        assert_eq!(
            short.leaves(short.size() - 1_000, 1_000),
            long.leaves(long.size() - 1_000, 1_000)
        );
        short.push(leaf(size + number));
        long.push(leaf(size + number));
    }
    assert_eq!(short.root(), long.root());
    assert_eq!(short.row(1, 0, 1_025), long.row(1, 0, 1_025));
    assert_eq!(short.row(2, 0, 4), long.row(2, 0, 4));
}

#[test]
fn upper_rows_of_a_long_repeated_history_fill_up() {
    let block: Vec<_> = (0..65_536).map(leaf).collect();
    let mut tree = Tree::of_repeated_block(&block, 511, 256).unwrap();
    block.iter().for_each(|leaf| tree.push(*leaf));
    let whole = Tree::of_repeated_block(&block, 512, 256).unwrap();
    assert_eq!(tree.root(), whole.root());
    assert_eq!(tree.row(3, 0, 2), whole.row(3, 0, 2));
    assert_eq!(tree.row(3, 0, 1), tree.row(3, 1, 1));
}

#[test]
fn a_tree_from_level_1_grows_like_one_from_leaves() {
    let leaves = 256 * 300;
    let mut long = plain((0..leaves).map(leaf), 256);
    let mut short = Tree::of_level_1(&long.row(1, 0, 300), 256).unwrap();
    assert_eq!(short.leaves(leaves - 1, 1), None);
    for number in 0..300 {
        short.push(leaf(number));
        long.push(leaf(number));
    }
    assert_eq!(short.root(), long.root());
    assert_eq!(short.row(2, 0, 1), long.row(2, 0, 1));
}

#[test]
fn kept_leaves_are_found_by_their_hash() {
    let tree = plain((0..1_000).map(leaf), 300);
    assert_eq!(tree.find(&leaf(999), 1_000), Some(999));
    assert_eq!(tree.find(&leaf(700), 1_000), Some(700));
    assert_eq!(tree.find(&leaf(999), 999), None);
    assert_eq!(tree.find(&leaf(699), 1_000), None);
    assert_eq!(tree.find(&leaf(700), 500), None);
}
