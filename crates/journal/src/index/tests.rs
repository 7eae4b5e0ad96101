//! The index of random batches, open and sealed, against a search of the batches themselves.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod failing;
mod finding;
mod found;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use cert::{Certificate, Digests};
use ct::leaf::EntryType;
use record::{Advance, Batch, BatchHash, Header, Position, Record, Sighting, StreamId};

use super::*;
use crate::storage::File;

/// A file in memory.
#[derive(Debug)]
struct Contents(Vec<u8>);

impl File for Contents {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        unreachable!("an index is written in one go")
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

const LAST: BatchHash = BatchHash(77);
const BINDING: Binding = Binding { marker: *b"markmark", first: 100, bytes: 5_000, last: LAST };
const NAMES: [&str; 12] = [
    "example.com",
    "www.example.com",
    "*.example.com",
    "deep.below.example.com",
    "example.com.other.org",
    "myexample.com",
    "xn--bcher-kva.example",
    "UPPER.Example.COM",
    "a.co",
    "b.co",
    "co",
    "203.0.113.7",
];

fn certificates() -> Vec<Bytes> {
    let certificate = |number: usize| {
        let names = (0..1 + number % 3).map(|i| NAMES[(number + 5 * i) % NAMES.len()].to_owned());
        let certified = rcgen::generate_simple_self_signed(names.collect::<Vec<_>>()).unwrap();
        Bytes::copy_from_slice(certified.cert.der())
    };
    (0..24).map(certificate).collect()
}

/// Returns batches of two logs: records, sightings of earlier records, and begins between them.
fn batches() -> Vec<(Batch, u64)> {
    let certificates = certificates();
    let (mut next, mut offset, mut number) = ([7_u64, 1 << 30], 1_000_000_u64, BINDING.first);
    let mut batches: Vec<(Batch, u64)> = Vec::new();
    for step in 0..60_usize {
        // Some numbers are begins, which jump.
        number += 1 + u64::from(step % 20 == 19);
        offset += if step % 20 == 19 { 1 << 24 } else { 0 };
        let stream: StreamId = "Abc12xyZ".parse().unwrap();
        let header = Header { stream, term: 1, number, prev: BatchHash::NONE };
        let mut batch = Batch::new(header, offset);
        let log = step % 2;
        let first = next[log];
        for entry in 0..step % 7 {
            let index = first + entry as u64;
            let number = LogNumber(u32::try_from(log).unwrap());
            if step % 3 == 2 {
                let offset = 1_000_000 + (step * 7 + entry * 13) as u64 % 60;
                let fingerprint = (entry == 1).then(|| [u8::try_from(step).unwrap(); 32]);
                let sighting = Sighting { log: number, index, submitted: 5, offset, fingerprint };
                batch.sightings.push(sighting);
            } else {
                let der = certificates[(step * 3 + entry) % certificates.len()].clone();
                let record = Record::as_read(index, 5, EntryType::X509, der, Vec::new());
                batch.records.push(Record { log: number, seen: 9, ..record });
            }
        }
        next[log] = first + (step % 7) as u64;
        let position = Position { next: next[log], ..Position::default() };
        let log = LogNumber(u32::try_from(log).unwrap());
        batch.advances.push(Advance { log, first, position });
        offset = batch.next_offset();
        batches.push((batch, 128 + 90 * step as u64));
    }
    batches
}

/// Returns both forms of the index of the batches.
fn indexes(batches: &[(Batch, u64)]) -> [Box<dyn Index>; 2] {
    let mut open = OpenIndex::new(BINDING.first);
    batches.iter().for_each(|(batch, at)| open.add(batch, *at));
    let file = open.to_file(&BINDING).unwrap();
    let sealed = SealedIndex::open(Arc::new(Contents(file)), &BINDING).unwrap();
    [Box::new(open), Box::new(sealed)]
}

fn ordinals(batches: &[(Batch, u64)], has: impl Fn(&Batch) -> bool) -> Vec<u32> {
    let found = batches.iter().filter(|(batch, _)| has(batch));
    found.map(|(batch, _)| u32::try_from(batch.header.number - BINDING.first).unwrap()).collect()
}

#[test]
fn batches_are_found_by_certificate_sighting_entry_and_offset() {
    let batches = batches();
    for index in indexes(&batches) {
        for (batch, at) in &batches {
            for record in &batch.records {
                let digests = Digests::of(&record.certificate);
                let all = ordinals(&batches, |b| {
                    b.records.iter().any(|other| other.fingerprint == digests.sha256)
                });
                for digest in [&digests.sha256[..], &digests.sha1] {
                    assert_eq!(index.certificates(keys::of_digest(digest)).unwrap(), all);
                }
                let certificate = Certificate::read(&record.certificate);
                assert_eq!(index.serials(keys::of_serial(certificate.serial)).unwrap(), all);
            }
            for sighting in &batch.sightings {
                let all = ordinals(&batches, |b| {
                    b.sightings.iter().any(|other| other.offset == sighting.offset)
                });
                assert_eq!(index.sightings(sighting.offset).unwrap(), all);
                if let Some(fingerprint) = &sighting.fingerprint {
                    let found = index.certificates(keys::of_digest(fingerprint)).unwrap();
                    assert_eq!(found.len(), 1);
                }
            }
            let ordinal = u32::try_from(batch.header.number - BINDING.first).unwrap();
            for advance in &batch.advances {
                for entry in advance.first..advance.position.next {
                    assert_eq!(index.entry(advance.log, entry).unwrap(), Some(ordinal));
                }
            }
            let row = index.row(ordinal).unwrap().unwrap();
            assert_eq!((row.at, row.end()), (*at, batch.next_offset()));
            for offset in batch.first_offset..batch.next_offset() {
                assert_eq!(index.row_at(offset).unwrap(), Some(row.clone()));
            }
        }
        assert!(index.certificates(5).unwrap().is_empty());
        assert!(index.sightings(5).unwrap().is_empty());
        assert_eq!(index.entry(LogNumber(0), 6).unwrap(), None, "before the log's first");
        assert_eq!(index.entry(LogNumber(9), 6).unwrap(), None, "another log");
        assert_eq!(index.row(u32::MAX).unwrap(), None);
        let first = index.row_at(5).unwrap().map(|row| row.first_offset);
        assert_eq!(first, Some(1_000_000), "the next one");
        assert_eq!(index.row_at(u64::MAX).unwrap(), None);
    }
}

fn visited(index: &dyn Index, texts: Texts, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, Vec<u32>)> {
    let mut found = Vec::new();
    let mut visit = |text: &[u8], batches: &[u32]| {
        found.push((text.to_vec(), batches.to_vec()));
        true
    };
    index.visit(texts, from, to, &mut visit).unwrap();
    found
}

#[test]
fn batches_are_found_by_name_address_and_issuer() {
    let batches = batches();
    let has = |wanted: &'static str| {
        ordinals(&batches, |batch| {
            batch.records.iter().any(|record| {
                let (mut found, certificate) = (false, Certificate::read(&record.certificate));
                keys::names(&certificate, |name| found |= keys::of_name(name) == wanted);
                keys::addresses(&certificate, |address| found |= address.to_string() == wanted);
                found
            })
        })
    };
    for index in indexes(&batches) {
        let below = visited(&*index, Texts::Names, b"com.example.", b"com.example/");
        let names = ["*", "below.deep", "upper", "www"].map(|label| format!("com.example.{label}"));
        assert_eq!(below.len(), names.len());
        for ((text, found), name) in below.iter().zip(names) {
            assert_eq!(text, name.as_bytes());
            assert_eq!(*found, has(String::leak(name)));
            assert!(!found.is_empty());
        }
        let address: IpAddr = "203.0.113.7".parse().unwrap();
        let key = keys::of_address(address);
        let after = [key.as_slice(), b"\0"].concat();
        let found = visited(&*index, Texts::Addresses, &key, &after);
        assert_eq!(found, [(key, has("203.0.113.7"))]);
        let issuers = visited(&*index, Texts::Issuers, b"", b"\xff");
        assert_eq!(issuers.len(), 1, "{issuers:?}");
        assert_eq!(visited(&*index, Texts::Names, b"zz", b"a"), []);
        let mut visits = 0;
        let mut once = |_: &[u8], _: &[u32]| {
            visits += 1;
            false
        };
        index.visit(Texts::Names, b"", b"\xff", &mut once).unwrap();
        assert_eq!(visits, 1);
    }
}

#[test]
fn a_damaged_index_is_refused_and_never_finds_anything_else() {
    let batches = batches();
    let mut open = OpenIndex::new(BINDING.first);
    batches.iter().for_each(|(batch, at)| open.add(batch, *at));
    let file = open.to_file(&BINDING).unwrap();
    let (record, sighting) = (&batches[1].0.records[0], &batches[2].0.sightings[0]);
    let key = keys::of_digest(&record.fingerprint);
    let mut refused = 0;
    for at in (0..file.len()).step_by(7) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        let sealed = match SealedIndex::open(Arc::new(Contents(damaged)), &BINDING) {
            Ok(sealed) => sealed,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                refused += 1;
                continue;
            }
        };
        let as_before = |found: io::Result<Vec<u32>>, expected: io::Result<Vec<u32>>| match found {
            Ok(found) => assert_eq!(found, expected.unwrap()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        };
        as_before(sealed.certificates(key), open.certificates(key));
        as_before(sealed.sightings(sighting.offset), open.sightings(sighting.offset));
    }
    assert!(refused > 5, "header and directory");
    for length in [0, 10, file.len() / 2, file.len() - 1] {
        let cut = Contents(file[..length].to_vec());
        assert!(SealedIndex::open(Arc::new(cut), &BINDING).is_err(), "{length}");
    }
    for other in [
        Binding { marker: *b"othermrk", ..BINDING },
        Binding { first: 101, ..BINDING },
        Binding { bytes: 5_001, ..BINDING },
        Binding { last: BatchHash(78), ..BINDING },
    ] {
        assert!(SealedIndex::open(Arc::new(Contents(file.clone())), &other).is_err());
    }
    // Where the hash cannot be read, the rest decides.
    let unknown = Binding { last: BatchHash::NONE, ..BINDING };
    assert!(SealedIndex::open(Arc::new(Contents(file)), &unknown).is_ok());
}
