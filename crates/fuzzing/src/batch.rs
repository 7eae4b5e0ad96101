//! The messages of a commit log: batches, begins and checkpoints, one after another.

use std::sync::Arc;

use bytes::Bytes;
use ct::leaf::EntryType;
use ct::merkle::CompactRange;
use record::encoding::{Decoder, Encoder, Message};
use record::{
    Advance, Alarm, AlarmKind, Batch, BatchHash, Begin, Checkpoint, Gap, GapReason, Issuer,
    LogIdentity, LogNumber, Position, Protocol, Proved, Record, Sighting, State, SyncMode, Tree,
};

/// Checks that what is decoded can be encoded and decoded again to the same, and that the fold takes
/// a message as a whole or not at all. The input is a list of messages, each after its length as 16
/// bits.
pub fn check(data: &[u8]) {
    let mut decoder = Decoder::new();
    let mut state = None;
    for message in split(data) {
        let before = decoder.clone();
        let Ok(decoded) = decoder.message(message) else { continue };
        let again = encode(&mut Encoder::from(before.clone()), &decoded);
        assert_eq!(before.clone().message(&again), Ok(decoded.clone()));
        state = Some(fold(state, &decoded, BatchHash::of(message)));
    }
}

/// Reports for each message whether it is decoded and applied.
#[must_use]
pub fn accepted(data: &[u8]) -> Vec<bool> {
    let mut decoder = Decoder::new();
    let mut state = None;
    let messages = split(data).into_iter();
    messages
        .map(|message| {
            let Ok(decoded) = decoder.message(message) else { return false };
            let number = state.as_ref().map(State::number);
            let after = fold(state.take(), &decoded, BatchHash::of(message));
            let is_applied = number != Some(after.number()) && after.number() > 0;
            state = Some(after);
            is_applied
        })
        .collect()
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, after) = after.split_at(length);
        messages.push(message);
        rest = after;
    }
    messages
}

fn encode(encoder: &mut Encoder, message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    match message {
        Message::Batch(batch) => drop(encoder.batch(batch, &mut out).expect("it was decoded")),
        Message::Begin(begin) => drop(encoder.begin(begin, &mut out)),
        Message::Checkpoint(checkpoint) => {
            encoder.checkpoint(checkpoint, &mut out).expect("it was decoded");
        }
    }
    out
}

/// Adds a message to the fold; a checkpoint begins it anew.
fn fold(state: Option<State>, message: &Message, hash: BatchHash) -> State {
    let header = match message {
        Message::Checkpoint(checkpoint) => return checkpoint.state.clone(),
        Message::Batch(batch) => batch.header,
        Message::Begin(begin) => begin.header,
    };
    let mut state = state.unwrap_or_else(|| State::new(header.stream));
    let before = state.clone();
    let applied = match message {
        Message::Batch(batch) => state.apply(batch, hash),
        Message::Begin(begin) => state.begin(begin, hash),
        Message::Checkpoint(_) => Ok(()),
    };
    match applied {
        Ok(()) => assert_eq!(state.number(), before.number() + 1),
        Err(_) => assert_eq!(state, before, "a refused message leaves a trace"),
    }
    state
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut state = State::new("Abc12xyZ".parse().expect("an id"));
    let mut encoder = Encoder::new();
    let mut header = state.next_header();
    header.term = 1;
    let begin = Begin {
        header,
        first_offset: 1_700_000_000_000_000,
        nonce: [1; 16],
        boot: [2; 16],
        sync: SyncMode::Batch,
        configuration: [3; 32],
    };
    let mut messages = vec![Vec::new()];
    let hash = encoder.begin(&begin, &mut messages[0]);
    state.begin(&begin, hash).expect("fits");
    for count in [3, 1] {
        let batch = batch(&state, count);
        let mut message = Vec::new();
        let hash = encoder.batch(&batch, &mut message).expect("within the limits");
        state.apply(&batch, hash).expect("fits");
        messages.push(message);
    }
    let checkpoint = Checkpoint { state, issuers: encoder.issuers().to_vec() };
    let mut message = Vec::new();
    encoder.checkpoint(&checkpoint, &mut message).expect("within the limits");
    let frame = |message: &Vec<u8>| {
        let length = u16::try_from(message.len()).expect("short");
        [&length.to_be_bytes()[..], message].concat()
    };
    let stream: Vec<u8> = messages.iter().flat_map(frame).collect();
    let next = batch(&checkpoint.state, 2);
    let mut after = Vec::new();
    encoder.batch(&next, &mut after).expect("within the limits");
    let resumed = [frame(&message), frame(&after)].concat();
    vec![frame(&messages[0]), stream, frame(&message), resumed]
}

/// Makes a batch of everything there is: so many records of one log, then a sighting and a gap.
fn batch(state: &State, count: u64) -> Batch {
    let mut batch = Batch::new(state.next_header(), state.next_offset());
    let log = LogNumber(0);
    let known = state.log(log).and_then(|log| log.position.clone()).unwrap_or_default();
    if state.log(log).is_none() {
        let (_, change) = state.row(&LogIdentity {
            id: Some(ct::LogId([4; 32])),
            url: "https://ct.example/log".to_owned(),
            name: "Example".to_owned(),
            operator: "Op".to_owned(),
            protocol: Protocol::StaticCt,
        });
        batch.logs.extend(change);
    }
    let issuer = Arc::new(Issuer::new(Bytes::from_static(b"an issuer")));
    batch.records.extend((0..count).map(|at| Record {
        log,
        index: known.next + at,
        submitted: 1_700_000_000_000 + at,
        seen: 1_700_000_001_000,
        kind: if at == 0 { EntryType::Precert } else { EntryType::X509 },
        certificate: Bytes::from_static(b"a certificate"),
        fingerprint: ct::sha256(b"a certificate"),
        chain: vec![Arc::clone(&issuer)],
        link: (at == 0).then(|| Box::new([6; 32])),
        is_new: at == 1,
        is_backfilled: false,
    }));
    let index = known.next + count;
    batch.sightings.push(Sighting {
        log,
        index,
        submitted: 1_700_000_000_000,
        offset: batch.first_offset,
        fingerprint: Some([7; 32]),
    });
    let next = index + 3;
    batch.gaps.push(Gap { log, range: index + 1..next, reason: GapReason::Unreadable });
    batch.alarms.push(Alarm {
        log,
        kind: AlarmKind::Gap,
        at: 1_700_000_000,
        text: "entries are missing".to_owned(),
        first: index + 1,
        end: next,
        evidence: Some("evidence/1".to_owned()),
    });
    let mut read = CompactRange::new();
    (0..next).for_each(|leaf| read.push([u8::try_from(leaf).unwrap_or(0); 32]));
    let proved = Proved { size: next, root: read.root() };
    let tree = Some(Tree { read, from: 0, proved });
    let position = Position { next, largest_head: 100, tree };
    batch.advances.push(Advance { log, first: known.next, position });
    batch
}
