//! Journals on the real file system: stops, restarts, the clean mark, a new id.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Host as _, Journal, Opened, Settings, Start, System, Writer};
use record::{State, SyncMode};

use crate::stream::{self, SMALL};

pub(crate) fn small() -> Settings {
    Settings { segment_bytes: 4_000, block_bytes: 1_000, ..Settings::default() }
}

pub(crate) fn open(dir: &Path, settings: Settings) -> Opened {
    Journal::open(Arc::new(Disk), Arc::new(System::new()), dir, settings).expect("it opens")
}

/// Appends so many batches, seen now.
pub(crate) fn append(writer: &mut Writer, state: &mut State, count: u64, random: &mut Random) {
    for _ in 0..count {
        let seen = u64::try_from(System::new().now().as_millis()).unwrap();
        let batch = stream::batch(state, SMALL, seen, random);
        let hash = writer.append(&batch).expect("it is appended");
        state.apply(&batch, hash).expect("it fits");
    }
}

#[test]
fn a_journal_that_stopped_cleanly_continues_without_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(1);
    let Opened { mut writer, is_new, .. } = open(dir.path(), small());
    assert!(is_new);
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 50, &mut random);
    writer.close().unwrap();
    let opened = open(dir.path(), small());
    assert!(opened.is_lossless && !opened.is_new, "{opened:?}");
    assert_eq!((opened.damage.as_slice(), &opened.state), ([].as_slice(), &state));
    let Opened { mut writer, .. } = opened;
    let begun = writer.begin(&Start::default()).unwrap();
    assert_eq!((begun.next_offset(), begun.term()), (state.next_offset(), 2));
}

#[test]
fn a_process_that_was_killed_loses_nothing_and_continues_without_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(2);
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 50, &mut random);
    let stream = journal.stream();
    drop((writer, journal));
    let opened = open(dir.path(), small());
    assert_eq!((&opened.state, opened.journal.stream()), (&state, stream));
    // Where the boot is unknown, nothing is proved.
    let has_boot = System::new().boot() != [0; 16];
    assert_eq!(opened.is_lossless, has_boot);
}

#[test]
fn in_batch_mode_a_batch_is_committed_once_it_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { sync: SyncMode::Batch, ..Settings::default() };
    let Opened { mut writer, journal, .. } = open(dir.path(), settings);
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 1, &mut Random::new(3));
    let mut context = Context::from_waker(Waker::noop());
    assert!(journal.poll_committed(1, &mut context).is_pending());
    assert_eq!(journal.head().number, 1);
    let syncs = std::thread::spawn({
        let journal = journal.clone();
        move || journal.sync_until_closed()
    });
    while journal.head().number < 2 {
        std::thread::yield_now();
    }
    assert!(matches!(journal.poll_committed(1, &mut context), Poll::Ready(Ok(2))));
    writer.close().unwrap();
    syncs.join().unwrap().unwrap();
}

#[test]
fn in_interval_mode_a_batch_is_committed_at_once_and_synced_later() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { sync_interval: Duration::from_millis(1), ..Settings::default() };
    let Opened { mut writer, journal, .. } = open(dir.path(), settings);
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 1, &mut Random::new(3));
    assert_eq!((journal.head().number, journal.stats().synced), (2, 1));
    let syncs = std::thread::spawn({
        let journal = journal.clone();
        move || journal.sync_until_closed()
    });
    while journal.stats().synced < 2 {
        std::thread::yield_now();
    }
    drop(writer);
    syncs.join().unwrap().unwrap();
}

#[test]
fn the_oldest_segments_are_deleted_beyond_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 20_000, ..small() };
    let Opened { mut writer, journal, .. } = open(dir.path(), settings);
    let mut state = writer.begin(&Start::default()).unwrap();
    let first = journal.head().next_offset;
    let mut random = Random::new(4);
    append(&mut writer, &mut state, 400, &mut random);
    journal.sync().unwrap();
    let stats = journal.stats();
    assert!(stats.bytes <= 20_000 && stats.deleted > 0, "{stats:?}");
    assert!(journal.oldest() > Some(first));
    let read = journal.read(0, u64::MAX, usize::MAX).unwrap();
    assert_eq!(
        read.iter().map(|batch| batch.batch.records.len() as u64).sum::<u64>(),
        stats.entries
    );
    drop((writer, journal));
    let opened = open(dir.path(), settings);
    assert_eq!((opened.state, opened.damage.len()), (state, 0));
}

#[test]
fn a_copy_with_a_new_id_keeps_everything_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 30, &mut Random::new(5));
    let before = journal.read(0, u64::MAX, usize::MAX).unwrap();
    writer.close().unwrap();
    drop(journal);
    let host = Arc::new(System::new());
    let (old, new) = Journal::new_id(Arc::new(Disk), host, dir.path()).unwrap();
    assert_eq!(old, state.stream());
    let Opened { journal, mut writer, state: found, damage, .. } = open(dir.path(), small());
    assert_eq!((journal.stream(), found.stream(), damage.len()), (new, new, 0));
    assert_eq!(found, state.clone().with_stream(new));
    assert_eq!(journal.read(0, u64::MAX, usize::MAX).unwrap(), before);
    let mut begun = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut begun, 3, &mut Random::new(6));
    assert!(journal.read(state.next_offset(), u64::MAX, 1).is_ok());
}
