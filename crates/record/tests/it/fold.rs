//! The fold: a batch applies as a whole or not at all, and only where it fits.

use proptest::prelude::*;
use record::{Batch, BatchHash, GapReason, LogNumber, MAX_OFFSET, Refused, State};

use crate::stream::{Entry, Page, Plan, Stream, alarm, begin, id, plans};

fn gap(count: u8) -> Entry {
    Entry::Gap { count, reason: GapReason::Skipped }
}

fn record(seed: u8) -> Entry {
    let times = (seed.into(), seed.into());
    Entry::Record {
        certificate: vec![seed; 9],
        chain: vec![],
        is_precert: false,
        has_link: false,
        times,
    }
}

fn sighting() -> Entry {
    Entry::Sighting { back: 0, submitted: 1, has_fingerprint: false }
}

fn plan(entries: Vec<Entry>) -> Plan {
    let page = Page { log: 0, entries, has_tree: true, proves: false, head: 9 };
    Plan { pages: vec![page], alarm: None, renamed: None }
}

/// A stream with one log read up to index 12.
fn stream() -> Stream {
    let mut stream = Stream::new();
    let first = stream.batch(&plan(vec![gap(10), record(1), record(2)]));
    stream.state.apply(&first, BatchHash(2)).expect("fits");
    stream
}

/// The same, and a batch of 4 more entries that fits.
fn stream_and_batch() -> (Stream, Batch) {
    let mut stream = stream();
    let batch = stream.batch(&plan(vec![record(3), sighting(), gap(1), record(4)]));
    (stream, batch)
}

proptest! {
    #[test]
    fn offsets_and_positions_follow_the_batches(plans in plans()) {
        let mut stream = Stream::new();
        for (number, plan) in plans.iter().enumerate() {
            let batch = stream.batch(plan);
            let first = stream.state.next_offset();
            stream.state.apply(&batch, BatchHash(number as u64)).expect("fits");
            prop_assert_eq!(stream.state.next_offset(), first + batch.records.len() as u64);
            for advance in &batch.advances {
                let log = stream.state.log(advance.log).expect("known");
                prop_assert_eq!(log.position.as_ref(), Some(&advance.position));
                prop_assert!(log.gaps.is_sorted_by(|one, two| one.range.end <= two.range.start));
            }
            // The same again does not follow itself.
            prop_assert!(stream.state.clone().apply(&batch, BatchHash(0)).is_err());
        }
    }

    /// Without one of its entries, or with one twice, a batch leaves a hole or an overlap.
    #[test]
    fn a_hole_or_an_overlap_is_refused(
        plans in plans(),
        at in any::<prop::sample::Index>(),
        doubles in any::<bool>(),
    ) {
        let mut stream = Stream::new();
        for plan in &plans {
            let batch = stream.batch(plan);
            let mut wrong = batch.clone();
            if !batch.records.is_empty() {
                let at = at.index(batch.records.len());
                let record = wrong.records.remove(at);
                if doubles {
                    wrong.records.extend([record.clone(), record]);
                }
            } else if !batch.gaps.is_empty() {
                let gap = &mut wrong.gaps[at.index(batch.gaps.len())];
                gap.range.end = if doubles { gap.range.end + 1 } else { gap.range.start };
            } else {
                stream.state.apply(&batch, BatchHash(0)).expect("fits");
                continue;
            }
            let before = stream.state.clone();
            let refused = stream.state.apply(&wrong, BatchHash(0));
            // A sighting may be left without its record too.
            let is_refused = match &refused {
                Err(Refused::Coverage { .. }) => true,
                Err(Refused::Sighting(_)) => !batch.sightings.is_empty(),
                _ => false,
            };
            prop_assert!(is_refused, "{refused:?}");
            prop_assert_eq!(&stream.state, &before);
            stream.state.apply(&batch, BatchHash(0)).expect("fits");
        }
    }
}

#[test]
fn a_batch_that_does_not_follow_is_refused() {
    type Change = fn(&mut Batch);
    let (mut stream, batch) = stream_and_batch();
    let next = batch.first_offset;
    let number = batch.header.number;
    let cases: [(Change, Refused); 12] = [
        (
            |batch| batch.header.stream = "00000000".parse().unwrap(),
            Refused::Stream("00000000".parse().unwrap()),
        ),
        (|batch| batch.header.term += 1, Refused::Term { found: 2, current: 1 }),
        (|batch| batch.header.term -= 1, Refused::Term { found: 0, current: 1 }),
        (|batch| batch.header.number += 1, Refused::Number { found: number + 1, expected: number }),
        (|batch| batch.header.prev = BatchHash(77), Refused::Prev),
        (|batch| batch.first_offset += 1, Refused::Offset { found: next + 1, expected: next }),
        (|batch| batch.first_offset -= 1, Refused::Offset { found: next - 1, expected: next }),
        (
            |batch| batch.advances[0].first = 11,
            Refused::Position { log: 0, found: 11, expected: 12 },
        ),
        (
            |batch| batch.advances[0].first = 13,
            Refused::Position { log: 0, found: 13, expected: 12 },
        ),
        (|batch| batch.advances[0].position.next = 15, Refused::Contradiction(0)),
        (|batch| batch.advances.clear(), Refused::Advance(0)),
        (|batch| batch.records[0].log = LogNumber(1), Refused::Coverage { log: 0, index: 12 }),
    ];
    for (change, expected) in cases {
        let mut wrong = batch.clone();
        change(&mut wrong);
        let before = stream.state.clone();
        assert_eq!(stream.state.apply(&wrong, BatchHash(0)), Err(expected));
        assert_eq!(stream.state, before);
    }
    assert_eq!(stream.state.apply(&batch, BatchHash(3)), Ok(()));
}

#[test]
fn what_a_batch_refers_to_must_exist() {
    let (mut stream, batch) = stream_and_batch();
    let mut late = batch.clone();
    late.sightings[0].offset = batch.next_offset();
    let refused = stream.state.apply(&late, BatchHash(0));
    assert_eq!(refused, Err(Refused::Sighting(batch.next_offset())));
    let mut unknown = batch.clone();
    unknown.alarms.push(alarm(LogNumber(1)));
    assert_eq!(stream.state.apply(&unknown, BatchHash(0)), Err(Refused::UnknownLog(1)));
    let mut twice = batch.clone();
    twice.advances.push(batch.advances[0].clone());
    assert_eq!(stream.state.apply(&twice, BatchHash(0)), Err(Refused::Advance(0)));
    let mut own = batch.clone();
    own.sightings[0].offset = batch.next_offset() - 1;
    assert_eq!(stream.state.apply(&own, BatchHash(0)), Ok(()), "a record of the same batch");
}

#[test]
fn only_a_begin_lets_offsets_jump() {
    let (mut stream, batch) = stream_and_batch();
    let next = stream.state.next_offset();
    let jump = begin(&stream.state, next + (1 << 24));
    let mut back = jump;
    back.first_offset = next - 1;
    let refused = Refused::Offset { found: next - 1, expected: next };
    assert_eq!(stream.state.begin(&back, BatchHash(3)), Err(refused));
    let mut beyond = jump;
    beyond.first_offset = MAX_OFFSET + 1;
    assert_eq!(stream.state.begin(&beyond, BatchHash(3)), Err(Refused::OffsetTooLarge));
    let mut same_term = jump;
    same_term.header.term = 1;
    let refused = Refused::Term { found: 1, current: 1 };
    assert_eq!(stream.state.begin(&same_term, BatchHash(3)), Err(refused));
    assert_eq!(stream.state.begin(&jump, BatchHash(3)), Ok(()));
    assert_eq!(stream.state.next_offset(), next + (1 << 24));
    let stale = stream.state.apply(&batch, BatchHash(4));
    assert!(matches!(stale, Err(Refused::Number { .. })), "of the term before: {stale:?}");
}

#[test]
fn nothing_is_applied_before_the_first_term() {
    let mut state = State::new(id());
    let batch = Batch::new(state.next_header(), 0);
    let refused = Refused::Term { found: 0, current: 0 };
    assert_eq!(state.apply(&batch, BatchHash::NONE), Err(refused));
}

#[test]
fn alarms_stay_until_they_are_acknowledged_and_are_bounded() {
    let mut stream = stream();
    let raise = |stream: &mut Stream, is_raised: bool| {
        let mut plan = plan(vec![]);
        plan.alarm = Some((0, is_raised));
        let batch = stream.batch(&plan);
        stream.state.apply(&batch, BatchHash(0)).expect("fits");
        stream.state.log(LogNumber(0)).map_or(0, |log| log.alarms.len())
    };
    let counts: Vec<usize> = (0..20).map(|_| raise(&mut stream, true)).collect();
    assert_eq!((counts[0], counts[15], counts[19]), (1, 16, 16));
    assert_eq!(raise(&mut stream, false), 0);
}

#[test]
fn gaps_are_merged_and_bounded() {
    let mut stream = stream();
    let mut add = |entries: Vec<Entry>| {
        let batch = stream.batch(&plan(entries));
        stream.state.apply(&batch, BatchHash(0)).expect("fits");
        stream.state.log(LogNumber(0)).map(|log| log.gaps.clone()).unwrap_or_default()
    };
    let gaps = add(vec![gap(3), gap(4), Entry::Gap { count: 1, reason: GapReason::Unreadable }]);
    assert_eq!(
        gaps.iter().map(|gap| gap.range.clone()).collect::<Vec<_>>(),
        [0..10, 12..19, 19..20]
    );
    let gaps = (0..40).fold(Vec::new(), |_, _| {
        add((0..20).map(|at| if at % 2 == 0 { record(1) } else { gap(1) }).collect())
    });
    assert_eq!(gaps.len(), 256);
    assert_eq!(gaps.last().map(|gap| gap.range.end), Some(20 + 40 * 20));
}
