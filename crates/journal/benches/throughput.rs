//! The cost of the journal: `cargo bench -p journal --bench throughput`.
//!
//! For some sizes of batches: CPU and bytes per record while appending, and while indexing; records per
//! second while reading in order; the time to open; look-ups. Certificates are like real ones in size and
//! in the part of them that is random, and each has two names of its own.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ct::leaf::EntryType;
use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Digest, Indexes, Journal, Opened, Settings, Start, System};
use rcgen::{CertificateParams, CustomExtension, KeyPair, SerialNumber};
use record::{
    Advance, Batch, Issuer, LogChange, LogIdentity, LogNumber, Position, Protocol, Record, State,
};

const RECORDS: u64 = 200_000;
const LOOKUPS: usize = 1_000;
/// Bytes in the template that stand for random ones: a serial number, a name, the SCTs. The key and the
/// signature of the template are random at places that do not move.
const SERIAL: [u8; 16] = [0x51; 16];
const NAME: &[u8] = b"qqqqqqqqqqqq";
const SCTS: [u8; 240] = [0x5a; 240];
/// Random bytes at the end: the signature, and of an RSA key the other part.
const END: usize = 250;

/// A certificate with marks at the places of random parts.
struct Template {
    der: Vec<u8>,
    names: Vec<usize>,
    others: Vec<(usize, usize)>,
}

impl Template {
    fn new() -> Self {
        let name = std::str::from_utf8(NAME).unwrap();
        let names = [format!("{name}.example.com"), format!("www.{name}.example.com")];
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&SERIAL));
        for (number, bytes) in [(2, SCTS.as_slice()), (3, &[0x33; 300]), (4, &[0x44; END])] {
            let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, number];
            let extension = CustomExtension::from_oid_content(&oid, bytes.to_vec());
            params.custom_extensions.push(extension);
        }
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let names = places(&der, NAME);
        let at = |mark: &[u8]| places(&der, mark)[0];
        let others =
            vec![(at(&SERIAL), SERIAL.len()), (at(&SCTS), SCTS.len()), (at(&[0x44; END]), END)];
        Self { der, names, others }
    }

    fn certificate(&self, random: &mut Random) -> Vec<u8> {
        let mut der = self.der.clone();
        let name: Vec<u8> = NAME.iter().map(|_| b'a' + (random.number() % 26) as u8).collect();
        for place in &self.names {
            der[*place..*place + NAME.len()].copy_from_slice(&name);
        }
        for (start, length) in &self.others {
            der[*start..*start + *length].iter_mut().for_each(|byte| *byte = random.number() as u8);
        }
        // A serial number is positive.
        der[self.others[0].0] &= 0x7f;
        der
    }
}

fn places(der: &[u8], mark: &[u8]) -> Vec<usize> {
    (0..der.len()).filter(|at| der[*at..].starts_with(mark)).collect()
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
    for _ in 0..RECORDS / size {
        let batch = batch(&state, size, certificates, chain);
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
