//! Directories that cannot be used: each is refused with its reason.

use std::path::Path;
use std::sync::Arc;

use journal::storage::Disk;
use journal::storage::simulated::{Lie, Random, Simulated, SimulatedHost};
use journal::{Journal, OpenError, Opened, Settings, Start, System, WriteError};

use crate::clean::{append, open, small};
use crate::stream::{self, SMALL};

fn refused(dir: &Path) -> OpenError {
    let opened = Journal::open(Arc::new(Disk), Arc::new(System::new()), dir, small());
    opened.expect_err("it is refused")
}

#[test]
fn a_file_is_no_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    assert!(matches!(refused(&file), OpenError::NotADirectory(path) if path == file));
    assert!(matches!(refused(&file.join("below")), OpenError::NotADirectory(_)));
}

#[test]
fn a_journal_in_use_names_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let _opened = open(dir.path(), small());
    let error = refused(dir.path());
    assert!(
        matches!(&error, OpenError::Locked { pid: Some(pid), .. } if *pid == std::process::id())
    );
    assert!(error.to_string().contains("is in use by process"), "{error}");
}

#[test]
fn a_journal_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    writer.begin(&Start::default()).unwrap();
    let file = journal.directory().join(&journal.segments()[0].name);
    drop((writer, journal));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 9;
    let crc = crc_fast::crc32_iscsi(&bytes[..124]);
    bytes[124..128].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Version { version: 9, known: 1, .. }));
}

#[test]
fn several_streams_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["stream-AAAAAAAA", "stream-BBBBBBBB"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let error = refused(dir.path());
    assert!(error.to_string().contains("AAAAAAAA, BBBBBBBB"), "{error}");
}

#[test]
fn a_limit_below_four_segments_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 15_999, ..small() };
    let opened = Journal::open(Arc::new(Disk), Arc::new(System::new()), dir.path(), settings);
    assert!(matches!(opened, Err(OpenError::MaxBytes { .. })));
}

fn simulated() -> (Simulated, Arc<SimulatedHost>) {
    let start = std::time::Duration::from_secs(1_700_000_000);
    (Simulated::new(1), Arc::new(SimulatedHost::new(1, start)))
}

fn open_simulated(storage: &Simulated, host: &Arc<SimulatedHost>) -> Opened {
    let (storage, host) = (Arc::new(storage.clone()), Arc::<SimulatedHost>::clone(host));
    Journal::open(storage, host, Path::new("/data"), small()).unwrap()
}

#[test]
fn a_full_disk_costs_old_segments_first_and_then_pauses() {
    let (storage, host) = simulated();
    let Opened { mut writer, journal, .. } = open_simulated(&storage, &host);
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(1);
    storage.set_capacity(Some(20_000));
    append(&mut writer, &mut state, 400, &mut random);
    assert!(journal.stats().deleted > 0);
    storage.set_capacity(Some(100));
    let batch = loop {
        let batch = stream::batch(&state, SMALL, 1_000_000, &mut random);
        match writer.append(&batch) {
            Ok(hash) => state.apply(&batch, hash).unwrap(),
            Err(error) => {
                assert!(matches!(error, WriteError::Full) && error.is_retriable());
                break batch;
            }
        }
    };
    let head = journal.head();
    assert!(matches!(writer.append(&batch), Err(WriteError::Full)));
    assert_eq!(journal.head(), head);
    storage.set_capacity(None);
    let hash = writer.append(&batch).unwrap();
    state.apply(&batch, hash).unwrap();
    append(&mut writer, &mut state, 5, &mut random);
    writer.close().unwrap();
    drop(journal);
    assert_eq!(open_simulated(&storage, &host).state, state);
}

#[test]
fn a_batch_that_a_sync_wrote_before_it_was_appended_again_is_accepted_once() {
    let (storage, host) = simulated();
    let Opened { mut writer, journal, .. } = open_simulated(&storage, &host);
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(1);
    append(&mut writer, &mut state, 3, &mut random);
    storage.set_capacity(Some(0));
    let batch = stream::batch(&state, SMALL, 1_000_000, &mut random);
    assert!(matches!(writer.append(&batch), Err(WriteError::Full)));
    storage.set_capacity(None);
    // The thread that syncs comes first.
    journal.sync().unwrap();
    assert_eq!(journal.head().next_offset, batch.next_offset());
    let hash = writer.append(&batch).unwrap();
    state.apply(&batch, hash).unwrap();
    append(&mut writer, &mut state, 5, &mut random);
    writer.close().unwrap();
    drop(journal);
    assert_eq!(open_simulated(&storage, &host).state, state);
}

#[test]
fn a_second_writer_stops_the_first_where_locks_do_not_work() {
    let (storage, host) = simulated();
    let Opened { mut writer, journal, .. } = open_simulated(&storage, &host);
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 1, &mut Random::new(1));
    storage.lie(Lie::Lock);
    let second = open_simulated(&storage, &host);
    assert!(matches!(journal.sync(), Err(WriteError::Foreign(_))));
    let batch = stream::batch(&state, SMALL, 1_000_000, &mut Random::new(2));
    let error = writer.append(&batch).expect_err("it is refused");
    assert!(matches!(error, WriteError::Foreign(_)) && !error.is_retriable());
    assert!(second.journal.sync().is_ok());
}

#[test]
fn a_lock_file_that_was_deleted_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    writer.begin(&Start::default()).unwrap();
    let path = dir.path().join("journal.lock");
    std::fs::remove_file(&path).unwrap();
    journal.sync().unwrap();
    assert!(path.try_exists().unwrap());
    assert!(matches!(refused(dir.path()), OpenError::Locked { .. }));
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_changes_nothing() {
    let (storage, host) = simulated();
    let Opened { mut writer, .. } = open_simulated(&storage, &host);
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(1);
    let mut batch = stream::batch(&state, SMALL, 1_000_000, &mut random);
    batch.header.number += 1;
    assert!(matches!(writer.append(&batch), Err(WriteError::Refused(_))));
    append(&mut writer, &mut state, 2, &mut random);
}
