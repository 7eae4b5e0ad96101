//! Entries that were missing and come later.

use record::encoding::{Decoder, Encoder, Message};
use record::{Batch, BatchHash, GapReason, LogNumber, Record, Refused, Sighting, State};

use crate::stream::{Entry, Page, Plan, Stream};

const LOG: LogNumber = LogNumber(0);

fn plan(entries: Vec<Entry>) -> Plan {
    let page = Page { log: 0, entries, has_tree: true, proves: false, head: 9 };
    Plan { pages: vec![page], alarm: None, renamed: None }
}

fn gap(count: u8) -> Entry {
    Entry::Gap { count, reason: GapReason::Skipped }
}

fn record(seed: u8) -> Entry {
    let times = (1, 1);
    let (is_precert, has_link) = (false, false);
    Entry::Record { certificate: vec![seed; 9], chain: vec![], is_precert, has_link, times }
}

/// A stream whose log has a record at 10, and nothing at 0 to 10 and at 11 to 15.
fn stream() -> Stream {
    let mut stream = Stream::new();
    let batch = stream.batch(&plan(vec![gap(10), record(1), gap(4)]));
    stream.state.apply(&batch, BatchHash(2)).unwrap();
    stream
}

fn backfilled(index: u64) -> Record {
    let read = Record::as_read(
        index,
        1_700_000_000_000,
        ct::leaf::EntryType::X509,
        vec![index as u8; 5].into(),
        Vec::new(),
    );
    Record { log: LOG, seen: 1_700_000_000_000, is_backfilled: true, ..read }
}

/// A batch of records, and sightings of the oldest record, at these indexes.
fn batch(state: &State, records: &[u64], sightings: &[u64]) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    batch.records = records.iter().map(|index| backfilled(*index)).collect();
    batch.sightings = sightings
        .iter()
        .map(|index| Sighting {
            log: LOG,
            index: *index,
            submitted: 7,
            offset: state.next_offset() - 1,
            fingerprint: None,
        })
        .collect();
    batch
}

fn gaps(state: &State) -> Vec<(u64, u64)> {
    let gaps = state.log(LOG).unwrap().gaps.iter();
    gaps.map(|gap| (gap.range.start, gap.range.end)).collect()
}

/// Indexes of records, those of sightings, and the gaps after them.
type Step = (&'static [u64], &'static [u64], &'static [(u64, u64)]);

#[test]
fn entries_close_the_part_of_a_gap_that_they_are() {
    let mut state = stream().state;
    assert_eq!(gaps(&state), [(0, 10), (11, 15)]);
    let position = state.log(LOG).unwrap().position.clone();
    let steps: [Step; 5] = [
        (&[0, 1], &[], &[(2, 10), (11, 15)]),
        (&[9], &[14], &[(2, 9), (11, 14)]),
        (&[5], &[4], &[(2, 4), (6, 9), (11, 14)]),
        (&[3, 8, 11, 13], &[2, 6, 7, 12], &[]),
        (&[], &[], &[]),
    ];
    for (records, sightings, expected) in steps {
        let (batch, first) = (batch(&state, records, sightings), state.next_offset());
        state.apply(&batch, BatchHash(3)).unwrap();
        assert_eq!(gaps(&state), expected);
        assert_eq!(state.next_offset(), first + records.len() as u64);
        assert_eq!(state.log(LOG).unwrap().position, position, "the log does not advance");
    }
}

#[test]
fn an_entry_that_is_not_missing_is_refused() {
    let state = stream().state;
    let unmarked = |index| {
        let mut batch = batch(&state, &[index], &[]);
        batch.records[0].is_backfilled = false;
        batch
    };
    let cases = [
        (batch(&state, &[10], &[]), 10),
        (batch(&state, &[], &[10]), 10),
        (batch(&state, &[3, 3], &[]), 3),
        (batch(&state, &[3], &[3]), 3),
        (batch(&state, &[15], &[]), 15),
        (unmarked(3), 3),
    ];
    for (batch, index) in cases {
        let refused = state.clone().apply(&batch, BatchHash(3));
        assert_eq!(refused, Err(Refused::Coverage { log: 0, index }));
    }
    let beyond = batch(&state, &[], &[15]);
    assert_eq!(state.clone().apply(&beyond, BatchHash(3)), Err(Refused::Advance(0)));
}

#[test]
fn the_log_may_advance_in_the_same_batch() {
    let mut stream = stream();
    let mut batch = stream.batch(&plan(vec![record(2), gap(3)]));
    batch.records.insert(0, backfilled(4));
    batch.records.push(backfilled(12));
    for (index, is_backfilled) in [(4, true), (12, true), (15, false), (16, false)] {
        assert_eq!(batch.is_backfilled(LOG, index), is_backfilled);
    }
    stream.state.apply(&batch, BatchHash(3)).unwrap();
    assert_eq!(gaps(&stream.state), [(0, 4), (5, 10), (11, 12), (13, 15), (16, 19)]);
}

#[test]
fn more_gaps_than_are_kept_cost_the_oldest() {
    let mut stream = Stream::new();
    let batch_of = |stream: &mut Stream| stream.batch(&plan(vec![gap(199); 5]));
    for number in 0..2 {
        let batch = batch_of(&mut stream);
        stream.state.apply(&batch, BatchHash(number)).unwrap();
    }
    let record = stream.batch(&plan(vec![record(1)]));
    stream.state.apply(&record, BatchHash(9)).unwrap();
    let end = gaps(&stream.state).last().unwrap().1;
    for index in (1..end).step_by(2) {
        let batch = batch(&stream.state, &[index], &[]);
        stream.state.apply(&batch, BatchHash(index)).unwrap();
        let missing = stream.state.log(LOG).unwrap();
        assert!(missing.gaps.len() <= 256);
        assert!(missing.is_missing(index + 1) || index + 1 >= end);
        assert!(!missing.is_missing(index));
    }
    assert_eq!(gaps(&stream.state).len(), 256);
    assert_eq!(gaps(&stream.state).last().unwrap().1, end - 1);
}

#[test]
fn a_batch_of_entries_without_an_advance_is_encoded() {
    let state = stream().state;
    let batch = batch(&state, &[7, 2], &[11]);
    let mut bytes = Vec::new();
    Encoder::new().batch(&batch, &mut bytes).unwrap();
    assert_eq!(Decoder::new().message(&bytes), Ok(Message::Batch(batch)));
}
