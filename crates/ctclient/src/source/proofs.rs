//! Consistency proofs made of other proofs: of an inclusion proof, and of hash tiles.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ct::Hash;
use ct::merkle::{CompactRange, ProofError, consistency_proof, tree_hash};
use ct::tile::{TILE_WIDTH, Tile, TileKind};

/// Returns the consistency proof of `range` with a larger tree, from the inclusion proof of its last leaf
/// in that tree, leaf to root: the part of the path above the last complete subtree of the range.
pub(super) fn consistency_of_inclusion(range: &CompactRange, path: &[Hash]) -> Vec<Hash> {
    let size = range.size();
    let within = usize::try_from(size.trailing_zeros()).unwrap_or(usize::MAX);
    // The root of a complete tree is known to a program that verifies the proof.
    let seed = if size.is_power_of_two() { None } else { range.hashes().last() };
    seed.into_iter().chain(path.iter().skip(within)).copied().collect()
}

/// The tile that a node's hash is computed from, and the node's place in it: the number of its first
/// hash, and the number of hashes.
fn place(level: u8, index: u64) -> (TileKind, u64, usize, usize) {
    let (kind, within) = (TileKind::Level(level / 8), level % 8);
    let first = index << within;
    let start = usize::try_from(first % TILE_WIDTH).unwrap_or_default();
    (kind, first / TILE_WIDTH, start, 1 << within)
}

/// Returns the hash tiles that the consistency proof between trees of these sizes is made of, as wide as
/// the larger tree makes them.
pub(super) fn tiles_of_consistency(first: u64, second: u64) -> Result<Vec<Tile>, ProofError> {
    let tiles = RefCell::new(BTreeSet::new());
    consistency_proof(first, second, &|level, index| {
        let (kind, tile, ..) = place(level, index);
        tiles.borrow_mut().extend(Tile::of_tree(kind, tile, second));
        Hash::default()
    })?;
    Ok(tiles.into_inner().into_iter().collect())
}

/// Returns the consistency proof between trees of these sizes, from the
/// [tiles](tiles_of_consistency) that it is made of. A hash that is missing is zero, so the proof proves
/// nothing.
pub(super) fn consistency_of_tiles(
    first: u64,
    second: u64,
    tiles: &HashMap<(TileKind, u64), Arc<[Hash]>>,
) -> Result<Vec<Hash>, ProofError> {
    consistency_proof(first, second, &|level, index| {
        let (kind, tile, start, count) = place(level, index);
        let hashes = tiles.get(&(kind, tile)).and_then(|tile| tile.get(start..start + count));
        hashes.map_or_else(Hash::default, tree_hash)
    })
}

#[cfg(test)]
mod tests {
    use ct::merkle::{inclusion_proof, leaf_hash, verify_consistency};
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    fn node(leaves: &[Hash], level: u8, index: u64) -> Hash {
        let (start, count) = ((index << level) as usize, 1 << level);
        tree_hash(&leaves[start..start + count])
    }

    fn check(first: u64, second: u64) {
        let all = leaves(second);
        let mut range = CompactRange::new();
        all[..first as usize].iter().for_each(|hash| range.push(*hash));
        let root = tree_hash(&all);
        let path = inclusion_proof(first - 1, second, &|level, index| node(&all, level, index));
        let of_inclusion = consistency_of_inclusion(&range, &path.unwrap());
        let tiles = tiles_of_consistency(first, second).unwrap().into_iter().map(|tile| {
            let TileKind::Level(level) = tile.kind else { panic!("{tile}") };
            let hash = |at| node(&all, level * 8, tile.index * TILE_WIDTH + at);
            ((tile.kind, tile.index), (0..u64::from(tile.width)).map(hash).collect())
        });
        let of_tiles = consistency_of_tiles(first, second, &tiles.collect()).unwrap();
        assert_eq!(of_inclusion, of_tiles, "{first} of {second}");
        let verified = verify_consistency(first, &range.root(), second, &root, &of_tiles);
        assert_eq!(verified, Ok(()), "{first} of {second}");
    }

    #[test]
    fn edges_of_tiles_are_proved() {
        for (first, second) in [(1, 2), (1, 700), (256, 700), (512, 70_000), (65_536, 70_000)] {
            check(first, second);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn proofs_of_both_kinds_are_the_same_and_verify(second in 2..3_000_u64, part in 0.0..1.0) {
            check(1 + ((second - 1) as f64 * part) as u64, second);
        }
    }
}
