//! A file of the journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ct::leaf::EntryType;
use journal::storage::simulated::{Simulated, SimulatedHost};
use journal::{Journal, Opened, Settings, Start};
use record::{
    Advance, Batch, Issuer, LogChange, LogIdentity, LogNumber, Position, Protocol, Record, State,
};

const DATA: &str = "/data";
const NAME: &str = "/data/stream-Abc12xyZ/00000000000000000001-0000.segment";
const NOW: Duration = Duration::from_secs(1_700_000_000);

/// Checks that a journal with this segment opens; that what it serves has growing offsets and fits its
/// figures; and that it can be continued, with offsets that it did not serve.
pub fn check(data: &[u8]) {
    let storage = Simulated::new(1);
    storage.put(Path::new(NAME), data);
    let Some(Opened { journal, mut writer, state, .. }) = open(&storage) else { return };
    let mut end = 0;
    for stored in journal.read(0, u64::MAX, usize::MAX).expect("the storage works") {
        let batch = &stored.batch;
        assert!(stored.from <= batch.first_offset && batch.first_offset >= end);
        assert!(!batch.records.is_empty() && batch.header.number <= state.number());
        end = batch.next_offset();
    }
    assert!(end <= state.next_offset());
    let begun = writer.begin(&Start::default());
    assert!(begun.is_ok_and(|begun| begun.next_offset() >= end));
}

/// Reports whether all of a segment is used.
#[must_use]
pub fn is_accepted(data: &[u8]) -> bool {
    let storage = Simulated::new(1);
    storage.put(Path::new(NAME), data);
    open(&storage).is_some_and(|opened| opened.damage.is_empty() && opened.state.number() > 1)
}

/// Opens the journal; `None` if the segment is of a newer version.
fn open(storage: &Simulated) -> Option<Opened> {
    let host = Arc::new(SimulatedHost::new(1, NOW));
    let storage = Arc::new(storage.clone());
    Journal::open(storage, host, Path::new(DATA), Settings::default()).ok()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    vec![segment(1, false), segment(3, true), segment(12, true), segment(12, false)]
}

/// Writes a segment of so many batches, with an end or without.
fn segment(batches: u64, is_closed: bool) -> Vec<u8> {
    let storage = Simulated::new(1);
    let Some(Opened { mut writer, .. }) = open(&storage) else { return Vec::new() };
    let mut state = writer.begin(&Start::default()).expect("the storage works");
    for seed in 0..batches {
        let batch = batch(&state, seed);
        let hash = writer.append(&batch).expect("it fits");
        state.apply(&batch, hash).expect("it fits");
    }
    if is_closed {
        writer.close().expect("the storage works");
    }
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "segment");
    let mut files = storage.files().into_iter();
    files.find(|(path, _)| is_segment(path)).map(|(_, bytes)| bytes).unwrap_or_default()
}

/// Makes a batch of two records, the first one with its log.
fn batch(state: &State, seed: u64) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let log = LogNumber(0);
    let known = state.log(log).and_then(|known| known.position.as_ref());
    let first = known.map_or(0, |known| known.next);
    if known.is_none() {
        batch.logs.push(LogChange { number: log, identity: identity() });
    }
    for index in first..first.saturating_add(2) {
        let certificate = Bytes::from(index.to_be_bytes().repeat(9));
        let chain = vec![Arc::new(Issuer::new(Bytes::from(vec![seed as u8; 30])))];
        let record = Record::as_read(index, 1, EntryType::X509, certificate, chain);
        batch.records.push(Record { log, seen: 1_700_000_000_000, ..record });
    }
    let next = first.saturating_add(2);
    let position = Position { next, largest_head: next, tree: None };
    batch.advances.push(Advance { log, first, position });
    batch
}

fn identity() -> LogIdentity {
    LogIdentity {
        id: None,
        url: "https://ct.example/log".to_owned(),
        name: "Log".to_owned(),
        operator: "Example".to_owned(),
        protocol: Protocol::Rfc6962,
    }
}
