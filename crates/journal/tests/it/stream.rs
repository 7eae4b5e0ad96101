//! Valid batches, made of random numbers.

use std::sync::Arc;

use bytes::Bytes;
use ct::leaf::EntryType;
use ct::merkle::CompactRange;
use journal::storage::simulated::Random;
use record::{
    Advance, Batch, Gap, GapReason, Issuer, LogIdentity, LogNumber, Position, Protocol, Proved,
    Record, Sighting, State, Tree,
};

/// Bounds of the batches made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) logs: u64,
    pub(crate) entries: u64,
    pub(crate) certificate: u64,
}

/// Small batches.
pub(crate) const SMALL: Shape = Shape { logs: 3, entries: 5, certificate: 120 };

/// Makes a batch that fits after a state.
pub(crate) fn batch(state: &State, shape: Shape, seen: u64, random: &mut Random) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let first = random.below(shape.logs);
    let pages = 1 + random.below(2.min(shape.logs));
    for page in 0..pages {
        let log = (first + page) % shape.logs;
        let (number, change) = state.row(&identity(log));
        let number = match change {
            Some(mut change) => {
                let new = u32::try_from(batch.logs.len()).unwrap();
                if state.log(number).is_none() {
                    change.number = LogNumber(number.0 + new);
                }
                let number = change.number;
                batch.logs.push(change);
                number
            }
            None => number,
        };
        add_page(state, number, shape, seen, random, &mut batch);
    }
    batch
}

fn add_page(
    state: &State,
    log: LogNumber,
    shape: Shape,
    seen: u64,
    random: &mut Random,
    batch: &mut Batch,
) {
    let known = state.log(log).and_then(|log| log.position.clone()).unwrap_or_default();
    let mut leaves =
        known.tree.as_ref().map_or_else(CompactRange::default, |tree| tree.read.clone());
    let mut index = known.next;
    for _ in 0..random.below(shape.entries + 1) {
        let mut count = 1;
        match random.below(8) {
            0 if batch.next_offset() > state.next_offset() => batch.sightings.push(Sighting {
                log,
                index,
                submitted: seen,
                offset: batch.next_offset() - 1,
                fingerprint: random.one_of(2).then_some([3; 32]),
            }),
            1 => {
                count = 1 + random.below(9);
                let reason = GapReason::Skipped;
                batch.gaps.push(Gap { log, range: index..index + count, reason });
            }
            _ => batch.records.push(record(log, index, seen, shape, random)),
        }
        for leaf in index..index + count {
            leaves.push(ct::sha256(&leaf.to_be_bytes()));
        }
        index += count;
    }
    let tree = Tree { proved: Proved { size: index, root: leaves.root() }, read: leaves, from: 0 };
    let position = Position { next: index, largest_head: index, tree: Some(tree) };
    batch.advances.push(Advance { log, first: known.next, position });
}

fn record(log: LogNumber, index: u64, seen: u64, shape: Shape, random: &mut Random) -> Record {
    let length = 1 + random.place(usize::try_from(shape.certificate).unwrap());
    let certificate = bytes(length, random);
    let issuers = random.below(3);
    let chain = (0..issuers).map(|_| issuer(random.below(7) as u8)).collect();
    let kind = if random.one_of(2) { EntryType::X509 } else { EntryType::Precert };
    let submitted = seen - random.below(1000);
    Record { log, seen, ..Record::as_read(index, submitted, kind, certificate, chain) }
}

fn issuer(seed: u8) -> Arc<Issuer> {
    Arc::new(Issuer::new(vec![seed; 20 + usize::from(seed)].into()))
}

pub(crate) fn bytes(length: usize, random: &mut Random) -> Bytes {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.number().to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn identity(log: u64) -> LogIdentity {
    LogIdentity {
        id: None,
        url: format!("https://ct{log}.example/log"),
        name: format!("Log {log}"),
        operator: "Example".to_owned(),
        protocol: Protocol::Rfc6962,
    }
}
