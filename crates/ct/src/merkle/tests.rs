//! Tests of hashes, proofs and compact ranges against the definition of RFC 6962.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::tile::{TILE_WIDTH, Tile, TileKind};

/// The definition in RFC 6962 section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn pushed(leaves: &[Hash]) -> CompactRange {
    let mut range = CompactRange::new();
    leaves.iter().for_each(|leaf| range.push(*leaf));
    range
}

/// Nodes as a log would keep them; a subtree beyond the tree is a fault of the caller.
fn node(leaves: &[Hash]) -> impl Fn(u8, u64) -> Hash {
    |level, index| {
        let first = usize::try_from(index << level).unwrap();
        naive_root(&leaves[first..first + (1 << level)])
    }
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hashes of RFC 6962 implementations everywhere: `""`, `00`, `10`, ... are the first leaves of
/// the trees that the original implementation was tested with.
#[test]
fn hashes_equal_published_vectors() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex(&empty_root()), empty);
    assert_eq!(hex(&CompactRange::new().root()), empty);
    let leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(hex(&leaf_hash(b"")), leaf);
    let two = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
    assert_eq!(hex(&tree_hash(&[leaf_hash(b""), leaf_hash(b"\0")])), two);
    let three = "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77";
    assert_eq!(hex(&tree_hash(&[leaf_hash(b""), leaf_hash(b"\0"), leaf_hash(b"\x10")])), three);
    assert_eq!(leaf_hash_parts(&[b"ab", b"", b"c"]), leaf_hash(b"abc"));
}

#[test]
fn roots_of_small_trees_match_the_definition() {
    let all = leaves(200);
    for size in 0..=200_u64 {
        let tree = &all[..size as usize];
        let root = naive_root(tree);
        let range = pushed(tree);
        assert_eq!((range.size(), range.root()), (size, root));
        assert_eq!(range.hashes().len(), size.count_ones() as usize);
        assert_eq!(tree_hash(tree), root);
        assert_eq!(root_of_size(size, &node(tree)), root);
        assert_eq!(CompactRange::from_hashes(size, range.hashes().to_vec()), Ok(range));
    }
}

#[test]
fn proofs_of_small_trees_verify() {
    let all = leaves(40);
    for size in 1..=40_u64 {
        let tree = &all[..size as usize];
        let root = naive_root(tree);
        for index in 0..size {
            let path = inclusion_proof(index, size, &node(tree)).unwrap();
            let leaf = &tree[index as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &path, &root), Ok(()));
            let range = CompactRange::from_inclusion_proof(leaf, index, size, &path, &root);
            assert_eq!(range, Ok(pushed(&tree[..=index as usize])));
            let other = CompactRange::from_inclusion_proof(leaf, index, size, &path, &[0; 32]);
            assert_eq!(other, Err(ProofError::Root));
        }
        for first in 1..=size {
            let first_root = naive_root(&tree[..first as usize]);
            let proof = consistency_proof(first, size, &node(tree)).unwrap();
            assert_eq!(verify_consistency(first, &first_root, size, &root, &proof), Ok(()));
        }
        let last = size - 1;
        let path = inclusion_proof(last, size, &node(tree)).unwrap();
        let range = CompactRange::from_audit_path(size, &tree[last as usize], &path);
        assert_eq!(range, Ok(pushed(tree)));
    }
}

#[test]
fn proofs_beyond_the_tree_are_errors() {
    let (root, other) = ([1; 32], [2; 32]);
    let index = Err(ProofError::Index { index: 5, size: 5 });
    assert_eq!(verify_inclusion(&root, 5, 5, &[], &root), index);
    assert_eq!(inclusion_proof(5, 5, &|_, _| root), index.map(|()| vec![]));
    let none = Err(ProofError::Index { index: 0, size: 0 });
    assert_eq!(verify_inclusion(&root, 0, 0, &[], &root), none);
    for (first, second) in [(0, 0), (0, 5), (6, 5)] {
        let sizes = Err(ProofError::Sizes { first, second });
        assert_eq!(verify_consistency(first, &root, second, &root, &[]), sizes);
        assert_eq!(consistency_proof(first, second, &|_, _| root), sizes.map(|()| vec![]));
    }
    assert_eq!(verify_consistency(3, &root, 3, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(3, &root, 3, &other, &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency(3, &root, 3, &root, &[other]), Err(ProofError::Length(1)));
    assert_eq!(verify_consistency(3, &root, 5, &root, &[]), Err(ProofError::Length(0)));
    assert_eq!(verify_consistency(4, &root, 5, &root, &[]), Err(ProofError::Length(0)));
}

#[test]
fn invalid_ranges_are_refused() {
    let hashes = |n| vec![[0; 32]; n];
    let error = RangeError::Hashes { size: 5, expected: 2, actual: 1 };
    assert_eq!(CompactRange::from_hashes(5, hashes(1)), Err(error));
    assert_eq!(CompactRange::from_audit_path(0, &[0; 32], &[]), Err(RangeError::Empty));
    let error = RangeError::AuditPath { size: 6, expected: 2, actual: 3 };
    assert_eq!(CompactRange::from_audit_path(6, &[0; 32], &hashes(3)), Err(error));
    let error = RangeError::Tiles { size: 257, expected: 2, actual: 1 };
    assert_eq!(CompactRange::from_right_edge(257, &[hashes(1)]), Err(error));
    let tile = Tile { kind: TileKind::Level(0), index: 1, width: 3 };
    let error = RangeError::Width { tile, actual: 2 };
    assert_eq!(CompactRange::from_right_edge(259, &[hashes(1), hashes(2)]), Err(error));
}

#[test]
fn a_tile_that_does_not_fit_is_refused() {
    let mut range = pushed(&leaves(300));
    let before = range.clone();
    let tile = |level, index, width| Tile { kind: TileKind::Level(level), index, width };
    assert_eq!(range.next_tile(400), Some(tile(0, 1, 144)));
    assert_eq!(range.next_tile(300), None);
    assert_eq!(range.next_tile(299), None);
    let data = Tile { kind: TileKind::Data, index: 1, width: 144 };
    for tile in [tile(0, 0, 256), tile(0, 1, 44), tile(0, 2, 1), tile(1, 0, 2), tile(9, 0, 2), data]
    {
        let error = RangeError::Elsewhere { tile, size: 300 };
        assert_eq!(range.push_tile(&tile, &vec![[0; 32]; 256]), Err(error));
    }
    let short = RangeError::Width { tile: tile(0, 1, 144), actual: 143 };
    assert_eq!(range.push_tile(&tile(0, 1, 144), &vec![[0; 32]; 143]), Err(short));
    assert_eq!(range, before);
    let last = Tile { kind: TileKind::Level(5), index: u64::MAX, width: 256 };
    assert!(range.push_tile(&last, &vec![[0; 32]; 256]).is_err());
}

#[test]
fn the_largest_ranges_do_not_overflow() {
    let max = 1 << 63;
    let too_large = Err(RangeError::TooLarge(max + 1));
    assert_eq!(CompactRange::from_hashes(max + 1, vec![[0; 32]; 2]), too_large);
    assert_eq!(CompactRange::from_right_edge::<Vec<Hash>>(max + 1, &[]), too_large);
    let mut largest = CompactRange::from_hashes(max, vec![[0; 32]]).unwrap();
    assert_eq!(
        CompactRange::from_right_edge(max, &[vec![[0; 32]; 128]]).map(|r| r.size()),
        Ok(max)
    );
    for level in [0, 63, 64, 255] {
        let error = RangeError::Unaligned { size: max, level };
        assert_eq!(largest.push_subtree(level, [0; 32]), Err(error));
    }
    assert_eq!(CompactRange::new().push_subtree(63, [0; 32]), Ok(()));
    let last = u64::MAX - 1;
    let asked = Cell::new(0);
    let any = |_, _| {
        asked.set(asked.get() + 1);
        [0; 32]
    };
    assert_eq!(inclusion_proof(last, u64::MAX, &any).map(|path| path.len()), Ok(63));
    assert_eq!(consistency_proof(1, u64::MAX, &any).map(|proof| proof.len()), Ok(64));
    assert!(asked.get() < 3000, "{} nodes asked for", asked.get());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn subtrees_and_leaves_make_the_same_range(levels in vec(0..7_u8, 0..20)) {
        let all = leaves(20 * 64);
        let (mut range, mut size) = (CompactRange::new(), 0_usize);
        for level in levels {
            let end = size + (1 << level);
            let before = range.clone();
            let result = range.push_subtree(level, tree_hash(&all[size..end]));
            if size % (1 << level) == 0 {
                prop_assert_eq!(result, Ok(()));
                size = end;
            } else {
                prop_assert!(result.is_err());
                prop_assert_eq!(&range, &before);
            }
        }
        prop_assert_eq!(range, pushed(&all[..size]));
    }

    #[test]
    fn the_right_edge_is_the_range(size in 0..200_000_u64, full: bool) {
        // Any hashes do for leaves; rows of a tall tree are made by folding 256 at a time.
        let mut rows = vec![leaves(size)];
        while rows[rows.len() - 1].len() >= 256 {
            let (tiles, _) = rows[rows.len() - 1].as_chunks::<256>();
            rows.push(tiles.iter().map(|tile| tree_hash(tile)).collect());
        }
        let tiles: Vec<Vec<Hash>> = Tile::right_edge(size)
            .map(|tile| {
                let TileKind::Level(level) = tile.kind else { panic!("{tile}") };
                let first = usize::try_from(tile.index * TILE_WIDTH).unwrap();
                let mut hashes = rows[usize::from(level)][first..].to_vec();
                prop_assert_eq!(hashes.len(), usize::from(tile.width));
                // A full tile in place of a partial one: what comes later is of no matter.
                hashes.resize(if full { 256 } else { hashes.len() }, [0xff; 32]);
                Ok(hashes)
            })
            .collect::<Result<_, _>>()?;
        prop_assert_eq!(CompactRange::from_right_edge(size, &tiles), Ok(pushed(&rows[0])));
    }

    #[test]
    fn tiles_lead_from_any_size_to_any_larger(
        sizes in (0..70_000_u64, 0..70_000_u64, 0..2_000_u64),
    ) {
        let (from, to) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
        let published = to + sizes.2;
        let all = leaves(published);
        let mut rows = vec![all.clone()];
        while rows[rows.len() - 1].len() >= 256 {
            let (tiles, _) = rows[rows.len() - 1].as_chunks::<256>();
            rows.push(tiles.iter().map(|tile| tree_hash(tile)).collect());
        }
        let mut range = pushed(&all[..from as usize]);
        let mut asked = 0;
        while let Some(tile) = range.next_tile(to) {
            // The log has tiles as wide as its published tree makes them.
            let served = Tile::of_tree(tile.kind, tile.index, published).unwrap();
            let TileKind::Level(level) = tile.kind else { panic!("{tile}") };
            let first = usize::try_from(tile.index * TILE_WIDTH).unwrap();
            let hashes = &rows[usize::from(level)][first..first + usize::from(served.width)];
            prop_assert_eq!(range.push_tile(&tile, hashes), Ok(()));
            asked += 1;
        }
        prop_assert!(asked <= 6, "{} tiles", asked);
        prop_assert_eq!(range, pushed(&all[..to as usize]));
    }

    #[test]
    fn altered_proofs_are_refused(
        size in 2..300_u64,
        index: prop::sample::Index,
        change: prop::sample::Index,
        bit in 0..256_usize,
    ) {
        let tree = leaves(size);
        let root = tree_hash(&tree);
        let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);

        let leaf = index.index(tree.len());
        let path = inclusion_proof(leaf as u64, size, &node(&tree)).unwrap();
        let refused = |leaf_index, size, path: &[Hash]| {
            verify_inclusion(&tree[leaf], leaf_index, size, path, &root).is_err()
        };
        let mut flipped = path.clone();
        flip(&mut flipped[change.index(path.len())]);
        prop_assert!(refused(leaf as u64, size, &flipped));
        prop_assert!(refused(leaf as u64 ^ 1, size, &path));
        prop_assert!(refused(leaf as u64, size, &path[1..]));
        prop_assert!(refused(leaf as u64, size, &[&path[..], &[root]].concat()));

        let first = leaf as u64 + 1;
        let proof = consistency_proof(first, size, &node(&tree)).unwrap();
        let first_root = tree_hash(&tree[..first as usize]);
        let refused = |proof: &[Hash]| {
            verify_consistency(first, &first_root, size, &root, proof).is_err()
        };
        prop_assert!(refused(&[&proof[..], &[root]].concat()));
        if !proof.is_empty() {
            let mut flipped = proof.clone();
            flip(&mut flipped[change.index(proof.len())]);
            prop_assert!(refused(&flipped));
            prop_assert!(refused(&proof[1..]));
        }
    }

    #[test]
    fn arbitrary_proofs_do_not_panic(first: u64, second: u64, proof in vec(any::<Hash>(), 0..70)) {
        let root = [0; 32];
        for (first, second) in [(first, second), (second, first), (first, first.saturating_add(1))] {
            verify_inclusion(&root, first, second, &proof, &root).ok();
            verify_consistency(first, &root, second, &root, &proof).ok();
            CompactRange::from_audit_path(first, &root, &proof).ok();
            CompactRange::from_inclusion_proof(&root, first, second, &proof, &root).ok();
        }
    }
}
