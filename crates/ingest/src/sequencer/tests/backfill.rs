//! Entries that are missing and are read later.

use super::*;

/// A sequencer whose log 0 has records 0, 1 and 12, and lacks 2 to 12.
fn sequencer() -> Sequencer<MemoryLog, Shown> {
    let mut sequencer = memory(window());
    sequencer.take(page(0, 0, 2, 10));
    sequencer.take(page(0, 12, 1, 0));
    sequencer.publish().expect("open");
    sequencer
}

/// A page of missing entries at these indexes.
fn backfill(indexes: &[u64], published: &[(u64, u64)]) -> Page<u64> {
    Page {
        records: indexes.iter().map(|index| record(0, *index)).collect(),
        notice: Some(Notice::Backfill(published.iter().copied().collect())),
        tree: None,
        ..page(0, 0, 0, 0)
    }
}

fn shown(sequencer: &mut Sequencer<MemoryLog, Shown>) -> Committed<u64> {
    sequencer.publish().expect("open");
    sequencer.fanout.batches.pop().expect("shown")
}

fn ranges(missing: &[(LogNumber, Vec<Gap>)]) -> Vec<(u64, u64)> {
    let [(LogNumber(0), gaps)] = missing else { panic!("{missing:?}") };
    gaps.iter().map(|gap| (gap.range.start, gap.range.end)).collect()
}

#[test]
fn missing_entries_get_new_offsets_once_and_close_the_gap() {
    let mut sequencer = sequencer();
    let opened = sequencer.fanout.batches.pop().expect("shown");
    assert_eq!(ranges(&opened.missing), [(2, 12)]);
    let next = sequencer.committed.next_offset();
    // Of entries that are there, and those of an earlier page, nothing comes again.
    sequencer.take(backfill(&[1, 2, 3, 3], &[]));
    sequencer.take(backfill(&[3, 4, 12, 13], &[]));
    let Committed { batch, missing, tickets, .. } = shown(&mut sequencer);
    let records: Vec<_> =
        batch.records.iter().map(|record| (record.index, record.is_backfilled)).collect();
    assert_eq!(records, [(2, true), (3, true), (4, true)]);
    assert_eq!((batch.first_offset, tickets.len()), (next, 2));
    assert!(batch.records.iter().all(|record| record.seen > 0));
    assert_eq!(ranges(&missing), [(5, 12)]);
    let log = sequencer.committed.log(LogNumber(0)).expect("known");
    assert_eq!(log.position.as_ref().map(|position| position.next), Some(13));
    sequencer.take(backfill(&[2, 3, 4], &[]));
    let again = shown(&mut sequencer);
    assert_eq!((again.batch.records.len(), again.tickets.len()), (0, 1));
    sequencer.take(backfill(&[5, 6, 7, 8, 9, 10, 11], &[]));
    assert_eq!(ranges(&shown(&mut sequencer).missing), [(0, 0); 0]);
}

#[test]
fn what_was_published_before_becomes_a_sighting() {
    let mut sequencer = sequencer();
    // Index 4 of log 0 has the certificate of index 1 of log 1.
    sequencer.take(page(1, 1, 1, 0));
    let live = shown(&mut sequencer).batch.first_offset;
    // Of index 5 only the history knows; the offset of index 6 has not been given.
    let beyond = live + 100;
    sequencer.take(backfill(&[4, 5, 6], &[(5, FIRST_OFFSET), (6, beyond)]));
    let Committed { batch, missing, .. } = shown(&mut sequencer);
    let sightings: Vec<_> = batch.sightings.iter().map(|one| (one.index, one.offset)).collect();
    assert_eq!(sightings, [(4, live), (5, FIRST_OFFSET)]);
    let records: Vec<_> = batch.records.iter().map(|record| record.index).collect();
    assert_eq!(records, [6]);
    assert_eq!(ranges(&missing), [(2, 4), (7, 12)]);
}

#[test]
fn what_was_read_later_does_not_hide_the_certificate_from_clients_without_it() {
    let mut sequencer = sequencer();
    sequencer.take(backfill(&[4], &[]));
    let later = shown(&mut sequencer).batch;
    assert!(later.records[0].is_backfilled);
    // Index 1 of log 1 has the same certificate, and is read live; another log has it too.
    sequencer.take(page(1, 0, 2, 0));
    let live = shown(&mut sequencer).batch;
    let is_same = |record: &&Record| record.fingerprint == later.records[0].fingerprint;
    let again: Vec<_> = live.records.iter().filter(is_same).collect();
    assert!(matches!(again[..], [Record { index: 1, is_backfilled: false, .. }]), "{again:?}");
    assert_eq!(live.sightings.len(), 0);
    sequencer.take(Page { log: identity(2), records: vec![record(1, 1)], ..page(1, 1, 1, 0) });
    let Committed { batch, .. } = shown(&mut sequencer);
    assert_eq!((batch.records.len(), batch.sightings.len()), (0, 1));
}

#[test]
fn what_was_read_later_is_not_read_later_again() {
    let mut sequencer = sequencer();
    sequencer.take(backfill(&[4], &[]));
    sequencer.take(backfill(&[5], &[]));
    let first = shown(&mut sequencer).batch;
    // Index 2 of log 1 has the certificate of index 5 of log 0, and is missing too.
    sequencer.take(page(1, 0, 1, 5));
    sequencer.publish().expect("open");
    let other = Page { log: identity(1), records: vec![record(1, 2)], ..backfill(&[], &[]) };
    sequencer.take(other);
    let Committed { batch, .. } = shown(&mut sequencer);
    let sightings: Vec<_> = batch.sightings.iter().map(|one| one.offset).collect();
    assert_eq!((batch.records.len(), sightings), (0, vec![first.first_offset + 1]));
}

#[test]
fn entries_of_a_batch_that_was_lost_are_missing_still() {
    let (mut sequencer, _) = model(2, vec![Step::Fail, Step::CommitAll]);
    sequencer.take(page(0, 0, 2, 10));
    sequencer.publish().expect("open");
    sequencer.take(backfill(&[2, 3], &[]));
    let outcome = match sequencer.publish() {
        Ok(()) => sequencer.poll(&mut Context::from_waker(Waker::noop())),
        failed => failed,
    };
    assert!(matches!(outcome, Err(Stopped::Commit(_))), "{outcome:?}");
    sequencer.take(backfill(&[2, 3], &[]));
    sequencer.publish().expect("the log works again");
    let batch = &sequencer.fanout.batches.last().expect("shown").batch;
    let records: Vec<_> = batch.records.iter().map(|record| record.index).collect();
    assert_eq!(records, [2, 3]);
}
