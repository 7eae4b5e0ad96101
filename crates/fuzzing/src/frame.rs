//! Frames and messages of a WebSocket client.

use feed::frame::{self, Decoder, Event, MAX_CONTROL_PAYLOAD, Violation, close_code};

const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const FIN: u8 = 0x80;

type Outcome = (Vec<Event>, Option<Violation>);

/// Frames mean the same in whatever pieces they arrive, compression agreed on or not; what a client
/// says in frames of its own making arrives; what the server writes has the form it should.
pub fn check(data: &[u8]) {
    let first = data.first().map_or(1, |first| usize::from(*first));
    for decoder in [Decoder::new, Decoder::with_deflate] {
        let whole = outcome_with(decoder(), [data]);
        assert_eq!(outcome_with(decoder(), data.chunks(1)), whole);
        assert_eq!(outcome_with(decoder(), data.chunks(first.max(1))), whole);
    }
    said(data, first);
    written(data);
}

/// All that happens when pieces arrive one after another.
fn outcome<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    outcome_with(Decoder::new(), pieces)
}

fn outcome_with<'a>(mut decoder: Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut events = Vec::new();
    let mut violation = None;
    for mut piece in pieces {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => {
                    assert_eq!(violation, None, "something happens after a violation");
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(violation.replace(error), None, "a second violation");
                }
            }
        }
        assert_eq!(piece, b"", "input is left over");
    }
    (events, violation)
}

/// `payload` as a text in two fragments with a ping between, as a ping, and as a reason to close.
fn said(payload: &[u8], cut: usize) {
    let is_text = str::from_utf8(payload).is_ok();
    let (one, two) = payload.split_at(cut.min(payload.len()));
    let ping = client_frame(FIN | PING, b"?");
    let text = [client_frame(TEXT, one), ping, client_frame(FIN | CONTINUATION, two)].concat();
    let (events, violation) = outcome([text.as_slice()]);
    let arrived = events.contains(&Event::Message);
    if payload.len() as u64 <= frame::MAX_CLIENT_MESSAGE {
        assert_eq!(arrived, is_text);
        let expected = (!is_text).then_some(close_code::INVALID_PAYLOAD);
        assert_eq!(violation.map(|violation| violation.code), expected);
    } else {
        assert!(!arrived && violation.is_some());
    }

    let (short, _) = payload.split_at(payload.len().min(MAX_CONTROL_PAYLOAD));
    let ping = client_frame(FIN | PING, short);
    assert_eq!(outcome([ping.as_slice()]), (vec![Event::Ping(short.to_vec())], None));

    let (reason, _) = payload.split_at(payload.len().min(MAX_CONTROL_PAYLOAD - 2));
    let close = client_frame(FIN | CLOSE, &[b"\x03\xe8", reason].concat());
    match (outcome([close.as_slice()]), str::from_utf8(reason)) {
        ((events, None), Ok(reason)) => {
            assert_eq!(events, [Event::Close { code: Some(1000), reason: reason.to_owned() }]);
        }
        ((events, Some(violation)), Err(_)) => {
            assert_eq!((events.len(), violation.code), (0, close_code::INVALID_PAYLOAD));
        }
        (other, _) => panic!("{other:?}"),
    }
}

/// Header and payload of frames of the server.
fn written(payload: &[u8]) {
    let mut text = Vec::new();
    frame::text(payload, &mut text);
    assert!(text.ends_with(payload));
    let header = match payload.len() {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    assert_eq!(text.len() - payload.len(), header);
    for control in [
        frame::ping(payload),
        frame::pong(payload),
        frame::close(close_code::GOING_AWAY, &String::from_utf8_lossy(payload)),
    ] {
        assert!(control.len() <= 2 + MAX_CONTROL_PAYLOAD);
        assert_eq!(control.get(1).copied().map(usize::from), Some(control.len() - 2));
    }
}

/// A frame as a client writes it: masked (RFC 6455 section 5.2).
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0x80 | 126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(KEY);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const BINARY: u8 = 0x2;
    const RSV1: u8 = 0x40;
    const PONG: u8 = 0xa;
    let fragments = [
        client_frame(TEXT, b"\xf0\x9f"),
        client_frame(FIN | PONG, b""),
        client_frame(FIN | CONTINUATION, b"\x98\x80"),
    ];
    vec![
        client_frame(FIN | TEXT, "Grüße".as_bytes()),
        client_frame(FIN | BINARY, &[0xff; 300]),
        client_frame(FIN | RSV1 | TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        client_frame(FIN | PING, &[9; 125]),
        fragments.concat(),
        client_frame(FIN | CLOSE, b""),
        client_frame(FIN | CLOSE, b"\x13\x87bye"),
        [client_frame(FIN | PING, b"?"), client_frame(FIN | CLOSE, b"\x03\xe9")].concat(),
        // Its end would come after 64 KiB; the rest of it is not here.
        [&[FIN | BINARY, 0xff][..], &65_536_u64.to_be_bytes(), &[0; 4]].concat(),
    ]
}
