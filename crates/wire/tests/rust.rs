//! The Rust profile, against messages that certstream-server-rust 1.5.3 made of the same entries.
//!
//! Not compared: `cert_link` of the synthetic entries, which their fixture invents. The fixtures
//! were made with `source.url` ending in a slash, which the running server strips.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::sync::Arc;

use cert::Certificate;
use ct::leaf::{ExtraData, Leaf, LeafEntry};
use record::Record;
use serde::Deserialize;
use support::{read, record, render, shared_data};
use wire::{Event, Issuer, Profile, Source, SourceKind, StreamKind};

mod support;

/// The time at which their fixtures were "seen".
const SEEN: u64 = 1_700_000_000_000;

#[derive(Deserialize)]
struct Expected {
    expected_full: String,
    expected_lite: String,
    expected_domains_only: String,
}

impl Expected {
    fn compare(&self, name: &str, event: &Event<'_>, theirs: impl Fn(&str) -> String) {
        for (kind, expected) in [
            (StreamKind::Full, &self.expected_full),
            (StreamKind::Lite, &self.expected_lite),
            (StreamKind::Domains, &self.expected_domains_only),
        ] {
            let ours = render(kind, Profile::Rust, event);
            assert_eq!(ours, theirs(expected), "{name}");
        }
    }
}

#[derive(Deserialize)]
struct Live {
    name: String,
    log_name: String,
    log_url: String,
    cert_index: u64,
    leaf_input: String,
    extra_data: String,
    #[serde(flatten)]
    expected: Expected,
}

fn base64(text: &str) -> Vec<u8> {
    base64_simd::STANDARD.decode_to_vec(text).unwrap()
}

#[test]
fn live_entries_byte_for_byte() {
    let Some(data) = shared_data() else { return };
    let live: Vec<Live> =
        serde_json::from_slice(&read(&data, "rfc6962/certstream-live/live_ct.json")).unwrap();
    assert_eq!(live.len(), 40);
    for entry in live {
        let source = Source::new(&entry.log_name, &entry.log_url, "", SourceKind::Rfc6962, None);
        let leaf_input = base64(&entry.leaf_input);
        let leaf = Leaf::parse(&leaf_input).unwrap();
        let extra_data = base64(&entry.extra_data);
        let extra = ExtraData::parse(leaf.entry_type(), &extra_data).unwrap();
        let chain: Vec<_> =
            extra.chain.iter().map(|der| Arc::new(Issuer::new(der.to_vec().into()))).collect();
        let (kind, submitted) = (leaf.entry_type(), leaf.timestamp);
        let der = match leaf.entry {
            LeafEntry::X509 { certificate } => certificate,
            LeafEntry::Precert { .. } => extra.precertificate.unwrap(),
        };
        let event = Event {
            offset: 0,
            record: &Record { seen: SEEN, submitted, kind, ..record(entry.cert_index) },
            source: &source,
            certificate: &Certificate::read(der),
            chain: &chain,
        };
        let with_slash = format!("\"url\":\"{}\"", entry.log_url);
        let without = format!("\"url\":\"{}\"", source.url());
        entry.expected.compare(&entry.name, &event, |theirs| theirs.replace(&with_slash, &without));
    }
}

#[derive(Deserialize)]
struct Synthetic {
    name: String,
    der_b64: String,
    submission_timestamp: f64,
    #[serde(flatten)]
    expected: Expected,
}

#[test]
fn synthetic_entries_byte_for_byte() {
    let Some(data) = shared_data() else { return };
    let synthetic: Vec<Synthetic> =
        serde_json::from_slice(&read(&data, "rfc6962/certstream-live/synthetic.json")).unwrap();
    assert_eq!(synthetic.len(), 11);
    // They were made without a chain, as entries of static logs are.
    let source =
        Source::new("Snapshot Test Log", "https://test.example", "", SourceKind::Tiled, None);
    for entry in synthetic {
        let der = base64(&entry.der_b64);
        let submitted = (entry.submission_timestamp * 1000.0) as u64;
        let event = Event {
            offset: 0,
            record: &Record { seen: SEEN, submitted, ..record(42) },
            source: &source,
            certificate: &Certificate::read(&der),
            chain: &[],
        };
        entry.expected.compare(&entry.name, &event, |theirs| {
            theirs
                .replace("https://test.example/entry/42", "https://test.example/tile/data/000")
                .replace("\"url\":\"https://test.example/\"", "\"url\":\"https://test.example\"")
        });
    }
}

/// The output of their parser for the test certificates.
#[test]
fn leaf_certificates_byte_for_byte() {
    let Some(data) = shared_data() else { return };
    let source = support::rfc6962();
    let printed = String::from_utf8(read(&data, "vectors/rust_peer.txt")).unwrap();
    assert_eq!(printed.lines().count(), 8);
    for line in printed.lines() {
        let (file, expected) = line.split_once(' ').unwrap();
        let der = read(&data, &format!("vectors/{file}"));
        let certificate = Certificate::read(&der);
        let event = support::event(&source, &certificate, &[]);
        let lite = render(StreamKind::Lite, Profile::Rust, &event);
        // It is their entry parser, not printed here, that adds the poison.
        let ours = support::member(&lite, "leaf_cert").replace(",\"ctlPoisonByte\":true", "");
        assert_eq!(ours, expected, "{file}");
    }
}
