//! Tests of tile paths, tile leaves and reading on behind unreadable entries.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::leaf::{Leaf, LeafEntry, LeafError};
use crate::merkle::leaf_hash;

fn data(index: u64, width: u16) -> Tile {
    Tile { kind: TileKind::Data, index, width }
}

fn level(level: u8, index: u64, width: u16) -> Tile {
    Tile { kind: TileKind::Level(level), index, width }
}

#[test]
fn tile_paths_are_written_and_read() {
    for (tile, path) in [
        (level(0, 0, 256), "tile/0/000"),
        (level(0, 5, 256), "tile/0/005"),
        (level(3, 999, 1), "tile/3/999.p/1"),
        (level(5, 1000, 256), "tile/5/x001/000"),
        (data(1_234_067, 256), "tile/data/x001/x234/067"),
        (data(1_234_067, 255), "tile/data/x001/x234/067.p/255"),
        (data(1_000_000, 8), "tile/data/x001/x000/000.p/8"),
        (data(u64::MAX, 17), "tile/data/x018/x446/x744/x073/x709/x551/615.p/17"),
    ] {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
}

#[test]
fn invalid_tile_paths_are_refused() {
    for (error, paths) in [
        (ParseTileError::Prefix, &["", "tile", "/tile/0/000", "Tile/0/000"][..]),
        (
            ParseTileError::Level,
            &[
                "tile/",
                "tile/0",
                "tile/6/000",
                "tile/00/000",
                "tile/+1/000",
                "tile/256/000",
                "tile//000",
            ],
        ),
        (
            ParseTileError::Index,
            &[
                "tile/0/",
                "tile/0/0",
                "tile/0/00",
                "tile/0/0000",
                "tile/0/x001",
                "tile/0/001/002",
                "tile/0/x000/001",
                "tile/0/x000/x001/000",
                "tile/0/x01/000",
                "tile/0/+01",
                "tile/0/x001//000",
                "tile/0/x001/x002",
                "tile/0/x1é/000",
                "tile/0/000/",
                "tile/0/000.p",
                "tile/0/000.q/1",
                "tile/0/x018/x446/x744/x073/x709/x551/616",
                "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
            ],
        ),
        (
            ParseTileError::Width,
            &[
                "tile/0/000.p/",
                "tile/0/000.p/0",
                "tile/0/000.p/256",
                "tile/0/000.p/01",
                "tile/0/000.p/-1",
                "tile/0/000.p/1/2",
                "tile/0/000.p/+1",
            ],
        ),
    ] {
        for path in paths {
            assert_eq!(path.parse::<Tile>(), Err(error), "{path}");
        }
    }
}

#[test]
fn tiles_of_a_tree() {
    let of_tree = |kind, index| Tile::of_tree(kind, index, 70_000);
    assert_eq!(of_tree(TileKind::Data, 272), Some(data(272, 256)));
    assert_eq!(of_tree(TileKind::Data, 273), Some(data(273, 112)));
    assert_eq!(of_tree(TileKind::Data, 274), None);
    assert_eq!(of_tree(TileKind::Level(1), 1), Some(level(1, 1, 17)));
    assert_eq!(of_tree(TileKind::Level(2), 0), Some(level(2, 0, 1)));
    assert_eq!(of_tree(TileKind::Level(3), 0), None);
    assert_eq!(of_tree(TileKind::Level(8), 0), None);
    assert_eq!(of_tree(TileKind::Level(255), 0), None);
    assert_eq!(of_tree(TileKind::Data, u64::MAX), None);

    assert_eq!(data(273, 112).leaves(), 69_888..70_000);
    assert_eq!(level(1, 1, 17).leaves(), 65_536..69_888);
    assert_eq!(data(273, 112).to_full(), data(273, 256));
    assert!(data(0, 256).is_full() && !data(0, 255).is_full());
}

#[test]
fn right_edge() {
    let edge = |size| Tile::right_edge(size).map(|tile| tile.to_string()).collect::<Vec<_>>();
    assert!(edge(0).is_empty());
    assert_eq!(edge(1), ["tile/0/000.p/1"]);
    assert_eq!(edge(256), ["tile/1/000.p/1"]);
    assert_eq!(edge(70_000), ["tile/2/000.p/1", "tile/1/001.p/17", "tile/0/273.p/112"]);
    assert_eq!(edge(u64::MAX).len(), 8);
}

#[test]
fn data_tiles_covering_a_range() {
    let covering = |range, size| Tile::data_covering(range, size).collect::<Vec<_>>();
    assert_eq!(covering(0..1, 1000), [data(0, 256)]);
    assert_eq!(covering(255..257, 1000), [data(0, 256), data(1, 256)]);
    assert_eq!(covering(700..5000, 1000), [data(2, 256), data(3, 232)]);
    assert_eq!(covering(1000..5000, 1000), [data(3, 232)]);
    assert_eq!(covering(1024..5000, 1000), []);
    assert_eq!(covering(5..5, 1000), []);
    assert_eq!(covering(0..u64::MAX, 0), []);
    assert_eq!(covering(u64::MAX - 1..u64::MAX, u64::MAX), [data(u64::MAX / 256, 255)]);
}

#[test]
fn hashes_of_a_tile() {
    let body = [[1; 32], [2; 32]].concat();
    assert_eq!(level(0, 0, 2).hashes(&body), Ok(&[[1; 32], [2; 32]][..]));
    for (width, length) in [(1, 64), (3, 64), (2, 63), (256, 0)] {
        let error = level(0, 0, width).hashes(&body[..length]).unwrap_err();
        assert_eq!((error.expected, error.actual), (usize::from(width) * 32, length));
    }
}

fn precert_leaf(issuer_key_hash: &Hash) -> Vec<u8> {
    let entry = LeafEntry::Precert { issuer_key_hash, tbs: b"tbs" };
    let mut out = Vec::new();
    Leaf { timestamp: 1, entry, extensions: b"" }.encode(&mut out).unwrap();
    out
}

#[test]
fn a_tile_leaf_is_encoded_as_the_specification_says() {
    let merkle_tree_leaf = precert_leaf(&[9; 32]);
    let chain = [[3; 32], [4; 32]];
    let leaf = TileLeaf::from_merkle_tree_leaf(&merkle_tree_leaf, Some(b"pre"), &chain).unwrap();
    let mut out = Vec::new();
    leaf.encode(&mut out).unwrap();
    let expected = [&merkle_tree_leaf[2..], b"\0\0\x03pre\0\x40", chain.as_flattened()].concat();
    assert_eq!(out, expected);
    assert_eq!(leaf.leaf_hash(), leaf_hash(&merkle_tree_leaf));

    let two = [expected.as_slice(), &expected].concat();
    assert_eq!(TileLeaf::parse(&two), Ok((leaf, expected.as_slice())));
    assert_eq!(TileLeaf::iter(&two).collect::<Vec<_>>(), [Ok(leaf), Ok(leaf)]);
    let cut = &two[..two.len() - 1];
    let read = TileLeaf::iter(cut).collect::<Vec<_>>();
    assert!(matches!(read[..], [Ok(_), Err(LeafError::Truncated { .. })]), "{read:?}");

    let odd = [&merkle_tree_leaf[2..], b"\0\0\x03pre\0\x02ab"].concat();
    assert_eq!(TileLeaf::parse(&odd), Err(LeafError::Fingerprints(2)));
    let unfit = TileLeaf::from_merkle_tree_leaf(&merkle_tree_leaf, None, &chain);
    assert_eq!(unfit, Err(LeafError::Precertificate));
    let unfit = TileLeaf { precertificate: None, ..leaf };
    assert_eq!(unfit.encode(&mut out), Err(LeafError::Precertificate));
    let long = vec![[0; 32]; 2048];
    let error = LeafError::TooLong { what: "chain fingerprints", length: 1 << 16 };
    assert_eq!(TileLeaf { fingerprints: &long, ..leaf }.encode(&mut out), Err(error));
}

/// An entry that cannot be read but has an end is hashed like any other and does not hide the next
/// one.
#[test]
fn entries_are_delimited_by_their_lengths_alone() {
    let precert = precert_leaf(&[9; 32]);
    let empty_certificate = [&[0; 8][..], &[0, 0], &[0, 0, 0], &[0, 0], &[0, 0]].concat();
    let odd_chain = [&precert[2..], b"\0\0\x03pre\0\x02ab"].concat();
    for (entry, covered) in
        [(&empty_certificate, empty_certificate.len() - 2), (&odd_chain, precert.len() - 2)]
    {
        assert!(TileLeaf::parse(entry).is_err());
        let tile = [entry.as_slice(), b"next"].concat();
        let (delimited, rest) = TileLeaf::delimit(&tile).unwrap();
        assert_eq!((delimited.whole, rest), (entry.as_slice(), &b"next"[..]));
        assert_eq!(delimited.timestamped_entry, &entry[..covered]);
        let merkle_tree_leaf = [b"\0\0", &entry[..covered]].concat();
        assert_eq!(delimited.leaf_hash(), leaf_hash(&merkle_tree_leaf));
        for cut in 0..entry.len() {
            let error = TileLeaf::delimit(&entry[..cut]).unwrap_err();
            assert!(matches!(error, LeafError::Truncated { .. }), "{error}");
        }
    }
    let unknown = [&[0; 8][..], &[0, 7], &[0; 40]].concat();
    assert_eq!(TileLeaf::delimit(&unknown), Err(LeafError::UnknownEntryType(7)));
}

#[test]
fn issuer_paths() {
    let mut fingerprint = [0; 32];
    fingerprint[0] = 0x0a;
    fingerprint[31] = 0xf1;
    let path = format!("issuer/0a{}f1", "00".repeat(30));
    assert_eq!(TileLeaf::issuer_path(&fingerprint), path);
}

proptest! {
    #[test]
    fn every_tile_round_trips(kind in 0..7_u8, index: u64, bits in 0..64_u32, width in 1..=256_u16) {
        let kind = if kind == 6 { TileKind::Data } else { TileKind::Level(kind) };
        let tile = Tile { kind, index: index >> bits, width };
        prop_assert_eq!(tile.to_string().parse(), Ok(tile));
    }

    #[test]
    fn a_path_that_parses_is_canonical(path in "(tile/)?(data|[0-9]{0,2})/(x?[0-9]{2,4}/){0,3}[0-9]{3}(\\.p/[0-9]{0,3})?") {
        if let Ok(tile) = path.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(path: String) {
        path.parse::<Tile>().ok();
    }

    #[test]
    fn covering_tiles_join(start in 0..5000_u64, length in 1..3000_u64, size in 1..6000_u64) {
        let range = start..start + length;
        let tiles: Vec<_> = Tile::data_covering(range.clone(), size).collect();
        for pair in tiles.windows(2) {
            prop_assert_eq!(pair[0].leaves().end, pair[1].leaves().start);
        }
        for index in range.start..range.end.min(size) {
            prop_assert!(tiles.iter().any(|tile| tile.leaves().contains(&index)));
        }
        prop_assert!(tiles.iter().all(|tile| tile.leaves().end <= size));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..300), type_code in 0..3_u8) {
        let plausible = [&[0, 0, 0, 0, 0, 0, 0, 0, 0, type_code, 0, 0], bytes.as_slice()].concat();
        for input in [&bytes, &plausible] {
            for leaf in TileLeaf::iter(input).flatten() {
                let mut out = Vec::new();
                leaf.encode(&mut out).unwrap();
                prop_assert!(input.windows(out.len()).any(|part| part == out));
                let (delimited, _) = TileLeaf::delimit(&out).unwrap();
                prop_assert_eq!((delimited.whole, delimited.leaf_hash()), (&out[..], leaf.leaf_hash()));
            }
            TileLeaf::delimit(input).ok();
        }
    }
}

/// An entry of a data tile: a certificate of this many bytes at this time.
fn entry(time: u64, length: usize, fingerprints: &[Hash]) -> Vec<u8> {
    let certificate = vec![time.to_le_bytes()[0]; length];
    let entry = LeafEntry::X509 { certificate: &certificate };
    let mut leaf = Vec::new();
    Leaf { timestamp: time, entry, extensions: b"" }.encode(&mut leaf).unwrap();
    let mut out = Vec::new();
    let entry = TileLeaf::from_merkle_tree_leaf(&leaf, None, fingerprints).unwrap();
    entry.encode(&mut out).unwrap();
    out
}

fn hash(entry: &[u8]) -> Hash {
    TileLeaf::delimit(entry).unwrap().0.leaf_hash()
}

#[test]
fn reading_resumes_behind_an_entry_of_an_unknown_type() {
    let times = 1_000..2_000;
    let (second, third) = (entry(1_002, 300, &[[1; 32]]), entry(1_003, 20, &[]));
    let unknown = |fingerprints: &[Hash]| {
        let mut unknown = entry(1_001, 500, fingerprints);
        unknown[9] = 2;
        unknown
    };
    // As a log with a new kind of entry hashes it: whatever is before the chain.
    let length = 8 + 2 + 3 + 500 + 2;
    for fingerprints in [&[][..], &[[5; 32]], &[[5; 32], [6; 32]]] {
        let first = unknown(fingerprints);
        let whole = [first.clone(), second.clone(), third.clone()].concat();
        let hashed = leaf_hash(&[b"\0\0", &first[..length]].concat());
        let hashes = [hashed, hash(&second), hash(&third)];
        let found = resume(&whole, &hashes, &times, &mut Work::for_tile());
        let expected = Resumption { length: first.len(), entries: 1, hashed: Some(length) };
        assert_eq!(found, Some(expected));
        // Bytes that are not what the log has hashed are told from those that are.
        let hashes = [[0; 32], hash(&second), hash(&third)];
        let found = resume(&whole, &hashes, &times, &mut Work::for_tile());
        assert_eq!(found, Some(Resumption { hashed: None, ..expected }));
        // As the last entry of its tile.
        let found = resume(&first, &[hashed], &times, &mut Work::for_tile());
        assert_eq!(found, Some(expected));
    }
    // Two that cannot be read, one after the other.
    let whole = [unknown(&[]), unknown(&[]), third.clone()].concat();
    let hashes = [[0; 32], [0; 32], hash(&third)];
    let found = resume(&whole, &hashes, &times, &mut Work::for_tile());
    let length = whole.len() - third.len();
    assert_eq!(found, Some(Resumption { length, entries: 2, hashed: None }));
}

#[test]
fn an_entry_of_an_unknown_type_with_a_submission_is_proved() {
    let submission = [&[0, 0, 5][..], b"other"].concat();
    let leaf = [&1_001_u64.to_be_bytes()[..], &[0, 9], b"any form", &[0, 0]].concat();
    let first = [&leaf[..], &submission, &[0, 32], &[7; 32]].concat();
    let hash = leaf_hash(&[b"\0\0", &leaf[..]].concat());
    let found = resume(&first, &[hash], &(0..1), &mut Work::for_tile());
    let hashed = Some(leaf.len());
    assert_eq!(found, Some(Resumption { length: first.len(), entries: 1, hashed }));
}

#[test]
fn resynchronisation_stops_without_a_match_or_beyond_its_work_limit() {
    let times = 0..u64::MAX;
    assert_eq!(resume(b"", &[], &times, &mut Work::for_tile()), None);
    let good = entry(1_002, 30, &[]);
    let whole = [&[9; 40][..], &good].concat();
    let hashes = [[0; 32], hash(&good)];
    assert!(resume(&whole, &hashes, &times, &mut Work::for_tile()).is_some());
    let earlier = 0..1_000;
    assert_eq!(resume(&whole, &hashes, &earlier, &mut Work::for_tile()), None, "too late a time");
    // Every second of these places looks like the start of an entry.
    let zeros = [vec![0; 100_000], good].concat();
    let mut work = Work::for_tile();
    assert_eq!(resume(&zeros, &hashes, &times, &mut work), None);
    assert_eq!(resume(&whole, &hashes, &times, &mut work), None, "no work is left for the tile");
}

#[test]
fn the_search_for_a_submission_counts_as_work() {
    let times = 1_000..2_000;
    let second = entry(1_002, 30, &[]);
    // A type nobody knows, a submission of this length, no chain.
    let whole = |length: usize| {
        let mut unknown = entry(1_001, 500, &[]);
        unknown[9] = 7;
        unknown.truncate(unknown.len() - 2);
        let hash = crate::merkle::leaf_hash_parts(&[&[0, 0], &unknown]);
        unknown.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes()[1..]);
        unknown.resize(unknown.len() + length, b'x');
        unknown.extend_from_slice(&[0, 0]);
        (unknown, hash)
    };
    for (length, proved) in [(1 << 20, true), (12 << 20, false)] {
        let (mut tile, first) = whole(length);
        tile.extend_from_slice(&second);
        let hashes = [first, hash(&second)];
        let mut work = Work::for_tile();
        let found = resume(&tile, &hashes, &times, &mut work).expect("the second is found");
        assert_eq!((found.entries, found.hashed.is_some()), (1, proved), "{length}");
        let again = resume(&tile, &hashes, &times, &mut work);
        assert_eq!(again.is_some_and(|again| again.hashed.is_some()), proved, "{length}");
    }
}
