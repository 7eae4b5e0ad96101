//! Tests of reading and writing leaves and their extra data.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const ISSUER: Hash = [7; 32];

fn x509(extensions: &[u8]) -> Leaf<'_> {
    Leaf {
        timestamp: 0x0102_0304_0506_0708,
        entry: LeafEntry::X509 { certificate: b"der" },
        extensions,
    }
}

fn encoded(leaf: &Leaf<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    leaf.encode(&mut out).unwrap();
    out
}

#[test]
fn a_leaf_is_encoded_as_rfc_6962_says() {
    let expected = b"\0\0\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\x03der\0\x02ab";
    assert_eq!(encoded(&x509(b"ab")), expected);
    assert_eq!(Leaf::parse(expected), Ok(x509(b"ab")));

    let entry = LeafEntry::Precert { issuer_key_hash: &ISSUER, tbs: b"tbs" };
    let precert = Leaf { timestamp: 1, entry, extensions: b"" };
    let expected =
        [b"\0\0\0\0\0\0\0\0\0\x01\0\x01".as_slice(), &ISSUER, b"\0\0\x03tbs\0\0"].concat();
    assert_eq!(encoded(&precert), expected);
    assert_eq!(Leaf::parse(&expected), Ok(precert));
    assert_eq!(precert.entry_type(), EntryType::Precert);
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let whole = encoded(&x509(b"ab"));
    for length in 0..whole.len() {
        let error = Leaf::parse(&whole[..length]).unwrap_err();
        assert!(matches!(error, LeafError::Truncated { .. }), "{length}: {error}");
    }
    let longer = [whole.as_slice(), b"x"].concat();
    let trailing = LeafError::TrailingBytes { what: "MerkleTreeLeaf", count: 1 };
    assert_eq!(Leaf::parse(&longer), Err(trailing));
}

#[test]
fn unknown_codes_are_reported_with_their_value() {
    let with = |at: usize, value: u8| {
        let mut leaf = encoded(&x509(b""));
        leaf[at] = value;
        leaf
    };
    assert_eq!(Leaf::parse(&with(0, 3)), Err(LeafError::UnknownVersion(3)));
    assert_eq!(Leaf::parse(&with(1, 4)), Err(LeafError::UnknownLeafType(4)));
    assert_eq!(Leaf::parse(&with(10, 0x80)), Err(LeafError::UnknownEntryType(0x8000)));
    assert_eq!(Leaf::parse(&with(11, 2)), Err(LeafError::UnknownEntryType(2)));
}

#[test]
fn empty_and_endless_fields_are_refused() {
    let empty = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    assert_eq!(Leaf::parse(empty), Err(LeafError::Empty("certificate")));
    let mut out = Vec::new();
    let certificate = vec![0; 1 << 24];
    for (certificate, error) in [
        (b"".as_slice(), LeafError::Empty("certificate")),
        (&certificate, LeafError::TooLong { what: "certificate", length: 1 << 24 }),
    ] {
        let leaf = Leaf { entry: LeafEntry::X509 { certificate }, ..x509(b"") };
        assert_eq!(leaf.encode(&mut out), Err(error));
    }
    let extensions = vec![0; 1 << 16];
    let error = LeafError::TooLong { what: "extensions", length: 1 << 16 };
    assert_eq!(x509(&extensions).encode(&mut out), Err(error));
}

#[test]
fn leaf_index() {
    let max = (1 << 40) - 1;
    for index in [0, 1, 0x01_0203_0405, max] {
        assert_eq!(x509(&leaf_index_extension(index)).leaf_index(), Ok(Some(index)));
    }
    assert_eq!(leaf_index_extension(0x01_0203_0405), [0, 0, 5, 1, 2, 3, 4, 5]);
    assert_eq!(leaf_index_extension(max + 2), leaf_index_extension(1));

    let index = leaf_index_extension(9);
    let (other, twice) = ([1, 0, 1, 0xff], [index, index].concat());
    assert_eq!(x509(b"").leaf_index(), Ok(None));
    assert_eq!(x509(&other).leaf_index(), Ok(None));
    assert_eq!(x509(&[&other[..], &index].concat()).leaf_index(), Ok(Some(9)));
    assert_eq!(x509(&twice).leaf_index(), Err(LeafError::LeafIndex("it is there twice")));
    assert_eq!(x509(b"\0\0\x04abcd").leaf_index(), Err(LeafError::LeafIndex("it is not 5 bytes")));
    assert!(matches!(x509(&index[..7]).leaf_index(), Err(LeafError::Truncated { .. })));
}

#[test]
fn extra_data() {
    let chain = b"\0\0\x0a\0\0\x03one\0\0\x01t";
    let of_x509 = ExtraData { precertificate: None, chain: vec![b"one", b"t"] };
    assert_eq!(ExtraData::parse(EntryType::X509, chain), Ok(of_x509));
    let precert = [b"\0\0\x03pre".as_slice(), chain].concat();
    let of_precert = ExtraData { precertificate: Some(b"pre"), chain: vec![b"one", b"t"] };
    assert_eq!(ExtraData::parse(EntryType::Precert, &precert), Ok(of_precert));

    let root = ExtraData { precertificate: None, chain: vec![] };
    assert_eq!(ExtraData::parse(EntryType::X509, b"\0\0\0"), Ok(root));
    for (entry_type, bytes, error) in [
        (EntryType::X509, &b""[..], LeafError::Truncated { what: "chain", needed: 3, left: 0 }),
        (EntryType::X509, b"\0\0\0!", LeafError::TrailingBytes { what: "extra_data", count: 1 }),
        (EntryType::X509, b"\0\0\x03\0\0\0", LeafError::Empty("chain certificate")),
        (EntryType::Precert, b"\0\0\0\0\0\0", LeafError::Empty("precertificate")),
        (
            EntryType::X509,
            b"\0\0\x04\0\0\x02x",
            LeafError::Truncated { what: "chain certificate", needed: 2, left: 1 },
        ),
    ] {
        assert_eq!(ExtraData::parse(entry_type, bytes), Err(error));
    }
}

proptest! {
    #[test]
    fn leaves_round_trip(
        timestamp: u64,
        issuer_key_hash: Option<Hash>,
        der in vec(any::<u8>(), 1..70_000),
        extensions in vec(any::<u8>(), 0..300),
    ) {
        let entry = match &issuer_key_hash {
            None => LeafEntry::X509 { certificate: &der },
            Some(issuer_key_hash) => LeafEntry::Precert { issuer_key_hash, tbs: &der },
        };
        let leaf = Leaf { timestamp, entry, extensions: &extensions };
        let bytes = encoded(&leaf);
        prop_assert_eq!(Leaf::parse(&bytes), Ok(leaf));
    }

    #[test]
    fn extra_data_round_trips(
        precertificate in proptest::option::of(vec(any::<u8>(), 1..300)),
        chain in vec(vec(any::<u8>(), 1..300), 0..5),
    ) {
        let entry_type = if precertificate.is_some() { EntryType::Precert } else { EntryType::X509 };
        let extra = ExtraData {
            precertificate: precertificate.as_deref(),
            chain: chain.iter().map(Vec::as_slice).collect(),
        };
        let mut out = Vec::new();
        extra.encode(&mut out).unwrap();
        prop_assert_eq!(ExtraData::parse(entry_type, &out), Ok(extra));
    }

    /// Whatever parses is what was read: nothing is dropped, nothing made up.
    #[test]
    fn arbitrary_leaves_do_not_panic_and_are_rewritten_unchanged(mut bytes in vec(any::<u8>(), 0..200), plausible: bool) {
        if plausible {
            // The head of a small certificate entry, so that not everything fails at the version.
            for (to, from) in bytes.iter_mut().zip(*b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0") {
                *to = from;
            }
        }
        if let Ok(leaf) = Leaf::parse(&bytes) {
            leaf.leaf_index().ok();
            prop_assert_eq!(&encoded(&leaf), &bytes);
        }
        for entry_type in [EntryType::X509, EntryType::Precert] {
            if let Ok(extra) = ExtraData::parse(entry_type, &bytes) {
                let mut out = Vec::new();
                extra.encode(&mut out).unwrap();
                prop_assert_eq!(&out, &bytes);
            }
        }
    }
}

#[test]
fn a_leaf_is_read_despite_trailing_bytes_and_bad_extra_data() {
    let whole = encoded(&x509(b"ab"));
    let more = [&whole[..], b"more"].concat();
    assert_eq!(Leaf::parse_front(&more), Ok((x509(b"ab"), &b"more"[..])));
    assert!(Leaf::parse(&more).is_err());
    assert_eq!(Leaf::parse_timestamped_entry(&whole[2..]), Ok(x509(b"ab")));
    assert!(Leaf::parse_timestamped_entry(&more[2..]).is_err());

    let sound = b"\0\0\x03pre\0\0\x05\0\0\x02ca";
    let lossy = |entry_type, extra| ExtraData::parse_lossy(entry_type, extra);
    let (extra, error) = lossy(EntryType::Precert, &sound[..]);
    assert_eq!((extra.precertificate, extra.chain.len(), error), (Some(&b"pre"[..]), 1, None));
    let overlong = [&sound[..], b"x"].concat();
    let cut = &sound[..8];
    for (extra, precertificate) in [
        (&overlong[..], Some(&b"pre"[..])),
        (cut, Some(b"pre")),
        (b"\0\0\x04pre", None),
        (b"", None),
    ] {
        let (read, error) = lossy(EntryType::Precert, extra);
        assert_eq!((read.precertificate, read.chain), (precertificate, vec![]));
        assert!(error.is_some());
    }
    let (read, error) = lossy(EntryType::X509, b"");
    assert_eq!((read.precertificate, read.chain.len(), error.is_some()), (None, 0, true));
}
