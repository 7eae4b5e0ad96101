//! Tests of signed heads in both protocols.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::signature::{Algorithm, digitally_signed};

const ORIGIN: &str = "log.example.net/2026h1";
const LOG: LogId = LogId([5; 32]);

fn signed(size: u64) -> SignedHead {
    let signature = digitally_signed(Algorithm::EcdsaP256, b"signature").unwrap();
    SignedHead { head: TreeHead { size, timestamp: 7, root: [9; 32] }, signature }
}

/// The checkpoint of `signed(12)`, and its parts to change.
fn note() -> String {
    signed(12).to_checkpoint(ORIGIN, &LOG)
}

fn parse(note: &str) -> Result<SignedHead, CheckpointError> {
    SignedHead::from_checkpoint(note.as_bytes(), ORIGIN, Some(&LOG))
}

#[test]
fn signed_bytes_match_rfc_6962() {
    let head = TreeHead { size: 0x0102, timestamp: 0x0304, root: [0xee; 32] };
    let bytes = SignedHead::signed_bytes(&head);
    let expected =
        [b"\0\x01\0\0\0\0\0\0\x03\x04\0\0\0\0\0\0\x01\x02".as_slice(), &[0xee; 32]].concat();
    assert_eq!(bytes, *expected);
}

#[test]
fn a_head_verifies_in_both_forms() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let key = PublicKey::from_spki(spki.as_ref()).unwrap();
    let head = TreeHead { size: 3_000_000_000_000, timestamp: 1_791_095_073_447, root: [3; 32] };
    let signature = pair.sign(&SystemRandom::new(), &SignedHead::signed_bytes(&head)).unwrap();
    let signature = digitally_signed(Algorithm::EcdsaP256, signature.as_ref()).unwrap();
    let signed = SignedHead { head, signature };

    let sth = SignedHead::from_sth(signed.to_sth().as_bytes()).unwrap();
    let note = signed.to_checkpoint(ORIGIN, &key.log_id());
    let checkpoint =
        SignedHead::from_checkpoint(note.as_bytes(), ORIGIN, Some(&key.log_id())).unwrap();
    for read in [sth, checkpoint] {
        assert_eq!(read, signed);
        assert_eq!(read.verify(&key), Ok(()));
    }
    for other in [
        TreeHead { size: head.size + 1, ..head },
        TreeHead { timestamp: head.timestamp + 1, ..head },
        TreeHead { root: [4; 32], ..head },
    ] {
        let other = SignedHead { head: other, ..signed.clone() };
        assert_eq!(other.verify(&key), Err(SignatureError::Mismatch));
    }
}

#[test]
fn invalid_heads_are_refused() {
    let good = signed(1).to_sth();
    assert_eq!(SignedHead::from_sth(good.as_bytes()), Ok(signed(1)));
    let root = to_base64(&[9; 32]);
    for (from, to, error) in [
        (root.as_str(), "AAAA", BodyError::Hash { field: "sha256_root_hash" }),
        ("\"BAMA", "\"!AMA", BodyError::Base64 { field: "tree_head_signature" }),
    ] {
        assert!(good.contains(from), "{good}");
        assert_eq!(SignedHead::from_sth(good.replace(from, to).as_bytes()), Err(error));
    }
    for (from, to) in
        [("\"tree_size\":1", "\"tree_size\":-1"), ("tree_size", "size"), (":1", ":\"1\"")]
    {
        let error = SignedHead::from_sth(good.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(matches!(error, BodyError::Json(_)), "{error}");
    }
    let html = SignedHead::from_sth(b"<html><title>Busy</title></html>");
    assert_eq!(html, Err(BodyError::Html("Busy".into())));
}

#[test]
fn signatures_of_other_keys_are_ignored() {
    let (text, ours) =
        note().split_once("\n\n").map(|(t, l)| (t.to_owned(), l.to_owned())).unwrap();
    let others: String = (0..500)
        .map(|i| match i % 4 {
            0 => "\u{2014} grease.invalid 6PiRCcvuZmG719Q08yWtEVT7C6ncT1s8\n".to_owned(),
            1 => format!("\u{2014} {ORIGIN} kgUpF33pGg==\n"),
            // A witness of any name, and a log's own Ed25519 key.
            2 => format!("\u{2014} witness/{i} {}\n", to_base64(&[1; 76])),
            _ => format!("\u{2014} {ORIGIN} {}\n", to_base64(&[2; 68])),
        })
        .collect();
    for note in [format!("{text}\n\n{others}{ours}"), format!("{text}\n\n{ours}{others}")] {
        assert_eq!(parse(&note), Ok(signed(12)));
        let any = SignedHead::from_checkpoint(note.as_bytes(), ORIGIN, None);
        assert_eq!(any, Ok(signed(12)));
    }
    assert_eq!(parse(&format!("{text}\n\n{others}")), Err(CheckpointError::NotSignedByLog));
    let other_log = SignedHead::from_checkpoint(note().as_bytes(), ORIGIN, Some(&LogId([6; 32])));
    assert_eq!(other_log, Err(CheckpointError::NotSignedByLog));
    let other_name = note().replace(&format!("\u{2014} {ORIGIN}"), "\u{2014} other");
    for log_id in [None, Some(&LOG)] {
        let read = SignedHead::from_checkpoint(other_name.as_bytes(), ORIGIN, log_id);
        assert_eq!(read, Err(CheckpointError::NotSignedByLog));
    }
}

#[test]
fn invalid_checkpoints_are_refused() {
    let note = note();
    let root = to_base64(&[9; 32]);
    let origin = CheckpointError::Origin { expected: ORIGIN.into(), found: "other".into() };
    for (from, to, error) in [
        (ORIGIN, "other", origin),
        ("\n12\n", "\n012\n", CheckpointError::Size),
        ("\n12\n", "\n00\n", CheckpointError::Size),
        ("\n12\n", "\n+1\n", CheckpointError::Size),
        ("\n12\n", "\n-1\n", CheckpointError::Size),
        ("\n12\n", "\n12 \n", CheckpointError::Size),
        ("\n12\n", "\n18446744073709551616\n", CheckpointError::Size),
        (root.as_str(), "AAAA", CheckpointError::Root),
        ("\n\n", "\nextension\n\n", CheckpointError::Lines(4)),
        ("\n12\n", "\n", CheckpointError::Lines(2)),
        ("\n\n", "\n", CheckpointError::Unsigned),
        ("\n\n", "\r\n\r\n", CheckpointError::Text),
        ("\n12\n", "\n12\0\n", CheckpointError::Text),
        ("\n12\n", "\n12\u{85}\n", CheckpointError::Text),
        ("\u{2014} ", "- ", CheckpointError::SignatureLine(1)),
        ("\u{2014} ", "\u{2014} a\u{a0}", CheckpointError::SignatureLine(1)),
        ("\u{2014} ", "\u{2014} a+", CheckpointError::SignatureLine(1)),
        ("\u{2014} ", "\u{2014}  ", CheckpointError::SignatureLine(1)),
        (
            "\u{2014} ",
            "\u{2014} w AAAAAAA=\n\u{2014} w AAAAAA==\n",
            CheckpointError::SignatureLine(2),
        ),
    ] {
        assert!(note.contains(from), "{note}");
        assert_eq!(parse(&note.replacen(from, to, 1)), Err(error), "{from:?} {to:?}");
    }
    let (unsigned, _) = note.split_once('\u{2014}').unwrap();
    assert_eq!(parse(unsigned), Err(CheckpointError::Unsigned));
    assert_eq!(parse(note.trim_end()), Err(CheckpointError::Unsigned));
    assert_eq!(parse(" <!doctype html>"), Err(CheckpointError::Html));
    let long = "x".repeat(MAX_CHECKPOINT_BYTES + 1);
    assert_eq!(parse(&long), Err(CheckpointError::TooLong(long.len())));
    let not_utf8 = SignedHead::from_checkpoint(b"a\xff\n", ORIGIN, None);
    assert_eq!(not_utf8, Err(CheckpointError::Text));
    // The right key, over something that is no tree head signature.
    let cut = SignedHead { signature: b"\x04\x03\0\x09signatur".to_vec(), ..signed(12) };
    let cut = cut.to_checkpoint(ORIGIN, &LOG);
    assert_eq!(parse(&cut), Err(CheckpointError::LogSignature));
    assert_eq!(parse(&signed(0).to_checkpoint(ORIGIN, &LOG)), Ok(signed(0)));
}

proptest! {
    #[test]
    fn heads_round_trip(size: u64, timestamp: u64, root: Hash, signature in vec(any::<u8>(), 0..600)) {
        let signature = digitally_signed(Algorithm::RsaPkcs1, &signature).unwrap();
        let signed = SignedHead { head: TreeHead { size, timestamp, root }, signature };
        prop_assert_eq!(SignedHead::from_sth(signed.to_sth().as_bytes()), Ok(signed.clone()));
        let note = signed.to_checkpoint(ORIGIN, &LOG);
        prop_assert_eq!(parse(&note), Ok(signed));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(
        mut bytes in vec(any::<u8>(), 0..200),
        at: prop::sample::Index,
        to: u8,
    ) {
        let mut changed = note().into_bytes();
        let at = at.index(changed.len());
        if let Some(byte) = changed.get_mut(at) {
            *byte = to;
        }
        bytes.extend_from_slice(&changed);
        for input in [&changed, &bytes] {
            SignedHead::from_checkpoint(input, ORIGIN, None).ok();
            SignedHead::from_sth(input).ok();
        }
    }
}
