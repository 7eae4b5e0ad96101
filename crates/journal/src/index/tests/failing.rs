//! Indexes, look-ups and searches of a journal whose disk fails, or whose files are damaged.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use record::State;

use super::found::{self, SETTINGS, Written};
use super::*;
use crate::format::SEGMENT_HEADER;
use crate::index::{Digest, Indexes, Next, Order, Searchable, Term, Wanted};
use crate::storage::Storage as _;
use crate::storage::simulated::{Simulated, SimulatedHost};
use crate::{Directory, Journal, Opened, Settings, Start};

const DATA: &str = "/data";
/// Many small batches are in a segment.
const LARGE: Settings = Settings { segment_bytes: 64 << 10, block_bytes: 16 << 10, ..SETTINGS };

/// A journal on a simulated disk.
struct Site {
    storage: Simulated,
    host: Arc<SimulatedHost>,
    written: Written,
    state: State,
    oldest: u64,
    certificates: Vec<Bytes>,
}

fn host() -> Arc<SimulatedHost> {
    Arc::new(SimulatedHost::new(1, Duration::from_secs(1_700_000_000)))
}

fn open(storage: &Simulated, host: &Arc<SimulatedHost>, settings: Settings) -> Opened {
    let (storage, host) = (Arc::new(storage.clone()), Arc::<SimulatedHost>::clone(host));
    Journal::open(storage, host, Path::new(DATA), settings).unwrap()
}

impl Site {
    fn new(settings: Settings) -> Self {
        let (storage, host) = (Simulated::new(1), host());
        let Opened { journal, mut writer, .. } = open(&storage, &host, settings);
        let state = writer.begin(&Start::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let written = Written { folder, journal, writer: Some(writer), batches: Vec::new() };
        let oldest = state.next_offset();
        Self { storage, host, written, state, oldest, certificates: certificates() }
    }

    fn next(&self) -> Batch {
        found::batch(&self.state, self.oldest, self.written.batches.len(), &self.certificates)
    }

    /// Appends a batch, and returns true unless that fails.
    fn append(&mut self, batch: Batch) -> bool {
        let Ok(hash) = self.written.writer.as_mut().unwrap().append(&batch) else { return false };
        self.state.apply(&batch, hash).unwrap();
        self.written.batches.push(batch);
        true
    }

    fn append_many(&mut self, count: usize) {
        for _ in 0..count {
            let batch = self.next();
            assert!(self.append(batch));
        }
    }

    /// Returns the journal as another process opens it that finds these files.
    fn copy(self, files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Self {
        let storage = Simulated::new(1);
        files.into_iter().for_each(|(path, bytes)| storage.put(&path, &bytes));
        let Opened { journal, writer, .. } = open(&storage, &self.host, SETTINGS);
        let Written { folder, batches, .. } = self.written;
        let written = Written { folder, journal, writer: Some(writer), batches };
        Self { storage, written, ..self }
    }

    /// Returns the files with this extension, in order.
    fn files(&self, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = self.storage.files();
        files.retain(|(path, _)| path.extension().is_some_and(|own| own == extension));
        files
    }

    /// Compares look-ups and searches with a search of the batches.
    fn check(&self, indexes: &Indexes) {
        self.written.check(indexes);
        finding::check(&self.written, indexes.searchable());
    }

    fn expected(&self, range: &Range<u64>) -> Vec<u64> {
        let offsets = self.written.records().map(|(offset, _)| offset);
        offsets.filter(|offset| range.contains(offset)).collect()
    }

    /// Returns the places in the file of the batches of a segment, with the offsets of their records.
    fn rows(&self, indexes: &Indexes, segment: usize) -> Vec<Row> {
        let segment = &self.written.journal.shared().store.list()[segment];
        let mut rows = Vec::new();
        indexes.look(segment, |index| index.rows(&mut |row| rows.push(row.clone()))).unwrap();
        rows.retain(|row| row.records > 0);
        rows
    }
}

/// Searches a range for everything. Returns the offsets in ascending order, and whether a part is lost.
fn search(searchable: Searchable<'_>, order: Order, range: Range<u64>) -> (Vec<u64>, bool) {
    let mut finder = searchable.find(Wanted::default(), order, range.clone());
    let mut found = Vec::new();
    loop {
        match finder.next_step().unwrap() {
            Next::Batch(batch) => found.extend(batch.first_offset..batch.next_offset()),
            Next::Nothing => {}
            Next::End => break,
        }
    }
    found.retain(|offset| range.contains(offset));
    found.sort_unstable();
    (found, finder.has_lost())
}

/// Makes all indexes that can be made now.
fn follow(indexes: &Indexes) {
    for _ in 0..10_000 {
        if indexes.step().unwrap_or(false) {
            return;
        }
    }
    panic!("the index is made again and again");
}

#[test]
fn what_a_failed_write_or_sync_repeats_is_found_once() {
    for is_write in [false, true] {
        let mut site = Site::new(LARGE);
        site.append_many(30);
        site.written.journal.sync().unwrap();
        site.append_many(100);
        let indexes = site.written.indexes();
        let before = site.written.journal.segments().len();
        site.storage.fail_one_of(1);
        let batch = site.next();
        if is_write {
            assert!(!site.append(batch.clone()));
        } else {
            assert!(site.written.journal.sync().is_err());
        }
        site.storage.fail_one_of(0);
        if is_write {
            assert!(site.append(batch));
        } else {
            site.written.journal.sync().unwrap();
            assert!(!indexes.is_complete());
            finding::check(&site.written, indexes.searchable());
        }
        assert_eq!(site.written.journal.segments().len(), before + 1);
        let newest = site.written.journal.segments()[before].first;
        assert!(newest + 64 < indexes.open.read().number, "more is repeated than in one step");
        // While what is repeated is indexed again, it is found by reading.
        indexes.step().unwrap();
        assert!(!indexes.is_complete());
        let range = site.oldest..site.written.batches[129].next_offset();
        let expected = site.expected(&range);
        assert_eq!(search(indexes.searchable(), Order::Newest, range), (expected, false));
        follow(&indexes);
        site.check(&indexes);
        site.append_many(300);
        follow(&indexes);
        assert!(site.written.journal.segments().len() > before + 1, "it is sealed");
        site.check(&indexes);
        // Another process opens the files, or makes them again.
        site.check(&site.written.indexes());
        for (path, _) in site.files("index") {
            site.storage.remove(&path).unwrap();
        }
        site.check(&site.written.indexes());
    }
}

/// Compares searches with what is left, and checks that they report what is lost, and with indexes
/// nothing else. Returns how many records are lost.
fn check_lost(site: &Site, place: &str) -> usize {
    let indexes = site.written.indexes();
    let Range { start, end } = indexes.searchable().range();
    let step = (end - start) / 12 + 1;
    let ranges = (start..end).step_by(usize::try_from(step).unwrap());
    let ranges: Vec<_> = ranges.map(|from| from..(from + step).min(end)).collect();
    for range in &ranges {
        for order in [Order::Newest, Order::Oldest] {
            let (found, has_lost) = search(indexes.searchable(), order, range.clone());
            assert_eq!(has_lost, found != site.expected(range), "{place} {range:?} {order:?}");
        }
    }
    for (path, _) in site.files("index") {
        site.storage.remove(&path).unwrap();
    }
    let host = SimulatedHost::new(2, Duration::from_secs(1_700_000_000));
    let outside = Directory::open(Arc::new(site.storage.clone()), &host, Path::new(DATA)).unwrap();
    // Of a journal that is written, the last message does not count yet.
    let known = outside.searchable().range().end;
    for range in ranges.iter().map(|range| range.start..range.end.min(known)) {
        let range = &range;
        let (found, has_lost) = search(outside.searchable(), Order::Newest, range.clone());
        assert!(has_lost || found == site.expected(range), "{place} {range:?} without indexes");
    }
    let nothing = [vec![Term::Domain("nowhere.example".to_owned())]];
    let (found, _) = search(indexes.searchable(), Order::Oldest, start..end);
    let expected = site.expected(&(start..end));
    let first_lost = expected.iter().find(|offset| !found.contains(offset)).copied();
    let indexes = site.written.indexes();
    assert_eq!(indexes.skip(&nothing, start, end), first_lost.unwrap_or(end), "{place}");
    expected.len() - found.len()
}

#[test]
fn damage_that_was_there_when_an_index_was_made_is_reported() {
    let mut site = Site::new(SETTINGS);
    site.append_many(400);
    let segments = site.files("segment");
    assert!(segments.len() > 4);
    let (path, intact) = &segments[2];
    let mut worst = 0;
    for at in (SEGMENT_HEADER..intact.len()).step_by(intact.len() / 11) {
        let mut files = segments.clone();
        files[2].1[at] ^= 0x10;
        site = site.copy(files);
        worst = worst.max(check_lost(&site, &format!("{} byte {at}", path.display())));
    }
    assert!((1..100).contains(&worst), "{worst}");
}

#[test]
fn a_segment_that_is_missing_between_others_is_reported() {
    let mut site = Site::new(SETTINGS);
    site.append_many(400);
    let segments = site.files("segment");
    let (mut without, mut unreadable) = (segments.clone(), segments);
    unreadable[2].1[..1_000].fill(0);
    without.remove(2);
    for files in [without, unreadable] {
        site = site.copy(files);
        assert!(check_lost(&site, "missing") > 10);
    }
}

#[test]
fn a_hole_after_a_crash_is_no_loss() {
    let mut site = Site::new(SETTINGS);
    for term in 0..3 {
        site.append_many(60);
        site.written.journal.sync().unwrap();
        drop(site.written.writer.take());
        site.storage.kill();
        site.host.reboot();
        let Opened { journal, mut writer, is_lossless, .. } =
            open(&site.storage, &site.host, SETTINGS);
        assert!(!is_lossless);
        site.state = writer.begin(&Start::default()).unwrap();
        (site.written.journal, site.written.writer) = (journal, Some(writer));
        site.append_many(term);
        assert_eq!(check_lost(&site, "a hole"), 0);
    }
}

#[test]
fn an_index_that_cannot_be_made_is_tried_again_later_and_older_ones_are_made() {
    let mut site = Site::new(SETTINGS);
    site.append_many(400);
    site.written.journal.sync().unwrap();
    let segments = site.files("segment");
    site.storage.set_capacity(Some(0));
    let indexes = Indexes::new(&site.written.journal);
    follow(&indexes);
    site.storage.set_capacity(None);
    follow(&indexes);
    assert_eq!((indexes.is_complete(), indexes.sealed.read().len()), (false, 0), "not yet");
    // The newest one of those that ended cannot be read at all.
    let bad = segments.len() - 2;
    site.storage.make_unreadable(&segments[bad].0, 500..600);
    site.host.pass(Duration::from_secs(1));
    follow(&indexes);
    assert_eq!((indexes.is_complete(), indexes.sealed.read().len()), (false, bad));
    assert!(!indexes.sealed.read().keys().any(|name| segments[bad].0.ends_with(name.to_string())));
}

#[test]
fn a_batch_that_cannot_be_read_is_lost_and_the_others_are_found() {
    let mut site = Site::new(SETTINGS);
    site.append_many(400);
    site.written.journal.sync().unwrap();
    let indexes = site.written.indexes();
    let rows = site.rows(&indexes, 2);
    let bad = &rows[rows.len() / 2];
    let path = site.files("segment").swap_remove(2).0;
    site.storage.make_unreadable(&path, bad.at + 100..bad.at + 101);
    let range = indexes.searchable().range();
    let mut expected = site.expected(&range);
    expected.retain(|offset| !(bad.first_offset..bad.end()).contains(offset));
    for order in [Order::Newest, Order::Oldest] {
        let found = search(indexes.searchable(), order, range.clone());
        assert_eq!(found, (expected.clone(), true), "{order:?}");
        let before = range.start..bad.first_offset;
        assert!(!search(indexes.searchable(), order, before).1);
    }
    assert_eq!(site.written.journal.stats().damaged, 1, "each place counts once");
    let (_, lost) = site.written.records().find(|(at, _)| *at == bad.first_offset).unwrap();
    let is_alone =
        site.written.records().filter(|(_, other)| other.fingerprint == lost.fingerprint);
    let found = indexes.certificate(&Digest::Sha256(lost.fingerprint));
    assert_eq!(found.is_err(), is_alone.count() == 1, "it is not known to be missing");
    assert!(indexes.entry(lost.log, lost.index).is_err());
    // Without an index the rest of its block is lost.
    site.storage.remove(&path.with_extension("index")).unwrap();
    let indexes = Indexes::new(&site.written.journal);
    follow(&indexes);
    let (found, has_lost) = search(indexes.searchable(), Order::Newest, range);
    assert!(has_lost && found.len() < expected.len() && found.len() > expected.len() - 100);
    assert!(found.contains(&(bad.first_offset - 1)) && found.contains(&expected[0]));
}

#[test]
fn an_index_that_cannot_be_read_costs_time_only() {
    let mut site = Site::new(SETTINGS);
    site.append_many(400);
    site.written.journal.sync().unwrap();
    let indexes = site.written.indexes();
    for (path, bytes) in site.files("index").into_iter().take(2) {
        site.storage.make_unreadable(&path, 72..bytes.len() as u64);
    }
    finding::check(&site.written, indexes.searchable());
    assert!(!indexes.is_complete(), "it is known to be missing");
    follow(&indexes);
    assert!(indexes.is_complete());
    site.check(&indexes);
    let (path, bytes) = site.files("index").swap_remove(1);
    site.storage.make_unreadable(&path, 72..bytes.len() as u64 / 2);
    let outside =
        Directory::open(Arc::new(site.storage.clone()), &*site.host, Path::new(DATA)).unwrap();
    let end = outside.searchable().range().end;
    let found = search(outside.searchable(), Order::Newest, 0..end).0;
    assert_eq!(found, site.expected(&(0..end)));
}

#[test]
fn entries_of_a_time_that_are_lost_belong_to_the_range_from_that_time_on() {
    let mut site = Site::new(SETTINGS);
    for _ in 0..400 {
        let mut batch = site.next();
        let seen = batch.header.number;
        batch.records.iter_mut().for_each(|record| record.seen = seen);
        assert!(site.append(batch));
    }
    let segments = site.files("segment");
    let damaged = {
        let mut files = segments.clone();
        let middle = files[2].1.len() / 2;
        files[2].1[middle] ^= 0x10;
        files
    };
    for is_unreadable in [false, true] {
        site = site.copy(if is_unreadable { segments.clone() } else { damaged.clone() });
        let middle = segments[2].1.len() as u64 / 2;
        if is_unreadable {
            site.storage.make_unreadable(&segments[2].0, middle..middle + 1);
        }
        let indexes = Indexes::new(&site.written.journal);
        follow(&indexes);
        let searchable = indexes.searchable();
        let end = searchable.range().end;
        let (found, _) = search(searchable, Order::Oldest, searchable.range());
        let mut before = 0;
        for time in (1..site.state.number()).step_by(3) {
            let seen = |(_, record): &(u64, &Record)| record.seen >= time;
            let Some((first, _)) = site.written.records().find(seen) else { break };
            let first_found = found.iter().find(|offset| **offset >= first).copied();
            let (at, from) =
                (searchable.at_time(time).unwrap(), searchable.from_time(time).unwrap());
            assert_eq!(at, first_found, "{time}");
            let from = from.unwrap();
            assert!(from <= first && !found.iter().any(|at| (from..first).contains(at)), "{time}");
            let (_, has_lost) = search(searchable, Order::Oldest, from..end);
            assert_eq!(
                has_lost,
                !site.expected(&(from..end)).iter().eq(found.iter().filter(|at| **at >= from)),
                "{time}"
            );
            before += u64::from(has_lost && Some(first) != first_found);
        }
        assert!(before > 0, "the time of something lost is asked for");
    }
}
