//! Messages of version 1 as files, which every later version must read.

use std::path::Path;

use record::encoding::{Decoder, Encoder, Message};
use record::{Checkpoint, GapReason, State};

use crate::stream::{Entry, Page, Plan, Stream, begin, id};

/// The messages: a begin, two batches, a checkpoint.
fn messages() -> [(&'static str, Message); 4] {
    let mut stream = Stream::new();
    let mut state = State::new(id());
    let begin = begin(&state, 1_700_000_000_000_000);
    let mut encoder = Encoder::new();
    let hash = encoder.begin(&begin, &mut Vec::new());
    state.begin(&begin, hash).expect("fits");
    stream.state = state;
    let batches = plans().map(|plan| {
        let batch = stream.batch(&plan);
        let hash = encoder.batch(&batch, &mut Vec::new()).expect("within the limits");
        stream.state.apply(&batch, hash).expect("fits");
        Message::Batch(batch)
    });
    let [first, second] = batches;
    let issuers = encoder.issuers().to_vec();
    let checkpoint = Checkpoint { state: stream.state, issuers };
    [
        ("begin", Message::Begin(begin)),
        ("batch-1", first),
        ("batch-2", second),
        ("checkpoint", Message::Checkpoint(checkpoint)),
    ]
}

fn plans() -> [Plan; 2] {
    let record = |seed: u8, is_precert| Entry::Record {
        certificate: vec![seed; 60],
        chain: vec![seed % 3, 5],
        is_precert,
        has_link: is_precert,
        times: (seed.into(), 2_000),
    };
    let sighting = |has_fingerprint| Entry::Sighting { back: 0, submitted: 1_000, has_fingerprint };
    let page = |log, entries, has_tree| Page { log, entries, has_tree, proves: true, head: 300 };
    let gap = |count, reason| Entry::Gap { count, reason };
    [
        Plan {
            pages: vec![
                page(
                    0,
                    vec![gap(199, GapReason::Skipped), record(1, false), record(2, true)],
                    true,
                ),
                page(1, vec![record(3, false), sighting(false)], false),
            ],
            alarm: Some((1, true)),
            renamed: None,
        },
        Plan {
            pages: vec![
                page(0, vec![record(4, true), sighting(true)], true),
                page(2, vec![gap(1, GapReason::Unreadable), sighting(false)], true),
            ],
            alarm: Some((0, true)),
            renamed: Some(0),
        },
    ]
}

fn file(name: &str) -> String {
    format!("crates/record/tests/golden/{name}.v1")
}

#[test]
fn the_encoder_writes_the_files_of_version_1() {
    let mut encoder = Encoder::new();
    for (name, message) in messages() {
        let mut out = Vec::new();
        match &message {
            Message::Begin(begin) => drop(encoder.begin(begin, &mut out)),
            Message::Batch(batch) => {
                encoder.batch(batch, &mut out).expect("within the limits");
            }
            Message::Checkpoint(checkpoint) => {
                encoder.checkpoint(checkpoint, &mut out).expect("within the limits");
            }
        }
        golden::check(&file(name), out, "-p record golden");
    }
}

#[test]
fn the_files_of_version_1_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut decoder = Decoder::new();
    for (name, message) in messages() {
        let encoded = std::fs::read(root.join(file(name))).expect("the file is checked in");
        assert_eq!(decoder.message(&encoded), Ok(message), "{name}");
    }
}
