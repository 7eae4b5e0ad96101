//! A segment of version 1 as a file, which every later version must read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::storage::simulated::{Random, Simulated, SimulatedHost};
use journal::{Directory, Item, Journal, Opened, Settings, Start, StoredBatch};

use crate::stream::{self, SMALL};

const FILE: &str = "crates/journal/tests/golden/segment.v1";
const DATA: &str = "/data";
const START: Duration = Duration::from_secs(1_700_000_000);

fn host() -> Arc<SimulatedHost> {
    Arc::new(SimulatedHost::new(1, START))
}

/// Writes a journal of one segment that has every kind of frame. Returns the file's name and bytes, and
/// the batches.
fn segment() -> (std::path::PathBuf, Vec<u8>, Vec<StoredBatch>) {
    let storage = Simulated::new(1);
    let settings = Settings { block_bytes: 1_500, ..Settings::default() };
    let opened = Journal::open(Arc::new(storage.clone()), host(), Path::new(DATA), settings);
    let Opened { mut writer, journal, .. } = opened.unwrap();
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(7);
    for _ in 0..12 {
        let seen = u64::try_from(START.as_millis()).unwrap();
        let batch = stream::batch(&state, SMALL, seen, &mut random);
        let hash = writer.append(&batch).unwrap();
        state.apply(&batch, hash).unwrap();
    }
    let batches = journal.read(0, u64::MAX, usize::MAX).unwrap();
    writer.close().unwrap();
    let mut files = storage.files().into_iter();
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == "segment");
    let (path, bytes) = files.find(|(path, _)| is_segment(path)).unwrap();
    (path, bytes, batches)
}

#[test]
fn the_file_of_version_1_is_written() {
    let (_, bytes, _) = segment();
    golden::check(FILE, bytes, "-p journal golden");
}

#[test]
fn the_file_of_version_1_is_read() {
    let (path, _, expected) = segment();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let storage = Simulated::new(1);
    storage.put(&path, &std::fs::read(root.join(FILE)).expect("the file is checked in"));
    let directory = Directory::open(Arc::new(storage), &*host(), Path::new(DATA)).unwrap();
    let mut contents = directory.contents(0).unwrap();
    let (mut read, mut checkpoints) = (Vec::new(), 0);
    while let Some(item) = contents.next_item().unwrap() {
        match item {
            Item::Batch(batch) if batch.batch.records.is_empty() => {}
            Item::Batch(batch) => read.push(*batch),
            Item::Checkpoint(_) => checkpoints += 1,
            Item::Begin(_) => {}
            Item::Damage(damage) | Item::Misfit(damage, _) => panic!("{damage}"),
        }
    }
    assert_eq!(read, expected);
    assert!(checkpoints > 1);
}
