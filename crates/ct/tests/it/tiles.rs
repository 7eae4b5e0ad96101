//! Tiles of a real static log, and of a tlog-tiles log, whose hash tiles are the same.

use std::path::Path;

use ct::Hash;
use ct::leaf::{EntryType, Leaf};
use ct::merkle::{CompactRange, leaf_hash, tree_hash};
use ct::tile::{Tile, TileKind, TileLeaf};

use crate::{data, hash, read};

fn tile(root: &Path, tile: Tile) -> Vec<u8> {
    read(&root.join(tile.to_string()))
}

#[test]
fn every_leaf_hash_equals_its_level_0_hash() {
    let Some(data) = data() else { return };
    let root = data.join("tiles/navigli2025h2");
    let mut next = 0;
    let mut range = CompactRange::new();
    for of_data in Tile::data_covering(0..1024, 1024) {
        let of_hashes = Tile { kind: TileKind::Level(0), ..of_data };
        let (bytes, hashes) = (tile(&root, of_data), tile(&root, of_hashes));
        let hashes = of_hashes.hashes(&hashes).unwrap();
        let leaves: Vec<_> = TileLeaf::iter(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(leaves.len(), hashes.len());
        let mut encoded = Vec::new();
        for (leaf, expected) in leaves.iter().zip(hashes) {
            assert_eq!(leaf.leaf_hash(), *expected, "{of_data} entry {next}");
            assert_eq!(leaf.leaf.leaf_index(), Ok(Some(next)));
            assert_eq!(leaf.leaf.entry_type(), EntryType::Precert);
            assert!(leaf.precertificate.is_some() && !leaf.fingerprints.is_empty());
            leaf.encode(&mut encoded).unwrap();

            // The same entry as RFC 6962 has it, and back.
            let mut merkle_tree_leaf = Vec::new();
            leaf.leaf.encode(&mut merkle_tree_leaf).unwrap();
            assert_eq!(leaf_hash(&merkle_tree_leaf), *expected);
            assert_eq!(Leaf::parse(&merkle_tree_leaf), Ok(leaf.leaf));
            let again = TileLeaf::from_merkle_tree_leaf(
                &merkle_tree_leaf,
                leaf.precertificate,
                leaf.fingerprints,
            );
            assert_eq!(again, Ok(*leaf));
            range.push(*expected);
            next += 1;
        }
        assert_eq!(encoded, bytes, "{of_data}");
    }
    assert_eq!(next, 1024);

    // Folded tile by tile, the same.
    let mut by_tiles = CompactRange::new();
    for of_hashes in (0..4).filter_map(|n| Tile::of_tree(TileKind::Level(0), n, 1024)) {
        let bytes = tile(&root, of_hashes);
        by_tiles.push_subtree(8, tree_hash(of_hashes.hashes(&bytes).unwrap())).unwrap();
    }
    assert_eq!(by_tiles, range);
}

#[test]
fn a_partial_tile_is_the_beginning_of_the_full_one() {
    let Some(data) = data() else { return };
    let root = data.join("tiles/navigli2025h2");
    for kind in [TileKind::Data, TileKind::Level(0)] {
        let partial = Tile::of_tree(kind, 3, 778).unwrap();
        assert_eq!(partial.width, 10);
        let (bytes, full) = (tile(&root, partial), tile(&root, partial.to_full()));
        assert!(full.starts_with(&bytes), "{partial}");
        if kind == TileKind::Data {
            assert_eq!(TileLeaf::iter(&bytes).map(Result::unwrap).count(), 10);
        }
    }
    // The frontier at 778, from the partial or the full tile.
    let level_1: Vec<Hash> = (0..3)
        .map(|n| {
            let full = Tile::of_tree(TileKind::Level(0), n, 778).unwrap();
            tree_hash(full.hashes(&tile(&root, full)).unwrap())
        })
        .collect();
    let mut edge: Vec<_> = Tile::right_edge(778).collect();
    let partial = edge.pop().unwrap();
    assert_eq!((edge.len(), edge[0].to_string()), (1, "tile/1/000.p/3".to_owned()));
    let ranges = [partial, partial.to_full()].map(|edge| {
        let bytes = tile(&root, edge);
        let hashes = edge.hashes(&bytes).unwrap().to_vec();
        CompactRange::from_right_edge(778, &[level_1.clone(), hashes]).unwrap()
    });
    assert_eq!(ranges[0], ranges[1]);
    let mut pushed = CompactRange::new();
    for of_data in Tile::data_covering(0..778, 778) {
        for leaf in TileLeaf::iter(&tile(&root, of_data)) {
            pushed.push(leaf.unwrap().leaf_hash());
        }
    }
    assert_eq!(pushed, ranges[0]);
}

/// Sixteen sizes of one log: the root of each checkpoint is that of its partial tile.
#[test]
fn roots_of_a_growing_log() {
    let Some(data) = data() else { return };
    let root = data.join("tiles/tesseract-tlog-tiles");
    for size in 0..=15 {
        let checkpoint = String::from_utf8(read(&root.join(format!("checkpoint.{size}")))).unwrap();
        let lines: Vec<_> = checkpoint.lines().collect();
        assert_eq!(lines[1], size.to_string());
        let edge: Vec<Vec<Hash>> = Tile::right_edge(size)
            .map(|edge| edge.hashes(&tile(&root, edge)).unwrap().to_vec())
            .collect();
        let range = CompactRange::from_right_edge(size, &edge).unwrap();
        assert_eq!(Some(range.root()), hash(lines[2]), "size {size}");
    }
}
