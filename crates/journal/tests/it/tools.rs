//! Reading a journal from outside.

use std::sync::Arc;

use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Directory, Item, OpenError, Opened, Settings, Start, StoredBatch, System};

use crate::clean::{append, open, small};

fn outside(dir: &std::path::Path) -> Directory {
    Directory::open(Arc::new(Disk), &System::new(), dir).expect("it opens")
}

fn batches(directory: &Directory) -> Vec<StoredBatch> {
    let mut contents = directory.contents(0).unwrap();
    let mut batches = Vec::new();
    while let Some(item) = contents.next_item().unwrap() {
        match item {
            Item::Batch(batch) => batches.push(*batch),
            Item::Damage(damage) => panic!("{damage}"),
            Item::Begin(_) | Item::Checkpoint(_) => {}
        }
    }
    let (read, all) = contents.progress();
    assert!(read <= all);
    batches
}

#[test]
fn a_running_journal_is_read_up_to_the_frame_before_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 40, &mut Random::new(1));
    let directory = outside(dir.path());
    assert!(directory.is_running());
    assert_eq!(directory.stream(), journal.stream());
    let read = batches(&directory);
    assert_eq!(read.last().map(|last| last.batch.header.number), Some(state.number() - 1));
    writer.close().unwrap();
    drop(journal);
    let directory = outside(dir.path());
    assert!(!directory.is_running());
    assert_eq!(directory.state(), &state);
    let read = batches(&directory);
    assert_eq!(read.len(), 40);
    let stats = directory.stats(&Settings::default());
    assert_eq!(stats.entries, read.iter().map(|read| read.batch.records.len() as u64).sum::<u64>());
    assert_eq!(directory.at_time(0).unwrap(), stats.first_offset);
}

#[test]
fn a_directory_without_a_journal_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Directory::open(Arc::new(Disk), &System::new(), dir.path());
    assert!(matches!(opened, Err(OpenError::NoJournal(_))));
}
