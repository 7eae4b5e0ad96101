//! The cost of the journal: `cargo bench -p journal --bench throughput`.
//!
//! CPU and bytes per record while appending, for two sizes of batches; records per second while
//! reading in order; the time to open. Certificates have 812 bytes, of which 320 are random: what real
//! ones compress to.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ct::leaf::EntryType;
use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Journal, Opened, Settings, Start, System};
use record::{
    Advance, Batch, Issuer, LogChange, LogIdentity, LogNumber, Position, Protocol, Record, State,
};

const RECORDS: u64 = 200_000;
const LENGTH: usize = 812;
/// Random parts of a certificate: serial number, key, names, signature.
const PARTS: [(usize, usize); 4] = [(15, 16), (120, 64), (300, 40), (600, 200)];

fn certificate(template: &[u8], random: &mut Random) -> Vec<u8> {
    let mut certificate = template.to_vec();
    for (start, length) in PARTS {
        certificate[start..start + length]
            .iter_mut()
            .for_each(|byte| *byte = random.number() as u8);
    }
    certificate
}

fn batch(state: &State, size: u64, certificates: &[Vec<u8>], chain: &[Arc<Issuer>]) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let log = LogNumber(0);
    let known = state.log(log).and_then(|known| known.position.as_ref());
    let first = known.map_or(0, |known| known.next);
    if known.is_none() {
        let identity = LogIdentity {
            id: None,
            url: "https://ct.example/log".to_owned(),
            name: "Log".to_owned(),
            operator: "Example".to_owned(),
            protocol: Protocol::Rfc6962,
        };
        batch.logs.push(LogChange { number: log, identity });
    }
    for index in first..first + size {
        let certificate = certificates[index as usize].clone().into();
        let chain = chain.to_vec();
        let record = Record::as_read(index, 1, EntryType::X509, certificate, chain);
        batch.records.push(Record { log, seen: 1_700_000_000_000 + index, ..record });
    }
    let next = first + size;
    let position = Position { next, largest_head: next, tree: None };
    batch.advances.push(Advance { log, first, position });
    batch
}

fn open(dir: &Path) -> Opened {
    let (storage, host) = (Arc::new(Disk), Arc::new(System::new()));
    Journal::open(storage, host, dir, Settings::default()).unwrap()
}

fn measure(size: u64, certificates: &[Vec<u8>], chain: &[Arc<Issuer>]) {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path());
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut spent = std::time::Duration::ZERO;
    for _ in 0..RECORDS / size {
        let batch = batch(&state, size, certificates, chain);
        let started = Instant::now();
        let hash = writer.append(&batch).unwrap();
        spent += started.elapsed();
        state.apply(&batch, hash).unwrap();
    }
    let records = (RECORDS / size * size) as f64;
    let bytes = journal.stats().bytes as f64 / records;
    let append = spent.as_secs_f64() * 1e6 / records;
    let started = Instant::now();
    let (mut offset, mut read) = (0, 0);
    loop {
        let batches = journal.read(offset, u64::MAX, 4 << 20).unwrap();
        let Some(last) = batches.last() else { break };
        offset = last.batch.next_offset();
        read += batches.iter().map(|stored| stored.batch.records.len()).sum::<usize>();
    }
    let rate = read as f64 / started.elapsed().as_secs_f64();
    drop((writer, journal));
    let started = Instant::now();
    let opened = open(dir.path());
    let took = started.elapsed();
    assert_eq!(opened.state, state);
    println!(
        "batches of {size:>3}: append {append:.2} µs, {bytes:.0} bytes a record; \
         read {rate:.0} records/s; open {took:.0?}"
    );
}

fn main() {
    let mut random = Random::new(1);
    let template: Vec<u8> = (0..LENGTH).map(|_| random.number() as u8).collect();
    let certificates: Vec<_> = (0..RECORDS).map(|_| certificate(&template, &mut random)).collect();
    let chain = [Arc::new(Issuer::new(template.into()))];
    for size in [256, 64, 8] {
        measure(size, &certificates, &chain);
    }
}
