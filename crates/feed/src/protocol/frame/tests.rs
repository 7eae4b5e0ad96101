//! Frames written and read, valid and not.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A client's frame with a masking key that changes every byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// Everything that happens when `pieces` arrive one after another.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<Violation>) {
    decode_with(Decoder::new(), pieces)
}

fn decode_with<'a>(
    mut decoder: Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<Violation>) {
    let mut events = Vec::new();
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
        assert!(piece.is_empty(), "input left over: {piece:?}");
    }
    (events, None)
}

#[test]
fn lengths_take_the_fewest_bytes() {
    for (length, header) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (0xFFFF, vec![0x81, 126, 0xFF, 0xFF]),
        (0x1_0000, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut frame = Vec::new();
        text(&vec![b'x'; length], &mut frame);
        assert_eq!(frame[..header.len()], header, "{length}");
        assert_eq!(frame.len(), header.len() + length);
    }
}

#[test]
fn control_frames_are_never_too_long() {
    assert_eq!(ping(b""), [0x89, 0]);
    assert_eq!(pong(b"Hello"), *b"\x8A\x05Hello"); // RFC 6455 section 5.7
    assert_eq!(ping(&[7; 200]), [[0x89, 125].as_slice(), &[7; 125]].concat());
    assert_eq!(close(1001, "bye"), *b"\x88\x05\x03\xE9bye");
    // 62 characters of two bytes are 124; 123 bytes fit, so the last character goes.
    let long = close(1000, &"é".repeat(62));
    assert_eq!((long.len(), long[1]), (2 + 2 + 122, 124));
    assert!(str::from_utf8(&long[4..]).is_ok());
}

#[test]
fn what_a_client_may_send() {
    let close = |code: Option<u16>, reason: &str| Event::Close { code, reason: reason.into() };
    let cases: &[(&str, Vec<u8>, Vec<Event>)] = &[
        ("nothing", vec![], vec![]),
        (
            "RFC 6455 5.7",
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
            vec![Event::Message],
        ),
        ("empty text", masked(0x81, b""), vec![Event::Message]),
        ("any binary", masked(0x82, b"\xFF\xFE"), vec![Event::Message]),
        ("64 KiB", masked(0x82, &[0; 65_536]), vec![Event::Message]),
        ("ping", masked(0x89, &[9; 125]), vec![Event::Ping(vec![9; 125])]),
        (
            "pongs keep nothing",
            [masked(0x8A, b"x"), masked(0x89, b"y")].concat(),
            vec![Event::Pong, Event::Ping(b"y".to_vec())],
        ),
        (
            "character cut by fragments, ping between",
            [masked(0x01, b"\xF0\x9F"), masked(0x89, b"!"), masked(0x80, b"\x98\x80")].concat(),
            vec![Event::Ping(b"!".to_vec()), Event::Message],
        ),
        ("unfinished", masked(0x01, b"so far"), vec![]),
        ("close", masked(0x88, b""), vec![close(None, "")]),
        ("close 1000", masked(0x88, b"\x03\xE8"), vec![close(Some(1000), "")]),
        ("close 4999", masked(0x88, b"\x13\x87caf\xC3\xA9"), vec![close(Some(4999), "café")]),
        ("nothing after close", [masked(0x88, b""), vec![0xFF; 9]].concat(), vec![close(None, "")]),
        (
            "close inside a message",
            [masked(0x01, b"half"), masked(0x88, b"\x03\xE9")].concat(),
            vec![close(Some(1001), "")],
        ),
    ];
    for (name, input, events) in cases {
        let expected = (events.clone(), None);
        assert_eq!(decode([input.as_slice()]), expected, "{name}");
        assert_eq!(decode(input.chunks(1)), expected, "{name}, a byte at a time");
    }
}

#[test]
fn what_a_client_may_not_send() {
    let long = |first: u8, length: &[u8]| [&[first, 0x80 | 127], length].concat();
    let cases: &[(&str, u16, Vec<u8>)] = &[
        ("unmasked", 1002, vec![0x81, 0x05]),
        ("unmasked control", 1002, vec![0x89, 0x00]),
        ("RSV1", 1002, masked(0xC1, b"x")),
        ("RSV2", 1002, masked(0xA1, b"x")),
        ("RSV3 on a control frame", 1002, masked(0x99, b"")),
        ("opcode 3", 1002, masked(0x83, b"")),
        ("opcode 7", 1002, masked(0x87, b"")),
        ("opcode 11", 1002, masked(0x8B, b"")),
        ("opcode 15", 1002, masked(0x8F, b"")),
        ("long ping", 1002, masked(0x89, &[0; 126])),
        ("very long close", 1002, masked(0x88, &[0; 70_000])),
        ("fragmented ping", 1002, masked(0x09, b"")),
        ("fragmented close", 1002, masked(0x08, b"")),
        ("continuation of nothing", 1002, masked(0x80, b"")),
        ("begun continuation of nothing", 1002, masked(0x00, b"")),
        ("continuation after the end", 1002, [masked(0x81, b""), masked(0x80, b"")].concat()),
        ("message in a message", 1002, [masked(0x01, b"a"), masked(0x81, b"b")].concat()),
        ("binary in a text", 1002, [masked(0x01, b"a"), masked(0x02, b"b")].concat()),
        ("16-bit length of 125", 1002, vec![0x82, 0x80 | 126, 0, 125]),
        ("64-bit length of 65535", 1002, long(0x82, &[0, 0, 0, 0, 0, 0, 0xFF, 0xFF])),
        ("64-bit length of 0", 1002, long(0x82, &[0; 8])),
        ("64th bit of the length", 1002, long(0x82, &[0x80, 0, 0, 0, 0, 1, 0, 0])),
        ("65537 bytes", 1009, masked(0x82, &[0; 65_537])),
        ("2^63 - 1 bytes", 1009, long(0x81, &[0x7F, 255, 255, 255, 255, 255, 255, 255])),
        (
            "too big by fragments",
            1009,
            [masked(0x02, &[0; 65_536]), masked(0x00, b""), masked(0x80, b"x")].concat(),
        ),
        ("text of a lone FF", 1007, masked(0x81, b"\xFF")),
        ("overlong slash", 1007, masked(0x81, b"\xC0\xAF")),
        ("overlong in three", 1007, masked(0x81, b"\xE0\x9F\xBF")),
        ("surrogate", 1007, masked(0x81, b"\xED\xA0\x80")),
        ("past U+10FFFF", 1007, masked(0x81, b"\xF4\x90\x80\x80")),
        ("text cut in a character", 1007, masked(0x81, b"\xE2\x82")),
        ("bad across fragments", 1007, [masked(0x01, b"\xE2"), masked(0x80, b"\x28\xA1")].concat()),
        ("bad before the end", 1007, masked(0x01, b"ok \xC3\x28")),
        ("close of one byte", 1002, masked(0x88, b"\x03")),
        ("close 0", 1002, masked(0x88, &[0, 0])),
        ("close 999", 1002, masked(0x88, &999_u16.to_be_bytes())),
        ("close 1004", 1002, masked(0x88, &1004_u16.to_be_bytes())),
        ("close 1005", 1002, masked(0x88, &1005_u16.to_be_bytes())),
        ("close 1006", 1002, masked(0x88, &1006_u16.to_be_bytes())),
        ("close 1015", 1002, masked(0x88, &1015_u16.to_be_bytes())),
        ("close 1016", 1002, masked(0x88, &1016_u16.to_be_bytes())),
        ("close 2999", 1002, masked(0x88, &2999_u16.to_be_bytes())),
        ("close 5000", 1002, masked(0x88, &5000_u16.to_be_bytes())),
        ("close with a bad reason", 1007, masked(0x88, b"\x03\xE8\xFF")),
    ];
    for (name, code, input) in cases {
        for (events, violation) in [decode([input.as_slice()]), decode(input.chunks(1))] {
            assert_eq!(violation.map(|v| v.code), Some(*code), "{name}");
            assert!(!events.iter().any(|e| matches!(e, Event::Close { .. })), "{name}");
            assert!(violation.is_some_and(|v| v.reason.len() <= MAX_CONTROL_PAYLOAD - 2));
        }
    }
}

#[test]
fn compressed_messages_are_counted_and_not_read() {
    let agreed = |input: &[u8]| {
        let whole = decode_with(Decoder::with_deflate(), [input]);
        assert_eq!(decode_with(Decoder::with_deflate(), input.chunks(1)), whole);
        (whole.0, whole.1.map(|violation| violation.code))
    };
    let message = (vec![Event::Message], None);
    // RFC 7692 section 7.2.3.1; neither UTF-8 nor deflate is checked.
    assert_eq!(agreed(&masked(0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")), message);
    assert_eq!(agreed(&masked(0xC1, b"\xff")), message);
    assert_eq!(agreed(&masked(0xC2, b"")), message);
    assert_eq!(agreed(&masked(0xC2, &[0; 65_536])), message);
    assert_eq!(agreed(&masked(0x81, b"plain")), message);
    let fragments =
        [masked(0x41, b"\xff"), masked(0x89, b"!"), masked(0x00, b"\xff"), masked(0x80, b"")];
    let events = vec![Event::Ping(b"!".to_vec()), Event::Message];
    assert_eq!(agreed(&fragments.concat()), (events, None));
    // The next message is its own.
    let next = [masked(0xC1, b"\xff"), masked(0x81, b"\xff")].concat();
    assert_eq!(agreed(&next), (vec![Event::Message], Some(1007)));

    let broken: &[(&str, u16, Vec<u8>)] = &[
        ("RSV1 on a ping", 1002, masked(0xC9, b"")),
        ("RSV1 on a close", 1002, masked(0xC8, b"")),
        ("RSV1 on a continuation", 1002, [masked(0x41, b""), masked(0xC0, b"")].concat()),
        ("RSV2 beside it", 1002, masked(0xE1, b"")),
        ("RSV3 beside it", 1002, masked(0xD1, b"")),
        ("RSV2", 1002, masked(0xA1, b"")),
        ("too big as it comes", 1009, masked(0xC2, &[0; 65_537])),
        ("too big by fragments", 1009, [masked(0x42, &[0; 65_536]), masked(0x80, b"x")].concat()),
        ("plain text that is none", 1007, masked(0x81, b"\xff")),
    ];
    for (name, code, input) in broken {
        assert_eq!(agreed(input), (vec![], Some(*code)), "{name}");
    }
}

#[test]
fn after_a_violation_everything_vanishes() {
    let mut decoder = Decoder::new();
    assert!(decoder.decode(&mut [0xFF].as_slice()).is_err());
    let frame = masked(0x89, b"ping");
    let mut input = frame.as_slice();
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert!(input.is_empty());
}

/// The actions of a client, with the events they cause.
#[derive(Clone, Debug)]
enum Act {
    /// A message in fragments, and a ping before each of them but the first.
    Message {
        text: bool,
        fragments: Vec<String>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Act {
    fn encode(&self, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        match self {
            Self::Message { text, fragments } => {
                // One string cut at byte positions, so that characters are cut too.
                let whole = fragments.concat().into_bytes();
                let size = whole.len().div_ceil(fragments.len()).max(1);
                let mut parts: Vec<&[u8]> = whole.chunks(size).collect();
                parts.resize(fragments.len(), &[]);
                for (i, part) in parts.iter().enumerate() {
                    let opcode = if i > 0 { 0 } else { 2 - u8::from(*text) };
                    if i > 0 {
                        Self::Ping(vec![opcode; i]).encode(out, events);
                    }
                    let fin = u8::from(i + 1 == parts.len()) << 7;
                    out.extend(masked(fin | opcode, part));
                }
                events.push(Event::Message);
            }
            Self::Ping(payload) => {
                out.extend(masked(0x89, payload));
                events.push(Event::Ping(payload.clone()));
            }
            Self::Pong(payload) => {
                out.extend(masked(0x8A, payload));
                events.push(Event::Pong);
            }
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (any::<bool>(), vec("\\PC{0,60}", 1..4))
            .prop_map(|(text, fragments)| Act::Message { text, fragments }),
        vec(any::<u8>(), 0..=125).prop_map(Act::Ping),
        vec(any::<u8>(), 0..=125).prop_map(Act::Pong),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        acts in vec(act(), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        acts.iter().for_each(|act| act.encode(&mut bytes, &mut events));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(decode(pieces), (events, None));
    }

    #[test]
    fn arbitrary_bytes_give_the_same_however_they_come(
        bytes in vec(any::<u8>(), 0..300),
        masked_bytes in vec(any::<u8>(), 0..300),
        first in any::<u8>(),
    ) {
        for input in [bytes, masked(first, &masked_bytes)] {
            prop_assert_eq!(decode([input.as_slice()]), decode(input.chunks(1)));
            let agreed = |chunk| decode_with(Decoder::with_deflate(), input.chunks(chunk));
            prop_assert_eq!(agreed(input.len().max(1)), agreed(1));
        }
    }

    #[test]
    fn text_is_accepted_exactly_if_it_is_utf8(
        text in "\\PC{0,12}",
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = text.into_bytes();
        if !text.is_empty() {
            let at = place.index(text.len());
            text[at] = byte;
        }
        let (events, violation) = decode([masked(0x81, &text).as_slice()]);
        match str::from_utf8(&text) {
            Ok(_) => prop_assert_eq!((events, violation), (vec![Event::Message], None)),
            Err(_) => prop_assert_eq!(violation.map(|v| v.code), Some(1007)),
        }
    }
}
