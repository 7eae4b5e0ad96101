//! The cost of the journal: `cargo bench -p journal --bench throughput`.
//!
//! For some sizes of batches: CPU and bytes per record while appending, and while indexing; records per
//! second while reading in order; the time to open; look-ups. Certificates are like real ones in size and
//! in the part of them that is random, and each has two names of its own.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "shared/certificates.rs"]
mod certificates;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Digest, Indexes, Journal, Opened, Settings, Start, System};
use record::Issuer;

use certificates::{Template, batch};

const RECORDS: u64 = 200_000;
const LOOKUPS: usize = 1_000;
fn open(dir: &Path) -> Opened {
    let (storage, host) = (Arc::new(Disk), Arc::new(System::new()));
    Journal::open(storage, host, dir, Settings::default()).unwrap()
}

/// The CPU time of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn measure(size: u64, certificates: &[Vec<u8>], chain: &[Arc<Issuer>]) {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path());
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut spent = 0.0;
    for certificates in certificates.chunks_exact(size as usize) {
        let batch = batch(&state, certificates, chain);
        let started = cpu();
        let hash = writer.append(&batch).unwrap();
        spent += cpu() - started;
        state.apply(&batch, hash).unwrap();
    }
    let records = (RECORDS / size * size) as f64;
    let micros = |seconds: f64| seconds * 1e6 / records;
    let append = micros(spent);
    journal.sync().unwrap();
    let bytes = journal.stats().bytes as f64 / records;
    let (started, mut offset, mut read) = (cpu(), 0, 0);
    loop {
        let batches = journal.read(offset, u64::MAX, 1 << 20).unwrap();
        let Some(last) = batches.last() else { break };
        offset = last.batch.next_offset();
        read += batches.iter().map(|stored| stored.batch.records.len()).sum::<usize>();
    }
    assert_eq!(read as f64, records);
    let read = micros(cpu() - started);
    drop((writer, journal));
    let started = Instant::now();
    let Opened { mut writer, journal, state: opened, .. } = open(dir.path());
    let took = started.elapsed();
    assert_eq!(opened, state);
    // Closes the last segment, so that it gets an index.
    writer.begin(&Start::default()).unwrap();
    let indexes = Indexes::new(&journal);
    let started = cpu();
    indexes.follow(|| indexes.is_complete());
    let index = micros(cpu() - started);
    let index_bytes = journal.stats().bytes as f64 / records - bytes;
    let started = Instant::now();
    for certificate in
        certificates.iter().take(records as usize).step_by(RECORDS as usize / LOOKUPS)
    {
        let digest = Digest::Sha256(ct::sha256(certificate));
        assert!(indexes.certificate(&digest).unwrap().is_some());
    }
    let look_up = started.elapsed() / LOOKUPS as u32;
    println!(
        "batches of {size:>3}, each record: append {append:.2} µs, {bytes:.0} bytes; index {index:.2} µs, \
         {index_bytes:.0} bytes; read {read:.2} µs. Open {took:.0?}, look-up {look_up:.0?}"
    );
}

fn main() {
    let mut random = Random::new(1);
    let template = Template::new();
    let certificates: Vec<_> = (0..RECORDS).map(|_| template.certificate(&mut random)).collect();
    println!("certificates of {} bytes", template.der.len());
    let chain = [Arc::new(Issuer::new(template.der.into()))];
    for size in [256, 64, 8] {
        measure(size, &certificates, &chain);
    }
}
