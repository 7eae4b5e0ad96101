//! Searches in a journal on disk against a search of all its batches.

#![allow(clippy::indexing_slicing, reason = "a test that panics fails")]

use std::fs;
use std::ops::Range;
use std::time::Instant;

use super::found::{Written, passes, write};
use super::*;
use crate::index::{Indexes, Next, Order, Searchable, Term, Wanted};
use crate::storage::Disk;
use crate::{Directory, System};

/// Returns what is looked for: alone, together, and nothing.
fn wanted(serial: &[u8]) -> Vec<Wanted> {
    let domain = |name: &str| Term::Domain(name.to_owned());
    let parts = |parts: &[&str]| Term::Parts(parts.iter().map(|part| (*part).to_owned()).collect());
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let groups = [
        vec![],
        vec![vec![domain("example.com")]],
        vec![vec![domain("below.example.com"), Term::Name("*.example.com".to_owned())]],
        vec![vec![domain("co")], vec![Term::Issuer("self signed".to_owned())]],
        vec![vec![Term::Addresses(address("203.0.113.0"), address("203.0.113.255"))]],
        vec![vec![parts(&["below"])]],
        vec![vec![parts(&["e.com.oth", "bcher"])]],
        vec![vec![domain("example.com")], vec![parts(&["www"])]],
        vec![vec![domain("nowhere.example")]],
        vec![vec![Term::Serial(serial.to_vec())]],
        vec![vec![Term::Serial(vec![1, 2, 3])]],
    ];
    let any = groups.into_iter().map(|groups| Wanted { groups, logs: None });
    let of_log = |log| Wanted { groups: Vec::new(), logs: Some(vec![LogNumber(log)]) };
    any.chain([of_log(0), of_log(1)]).collect()
}

/// Returns the offsets of all records that are wanted and in the range, in order.
fn expected(written: &Written, wanted: &Wanted, order: Order, range: &Range<u64>) -> Vec<u64> {
    let is_wanted = |(offset, record): &(u64, &Record)| {
        range.contains(offset)
            && wanted.groups.iter().all(|group| passes(record, group))
            && wanted.logs.as_ref().is_none_or(|logs| logs.contains(&record.log))
    };
    let mut found: Vec<u64> =
        written.records().filter(is_wanted).map(|(offset, _)| offset).collect();
    if order == Order::Newest {
        found.reverse();
    }
    found
}

/// Searches to the end with a pause before each step, and checks that the range left never has what was
/// returned.
fn all(searchable: Searchable<'_>, wanted: &Wanted, order: Order, range: &Range<u64>) -> Vec<u64> {
    let mut finder = searchable.find(wanted.clone(), order, range.clone());
    let mut found = Vec::new();
    loop {
        finder = searchable.resume(finder.pause());
        let before = finder.left();
        let batch = match finder.next_step().unwrap() {
            Next::End => break,
            Next::Nothing => {
                assert_ne!(finder.left(), before, "each step makes progress");
                continue;
            }
            Next::Batch(batch) => batch,
        };
        let left = finder.left();
        assert!(left != before && before.start <= left.start && left.end <= before.end);
        assert!(!left.contains(&batch.first_offset) || left.is_empty(), "{left:?}");
        let records = (batch.first_offset..).zip(&batch.records);
        let of_it = records.filter(|(offset, record)| {
            range.contains(offset)
                && wanted.groups.iter().all(|group| passes(record, group))
                && wanted.logs.as_ref().is_none_or(|logs| logs.contains(&record.log))
        });
        let mut offsets: Vec<u64> = of_it.map(|(offset, _)| offset).collect();
        if order == Order::Newest {
            offsets.reverse();
        }
        found.extend(offsets);
    }
    assert!(!finder.has_lost(), "nothing is damaged");
    found
}

/// Compares searches of every kind, in both orders and in parts, with a search of the batches.
pub(super) fn check(written: &Written, searchable: Searchable<'_>) {
    let Range { start, end } = searchable.range();
    assert_eq!(end, written.batches.last().unwrap().next_offset());
    let serial = written.records().find_map(|(_, record)| {
        let serial = Certificate::read(&record.certificate).serial;
        (!serial.is_empty()).then(|| serial.to_vec())
    });
    let third = (end - start) / 3;
    let ranges = [start..end, start + third..end - third, start + 7..start + 8, start..start];
    for wanted in wanted(&serial.unwrap()) {
        for order in [Order::Newest, Order::Oldest] {
            for range in &ranges {
                let found = all(searchable, &wanted, order, range);
                assert_eq!(found, expected(written, &wanted, order, range), "{wanted:?} {order:?}");
            }
        }
    }
}

#[test]
fn a_search_finds_what_the_batches_have_in_both_orders() {
    let written = write();
    let indexes = written.indexes();
    check(&written, indexes.searchable());
    // A damaged index costs time only.
    let files = written.index_files();
    let mut contents = fs::read(&files[1]).unwrap();
    let blocks = contents.len() / 2;
    contents[64..blocks].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(&files[1], &contents).unwrap();
    check(&written, indexes.searchable());
    let outside = Directory::open(Arc::new(Disk), &System::new(), written.folder.path()).unwrap();
    assert!(outside.is_running());
}

#[test]
fn a_search_needs_no_index() {
    let written = write();
    drop(written.indexes());
    // Those that are damaged or missing are read around, from outside too.
    let files = written.index_files();
    fs::write(&files[0], b"nothing").unwrap();
    fs::remove_file(&files[1]).unwrap();
    let Written { folder, journal, writer, batches } = written;
    drop(writer);
    let outside = Directory::open(Arc::new(Disk), &System::new(), folder.path()).unwrap();
    let written = Written { folder, journal, writer: None, batches };
    check(&written, outside.searchable());
}

#[test]
fn what_was_just_committed_is_indexed_by_a_search_that_needs_it() {
    let written = write();
    // Nobody follows the journal.
    let indexes = Indexes::new(&written.journal);
    let searchable = indexes.searchable();
    let committed = written.batches.last().unwrap().next_offset();
    assert_eq!(searchable.committed(), committed);
    assert!(searchable.range().end < committed);
    while !indexes.reach(committed, Instant::now()).unwrap() {}
    check(&written, searchable);
}
