//! Look-ups in a journal on disk against a search of all its batches.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

use std::fs;
use std::path::PathBuf;

use record::{Gap, GapReason, LogChange, LogIdentity, Protocol, State};

use super::*;
use crate::index::{Digest, Found, Indexes, Term};
use crate::storage::Disk;
use crate::{Journal, Settings, Start, System, Writer};

/// A journal of many small segments.
pub(super) struct Written {
    pub(super) folder: tempfile::TempDir,
    pub(super) journal: Journal,
    pub(super) writer: Option<Writer>,
    pub(super) batches: Vec<Batch>,
}

pub(super) const SETTINGS: Settings = Settings {
    sync: record::SyncMode::Interval,
    sync_interval: std::time::Duration::from_secs(1),
    max_bytes: 1 << 30,
    max_age: None,
    segment_bytes: 24 << 10,
    block_bytes: 4 << 10,
};

fn identity(number: usize) -> LogIdentity {
    LogIdentity {
        id: None,
        url: format!("https://log{number}.example"),
        name: format!("Log {number}"),
        operator: String::new(),
        protocol: Protocol::Rfc6962,
    }
}

/// Returns a batch that fits: records of one log, sightings of another, a gap now and then.
pub(super) fn batch(state: &State, oldest: u64, step: usize, certificates: &[Bytes]) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let has_gap = state.log(LogNumber(0)).is_some_and(|log| !log.gaps.is_empty());
    if step % 9 == 5 && has_gap {
        // Of no log that advances.
        backfill(state, LogNumber(0), step, &mut batch);
        return batch;
    }
    for number in 0..2 {
        let log = LogNumber(u32::try_from(number).unwrap());
        if state.log(log).is_none() {
            batch.logs.push(LogChange { number: log, identity: identity(number) });
        }
        if step % 9 == 3 {
            backfill(state, log, step, &mut batch);
        }
        if step % 9 == 6 && number == 0 && has_gap {
            // Only the other log advances.
            backfill(state, log, step, &mut batch);
            continue;
        }
        let first = state.log(log).and_then(|log| log.position.as_ref()).map_or(5, |p| p.next);
        let mut next = first;
        if step % 9 == 8 {
            batch.gaps.push(Gap { log, range: next..next + 5, reason: GapReason::Unreadable });
            next += 5;
        }
        for entry in 0..(step + number) % 5 {
            if number == 0 {
                // A certificate of its own, and now and then one with names.
                let der = match (step + entry) % 6 {
                    0 => certificates[step % certificates.len()].clone(),
                    _ => Bytes::from(format!("no certificate {step} {entry}").repeat(9)),
                };
                let record = Record::as_read(next, 5, EntryType::X509, der, Vec::new());
                batch.records.push(Record { log, seen: 9, ..record });
            } else if state.next_offset() > oldest + 20 {
                let offset = oldest + (step * 7 + entry) as u64 % (state.next_offset() - oldest);
                let fingerprint = (entry == 3).then(|| Digests::of(&[step as u8]).sha256);
                batch.sightings.push(Sighting {
                    log,
                    index: next,
                    submitted: 6,
                    offset,
                    fingerprint,
                });
            } else {
                continue;
            }
            next += 1;
        }
        let position = Position { next, largest_head: next, tree: None };
        batch.advances.push(Advance { log, first, position });
    }
    batch
}

/// Adds the last entry of the newest gap of a log, which came later.
fn backfill(state: &State, log: LogNumber, step: usize, batch: &mut Batch) {
    let Some(gap) = state.log(log).and_then(|log| log.gaps.last()) else { return };
    let index = gap.range.end - 1;
    if log.0 == 0 {
        let der = Bytes::from(format!("backfilled {step}").repeat(9));
        let record = Record::as_read(index, 5, EntryType::X509, der, Vec::new());
        batch.records.push(Record { log, seen: 9, is_backfilled: true, ..record });
    } else {
        let (offset, fingerprint) = (state.next_offset() - 1, None);
        batch.sightings.push(Sighting { log, index, submitted: 6, offset, fingerprint });
    }
}

pub(super) fn write() -> Written {
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::new(System::new());
    let opened = Journal::open(Arc::new(Disk), host, folder.path(), SETTINGS).unwrap();
    let (journal, mut writer) = (opened.journal, opened.writer);
    let mut state = writer.begin(&Start::default()).unwrap();
    let oldest = state.next_offset();
    let certificates = certificates();
    let mut batches = Vec::new();
    for step in 0..400 {
        let batch = batch(&state, oldest, step, &certificates);
        let hash = writer.append(&batch).unwrap();
        state.apply(&batch, hash).unwrap();
        batches.push(batch);
    }
    Written { folder, journal, writer: Some(writer), batches }
}

impl Written {
    pub(super) fn indexes(&self) -> Indexes {
        let indexes = Indexes::new(&self.journal);
        while !indexes.step().unwrap() {}
        assert!(indexes.is_complete());
        indexes
    }

    pub(super) fn records(&self) -> std::vec::IntoIter<(u64, &Record)> {
        let records = |batch: &'_ Batch| batch.first_offset..batch.next_offset();
        let all = self.batches.iter().flat_map(|batch| records(batch).zip(&batch.records));
        all.collect::<Vec<_>>().into_iter()
    }

    fn sightings(&self, offset: u64) -> Vec<Sighting> {
        let all = self.batches.iter().flat_map(|batch| &batch.sightings);
        all.filter(|sighting| sighting.offset == offset).copied().collect()
    }

    pub(super) fn index_files(&self) -> Vec<PathBuf> {
        let dir = fs::read_dir(self.journal.directory()).unwrap();
        let mut files: Vec<PathBuf> = dir.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "index"));
        files.sort();
        files
    }

    /// Compares every look-up with a search of the batches.
    pub(super) fn check(&self, indexes: &Indexes) {
        for (offset, record) in self.records() {
            let digests = Digests::of(&record.certificate);
            let newest = self.records().rfind(|(_, other)| other.fingerprint == digests.sha256);
            let newest = newest.map(|(offset, _)| offset);
            for digest in [Digest::Sha256(digests.sha256), Digest::Sha1(digests.sha1)] {
                let Ok(Some(Found::Record(kept))) = indexes.certificate(&digest) else { panic!() };
                assert_eq!(Some(kept.offset), newest);
                assert_eq!(kept.record.certificate, record.certificate);
                assert_eq!(kept.sightings, self.sightings(kept.offset));
            }
            let serial = Certificate::read(&record.certificate).serial;
            let with_serial = indexes.serial(serial, 1).unwrap();
            assert!(with_serial.first().is_some_and(|kept| {
                Certificate::read(&kept.record.certificate).serial == serial
                    && kept.offset >= offset
            }));
            let Ok(Some(Found::Record(kept))) = indexes.entry(record.log, record.index) else {
                panic!("entry {}", record.index)
            };
            assert_eq!((kept.offset, &kept.record), (offset, record));
        }
        for batch in &self.batches {
            for sighting in &batch.sightings {
                let found = indexes.entry(sighting.log, sighting.index).unwrap();
                let Some(Found::Sighting(found, Some(kept))) = found else { panic!("{found:?}") };
                assert_eq!((&found, kept.offset), (sighting, sighting.offset));
                if let Some(own) = sighting.fingerprint {
                    let found = indexes.certificate(&Digest::Sha256(own)).unwrap();
                    let Some(Found::Sighting(linked, Some(_))) = found else { panic!("{found:?}") };
                    assert_eq!(linked.fingerprint, Some(own));
                }
            }
            for gap in &batch.gaps {
                let found = indexes.entry(gap.log, gap.range.start + 1);
                assert_eq!(found.unwrap(), Some(Found::Gap(gap.clone())));
            }
        }
        assert_eq!(indexes.certificate(&Digest::Sha256([7; 32])).unwrap(), None);
        assert_eq!(indexes.entry(LogNumber(0), 4).unwrap(), None);
        assert_eq!(indexes.entry(LogNumber(0), 1 << 30).unwrap(), None);
        assert_eq!(indexes.entry(LogNumber(7), 5).unwrap(), None);
    }
}

#[test]
fn whatever_was_committed_is_found_with_its_sightings() {
    let written = write();
    let indexes = written.indexes();
    assert!(written.index_files().len() > 3, "there are several segments");
    written.check(&indexes);
    // Another process opens the files.
    written.check(&written.indexes());
}

#[test]
fn an_index_that_is_damaged_or_missing_is_made_again() {
    let written = write();
    drop(written.indexes());
    let files = written.index_files();
    let mut contents = fs::read(&files[0]).unwrap();
    contents[10] ^= 1;
    fs::write(&files[0], &contents).unwrap();
    fs::remove_file(&files[1]).unwrap();
    let indexes = written.indexes();
    assert_eq!(written.index_files(), files);
    written.check(&indexes);
    // Every block is damaged after the directory was read.
    let mut contents = fs::read(&files[2]).unwrap();
    let blocks = contents.len() / 2;
    contents[72..blocks].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(&files[2], &contents).unwrap();
    for (_, record) in written.records() {
        // Nothing else is found, and the index is dropped where the damage is met.
        let found = indexes.certificate(&Digest::Sha256(record.fingerprint)).unwrap();
        assert!(matches!(found, None | Some(Found::Record(_))));
    }
    assert!(!indexes.is_complete(), "it is known to be missing");
    while !indexes.step().unwrap() {}
    written.check(&indexes);
}

#[test]
fn an_index_of_an_earlier_version_is_made_again() {
    let written = write();
    drop(written.indexes());
    let files = written.index_files();
    let version = |file: &PathBuf| fs::read(file).unwrap()[8];
    let current = version(&files[0]);
    for file in &files {
        let mut contents = fs::read(file).unwrap();
        contents[8] = current - 1;
        let crc = crc_fast::crc32_iscsi(&contents[..68]);
        contents[68..72].copy_from_slice(&crc.to_le_bytes());
        fs::write(file, &contents).unwrap();
    }
    written.check(&written.indexes());
    assert!(files.iter().all(|file| version(file) == current));
}

#[test]
fn an_index_is_found_while_it_is_sealed() {
    let written = write();
    let indexes = written.indexes();
    let (name, sealed) = indexes.sealed.write().pop_first().unwrap();
    for _ in 0..100 {
        let mut open = indexes.open.write();
        let newest = std::mem::replace(&mut open.segment, name);
        let has_index = std::thread::scope(|scope| {
            let looking = scope.spawn(|| indexes.with(name, |_| Ok(())).is_some());
            // Until it waits for the open index, more often than not.
            (0..1000).for_each(|_| std::thread::yield_now());
            indexes.sealed.write().insert(name, Arc::clone(&sealed));
            open.segment = newest;
            drop(open);
            looking.join().unwrap()
        });
        assert!(has_index);
        indexes.sealed.write().remove(&name);
    }
}

/// Reports whether a certificate has one of the terms.
pub(super) fn passes(record: &Record, group: &[Term]) -> bool {
    let certificate = Certificate::read(&record.certificate);
    group.iter().any(|term| {
        let mut found = false;
        match term {
            Term::Domain(domain) => keys::names(&certificate, |name| {
                let name = name.to_lowercase();
                found |= name == *domain || name.ends_with(&format!(".{domain}"));
            }),
            Term::Name(wanted) => {
                keys::names(&certificate, |name| found |= name.to_lowercase() == *wanted);
            }
            Term::Parts(parts) => keys::names(&certificate, |name| {
                let name = name.to_lowercase();
                found |= parts.iter().any(|part| name.contains(part));
            }),
            Term::Addresses(first, last) => keys::addresses(&certificate, |address| {
                found |= (*first..=*last).contains(&address);
            }),
            Term::Issuer(part) => {
                keys::issuers(&certificate, |issuer| found |= issuer.contains(part));
            }
            Term::Serial(serial) => found = certificate.serial == serial,
        }
        found
    })
}

#[test]
fn a_filter_skips_only_what_cannot_pass() {
    let written = write();
    let indexes = written.indexes();
    let end = written.batches.last().unwrap().next_offset();
    let domain = |name: &str| Term::Domain(name.to_owned());
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let filters = [
        vec![vec![domain("example.com")]],
        vec![vec![domain("below.example.com"), Term::Name("*.example.com".to_owned())]],
        vec![vec![domain("co")], vec![Term::Issuer("self signed".to_owned())]],
        vec![vec![Term::Addresses(address("203.0.113.0"), address("203.0.113.255"))]],
        vec![vec![domain("other.org")], vec![domain("xn--bcher-kva.example")]],
        vec![vec![domain("nowhere.example")]],
        vec![vec![Term::Issuer("r10".to_owned())]],
    ];
    let mut skipped = 0;
    for groups in &filters {
        for (offset, _) in written.records().step_by(7) {
            let reached = indexes.skip(groups, offset, end);
            let next = written.records().find(|(each, record)| {
                *each >= offset && groups.iter().all(|group| passes(record, group))
            });
            let next = next.map_or(end, |(offset, _)| offset);
            assert!((offset..=next).contains(&reached), "{offset} {reached} {next} {groups:?}");
            skipped += usize::from(reached > offset);
        }
    }
    assert!(skipped > 100, "{skipped}");
    let nothing = [vec![domain("nowhere.example")]];
    assert_eq!(indexes.skip(&nothing, 0, end), end);
    let first = written.batches[0].first_offset;
    assert_eq!(indexes.skip(&nothing, 0, first + 50), first + 50);
    // Without indexes everything has to be read.
    let none = Indexes::new(&written.journal);
    assert_eq!(none.skip(&nothing, first + 5, end), first + 5);
    drop(written.folder);
}
