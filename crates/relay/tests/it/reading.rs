//! Reading single messages.

use std::time::Duration;

use bytes::Bytes;
use record::{State, StreamId};
use relay::protocol::{
    Applied, Content, Leader, Next, Opening, Passed, Reader, Show, Step, Unreadable,
};

use crate::batches::batch;
use crate::random::Random;

const OPENING: Opening = Opening {
    nonce: [1; 16],
    boot: [0; 16],
    configuration: [3; 32],
    now: Duration::from_secs(1_800_000_000),
    is_durable: false,
    min_offset: 0,
    max_payload: 1 << 20,
};

/// Publishes everything that a leader has into a reader. Returns the messages and the steps.
fn publish(leader: &mut Leader, reader: &mut Reader) -> (Vec<Bytes>, Vec<Step>) {
    let (mut messages, mut steps) = (Vec::new(), Vec::new());
    while let Next::Publish(publish) = leader.next(reader) {
        assert_eq!(publish.last_sequence, reader.position());
        steps.push(reader.read(reader.position() + 1, &publish.payload).unwrap());
        messages.push(publish.payload);
    }
    (messages, steps)
}

fn created() -> (Leader, Reader) {
    let mut reader = Reader::new(0);
    let state = State::new(StreamId::from_random(7));
    let mut leader = Leader::create(state, &OPENING).unwrap();
    publish(&mut leader, &mut reader);
    assert!(leader.leads());
    (leader, reader)
}

#[test]
fn what_a_newer_program_wrote_stops_the_reader() {
    let (_, mut reader) = created();
    let position = reader.position();
    let newer = Bytes::from_static(b"CSRL\x02\x01");
    assert_eq!(reader.read(position + 1, &newer), Err(Unreadable::Version(2)));
    assert_eq!(reader.position(), position);
}

#[test]
fn messages_of_others_are_passed_over_and_the_leader_publishes_a_mark_after_them() {
    let (mut leader, mut reader) = created();
    let position = reader.position();
    let hello = Bytes::from_static(b"hello");
    let step = reader.read(position + 1, &hello).unwrap();
    assert!(matches!(step, Step::Passed(Passed::Foreign(_))));
    let next = batch(leader.state(), 1, &mut Random::new(1));
    leader.propose(&next).unwrap();
    let Next::Publish(mark) = leader.next(&reader) else { panic!("nothing to publish") };
    assert_eq!(mark.last_id, None);
    assert_eq!(reader.read(position + 2, &mark.payload), Ok(Step::Passed(Passed::Mark)));
    // Meanwhile the stream may have lost the message before the mark, and got another one.
    assert_eq!(reader.position(), position);
    reader.read(position + 1, &hello).unwrap();
    assert_eq!(reader.read(position + 2, &mark.payload), Ok(Step::Passed(Passed::Mark)));
    assert_eq!(leader.next(&reader), Next::Verify(reader.tip()));
    leader.verified(&reader);
    let Next::Publish(publish) = leader.next(&reader) else { panic!("nothing to publish") };
    assert_eq!((publish.last_id, publish.last_sequence), (Some(mark.id), position + 2));
}

#[test]
fn any_number_of_void_messages_in_a_row_is_passed_over() {
    let (mut leader, mut reader) = created();
    let (tip, old) = (reader.tip(), reader.position());
    let mut random = Random::new(1);
    let next = batch(leader.state(), 1, &mut random);
    leader.propose(&next).unwrap();
    let Next::Publish(last) = leader.next(&reader) else { panic!("nothing to publish") };
    // Messages of ours that follow nothing.
    let void: Vec<Bytes> = (1..6)
        .map(|number| {
            let after = relay::protocol::MessageId(number);
            let body = relay::protocol::Body::Handover([7; 16]);
            relay::protocol::Message { after, body }.write()
        })
        .collect();
    let messages: Vec<Bytes> = void.into_iter().chain([last.payload]).collect();
    let mut reads = 0;
    while reader.tip() == tip {
        let sequence = reader.position() + 1;
        let message = &messages[usize::try_from(sequence - old - 1).unwrap()];
        if reader.read(sequence, message).unwrap() == Step::Doubtful {
            reader.void(sequence);
        }
        reads += 1;
        assert!(reads < 100, "it does not come to an end");
    }
    assert_eq!(reader.state().unwrap().number(), leader.state().number());
}

#[test]
fn a_batch_below_what_was_shown_is_withheld_and_one_that_was_shown_is_not_repeated() {
    let (mut leader, mut reader) = created();
    let mut random = Random::new(3);
    for _ in 0..8 {
        let next = batch(leader.state(), 1, &mut random);
        leader.propose(&next).unwrap();
    }
    let start = reader.position();
    let (lost, _) = publish(&mut leader, &mut reader);
    let checkpoint = reader.checkpoints().next().unwrap();
    // The stream loses the batches, and gets the first ones again, then others with the same offsets.
    let mut other = Reader::new(0);
    let mut rival = Leader::create(State::new(StreamId::from_random(7)), &OPENING).unwrap();
    let (beginning, _) = publish(&mut rival, &mut other);
    reader.restart(checkpoint.after);
    let after = usize::try_from(checkpoint.after).unwrap();
    for (sequence, message) in (checkpoint.after + 1..=start).zip(&beginning[after..]) {
        assert!(matches!(reader.read(sequence, message), Ok(Step::Adopted { .. })));
    }
    let step = reader.read(start + 1, &lost[0]).unwrap();
    assert!(matches!(step, Step::Applied(Applied { show: Show::Repeated, .. })));
    other.read(start + 1, &lost[0]).unwrap();
    let mut rival =
        Leader::begin(&other, &Opening { is_durable: true, ..OPENING }).unwrap().unwrap();
    let mut withheld = 0;
    for seed in 0..3 {
        let next = batch(rival.state(), 1, &mut Random::new(seed));
        rival.propose(&next).unwrap();
    }
    let (messages, _) = publish(&mut rival, &mut other);
    for (sequence, message) in (start + 2..).zip(&messages) {
        if let Step::Applied(Applied { content: Content::Batch(batch), show, .. }) =
            reader.read(sequence, message).unwrap()
            && !batch.records.is_empty()
        {
            assert_eq!(show, Show::Withheld);
            withheld += 1;
        }
    }
    assert!(withheld > 0);
    assert_eq!(reader.state(), other.state());
}
