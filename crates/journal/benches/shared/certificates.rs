//! Certificates like real ones in size and in the part of them that is random, and batches of them.

use std::sync::Arc;

use ct::leaf::EntryType;
use journal::storage::simulated::Random;
use rcgen::{CertificateParams, CustomExtension, KeyPair, SerialNumber};
use record::{
    Advance, Batch, Issuer, LogChange, LogIdentity, LogNumber, Position, Protocol, Record, State,
};

/// Bytes in the template that stand for random ones: a serial number, a name, the SCTs. The key and the
/// signature of the template are random at places that do not move.
const SERIAL: [u8; 16] = [0x51; 16];
const NAME: &[u8] = b"qqqqqqqqqqqq";
const SCTS: [u8; 240] = [0x5a; 240];
/// Random bytes at the end: the signature, and of an RSA key the other part.
const END: usize = 250;

/// A certificate with marks at the places of random parts.
pub(crate) struct Template {
    pub(crate) der: Vec<u8>,
    names: Vec<usize>,
    others: Vec<(usize, usize)>,
}

impl Template {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn certificate(&self, random: &mut Random) -> Vec<u8> {
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

/// Returns the next batch, with a record of each certificate.
pub(crate) fn batch(state: &State, certificates: &[Vec<u8>], chain: &[Arc<Issuer>]) -> Batch {
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
    for (index, certificate) in (first..).zip(certificates) {
        let (certificate, chain) = (certificate.clone().into(), chain.to_vec());
        let record = Record::as_read(index, 1, EntryType::X509, certificate, chain);
        batch.records.push(Record { log, seen: 1_700_000_000_000 + index, ..record });
    }
    let next = first + certificates.len() as u64;
    let position = Position { next, largest_head: next, tree: None };
    batch.advances.push(Advance { log, first, position });
    batch
}
