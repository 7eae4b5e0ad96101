//! A data tile, and the names of tiles.

use ct::Hash;
use ct::leaf::EntryType;
use ct::merkle::leaf_hash;
use ct::tile::{Tile, TileKind, TileLeaf, Work, resume};

use crate::leaf::leaves;

/// The entries of a tile are written again byte for byte as far as they could be read; a path is
/// the path of what it names.
pub fn check(data: &[u8]) {
    let mut written = Vec::new();
    let mut whole = true;
    for entry in TileLeaf::iter(data) {
        assert!(whole, "an entry after one that cannot be read");
        match entry {
            Ok(entry) => entry_of(&entry, &mut written),
            Err(_) => whole = false,
        }
    }
    assert!(data.starts_with(&written));
    if let Ok((entry, rest)) = TileLeaf::delimit(data) {
        assert_eq!([entry.whole, rest].concat(), data);
        assert!(entry.whole.starts_with(entry.timestamped_entry));
        if let Ok((read, after)) = TileLeaf::parse(data) {
            assert_eq!((read.leaf_hash(), after), (entry.leaf_hash(), rest));
        }
    } else {
        assert!(TileLeaf::parse(data).is_err());
    }
    assert_eq!(whole, written.len() == data.len());
    resumed(data);
    if let Ok(path) = str::from_utf8(data)
        && let Ok(tile) = path.parse::<Tile>()
    {
        assert_eq!(tile.to_string(), path);
        assert!((1..=256).contains(&tile.width));
        let leaves = tile.leaves();
        assert!(leaves.start <= leaves.end);
    }
}

/// Reading resumes within the tile, at an entry that can be told, and never for want of a hash.
fn resumed(data: &[u8]) {
    let mut hashes = vec![[0; 32]];
    let starts = (1..data.len()).rev().take(64);
    let entries = starts.filter_map(|start| TileLeaf::delimit(data.get(start..)?).ok());
    hashes.extend(entries.map(|(entry, _)| entry.leaf_hash()).take(3));
    if let Some(found) = resume(data, &hashes, &(0..u64::MAX), &mut Work::for_tile()) {
        assert!((1..=data.len().max(1)).contains(&found.length) || data.is_empty());
        assert!((1..=hashes.len()).contains(&found.entries));
        assert_eq!(found.hashed, None, "no bytes have that hash");
        let next = data.get(found.length..).unwrap_or_default();
        assert!(next.is_empty() || TileLeaf::delimit(next).is_ok());
    }
}

fn entry_of(entry: &TileLeaf<'_>, written: &mut Vec<u8>) {
    assert_eq!(entry.encode(written), Ok(()));
    let is_precertificate = entry.leaf.entry_type() == EntryType::Precert;
    assert_eq!(entry.precertificate.is_some(), is_precertificate);
    let merkle_tree_leaf = [b"\0\0", entry.timestamped_entry].concat();
    assert_eq!(entry.leaf_hash(), leaf_hash(&merkle_tree_leaf));
    let mut leaf = Vec::new();
    assert_eq!(entry.leaf.encode(&mut leaf), Ok(()));
    assert_eq!(leaf, merkle_tree_leaf);
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let fingerprints: [Hash; 2] = [[1; 32], [2; 32]];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for leaf in leaves() {
        for (precertificate, fingerprints) in
            [(None, &fingerprints[..]), (Some(&b"precertificate"[..]), &[])]
        {
            let entry = TileLeaf::from_merkle_tree_leaf(&leaf, precertificate, fingerprints);
            let mut written = Vec::new();
            if entry.and_then(|entry| entry.encode(&mut written)).is_ok() {
                seeds.push(written);
            }
        }
    }
    seeds.push(seeds.concat());
    for (kind, width) in [(TileKind::Data, 256), (TileKind::Level(0), 1), (TileKind::Level(5), 255)]
    {
        seeds.push(Tile { kind, index: 1_234_067, width }.to_string().into_bytes());
    }
    seeds
}
