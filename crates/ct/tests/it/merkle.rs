//! The proof vectors of transparency-dev/merkle, and proofs of a real log of 962 million entries.

use std::path::Path;

use ct::head::SignedHead;
use ct::merkle::{
    CompactRange, ProofError, consistency_proof, inclusion_proof, leaf_hash, tree_hash,
    verify_consistency, verify_inclusion,
};
use ct::signature::PublicKey;
use ct::{Hash, entries, proofs};
use serde::Deserialize;

use crate::{base64, data, files, hash, read, read_json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

/// A proof with a hash that is not 32 bytes long is refused before it is a proof.
fn hashes(texts: Option<&Vec<String>>) -> Option<Vec<Hash>> {
    texts.into_iter().flatten().map(|text| hash(text)).collect()
}

impl Inclusion {
    fn verifies(&self) -> Option<()> {
        let proof = hashes(self.proof.as_ref())?;
        let (leaf, root) = (hash(&self.leaf_hash)?, hash(&self.root)?);
        verify_inclusion(&leaf, self.leaf_idx, self.tree_size, &proof, &root).ok()
    }
}

impl Consistency {
    fn verifies(&self) -> Option<()> {
        let proof = hashes(self.proof.as_ref())?;
        // One vector compares roots of no real length: any hash that differs as they do will do.
        let root = |text: &str| hash(text).unwrap_or_else(|| ct::sha256(text.as_bytes()));
        let (root1, root2) = (root(&self.root1), root(&self.root2));
        verify_consistency(self.size1, &root1, self.size2, &root2, &proof).ok()
    }
}

/// The nodes of a tree, as a log would keep them.
fn nodes(leaves: &[Hash]) -> impl Fn(u8, u64) -> Hash {
    |level, index| {
        let first = usize::try_from(index << level).unwrap();
        tree_hash(&leaves[first..first + (1 << level)])
    }
}

#[test]
fn vectors_of_transparency_dev() {
    let Some(data) = data() else { return };
    let vectors = data.join("merkle/transparency-dev-merkle");
    let (mut valid, mut invalid) = (0, 0);
    let mut check = |path: &Path, verifies: bool, want_err: bool| {
        assert_eq!(verifies, !want_err, "{}", path.display());
        if want_err { invalid += 1 } else { valid += 1 }
    };
    let inclusion = files(&vectors.join("inclusion"));
    let consistency = files(&vectors.join("consistency"));
    assert_eq!((inclusion.len(), consistency.len()), (98, 98));
    for path in inclusion {
        let vector: Inclusion = read_json(&path);
        check(&path, vector.verifies().is_some(), vector.want_err);
    }
    for path in consistency {
        let vector: Consistency = read_json(&path);
        check(&path, vector.verifies().is_some(), vector.want_err);
    }
    assert!(valid > 10 && invalid > 100, "{valid} valid, {invalid} invalid");
}

/// Our own proof equals that of each vector that is a valid proof.
#[test]
fn proofs_made_equal_those_of_transparency_dev() {
    let Some(data) = data() else { return };
    let vectors = data.join("merkle/transparency-dev-merkle");
    // The tree all these vectors are over: the leaves of the original implementation's tests.
    let leaves = [
        &b""[..],
        b"\0",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ]
    .map(leaf_hash);
    let node = nodes(&leaves);
    let mut compared = 0;
    for path in files(&vectors.join("inclusion")) {
        let vector: Inclusion = read_json(&path);
        if !vector.want_err && vector.tree_size > 1 {
            let made = inclusion_proof(vector.leaf_idx, vector.tree_size, &node).unwrap();
            assert_eq!(Some(made), hashes(vector.proof.as_ref()), "{}", path.display());
            compared += 1;
        }
    }
    for path in files(&vectors.join("consistency")) {
        let vector: Consistency = read_json(&path);
        if !vector.want_err && vector.size1 < vector.size2 {
            let made = consistency_proof(vector.size1, vector.size2, &node).unwrap();
            assert_eq!(Some(made), hashes(vector.proof.as_ref()), "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared >= 8, "only {compared} compared");
}

#[test]
fn proofs_of_argon2020() {
    let Some(data) = data() else { return };
    let answer = |name: &str| read(&data.join("rfc6962/azul-argon-proofs").join(name));
    let key = PublicKey::from_spki(&base64(concat!(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6Tx2p1yKY4015NyIYvdrk36es0uAc1zA4PQ+TGRY+3ZjUTIYY9Wyu",
        "+3q/147JG4vNVKLtDWarZwVqGkg6lAYzA=="
    )))
    .unwrap();
    assert_eq!(key.log_id().to_string(), "sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4=");

    let signed = SignedHead::from_sth(&answer("get-sth")).unwrap();
    assert_eq!(signed.verify(&key), Ok(()));
    let head = signed.head;
    assert_eq!(head.size, 961_984_011);

    let page = entries::parse_get_entries(&answer("get-entries-start-10000-end-10000")).unwrap();
    let [entry] = &page[..] else { panic!("{} entries", page.len()) };
    let leaf = leaf_hash(&entry.leaf_input);
    let proof = proofs::parse_proof_by_hash(&answer(
        "get-proof-by-hash-tree-size-961984011-hash-nCs3mfIydh9x4CKyQ-2Bu2xtmpxmFggA5MLymHwNQSlLg-3D",
    ))
    .unwrap();
    assert_eq!((proof.leaf_index, proof.audit_path.len()), (10_000, 30));
    let verify = |index| verify_inclusion(&leaf, index, head.size, &proof.audit_path, &head.root);
    assert_eq!(verify(10_000), Ok(()));
    assert_eq!(verify(10_001), Err(ProofError::Root));
    // The same proof gives the tree of the first 10,001 entries, and so the range to continue from.
    let range = |root| {
        CompactRange::from_inclusion_proof(&leaf, 10_000, head.size, &proof.audit_path, root)
    };
    assert_eq!(range(&head.root).map(|range| range.size()), Ok(10_001));
    assert_eq!(range(&leaf), Err(ProofError::Root));

    let first_root = hash("AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ=").unwrap();
    let proof = answer("get-sth-consistency-first-3654490-second-961984011");
    let proof = proofs::parse_consistency(&proof).unwrap();
    assert_eq!(proof.len(), 30);
    let verify = |first| verify_consistency(first, &first_root, head.size, &head.root, &proof);
    assert_eq!(verify(3_654_490), Ok(()));
    assert!(verify(3_654_489).is_err());
}

/// The answer of get-entry-and-proof for the last leaf gives the range to continue from.
#[test]
fn a_range_begins_with_the_audit_path_of_the_last_leaf() {
    let leaves: Vec<Hash> = (0..1000_u64).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let node = nodes(&leaves);
    let text = |hash: &Hash| base64_simd::STANDARD.encode_to_string(hash);
    let path = inclusion_proof(699, 700, &node).unwrap();
    let path: Vec<String> = path.iter().map(text).collect();
    let answer =
        serde_json::json!({ "leaf_input": "AAA=", "extra_data": "AAAA", "audit_path": path });
    let read = proofs::parse_entry_and_proof(answer.to_string().as_bytes()).unwrap();
    assert_eq!(
        (&read.entry.leaf_input[..], &read.entry.extra_data[..]),
        (&[0; 2][..], &[0; 3][..])
    );
    let mut range = CompactRange::from_audit_path(700, &leaves[699], &read.audit_path).unwrap();
    leaves[700..].iter().for_each(|leaf| range.push(*leaf));
    assert_eq!(range.root(), tree_hash(&leaves));
}
