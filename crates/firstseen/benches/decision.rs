//! The cost of deciding whether a domain is new: `cargo bench -p firstseen --bench decision`.
//!
//! `FIRST_SEEN_DOMAINS=N` fills the set with so many domains first (default 5,000,000).

#![allow(clippy::expect_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ct::leaf::EntryType;
use firstseen::{First, Seed, Set, Settings};
use journal::storage::Disk;
use record::{Batch, BatchHash, Header, Record};

const DOMAINS: u64 = 5_000_000;
const CALLS: u64 = 100_000;
/// Domains of one batch.
const BATCH: u64 = 1_000;

fn main() {
    let domains = std::env::var("FIRST_SEEN_DOMAINS")
        .map_or(DOMAINS, |text| text.parse().expect("FIRST_SEEN_DOMAINS is a number"));
    let dir = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    let set = filled(dir.path(), domains);
    println!("filled in {:?}: {:?}", start.elapsed(), set.stats());
    let record = record();
    let names = micros(|_| drop(set.keys(&record)));
    let find = |domain: String| set.find(set.key(&domain)).expect("readable");
    let new = micros(|number| assert!(find(format!("new-{number}")).is_none()));
    let known = micros(|number| {
        let known = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % domains;
        assert!(find(format!("d{known}")).is_some());
    });
    println!("names of a certificate: {names:.2} µs");
    println!("look-up of a new domain: {new:.2} µs, of a known one: {known:.2} µs");
}

/// Returns a set that has seen so many domains.
fn filled(dir: &Path, domains: u64) -> Set {
    let settings = Settings { max_bytes: 1 << 34, fresh: 1 << 17 };
    let set = Set::empty(Arc::new(Disk), dir, settings, Seed([9; 16]), 0);
    for offset in (0..domains).step_by(BATCH as usize) {
        let first = First { offset, time: 0 };
        let added = (offset..offset + BATCH).map(|one| (set.key(&format!("d{one}")), first));
        set.add(added.collect::<Vec<_>>(), &batch(offset));
        if set.is_full() && set.seal() {
            set.write().expect("written");
            set.tidy(&|| false).expect("tidied");
        }
    }
    set
}

/// A batch of records without certificates.
fn batch(first_offset: u64) -> Batch {
    let stream = "abcdefgh".parse().expect("an id");
    let header = Header { stream, term: 1, number: 1, prev: BatchHash::NONE };
    let mut batch = Batch::new(header, first_offset);
    let records = (first_offset..first_offset + BATCH)
        .map(|offset| Record::as_read(offset, 0, EntryType::X509, Vec::new().into(), Vec::new()));
    batch.records.extend(records);
    batch
}

/// A record of a certificate with two names.
fn record() -> Record {
    let names = ["d1.example".to_owned(), "www.d1.example".to_owned()];
    let params = rcgen::CertificateParams::new(names).expect("names");
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let der = certificate.der().to_vec().into();
    Record::as_read(0, 0, EntryType::X509, der, Vec::new())
}

/// Returns the mean time of a call.
fn micros(work: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    (0..CALLS).for_each(work);
    start.elapsed().as_secs_f64() * 1e6 / CALLS as f64
}
