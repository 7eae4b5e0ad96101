//! Reading a journal from outside.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::storage::Disk;
use journal::storage::simulated::Random;
use journal::{Directory, Item, OpenError, Opened, Settings, Start, StoredBatch, System};

use crate::clean::{append, open, small};

fn outside(dir: &Path) -> Directory {
    Directory::open(Arc::new(Disk), &System::new(), dir).expect("it opens")
}

fn batches(directory: &Directory) -> Vec<StoredBatch> {
    let mut contents = directory.contents(0).unwrap();
    let mut batches = Vec::new();
    while let Some(item) = contents.next_item().unwrap() {
        match item {
            Item::Batch(batch) => batches.push(*batch),
            Item::Damage(damage) | Item::Misfit(damage, _) => panic!("{damage}"),
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

/// Bytes of a segment's header, and of a frame's.
const HEADERS: (usize, usize) = (128, 80);

/// Returns the places of the frames of a segment, by their kind (docs/journal.md).
fn frames(segment: &[u8]) -> Vec<(u8, Range<usize>)> {
    let (mut at, mut frames) = (HEADERS.0, Vec::new());
    while let Some(length) = segment.get(at + 8..at + 12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let frame = at..at + HEADERS.1 + length;
        at = frame.end;
        frames.push((segment[frame.start + 16], frame));
    }
    frames
}

/// Changes the last byte of a frame's message, with all checksums right afterwards.
fn forge(frame: &[u8]) -> Vec<u8> {
    let (header, payload) = frame.split_at(HEADERS.1);
    let mut message = match header[17] {
        0 => payload.to_vec(),
        _ => zstd::decode_all(payload).unwrap(),
    };
    *message.last_mut().unwrap() ^= 1;
    let mut header = header.to_vec();
    let length = u32::try_from(message.len()).unwrap().to_le_bytes();
    header[8..12].copy_from_slice(&length);
    header[12..16].copy_from_slice(&length);
    header[17] = 0;
    header[72..76].copy_from_slice(&crc_fast::crc32_iscsi(&message).to_le_bytes());
    let crc = crc_fast::crc32_iscsi(&header[..76]).to_le_bytes();
    header[76..80].copy_from_slice(&crc);
    [header, message].concat()
}

/// Writes a stopped journal of one segment. Returns the segment.
fn stopped(dir: &Path) -> PathBuf {
    let Opened { mut writer, journal, .. } = open(dir, Settings::default());
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 12, &mut Random::new(1));
    writer.close().unwrap();
    journal.directory().join(&journal.segments()[0].name)
}

/// Returns the misfits and the damage in a journal.
fn wrong(dir: &Path) -> (Vec<String>, usize) {
    let (mut contents, mut misfits, mut damaged) = (outside(dir).contents(0).unwrap(), vec![], 0);
    while let Some(item) = contents.next_item().unwrap() {
        match item {
            Item::Misfit(_, reason) => misfits.push(reason),
            Item::Damage(_) => damaged += 1,
            _ => {}
        }
    }
    (misfits, damaged)
}

#[test]
fn a_message_that_was_altered_with_its_checksums_is_found_by_its_hash() {
    const BATCH: u8 = 1;
    const END: u8 = 4;
    let mut found = 0;
    for altered in [0, 5] {
        let dir = tempfile::tempdir().unwrap();
        let segment = stopped(dir.path());
        assert_eq!(wrong(dir.path()), (vec![], 0));
        let bytes = std::fs::read(&segment).unwrap();
        let mut forged = bytes[..HEADERS.0].to_vec();
        let mut batches = 0;
        // The end names the places of frames, which move.
        for (kind, place) in frames(&bytes).into_iter().filter(|(kind, _)| *kind != END) {
            let is_it = kind == BATCH && batches == altered;
            batches += usize::from(kind == BATCH);
            let frame = &bytes[place];
            forged.extend(if is_it { forge(frame) } else { frame.to_vec() });
        }
        std::fs::write(&segment, forged).unwrap();
        let (misfits, damaged) = wrong(dir.path());
        // The last byte may be of a tree or of a certificate: either way something does not fit.
        assert!(damaged + misfits.len() > 0, "batch {altered}");
        found += misfits.iter().filter(|reason| reason.contains("the message before it")).count();
    }
    assert!(found > 0, "no message is found by the hash of the one before it");
}
