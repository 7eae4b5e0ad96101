//! Certificates: which of their names count.

use std::sync::Arc;

use bytes::Bytes;
use ct::leaf::EntryType;
use firstseen::{Seed, Set, Settings};
use journal::storage::Disk;
use record::Record;

use crate::support::batch;

/// The DER certificate of these names.
fn certificate(names: &[String], key: &rcgen::KeyPair) -> Bytes {
    let params = rcgen::CertificateParams::new(names).expect("names");
    let certificate = params.self_signed(key).expect("a certificate");
    certificate.der().to_vec().into()
}

fn record(names: &[&str], offset: u64) -> Record {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = rcgen::KeyPair::generate().expect("a key");
    Record::as_read(offset, 0, EntryType::Precert, certificate(&names, &key), Vec::new())
}

fn set(dir: &std::path::Path, fresh: usize) -> Set {
    let settings = Settings { max_bytes: 1 << 34, fresh };
    Set::open(Arc::new(Disk), dir, settings)
        .expect("a folder")
        .unwrap_or_else(|| Set::empty(Arc::new(Disk), dir, settings, Seed([9; 16]), 0))
}

#[test]
fn the_names_of_a_certificate_count_by_their_registrable_domains() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("first-seen");
    let names = ["www.Example.CO.UK", "*.a.example.co.uk", "b.example.org", "192.0.2.1", "co.uk"];
    let records = [record(&names, 0), record(&["example.org", "x.example.net"], 1)];
    {
        let set = set(&folder, 100);
        let mut keys = set.keys(&records[0]);
        keys.sort_unstable();
        let mut expected = ["example.co.uk", "example.org"].map(|domain| set.key(domain));
        expected.sort_unstable();
        assert_eq!(keys, expected);
        let mut batch = batch(0, 0);
        batch.records.extend(records);
        set.note(&batch).expect("applied");
        // A second time changes nothing.
        set.note(&batch).expect("applied");
        assert!(set.seal());
        set.write().expect("written");
    }
    let set = set(&folder, 100);
    let offset = |domain| set.find(set.key(domain)).expect("readable").map(|one| one.first.offset);
    let domains = ["example.co.uk", "example.org", "example.net", "www.example.org", "co.uk"];
    assert_eq!(domains.map(offset), [Some(0), Some(0), Some(1), None, None]);
    assert_eq!((set.end(), set.stats().domains), (2, 3));
}

#[test]
fn a_certificate_with_too_many_domains_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let set = set(dir.path(), 100);
    let names: Vec<String> = (0..4_100).map(|number| format!("a.d{number}.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(set.keys(&record(&names, 0)).len(), firstseen::MOST_DOMAINS);
    assert_eq!(set.stats().oversized, 1);
}
