//! Batches of a stream, made of random numbers.

use std::sync::Arc;

use ct::leaf::EntryType;
use record::{
    Advance, Batch, Gap, GapReason, Issuer, LogChange, LogIdentity, LogNumber, Position, Protocol,
    Record, Sighting, State,
};

use crate::random::Random;

pub(crate) fn nonce(random: &mut Random) -> [u8; 16] {
    std::array::from_fn(|_| random.below(256) as u8)
}

/// Makes the next batch after a state: entries of one of two logs, whose certificates depend on log and
/// index only.
pub(crate) fn batch(state: &State, seen: u64, random: &mut Random) -> Batch {
    let (log, count) = (identity(random.below(2), "Log"), random.below(4));
    make(state, &log, seen, count, |log, index| {
        Made::Record(format!("certificate {index} of log {}", log.0).into_bytes())
    })
}

/// Makes one with everything that batches have: certificates of different lengths that cannot be
/// compressed, sightings, gaps, and logs that get another name.
pub(crate) fn varied_batch(state: &State, seen: u64, random: &mut Random) -> Batch {
    let name = if random.one_of(6) { "Log with another name" } else { "Log" };
    let (log, count) = (identity(random.below(2), name), random.below(4));
    make(state, &log, seen, count, |log, index| match random.below(8) {
        0 => Made::Gap,
        1 if state.next_offset() > 0 => Made::Sighting(random.below(state.next_offset())),
        _ => {
            let parts = 0..=index % 3;
            let text = |part| format!("part {part} of certificate {index} of log {}", log.0);
            Made::Record(parts.flat_map(|part| ct::sha256(text(part).as_bytes())).collect())
        }
    })
}

/// Makes one with certificates of a kibibyte that cannot be compressed.
pub(crate) fn large_batch(state: &State, seen: u64, certificates: u64) -> Batch {
    make(state, &identity(0, "Log"), seen, certificates, |log, index| {
        let text = |part: u64| format!("part {part} of certificate {index} of log {}", log.0);
        Made::Record((0..32).flat_map(|part| ct::sha256(text(part).as_bytes())).collect())
    })
}

/// An entry.
enum Made {
    Record(Vec<u8>),
    /// It repeats the record with this offset.
    Sighting(u64),
    Gap,
}

fn identity(log: u64, name: &str) -> LogIdentity {
    LogIdentity {
        id: None,
        url: format!("https://ct{log}.example/log"),
        name: name.to_owned(),
        operator: "Example".to_owned(),
        protocol: Protocol::Rfc6962,
    }
}

fn make(
    state: &State,
    log: &LogIdentity,
    seen: u64,
    count: u64,
    mut entry: impl FnMut(LogNumber, u64) -> Made,
) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let (log, change) = state.row(log);
    batch.logs.extend(change.map(|change| LogChange { number: log, ..change }));
    let position = state.log(log).and_then(|log| log.position.clone()).unwrap_or_default();
    let first = position.next;
    let end = first + count;
    for index in first..end {
        match entry(log, index) {
            Made::Record(certificate) => batch.records.push(record(log, index, seen, certificate)),
            Made::Sighting(offset) => {
                let (submitted, fingerprint) = (seen, None);
                batch.sightings.push(Sighting { log, index, submitted, offset, fingerprint });
            }
            Made::Gap => {
                let range = index..index + 1;
                batch.gaps.push(Gap { log, range, reason: GapReason::Skipped });
            }
        }
    }
    let position = Position { next: end, largest_head: end, tree: None };
    batch.advances.push(Advance { log, first, position });
    batch
}

fn record(log: LogNumber, index: u64, seen: u64, certificate: Vec<u8>) -> Record {
    let issuer = Issuer::new(vec![index as u8 % 5; 30].into());
    let chain = vec![Arc::new(issuer)];
    let record = Record::as_read(index, 0, EntryType::X509, certificate.into(), chain);
    Record { log, seen, ..record }
}
