//! Sets and batches.

use std::path::Path;
use std::sync::Arc;

use firstseen::{First, Key, Seed, Set, Settings};
use journal::storage::Storage;
use journal::storage::simulated::Simulated;
use record::{Batch, BatchHash, Header, Record, StreamId};

pub(crate) const SEED: Seed = Seed(*b"0123456789abcdef");
pub(crate) const DIR: &str = "/data/first-seen";
pub(crate) const SMALL: Settings = Settings { max_bytes: 1 << 40, fresh: 16 };
/// Seconds since 1970 of the first entry.
pub(crate) const START: u32 = 1_700_000_000;

/// Opens the set, or creates one.
pub(crate) fn open(disk: &Simulated, settings: Settings) -> Set {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let opened = Set::open(Arc::clone(&storage), Path::new(DIR), settings).expect("not damaged");
    opened.unwrap_or_else(|| Set::empty(storage, Path::new(DIR), settings, SEED, 0))
}

/// A batch of records without certificates, one second apart.
pub(crate) fn batch(first_offset: u64, records: u64) -> Batch {
    let stream: StreamId = "abcdefgh".parse().expect("an id");
    let header = Header { stream, term: 1, number: 1, prev: BatchHash::NONE };
    let mut batch = Batch::new(header, first_offset);
    batch.records.extend((first_offset..first_offset + records).map(|offset| {
        let kind = ct::leaf::EntryType::X509;
        let seen = 1000 * u64::from(time(offset));
        Record { seen, ..Record::as_read(offset, 0, kind, bytes::Bytes::new(), Vec::new()) }
    }));
    batch
}

pub(crate) fn time(offset: u64) -> u32 {
    START + u32::try_from(offset).expect("a small offset")
}

/// Decides on an entry with these domains at an offset, as a server does, and adds what is new.
pub(crate) fn decide(set: &Set, offset: u64, domains: &[u16]) -> bool {
    let mut added: Vec<(Key, First)> = Vec::new();
    let mut is_new = false;
    for domain in domains {
        let key = set.key(&domain.to_string());
        match set.find(key).expect("readable") {
            None => {
                added.push((key, First { offset, time: time(offset) }));
                is_new = true;
            }
            Some(found) if found.is_fading => added.push((key, found.first)),
            Some(_) => {}
        }
    }
    set.add(added, &batch(offset, 1));
    is_new
}

/// Writes what is in memory, and tidies.
pub(crate) fn flush(set: &Set) -> Result<(), firstseen::Error> {
    if set.seal() {
        set.write()?;
    }
    set.tidy(&|| false)
}

/// Returns the bytes of all files.
pub(crate) fn used(disk: &Simulated) -> u64 {
    disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum()
}
