//! Batches of a stream, made of random numbers.

use record::{
    Advance, Batch, LogChange, LogIdentity, LogNumber, Position, Protocol, Record, State,
};

use crate::random::Random;

pub(crate) fn nonce(random: &mut Random) -> [u8; 16] {
    std::array::from_fn(|_| random.below(256) as u8)
}

/// Makes the next batch after a state: entries of two logs, whose certificates depend on log and index
/// only.
pub(crate) fn batch(state: &State, seen: u64, random: &mut Random) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let identity = LogIdentity {
        id: None,
        url: format!("https://ct{}.example/log", random.below(2)),
        name: "Log".to_owned(),
        operator: "Example".to_owned(),
        protocol: Protocol::Rfc6962,
    };
    let (log, change) = state.row(&identity);
    batch.logs.extend(change.map(|change| LogChange { number: log, ..change }));
    let position = state.log(log).and_then(|log| log.position.clone()).unwrap_or_default();
    let end = position.next + random.below(4);
    batch.records = (position.next..end).map(|index| record(log, index, seen)).collect();
    let position = Position { next: end, largest_head: end, tree: None };
    let first = end - batch.records.len() as u64;
    batch.advances.push(Advance { log, first, position });
    batch
}

fn record(log: LogNumber, index: u64, seen: u64) -> Record {
    let certificate = format!("certificate {index} of log {}", log.0).into_bytes();
    let issuer = record::Issuer::new(vec![index as u8 % 5; 30].into());
    let chain = vec![std::sync::Arc::new(issuer)];
    let record = Record::as_read(index, 0, ct::leaf::EntryType::X509, certificate.into(), chain);
    Record { log, seen, ..record }
}
