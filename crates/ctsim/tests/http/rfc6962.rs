//! Logs of RFC 6962.

use ct::Hash;
use ct::entries::{RawEntry, parse_get_entries};
use ct::leaf::{ExtraData, Leaf, LeafEntry};
use ct::merkle::{CompactRange, leaf_hash, verify_consistency, verify_inclusion};
use ct::proofs::{parse_consistency, parse_entry_and_proof, parse_proof_by_hash};
use ctsim::{Config, Endpoint, LogHandle, Protocol};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{get, get_ok, head, one, start};

async fn page(log: &LogHandle, first: u64, last: u64) -> Vec<RawEntry> {
    let url = format!("{}ct/v1/get-entries?start={first}&end={last}", log.url());
    parse_get_entries(&get_ok(&url).await).unwrap()
}

/// All entries below `size`, a page after another.
async fn download(log: &LogHandle, size: u64) -> Vec<RawEntry> {
    let mut entries = Vec::new();
    while (entries.len() as u64) < size {
        let next = page(log, entries.len() as u64, size - 1).await;
        assert!(!next.is_empty());
        entries.extend(next);
    }
    assert_eq!(entries.len() as u64, size);
    entries
}

fn root(entries: &[RawEntry]) -> Hash {
    let mut range = CompactRange::new();
    entries.iter().for_each(|entry| range.push(leaf_hash(&entry.leaf_input)));
    range.root()
}

async fn consistency(log: &LogHandle, first: u64, second: u64) -> Vec<Hash> {
    let query = format!("first={first}&second={second}");
    let body = get_ok(&format!("{}ct/v1/get-sth-consistency?{query}", log.url())).await;
    parse_consistency(&body).unwrap()
}

#[tokio::test]
async fn the_head_covers_every_entry() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    assert_eq!(log.size(), 1_000);
    log.grow(700).unwrap();
    let head = head(log).await;
    assert_eq!(head, log.head());
    assert_eq!(head.head.size, 1_700);
    assert_eq!(root(&download(log, 1_700).await), head.head.root);
    assert_eq!(log.stats().entries(), 1_700);
    assert_eq!(log.stats().requests(Endpoint::GetEntries), 7);
}

#[tokio::test]
async fn entries_are_whole_and_fit_together() {
    let sim = start(one(Protocol::Rfc6962)).await;
    for (index, entry) in download(&sim.logs()[0], 1_000).await.iter().enumerate() {
        let leaf = Leaf::parse(&entry.leaf_input).unwrap();
        assert_eq!(leaf.extensions, b"", "{index}");
        let extra = ExtraData::parse(leaf.entry_type(), &entry.extra_data).unwrap();
        let (_, issuer) = X509Certificate::from_der(extra.chain[0]).unwrap();
        let der = super::certificate(&leaf, extra.precertificate);
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.issuer(), issuer.subject());
        if let LeafEntry::Precert { issuer_key_hash, .. } = leaf.entry {
            assert_eq!(*issuer_key_hash, ct::sha256(issuer.public_key().raw));
        }
    }
}

#[tokio::test]
async fn consistency_proofs_verify() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let entries = download(log, 1_000).await;
    for (first, second) in [(1, 1_000), (255, 256), (256, 1_000), (257, 999), (700, 900), (9, 9)] {
        let proof = consistency(log, first, second).await;
        let [one, two] = [first, second].map(|size| root(&entries[..size as usize]));
        verify_consistency(first, &one, second, &two, &proof).unwrap();
    }
}

#[tokio::test]
async fn inclusion_proofs_verify() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let entries = download(log, 1_000).await;
    for (index, size) in [(0, 1), (0, 1_000), (255, 256), (256, 257), (511, 999), (999, 1_000)] {
        let hash = leaf_hash(&entries[index].leaf_input);
        let root = root(&entries[..size]);
        let text = base64_simd::STANDARD.encode_to_string(hash);
        let mut url = url::Url::parse(log.url()).unwrap().join("ct/v1/get-proof-by-hash").unwrap();
        url.query_pairs_mut()
            .append_pair("hash", &text)
            .append_pair("tree_size", &size.to_string());
        let proof = parse_proof_by_hash(&get_ok(url.as_str()).await).unwrap();
        assert_eq!(proof.leaf_index, index as u64);
        verify_inclusion(&hash, index as u64, size as u64, &proof.audit_path, &root).unwrap();

        let query = format!("leaf_index={index}&tree_size={size}");
        let body = get_ok(&format!("{}ct/v1/get-entry-and-proof?{query}", log.url())).await;
        let answer = parse_entry_and_proof(&body).unwrap();
        assert_eq!(answer.entry, entries[index]);
        assert_eq!(answer.audit_path, proof.audit_path);
    }
}

#[tokio::test]
async fn pages_end_where_they_should() {
    let sim = start(Config { page_limit: 64, ..one(Protocol::Rfc6962) }).await;
    let log = &sim.logs()[0];
    assert_eq!(page(log, 10, 999).await.len(), 64);
    assert_eq!(page(log, 10, 20).await.len(), 11);
    assert_eq!(page(log, 990, 5_000).await.len(), 10);
    let aligned = Config { page_limit: 64, page_aligned: true, ..one(Protocol::Rfc6962) };
    let sim = start(aligned).await;
    let log = &sim.logs()[0];
    assert_eq!(page(log, 10, 999).await.len(), 54);
    assert_eq!(page(log, 64, 999).await.len(), 64);
    assert_eq!(page(log, 65, 66).await.len(), 2);
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    for (path, expected) in [
        ("ct/v1/get-entries?start=1000&end=1000", 400),
        ("ct/v1/get-entries?start=5&end=4", 400),
        ("ct/v1/get-entries?start=5", 400),
        ("ct/v1/get-entries?start=x&end=4", 400),
        ("ct/v1/get-sth-consistency?first=0&second=10", 400),
        ("ct/v1/get-sth-consistency?first=11&second=10", 400),
        ("ct/v1/get-sth-consistency?first=10&second=1001", 400),
        ("ct/v1/get-entry-and-proof?leaf_index=10&tree_size=10", 400),
        ("ct/v1/get-entry-and-proof?leaf_index=0&tree_size=1001", 400),
        ("ct/v1/get-proof-by-hash?hash=AAAA&tree_size=10", 400),
        ("ct/v1/add-chain", 404),
        ("checkpoint", 404),
    ] {
        assert_eq!(get(&format!("{}{path}", log.url())).await.0, expected, "{path}");
    }
    let posted = super::client().post(format!("{}ct/v1/get-sth", log.url())).send().await.unwrap();
    assert_eq!(posted.status().as_u16(), 405);
}

#[tokio::test]
async fn roots_end_the_chains() {
    let sim = start(one(Protocol::Rfc6962)).await;
    let log = &sim.logs()[0];
    let body = get_ok(&format!("{}ct/v1/get-roots", log.url())).await;
    let roots: serde_json::Value = serde_json::from_slice(&body).unwrap();
    for entry in page(log, 0, 99).await {
        let leaf = Leaf::parse(&entry.leaf_input).unwrap();
        let extra = ExtraData::parse(leaf.entry_type(), &entry.extra_data).unwrap();
        let root = base64_simd::STANDARD.encode_to_string(extra.chain.last().unwrap());
        assert!(roots["certificates"].as_array().unwrap().contains(&root.into()));
    }
}

#[tokio::test]
async fn a_history_that_repeats_is_hashed_as_it_is_served() {
    let size = 2 * 65_536 + 300;
    let config = Config { initial_size: size, page_limit: 10_000, ..one(Protocol::Rfc6962) };
    let sim = start(config).await;
    let log = &sim.logs()[0];
    let mut range = CompactRange::new();
    while range.size() < size {
        for entry in page(log, range.size(), size - 1).await {
            range.push(leaf_hash(&entry.leaf_input));
        }
    }
    assert_eq!(range.root(), head(log).await.head.root);
}

#[tokio::test]
async fn a_log_of_a_hundred_million_entries_starts_and_proves() {
    let size = 100_000_123;
    let sim = start(Config { initial_size: size, ..one(Protocol::Rfc6962) }).await;
    let log = &sim.logs()[0];
    let first = head(log).await.head;
    assert_eq!(first.size, size);
    for index in [0, 65_535, 65_536, 12_345_678, 99_999_999, size - 1] {
        let query = format!("leaf_index={index}&tree_size={size}");
        let body = get_ok(&format!("{}ct/v1/get-entry-and-proof?{query}", log.url())).await;
        let answer = parse_entry_and_proof(&body).unwrap();
        let hash = leaf_hash(&answer.entry.leaf_input);
        verify_inclusion(&hash, index, size, &answer.audit_path, &first.root).unwrap();
    }
    // A follower that starts at the tail: the frontier, then every entry.
    let query = format!("leaf_index={}&tree_size={size}", size - 1);
    let body = get_ok(&format!("{}ct/v1/get-entry-and-proof?{query}", log.url())).await;
    let answer = parse_entry_and_proof(&body).unwrap();
    let last = leaf_hash(&answer.entry.leaf_input);
    let mut range = CompactRange::from_audit_path(size, &last, &answer.audit_path).unwrap();
    assert_eq!(range.root(), first.root);
    log.grow(500).unwrap();
    let second = head(log).await.head;
    while range.size() < second.size {
        for entry in page(log, range.size(), second.size - 1).await {
            range.push(leaf_hash(&entry.leaf_input));
        }
    }
    assert_eq!(range.root(), second.root);
    let proof = consistency(log, size, second.size).await;
    verify_consistency(size, &first.root, second.size, &second.root, &proof).unwrap();
}
