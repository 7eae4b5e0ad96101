//! Responses to get-entries: the page, the leaves and their extra data.

use ct::entries::parse_get_entries;
use ct::leaf::{EntryType, ExtraData, Leaf, LeafEntry, leaf_index_extension};
use ct::merkle::leaf_hash;
use ct::tile::TileLeaf;

/// Checks that a leaf is written byte for byte as it was read, and means the same in both
/// protocols.
pub fn check(data: &[u8]) {
    if let Ok(leaf) = Leaf::parse(data) {
        leaf_of(data, &leaf);
    }
    match Leaf::parse_front(data) {
        Ok((leaf, rest)) => {
            let whole = data.strip_suffix(rest).unwrap_or_default();
            assert_eq!(Leaf::parse(whole), Ok(leaf));
        }
        Err(_) => assert!(Leaf::parse(data).is_err()),
    }
    for entry_type in [EntryType::X509, EntryType::Precert] {
        if let Ok(extra) = ExtraData::parse(entry_type, data) {
            let mut written = Vec::new();
            assert_eq!(extra.encode(&mut written), Ok(()));
            assert_eq!(written, data);
        }
        let (extra, error) = ExtraData::parse_lossy(entry_type, data);
        assert_eq!(ExtraData::parse(entry_type, data).err(), error);
        assert!(error.is_none() || extra.chain.is_empty());
        let is_precertificate = entry_type == EntryType::Precert;
        assert!(extra.precertificate.is_none() || is_precertificate);
    }
    if let Ok(entries) = parse_get_entries(data) {
        let bytes = |length: usize, entry: &ct::entries::RawEntry| {
            length + entry.leaf_input.len() + entry.extra_data.len()
        };
        assert!(entries.iter().fold(0, bytes) <= data.len());
    }
}

fn leaf_of(data: &[u8], leaf: &Leaf<'_>) {
    let mut written = Vec::new();
    assert_eq!(leaf.encode(&mut written), Ok(()));
    assert_eq!(written, data);
    if let Ok(Some(index)) = leaf.leaf_index() {
        assert!(index < 1 << 40);
        let extension = leaf_index_extension(index);
        assert!(leaf.extensions.windows(extension.len()).any(|window| window == extension));
    }
    let precertificate = match leaf.entry {
        LeafEntry::X509 { .. } => None,
        LeafEntry::Precert { tbs, .. } => Some(tbs),
    };
    let tiled = TileLeaf::from_merkle_tree_leaf(data, precertificate, &[]);
    assert_eq!(tiled.map(|tiled| tiled.leaf_hash()), Ok(leaf_hash(data)));
}

/// A leaf of each type, with and without its index.
pub(crate) fn leaves() -> Vec<Vec<u8>> {
    let entries = [
        LeafEntry::X509 { certificate: b"certificate" },
        LeafEntry::Precert { issuer_key_hash: &[7; 32], tbs: b"tbs" },
    ];
    let index = leaf_index_extension(0x01_0203_0405);
    let mut leaves = Vec::new();
    for entry in entries {
        for extensions in [&[][..], &index, &[9, 0, 1, 0xff, 0, 0, 5, 0, 0, 0, 0, 1]] {
            let leaf = Leaf { timestamp: 1_700_000_000_123, entry, extensions };
            let mut written = Vec::new();
            if leaf.encode(&mut written).is_ok() {
                leaves.push(written);
            }
        }
    }
    leaves
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = leaves();
    for precertificate in [None, Some(&b"precertificate"[..])] {
        for chain in [vec![], vec![&b"issuer"[..], b"root"]] {
            let mut written = Vec::new();
            if (ExtraData { precertificate, chain }).encode(&mut written).is_ok() {
                seeds.push(written);
            }
        }
    }
    seeds.push(br#"{"entries":[]}"#.to_vec());
    seeds.push(br#"{"entries":[{"leaf_input":"AAAA","extra_data":"AA\/+"}]}"#.to_vec());
    seeds
}
