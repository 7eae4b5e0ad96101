//! The files of a set, and damage to them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firstseen::{Error, Set};
use journal::storage::simulated::Simulated;

use crate::support::{DIR, SEED, SMALL, decide, flush, open};

/// Entries of three runs, each more than eight times as large as the next. Those of the last one have no
/// domain.
const RUNS: [u64; 3] = [13_056, 1_400, 7];

/// A disk with a set of so many runs.
fn disk(runs: usize) -> Simulated {
    let disk = Simulated::new(7);
    let set = open(&disk, SMALL);
    for (number, count) in RUNS.into_iter().enumerate().take(runs) {
        for offset in set.end()..set.end() + count {
            let domain = u16::try_from(offset).expect("small");
            let domains: &[u16] = if number < 2 { &[domain] } else { &[] };
            decide(&set, offset, domains);
        }
        flush(&set).expect("no failure");
    }
    assert_eq!(set.stats().runs, runs);
    disk
}

fn paths(disk: &Simulated) -> Vec<PathBuf> {
    disk.files().into_iter().map(|(path, _)| path).filter(|path| path.starts_with(DIR)).collect()
}

fn reopen(disk: &Simulated) -> Result<Option<Set>, Error> {
    Set::open(Arc::new(disk.clone()), Path::new(DIR), SMALL)
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let original = disk(2);
    for (path, bytes) in original.files() {
        // Unused bytes of the first block have no checksum, and no meaning.
        let places = (0..72).chain((4096..bytes.len()).step_by(4_099));
        for place in places {
            let copy = Simulated::new(1);
            for (other, bytes) in original.files() {
                copy.put(&other, &bytes);
            }
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            copy.put(&path, &flipped);
            let Ok(set) = reopen(&copy) else { continue };
            let set = set.expect("a set");
            let domains = (0..14_456_u32).step_by(20);
            let mut all = domains.map(|domain| set.find(set.key(&domain.to_string())));
            let noticed = all.any(|found| matches!(found, Err(Error::Damaged { .. })));
            assert!(noticed, "{} at {place}", path.display());
        }
    }
}

#[test]
fn a_file_that_is_cut_off_or_of_another_set_is_damage() {
    let disk = disk(2);
    let [first, second] = &*paths(&disk) else { panic!("two files") };
    let bytes = |path: &PathBuf| {
        disk.files().into_iter().find(|(other, _)| other == path).map(|(_, bytes)| bytes).unwrap()
    };
    let intact = bytes(first);
    for length in [0, 50, 4096, 5000, intact.len() - 1] {
        disk.put(first, &intact[..length]);
        assert!(reopen(&disk).is_err(), "{length} bytes");
    }
    // The other file under this name.
    disk.put(first, &bytes(second));
    assert!(matches!(reopen(&disk), Err(Error::Damaged { .. })));
    // What is damaged can be begun anew, at the offset from which the stream can be read.
    let set = Set::empty(Arc::new(disk.clone()), Path::new(DIR), SMALL, SEED, 500);
    set.clear(500, None).expect("no failure");
    assert_eq!((set.end(), paths(&disk).len()), (500, 0));
    assert!(decide(&set, 500, &[7]));
    flush(&set).expect("no failure");
    assert_eq!(open(&disk, SMALL).end(), 501);
}

#[test]
fn a_damaged_file_is_kept_under_another_name_in_place_of_an_earlier_one() {
    let disk = disk(2);
    let runs = paths(&disk);
    let earlier = Path::new(DIR).join("00000000000000000000-00000000000000000001.damaged");
    disk.put(&earlier, b"an earlier one");
    let cut = runs[0].clone();
    disk.put(&cut, b"cut off");
    let error = reopen(&disk).expect_err("it is damaged");
    assert_eq!(error.damaged_file(), Some(&*cut));
    let set = Set::empty(Arc::new(disk.clone()), Path::new(DIR), SMALL, SEED, 500);
    // A second time, as after a failure, loses nothing.
    for _ in 0..2 {
        set.clear(500, error.damaged_file()).expect("no failure");
        let kept = disk.files();
        assert_eq!(kept, [(cut.with_extension("damaged"), b"cut off".to_vec())]);
    }
    // It does not disturb.
    assert!(decide(&set, 500, &[7]));
    flush(&set).expect("no failure");
    assert_eq!((open(&disk, SMALL).end(), paths(&disk).len()), (501, 2));
}

#[test]
fn a_newer_version_and_an_error_of_the_disk_are_no_damage() {
    let disk = disk(2);
    let set = reopen(&disk).expect("readable").expect("a set");
    disk.kill();
    let error = set.find(set.key("7")).expect_err("the process is dead");
    assert!(matches!(error, Error::Io { .. }) && error.damaged_file().is_none(), "{error}");
    let newer = paths(&disk).remove(1);
    let mut bytes = disk.files().swap_remove(1).1;
    bytes[8] = 2;
    disk.put(&newer, &bytes);
    let before = disk.files();
    let error = reopen(&disk).expect_err("a newer program wrote it");
    assert!(matches!(error, Error::Version { version: 2, .. }), "{error}");
    assert!(error.damaged_file().is_none() && error.to_string().contains("move the folder away"));
    assert!(disk.files() == before, "nothing is deleted");
}

#[test]
fn what_cannot_be_deleted_is_counted_and_deleted_later() {
    let disk = Simulated::new(5);
    let set = open(&disk, SMALL);
    for domain in 0..600_u16 {
        decide(&set, domain.into(), &[domain]);
        disk.fail_one_of(4);
        drop(flush(&set));
        disk.fail_one_of(0);
    }
    assert!(set.stats().failed_deletions > 10, "{:?}", set.stats());
    flush(&set).expect("nothing fails");
    assert_eq!(paths(&disk).len(), set.stats().runs, "{:?}", paths(&disk));
    assert!((0..600_u16).all(|domain| !decide(&set, 600, &[domain])));
}

#[test]
fn what_was_not_finished_or_was_merged_is_deleted_and_runs_before_a_gap_too() {
    let disk = disk(3);
    let [first, second, third] = &*paths(&disk) else { panic!("three files") };
    let file = |name: &str| Path::new(DIR).join(name);
    disk.put(&file("00000000000000014463-00000000000000015000.new"), b"half");
    disk.put(&file("00000000000000000000-00000000000000000500.run"), b"merged into the first one");
    disk.put(&file("notes.txt"), b"not ours");
    let set = reopen(&disk).expect("not damaged").expect("a set");
    assert_eq!(set.end(), 14_463);
    assert!(set.find(set.key("0")).expect("readable").is_some());
    let kept = paths(&disk);
    let expected = [first, second, third, &file("notes.txt")];
    assert!(kept.len() == 4 && expected.iter().all(|path| kept.contains(path)), "{kept:?}");
    // The middle one is lost.
    let without = Simulated::new(2);
    for (path, bytes) in disk.files().iter().filter(|(path, _)| path != second) {
        without.put(path, bytes);
    }
    let set = reopen(&without).expect("not damaged").expect("a set");
    assert!(set.find(set.key("0")).expect("readable").is_none(), "the first one is gone");
    assert_eq!((set.end(), set.stats().runs, set.stats().domains), (14_463, 1, 0));
}

#[test]
fn a_full_disk_loses_nothing_and_memory_stays_bounded() {
    let disk = Simulated::new(3);
    let set = open(&disk, SMALL);
    (0..16_u16).for_each(|domain| assert!(decide(&set, domain.into(), &[domain])));
    assert!(set.is_full() && !set.is_stuck());
    disk.set_capacity(Some(100));
    assert!(set.seal() && set.write().is_err());
    assert!(paths(&disk).is_empty(), "nothing unfinished takes room");
    (16..32_u16).for_each(|domain| assert!(decide(&set, domain.into(), &[domain])));
    assert!(set.is_stuck());
    assert!((0..32_u16).all(|domain| !decide(&set, 32, &[domain])));
    // It gives up what is in memory; the stream has it.
    set.forget_unwritten();
    assert_eq!((set.end(), set.stats().domains), (0, 0));
    disk.set_capacity(None);
    assert!(decide(&set, 0, &[5]));
    flush(&set).expect("there is room");
    assert_eq!(open(&disk, SMALL).end(), 1);
}
