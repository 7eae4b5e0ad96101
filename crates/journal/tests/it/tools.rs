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

/// Changes a byte of a certificate in a frame, with all checksums right afterwards. `None` if it is not
/// there.
fn forge(frame: &[u8], certificate: &[u8]) -> Option<Vec<u8>> {
    let (header, payload) = frame.split_at(HEADERS.1);
    let mut message = match header[17] {
        0 => payload.to_vec(),
        _ => zstd::decode_all(payload).unwrap(),
    };
    let mut places = message.windows(certificate.len());
    let place = places.position(|bytes| bytes == certificate)?;
    message[place] ^= 1;
    let mut header = header.to_vec();
    let length = u32::try_from(message.len()).unwrap().to_le_bytes();
    header[8..12].copy_from_slice(&length);
    header[12..16].copy_from_slice(&length);
    header[17] = 0;
    header[72..76].copy_from_slice(&crc_fast::crc32_iscsi(&message).to_le_bytes());
    let crc = crc_fast::crc32_iscsi(&header[..76]).to_le_bytes();
    header[76..80].copy_from_slice(&crc);
    Some([header, message].concat())
}

/// Writes a stopped journal of one segment. Returns the segment, and a certificate of each batch that has
/// one.
fn stopped(dir: &Path) -> (PathBuf, Vec<bytes::Bytes>) {
    let Opened { mut writer, journal, .. } = open(dir, Settings::default());
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 12, &mut Random::new(1));
    let batches = journal.read(0, u64::MAX, usize::MAX).unwrap();
    let longest = |stored: &StoredBatch| {
        let certificates = stored.batch.records.iter().map(|record| record.certificate.clone());
        certificates.max_by_key(bytes::Bytes::len)
    };
    writer.close().unwrap();
    let segment = journal.directory().join(&journal.segments()[0].name);
    (segment, batches.iter().filter_map(longest).collect())
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
    const END: u8 = 4;
    for altered in [0, 4] {
        let dir = tempfile::tempdir().unwrap();
        let (segment, certificates) = stopped(dir.path());
        assert_eq!(wrong(dir.path()), (vec![], 0));
        let bytes = std::fs::read(&segment).unwrap();
        let (mut forged, mut count) = (bytes[..HEADERS.0].to_vec(), 0);
        // The end names the places of frames, which move.
        for (_, place) in frames(&bytes).into_iter().filter(|(kind, _)| *kind != END) {
            let frame = &bytes[place];
            match forge(frame, &certificates[altered]) {
                Some(frame) => {
                    count += 1;
                    forged.extend(frame);
                }
                None => forged.extend(frame),
            }
        }
        assert_eq!(count, 1);
        std::fs::write(&segment, forged).unwrap();
        let (misfits, damaged) = wrong(dir.path());
        let first = misfits.first().expect("something does not fit");
        assert!(first.contains("the message before it is another one"), "{misfits:?} {damaged}");
    }
}
