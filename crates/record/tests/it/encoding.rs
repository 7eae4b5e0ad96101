//! The encoding: what is written is read back, and nothing else is accepted or harmful.

use proptest::collection::vec;
use proptest::prelude::*;
use record::encoding::{self, DecodeError, Decoder, EncodeError, Encoder, Kind, Message, limits};
use record::{BatchHash, Checkpoint, GapReason, State};

use crate::stream::{Entry, Page, Plan, Stream, begin, id, plans};

/// Encodes the batches of plans, one message each.
fn encode(plans: &[Plan]) -> Vec<Vec<u8>> {
    let (mut stream, mut encoder) = (Stream::new(), Encoder::new());
    let mut messages = Vec::new();
    for plan in plans {
        let batch = stream.batch(plan);
        let mut message = Vec::new();
        let hash = encoder.batch(&batch, &mut message).expect("within the limits");
        stream.state.apply(&batch, hash).expect("fits");
        messages.push(message);
    }
    messages
}

proptest! {
    #[test]
    fn decoding_returns_what_was_encoded_and_folds_to_the_same_state(plans in plans()) {
        let mut stream = Stream::new();
        let mut decoded_state = stream.state.clone();
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for plan in &plans {
            let batch = stream.batch(plan);
            let mut message = Vec::new();
            let hash = encoder.batch(&batch, &mut message).expect("within the limits");
            prop_assert_eq!(hash, BatchHash::of(&message));
            prop_assert_eq!(encoding::header(&message), Ok((Kind::Batch, batch.header)));
            let found = encoding::header_and_offset(&message);
            prop_assert_eq!(found, Ok((Kind::Batch, batch.header, batch.first_offset)));
            let Ok(Message::Batch(decoded)) = decoder.message(&message) else { panic!("a batch") };
            prop_assert_eq!(&decoded, &batch);
            stream.state.apply(&batch, hash).expect("fits");
            decoded_state.apply(&decoded, BatchHash::of(&message)).expect("fits");
            prop_assert_eq!(&decoded_state, &stream.state);
        }
    }

    #[test]
    fn a_batch_is_decoded_without_those_before_it_but_for_issuers_and_trees(plans in plans()) {
        let mut stream = Stream::new();
        let mut encoder = Encoder::new();
        for plan in &plans {
            let batch = stream.batch(plan);
            let mut message = Vec::new();
            let hash = encoder.batch(&batch, &mut message).expect("within the limits");
            stream.state.apply(&batch, hash).expect("fits");
            let firsts = batch.advances.iter().map(|advance| (advance.log, advance.first));
            let decoded = Decoder::detached(firsts).message(&message);
            let Ok(Message::Batch(decoded)) = decoded else { panic!("{decoded:?}") };
            prop_assert_eq!(decoded.records.len(), batch.records.len());
            for (decoded, record) in decoded.records.iter().zip(&batch.records) {
                prop_assert!(decoded.chain.iter().all(|issuer| record.chain.contains(issuer)));
                let chain = record.chain.clone();
                prop_assert_eq!(&record::Record { chain, ..decoded.clone() }, record);
            }
            prop_assert_eq!(&decoded.sightings, &batch.sightings);
            prop_assert_eq!(&decoded.gaps, &batch.gaps);
        }
    }

    #[test]
    fn reading_can_begin_at_any_checkpoint(
        plans in plans(),
        at in any::<prop::sample::Index>(),
        keeps_issuers in any::<bool>(),
    ) {
        let at = at.index(plans.len());
        let (mut stream, mut encoder) = (Stream::new(), Encoder::new());
        let mut later: Option<(Decoder, State)> = None;
        for (number, plan) in plans.iter().enumerate() {
            if number == at {
                let issuers = if keeps_issuers { encoder.issuers().to_vec() } else { Vec::new() };
                let checkpoint = Checkpoint { state: stream.state.clone(), issuers };
                let mut message = Vec::new();
                // With its issuers and positions, the context stays what it was.
                let mut other = encoder.clone();
                let writer = if keeps_issuers { &mut other } else { &mut encoder };
                writer.checkpoint(&checkpoint, &mut message).expect("within the limits");
                let mut decoder = Decoder::new();
                let decoded = decoder.message(&message);
                prop_assert_eq!(decoded, Ok(Message::Checkpoint(checkpoint.clone())));
                later = Some((decoder, checkpoint.state));
            }
            let batch = stream.batch(plan);
            let mut message = Vec::new();
            let hash = encoder.batch(&batch, &mut message).expect("within the limits");
            stream.state.apply(&batch, hash).expect("fits");
            if let Some((decoder, state)) = &mut later {
                prop_assert_eq!(decoder.message(&message), Ok(Message::Batch(batch.clone())));
                state.apply(&batch, hash).expect("fits");
            }
        }
        prop_assert_eq!(later.map(|(_, state)| state), Some(stream.state));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..300), kind in 1..4_u8) {
        let mut decoder = Decoder::new();
        prop_assert!(decoder.message(&bytes).is_err() || !bytes.is_empty());
        let header = [&[1, kind][..], id().as_str().as_bytes(), &[1, 1]].concat();
        let _any_outcome = decoder.message(&[header, bytes].concat());
    }

    #[test]
    fn damaged_messages_are_refused_or_read_as_something_encodable(
        plans in plans(),
        flips in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u8), 1..4),
    ) {
        let mut messages = encode(&plans);
        for (message, byte, bit) in flips {
            let message = message.index(messages.len());
            let byte = byte.index(messages[message].len());
            messages[message][byte] ^= 1 << bit;
        }
        let mut decoder = Decoder::new();
        for message in &messages {
            let mut encoder = Encoder::from(decoder.clone());
            let mut again = decoder.clone();
            let Ok(Message::Batch(batch)) = decoder.message(message) else { continue };
            let mut out = Vec::new();
            encoder.batch(&batch, &mut out).expect("what was read can be written");
            prop_assert_eq!(again.message(&out), Ok(Message::Batch(batch)));
        }
    }

    #[test]
    fn a_message_that_ends_early_or_late_is_refused_and_leaves_the_context(plans in plans()) {
        let mut decoder = Decoder::new();
        for message in encode(&plans) {
            for length in (0..message.len()).step_by(1 + message.len() / 50) {
                prop_assert!(decoder.message(&message[..length]).is_err(), "{length}");
            }
            let longer = [&message[..], &[0]].concat();
            prop_assert_eq!(decoder.message(&longer), Err(DecodeError::Trailing(1)));
            prop_assert!(decoder.message(&message).is_ok());
        }
    }
}

#[test]
fn a_begin_is_read_back() {
    let begin = begin(&State::new(id()), 1_700_000_000_000_000);
    let mut message = Vec::new();
    let hash = Encoder::new().begin(&begin, &mut message);
    assert_eq!(hash, BatchHash::of(&message));
    assert_eq!(Decoder::new().message(&message), Ok(Message::Begin(begin)));
}

fn one_page(entries: Vec<Entry>) -> Plan {
    let page = Page { log: 0, entries, has_tree: true, proves: true, head: 0 };
    Plan { pages: vec![page], alarm: None, renamed: None }
}

fn certificate(chain: Vec<u8>) -> Entry {
    let certificate = vec![1; 30];
    Entry::Record { certificate, chain, is_precert: true, has_link: false, times: (0, 0) }
}

/// Issuers, the hashes of a tree of a thousand entries, and what its head proves are written once.
#[test]
fn what_did_not_change_is_not_repeated() {
    let gap = Entry::Gap { count: 255, reason: GapReason::Skipped };
    let mut plans = vec![one_page(vec![gap; 4])];
    plans.extend(vec![one_page(vec![certificate(vec![3, 4])]); 3]);
    let sizes: Vec<usize> = encode(&plans).iter().map(Vec::len).collect();
    // With the DER go its length and the mark of a new one; then a number is left.
    let issuers = (23 + 2) + (24 + 2) - 2;
    assert_eq!(sizes[1] - sizes[2], issuers, "{sizes:?}");
    // One new hash of nine, no proved root, no head.
    assert_eq!(sizes[2], sizes[3], "{sizes:?}");
    assert!(sizes[3] < 30 + 32 + 64, "{sizes:?}");
}

#[test]
fn a_message_beyond_a_limit_is_refused_and_leaves_the_context() {
    let mut stream = Stream::new();
    let fits = stream.batch(&one_page(vec![certificate(vec![1])]));
    let mut too_many = fits.clone();
    too_many.records = vec![fits.records[0].clone(); limits::LIST + 1];
    let mut long_chain = fits.clone();
    long_chain.records[0].chain = vec![fits.records[0].chain[0].clone(); limits::CHAIN + 1];
    let mut wrong_tree = fits.clone();
    wrong_tree.advances[0].position.next += 1;
    let (mut encoder, mut out) = (Encoder::new(), b"before".to_vec());
    for wrong in [too_many, long_chain] {
        let refused = encoder.batch(&wrong, &mut out);
        assert!(matches!(refused, Err(EncodeError::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(encoder.batch(&wrong_tree, &mut out), Err(EncodeError::Position(0)));
    assert_eq!(out, b"before");
    assert!(encoder.issuers().is_empty());
    out.clear();
    encoder.batch(&fits, &mut out).expect("within the limits");
    assert_eq!(Decoder::new().message(&out), Ok(Message::Batch(fits)));
}

#[test]
fn a_count_without_elements_allocates_nothing() {
    let header = [&[1, 1][..], id().as_str().as_bytes(), &[1, 1], &[0; 8], &[0]].concat();
    let many = [&header[..], &[0xff, 0x1f]].concat();
    let refused = Decoder::new().message(&many);
    assert_eq!(refused, Err(DecodeError::Truncated("log table changes")));
    let too_many = [&header[..], &[0x81, 0x20]].concat();
    let refused = Decoder::new().message(&too_many);
    assert!(matches!(refused, Err(DecodeError::TooLarge { length: 4097, .. })), "{refused:?}");
}

#[test]
fn numbers_have_one_form() {
    let head = |term: &[u8]| {
        encoding::header(&[&[1, 2][..], id().as_str().as_bytes(), term, &[1], &[0; 8]].concat())
            .map(|(_, header)| header.term)
    };
    assert_eq!(head(&[0x7f]), Ok(127));
    assert_eq!(head(&[0x80, 0x01]), Ok(128));
    let largest = [&[0xff; 9][..], &[0x01]].concat();
    assert_eq!(head(&largest), Ok(u64::MAX));
    let beyond = [&[0xff; 9][..], &[0x02]].concat();
    for wrong in [&[0x80, 0x00][..], &beyond, &[0x80; 11]] {
        assert_eq!(head(wrong), Err(DecodeError::Number("the term")), "{wrong:?}");
    }
}
