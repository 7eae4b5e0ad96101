//! Damage: any byte of any file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::storage::simulated::{Random, Simulated, SimulatedHost};
use journal::{Journal, Opened, Settings, Start, StoredBatch};
use record::State;

use crate::clean::{self, append, small};
use crate::stream::{self, SMALL};

const DATA: &str = "/data";
const START: Duration = Duration::from_secs(1_700_000_000);

fn settings() -> Settings {
    Settings { segment_bytes: 1_200, block_bytes: 500, ..Settings::default() }
}

fn open(storage: &Simulated) -> Opened {
    let host = Arc::new(SimulatedHost::new(1, START));
    Journal::open(Arc::new(storage.clone()), host, Path::new(DATA), settings()).expect("it opens")
}

/// A journal of a few segments, with what is in it.
fn sample() -> (Simulated, Vec<StoredBatch>, State) {
    let storage = Simulated::new(1);
    let Opened { mut writer, journal, .. } = open(&storage);
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(7);
    for _ in 0..16 {
        let seen = u64::try_from(START.as_millis()).unwrap();
        let batch = stream::batch(&state, SMALL, seen, &mut random);
        let hash = writer.append(&batch).unwrap();
        state.apply(&batch, hash).unwrap();
    }
    let all = journal.read(0, u64::MAX, usize::MAX).unwrap();
    assert!((3..9).contains(&journal.segments().len()), "{}", journal.segments().len());
    writer.close().unwrap();
    storage.kill();
    (storage, all, state)
}

/// Checks a journal with one byte changed: it opens, serves nothing wrong, reports what is damaged, and
/// can be continued. Returns how many batches are missing.
fn check(storage: &Simulated, all: &[StoredBatch], state: &State, place: &str) -> usize {
    let Opened { journal, mut writer, state: found, damage, .. } = open(storage);
    let read = journal.read(0, u64::MAX, usize::MAX).unwrap();
    let mut rest = all.iter();
    for stored in &read {
        assert!(rest.any(|one| one.batch == stored.batch), "{place}: {stored:?}");
    }
    let missing = all.len() - read.len();
    if missing > 0 || found != *state {
        let reported = damage.len() as u64 + journal.stats().damaged;
        assert!(reported > 0, "{place}: {missing} batches are missing and nothing is reported");
    }
    let begun = writer.begin(&Start::default()).unwrap();
    assert!(begun.next_offset() >= state.next_offset(), "{place}: offsets are given again");
    let batch = stream::batch(&begun, SMALL, 1_700_000_000_000, &mut Random::new(1));
    writer.append(&batch).unwrap();
    journal.sync().unwrap();
    missing
}

#[test]
fn with_any_byte_changed_a_journal_opens_and_serves_the_rest() {
    let (storage, all, state) = sample();
    let mut worst = 0;
    for (path, bytes) in storage.files() {
        for at in 0..bytes.len() {
            let changed = Simulated::new(1);
            for (other, bytes) in storage.files() {
                changed.put(&other, &bytes);
            }
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            changed.put(&path, &bytes);
            let place = format!("{} byte {at}", path.display());
            worst = worst.max(check(&changed, &all, &state, &place));
        }
    }
    // Damage costs what depends on it: the rest of its block.
    assert!((1..6).contains(&worst), "{worst} batches are lost by one byte");
}

#[test]
fn with_any_file_missing_or_cut_a_journal_opens_and_serves_the_rest() {
    let (storage, all, state) = sample();
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == "segment");
    let segments: Vec<_> =
        storage.files().into_iter().filter(|(path, _)| is_segment(path)).collect();
    let last = segments.last().map(|(path, _)| path.clone());
    for (path, bytes) in segments {
        for length in [0, 1, 64, 128, 200, bytes.len() / 2, bytes.len() - 1] {
            let changed = Simulated::new(1);
            for (other, bytes) in storage.files() {
                changed.put(&other, &bytes);
            }
            changed.put(&path, &bytes[..length]);
            let opened = open(&changed);
            let read = opened.journal.read(0, u64::MAX, usize::MAX).unwrap();
            let mut rest = all.iter();
            let place = format!("{} cut to {length}", path.display());
            assert!(read.iter().all(|stored| rest.any(|one| one == stored)), "{place}");
            let Opened { mut writer, .. } = opened;
            let begun = writer.begin(&Start::default()).unwrap();
            // A last segment that is cut between two frames looks like that of a killed process.
            if last.as_ref() != Some(&path) {
                assert!(begun.next_offset() >= state.next_offset(), "{place}");
            }
        }
    }
}

/// Returns the names of the files of the one stream.
fn names(data: &Path) -> Vec<String> {
    let streams = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let stream = streams.into_iter().find(|path| path.is_dir()).unwrap();
    let files = std::fs::read_dir(stream).unwrap().map(|entry| entry.unwrap().file_name());
    files.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn what_is_set_aside_counts_and_is_deleted_first() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 16_000, ..small() };
    let Opened { mut writer, journal, .. } = clean::open(dir.path(), settings);
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 20, &mut Random::new(1));
    writer.close().unwrap();
    // Of the last segment nothing is left to read.
    let last = journal.segments().last().unwrap().name.clone();
    let path = journal.directory().join(&last);
    let bytes = std::fs::read(&path).unwrap().len();
    std::fs::write(&path, vec![7; bytes]).unwrap();
    let orphan = last.replace(".segment", ".index");
    std::fs::write(journal.directory().join(&orphan), "an index").unwrap();
    drop(journal);
    for _ in 0..2 {
        let Opened { mut writer, journal, .. } = clean::open(dir.path(), settings);
        writer.begin(&Start::default()).unwrap();
        let files = names(dir.path());
        assert!(files.contains(&format!("{last}.damaged")), "{files:?}");
        assert!(!files.contains(&orphan), "an index without a segment is deleted: {files:?}");
        let stats = journal.stats();
        assert_eq!(stats.set_aside, 1);
        let others: u64 = journal.segments().iter().map(|segment| segment.bytes).sum();
        assert_eq!(stats.bytes, others + bytes as u64);
        writer.close().unwrap();
    }
    let Opened { mut writer, journal, .. } = clean::open(dir.path(), settings);
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(2);
    let oldest = journal.oldest();
    while journal.stats().set_aside > 0 {
        assert_eq!(journal.oldest(), oldest, "it is deleted before any segment");
        append(&mut writer, &mut state, 1, &mut random);
        journal.sync().unwrap();
    }
    assert!(!names(dir.path()).contains(&format!("{last}.damaged")));
    assert!(journal.stats().bytes <= settings.max_bytes);
    while journal.oldest() == oldest {
        append(&mut writer, &mut state, 1, &mut random);
        journal.sync().unwrap();
    }
}
