//! Protocol violations of clients, and valid frames that a server must accept (RFC 6455 sections 4,
//! 5 and 7).

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::harness::{PATIENCE, Running, Socket, next_frame, next_json, streaming};
use crate::raw::{self, CLOSE, Client, Frame, PING, PONG, RSV1, TEXT, masked};

/// By then the server must have ended the connection of a client that broke the protocol, whatever
/// that does. Far below the 120 seconds after which a silent client is cut off anyway.
const END: Duration = Duration::from_secs(30);

/// A text, binary or continuation frame that does not end its message.
const BEGIN_TEXT: u8 = 0x01;
const BEGIN_BINARY: u8 = 0x02;
const BINARY: u8 = 0x82;
const CONTINUE: u8 = 0x00;
const CONTINUE_LAST: u8 = 0x80;

/// Pieces that the bytes of a client are split into at most.
const MOST_PIECES: usize = 2_000;

struct Violation {
    name: String,
    bytes: Vec<u8>,
    code: u16,
}

fn row(name: impl Into<String>, code: u16, frames: &[Vec<u8>]) -> Violation {
    Violation { name: name.into(), bytes: frames.concat(), code }
}

/// A frame header that announces `length` in eight bytes, and no payload.
fn long(first: u8, length: u64) -> Vec<u8> {
    [&[first, 0x80 | 127], length.to_be_bytes().as_slice(), &[0; 4]].concat()
}

fn close_frame(code: u16, reason: &[u8]) -> Vec<u8> {
    masked(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// RFC 6455 section 5: frames that cannot be.
fn framing() -> Vec<Violation> {
    let mut rows = vec![
        row("unmasked text", 1002, &[b"\x81\x02hi".to_vec()]),
        row("unmasked ping", 1002, &[vec![PING, 0]]),
        row("unmasked close", 1002, &[vec![CLOSE, 2, 3, 0xE8]]),
        row("long ping", 1002, &[masked(PING, &[9; 126])]),
        row("long pong", 1002, &[masked(PONG, &[9; 70_000])]),
        row("long close", 1002, &[close_frame(1000, &[b'x'; 124])]),
        row("fragmented ping", 1002, &[masked(PING & 0x0F, b"a"), masked(CONTINUE_LAST, b"b")]),
        row("fragmented pong", 1002, &[masked(PONG & 0x0F, b"a")]),
        row("fragmented close", 1002, &[masked(CLOSE & 0x0F, b"\x03\xE8")]),
        row("continuation of nothing", 1002, &[masked(CONTINUE_LAST, b"x")]),
        row("begun continuation of nothing", 1002, &[masked(CONTINUE, b"x")]),
        row("continuation after the end", 1002, &[masked(TEXT, b"a"), masked(CONTINUE_LAST, b"b")]),
        row("text inside a text", 1002, &[masked(BEGIN_TEXT, b"a"), masked(TEXT, b"b")]),
        row(
            "binary inside a text, after a ping",
            1002,
            &[masked(BEGIN_TEXT, b"a"), masked(PING, b""), masked(BEGIN_BINARY, b"b")],
        ),
        row("16-bit length of 125", 1002, &[vec![BINARY, 0x80 | 126, 0, 125, 0, 0, 0, 0]]),
        row("16-bit length of 0", 1002, &[vec![BINARY, 0x80 | 126, 0, 0, 0, 0, 0, 0]]),
        row("64-bit length of 0", 1002, &[long(BINARY, 0)]),
        row("64-bit length of 65535", 1002, &[long(BINARY, 65_535)]),
        row("64-bit length with its highest bit", 1002, &[long(BINARY, 1 << 63 | 70_000)]),
        row("64-bit length of ones", 1002, &[long(TEXT, u64::MAX)]),
        row("HTTP again", 1002, &[b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()]),
    ];
    let reserved = (0x3..=0x7).chain(0xB..=0xF);
    rows.extend(
        reserved.map(|code| row(format!("opcode {code:#x}"), 1002, &[masked(0x80 | code, b"x")])),
    );
    for first in [TEXT, BINARY, PING, PONG, CLOSE] {
        for bits in [0x40, 0x20, 0x10, 0x70] {
            let name = format!("reserved bits {bits:#x} with {first:#x}");
            rows.push(row(name, 1002, &[masked(first | bits, b"")]));
        }
    }
    rows
}

/// RFC 6455 sections 7.1.6, 7.4, 8.1 and 10.4: what frames say.
fn contents() -> Vec<Violation> {
    let text = |bytes: &[u8]| masked(TEXT, bytes);
    let begin = |bytes: &[u8]| masked(BEGIN_TEXT, bytes);
    let last = |bytes: &[u8]| masked(CONTINUE_LAST, bytes);
    let mut rows = vec![
        row("text of FF", 1007, &[text(b"\xFF")]),
        row("overlong slash", 1007, &[text(b"\xC0\xAF")]),
        row("surrogate", 1007, &[text(b"ok \xED\xA0\x80")]),
        row("past U+10FFFF", 1007, &[text(b"\xF4\x90\x80\x80")]),
        row("text that ends in a character", 1007, &[text(b"\xE2\x82")]),
        row("bad across fragments", 1007, &[begin(b"\xE2"), last(b"\x28\xA1")]),
        row("bad across a ping", 1007, &[begin(b"\xF0\x9F"), masked(PING, b""), last(b"\x98\xFF")]),
        row("fragments that end in a character", 1007, &[begin(b"\xF0\x9F"), last(b"\x98")]),
        row("bad in a message without end", 1007, &[begin(b"ok \xC3\x28")]),
        row("close of one byte", 1002, &[masked(CLOSE, b"\x03")]),
        row("close with a bad reason", 1007, &[close_frame(1000, b"caf\xC3")]),
        row("one frame of 64 KiB and a byte", 1009, &[masked(BINARY, &[0; 65_537])]),
        row("one frame of a megabyte", 1009, &[text(&[b'a'; 1 << 20])]),
        row("2^62 bytes announced", 1009, &[long(BINARY, 1 << 62)]),
        row(
            "64 KiB and a byte in fragments",
            1009,
            &[masked(BEGIN_BINARY, &[0; 65_536]), masked(CONTINUE, b""), last(b"x")],
        ),
        row(
            "many small fragments",
            1009,
            &[begin(&[b'a'; 100]), masked(CONTINUE, &[b'a'; 100]).repeat(700)],
        ),
    ];
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        rows.push(row(format!("close code {code}"), 1002, &[close_frame(code, b"")]));
    }
    rows
}

/// RFC 7692 sections 6 and 6.1: what is wrong even where compression was agreed on.
fn compression() -> Vec<Violation> {
    let mut rows = vec![
        row("compressed ping", 1002, &[masked(PING | RSV1, b"")]),
        row("compressed close", 1002, &[masked(CLOSE | RSV1, b"\x03\xE8")]),
        row(
            "compressed continuation",
            1002,
            &[masked(BEGIN_TEXT | RSV1, b"\xCA"), masked(CONTINUE_LAST | RSV1, b"\x00")],
        ),
        row(
            "compressed continuation of a plain message",
            1002,
            &[masked(BEGIN_TEXT, b"a"), masked(CONTINUE_LAST | RSV1, b"b")],
        ),
        row("64 KiB and a byte, compressed", 1009, &[masked(BINARY | RSV1, &[0; 65_537])]),
        row("plain text of FF", 1007, &[masked(TEXT, b"\xFF")]),
    ];
    for bits in [0x20, 0x10, 0x30, 0x60, 0x50, 0x70] {
        let name = format!("reserved bits {bits:#x} besides compression");
        rows.push(row(name, 1002, &[masked(TEXT | bits, b"")]));
    }
    rows
}

/// Breaks the protocol in the middle of a stream; then is silent or answers the Close frame.
async fn violate(
    address: SocketAddr,
    headers: &str,
    violation: &Violation,
    answers_close: bool,
) -> Result<(), String> {
    let handshake = raw::handshake("/", headers);
    let mut client = Client::open(address, &handshake, usize::MAX).await;
    client.send(&violation.bytes, usize::MAX).await;
    let mut close = client.answer().await?;
    while close.first == PONG {
        close = client.answer().await?;
    }
    let has_reason = close.payload.len() > 2 && str::from_utf8(&close.payload[2..]).is_ok();
    if close.code() != Some(violation.code) || !has_reason {
        return Err(format!("{close:?} instead of code {}", violation.code));
    }
    if answers_close {
        client.send(&masked(CLOSE, &close.payload), usize::MAX).await;
    }
    client.ended(END).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_violation_closes_the_connection_with_its_code() {
    let (_sim, server) = streaming(200.0).await;
    let neighbour = Neighbour::start(&server).await;
    let mut wrong = Vec::new();
    for (headers, rows) in [("", framing()), ("", contents()), (raw::OFFER, compression())] {
        for answers_close in [true, false] {
            let violate = |row| violate(server.address, headers, row, answers_close);
            let outcomes = join_all(rows.iter().map(violate)).await;
            let names = rows.iter().map(|row| row.name.as_str());
            wrong.extend(problems(names, outcomes, &format!("answers: {answers_close}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    neighbour.stop().await;
    server.stop().await;
}

/// The failures, by name.
fn problems<'a>(
    names: impl Iterator<Item = &'a str>,
    outcomes: Vec<Result<(), String>>,
    how: &str,
) -> Vec<String> {
    let problem = |(name, outcome): (&str, Result<(), String>)| {
        outcome.err().map(|problem| format!("{name} ({how}): {problem}"))
    };
    names.zip(outcomes).filter_map(problem).collect()
}

/// Valid behaviour of a client, the server's answers besides the stream, and the end of the
/// connection.
#[derive(Clone)]
struct Conduct {
    name: &'static str,
    bytes: Vec<u8>,
    answers: Vec<Frame>,
    /// The client's Close frame, and the server's.
    parting: (Vec<u8>, Frame),
}

/// Valid behaviour of a client with compression.
fn compressed_conduct() -> Conduct {
    // "Hello" as RFC 7692 section 7.2.3.1 has it, and further down what cannot be decompressed.
    let hello = b"\xF2\x48\xCD\xC9\xC9\x07\x00";
    let frames = [
        masked(TEXT | RSV1, hello),
        masked(BEGIN_TEXT | RSV1, &hello[..2]),
        masked(PING, b"between"),
        masked(CONTINUE_LAST, &hello[2..]),
        masked(TEXT, b"ping"),
        masked(BINARY | RSV1, &[0xFF; 65_536]),
        masked(PING, b"after"),
    ];
    Conduct {
        name: "compressed messages",
        bytes: frames.concat(),
        answers: vec![Frame::pong(b"between"), Frame::pong(b"after")],
        parting: (close_frame(1000, b""), Frame::close(1000, "")),
    }
}

fn good_conduct() -> Vec<Conduct> {
    let row = |name, frames: &[Vec<u8>], answers: &[Frame]| Conduct {
        name,
        bytes: frames.concat(),
        answers: answers.to_vec(),
        parting: (close_frame(1000, b""), Frame::close(1000, "")),
    };
    let parting = |name, frames: &[Vec<u8>], answer| Conduct {
        parting: (frames.concat(), answer),
        ..row(name, &[], &[])
    };
    vec![
        parting("close without a code", &[masked(CLOSE, b"")], Frame::close(1000, "")),
        parting("close with a code", &[close_frame(4999, b"bye")], Frame::close(4999, "")),
        parting(
            "close inside a message",
            &[masked(BEGIN_TEXT, b"half"), close_frame(1001, b"")],
            Frame::close(1001, ""),
        ),
        parting(
            "frames after close",
            &[
                close_frame(1000, b"enough"),
                masked(PING, b"late"),
                masked(TEXT, b"\xFF"),
                close_frame(4000, b""),
            ],
            Frame::close(1000, ""),
        ),
        row(
            "ping inside a message",
            &[
                masked(BEGIN_TEXT, b"\xE2\x82"),
                masked(PING, b"in the midst"),
                masked(CONTINUE, b"\xAC"),
                masked(PING, &[0xFF; 125]),
                masked(CONTINUE_LAST, b""),
            ],
            &[Frame::pong(b"in the midst"), Frame::pong(&[0xFF; 125])],
        ),
        row(
            "several pings at once",
            &[masked(PING, b"1"), masked(PING, b""), masked(PING, b"3")],
            &[Frame::pong(b"1"), Frame::pong(b""), Frame::pong(b"3")],
        ),
        row(
            "text that says ping, as a C# client has it, and other talk",
            &[
                masked(TEXT, b"ping"),
                masked(TEXT, b""),
                masked(BINARY, b"\xFF\x00"),
                masked(PONG, b"unasked"),
                masked(BINARY, &[7; 65_536]),
                masked(TEXT, b"ping"),
                masked(PING, b"heard?"),
            ],
            &[Frame::pong(b"heard?")],
        ),
    ]
}

/// Behaves, with its bytes already in the segment of the handshake if they are `early`.
async fn behave(
    address: SocketAddr,
    headers: &str,
    conduct: Conduct,
    (early, size): (bool, usize),
) -> Result<(), String> {
    let Conduct { bytes, answers, parting: (close, closed), .. } = conduct;
    // Tens of thousands of pieces would take longer than a server waits for the end of a connection.
    let size = size.max(bytes.len() / MOST_PIECES);
    let (early, late) = if early { (&bytes[..], &[][..]) } else { (&[][..], &bytes[..]) };
    let opening = [&raw::handshake("/?since=0", headers), early].concat();
    let mut client = Client::open(address, &opening, size).await;
    client.send(late, size).await;
    for expected in answers {
        let answer = client.answer().await?;
        if answer != expected {
            return Err(format!("{answer:?} instead of {expected:?}"));
        }
    }
    client.send(&close, size).await;
    let answer = client.answer().await?;
    if answer != closed {
        return Err(format!("{answer:?} instead of {closed:?}"));
    }
    client.ended(END).await
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_frames_are_answered_however_they_are_split() {
    let (_sim, server) = streaming(200.0).await;
    let neighbour = Neighbour::start(&server).await;
    let mut wrong = Vec::new();
    let with_compression = [good_conduct(), vec![compressed_conduct()]].concat();
    for (headers, rows) in [("", good_conduct()), (raw::OFFER, with_compression)] {
        // After the handshake, together with it, and both a byte at a time, or a few.
        for how in [(false, usize::MAX), (true, usize::MAX), (true, 1)] {
            // Tasks of their own: the server waits two seconds for each one's end.
            let behave =
                |row: &Conduct| tokio::spawn(behave(server.address, headers, row.clone(), how));
            let outcomes = join_all(rows.iter().map(behave)).await;
            let outcomes = outcomes.into_iter().map(|outcome| outcome.expect("no panic")).collect();
            let names = rows.iter().map(|row| row.name);
            wrong.extend(problems(names, outcomes, &format!("(early, piece): {how:?}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    neighbour.stop().await;
    server.stop().await;
}

/// Offers of compression, and the header of the answer.
const OFFERS: [(&str, Option<&str>); 8] = [
    ("", None),
    (raw::OFFER, Some(raw::AGREED)),
    ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", Some(raw::AGREED)),
    (
        "Sec-WebSocket-Extensions: x-other, permessage-deflate; server_max_window_bits=9\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n",
        Some(raw::AGREED),
    ),
    (
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
        Some(raw::AGREED_EACH),
    ),
    ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n", None),
    ("Sec-WebSocket-Extensions: permessage-deflate; unheard_of\r\n", None),
    ("Sec-WebSocket-Extensions: ;;=\r\n", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn compression_is_negotiated_or_left_out() {
    let (_sim, server) = streaming(200.0).await;
    for (offer, expected) in OFFERS {
        let handshake = raw::handshake("/?since=0", offer);
        let mut client = Client::open(server.address, &handshake, usize::MAX).await;
        let agreed = raw::header(&client.head, "sec-websocket-extensions");
        assert_eq!(agreed, expected, "{offer}");
        client.send(&masked(PING, b"and streams"), usize::MAX).await;
        assert_eq!(client.answer().await, Ok(Frame::pong(b"and streams")), "{offer}");
    }
    server.stop().await;
}

/// Requests that are no handshakes: what they change in a good one, and the status they get.
const NO_HANDSHAKES: [(&str, &str, &str, u16); 13] = [
    ("version 8", "Version: 13", "Version: 8", 426),
    ("version 0", "Version: 13", "Version: 0", 426),
    ("two versions", "Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8", 426),
    ("no version", "Sec-WebSocket-Version: 13\r\n", "", 426),
    ("no key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
    ("short key", "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
    ("long key", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZSE=", 400),
    ("key that is not base64", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!==", 400),
    ("no connection header", "Connection: keep-alive, Upgrade\r\n", "", 400),
    ("another upgrade", "Upgrade: websocket", "Upgrade: h2c", 426),
    ("POST", "GET", "POST", 405),
    ("PUT", "GET", "PUT", 405),
    ("no header", "Host: localhost", "Host localhost", 400),
];

/// Status and head of the answer to a request.
async fn ask(address: SocketAddr, request: &[u8]) -> (u16, String) {
    let mut tcp = BufReader::new(raw::connect(address).await.expect("the server listens"));
    tcp.write_all(request).await.expect("the server takes it");
    let head = tokio::time::timeout(PATIENCE, raw::response_head(&mut tcp)).await;
    let head = head.expect("an answer in time").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), head)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_handshake_is_refused() {
    let (_sim, server) = streaming(200.0).await;
    let good = String::from_utf8(raw::handshake("/full-stream", "")).expect("text");
    for (name, from, to, expected) in NO_HANDSHAKES {
        assert!(good.contains(from), "{name}");
        let (status, head) = ask(server.address, good.replace(from, to).as_bytes()).await;
        assert_eq!(status, expected, "{name}: {head}");
        if expected == 426 {
            assert_eq!(raw::header(&head, "sec-websocket-version"), Some("13"), "{name}: {head}");
        }
        if expected == 405 {
            assert!(raw::header(&head, "allow").is_some_and(|allow| allow.contains("GET")));
        }
    }
    // RFC 9110 section 7.8: an Upgrade header of HTTP/1.0 is to be ignored.
    let old = good.replace("HTTP/1.1", "HTTP/1.0");
    let (status, head) = ask(server.address, old.as_bytes()).await;
    assert!(matches!(status, 400 | 426 | 505), "HTTP/1.0: {head}");
    server.stop().await;
}

/// A client that does nothing wrong while others do.
struct Neighbour {
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Neighbour {
    async fn start(server: &Running) -> Self {
        let socket = server.connect("/").await;
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(read_on(socket, stopped)) }
    }

    /// Checks that the stream continued without a hole and still does.
    async fn stop(self) {
        self.stop.send(()).expect("it reads");
        self.task.await.expect("an undisturbed stream");
    }
}

async fn read_on(mut socket: Socket, mut stopped: oneshot::Receiver<()>) {
    let mut last = next_offset(&mut socket).await;
    let mut check = |offset| {
        assert_eq!(offset, last + 1, "each offset once, in order");
        last = offset;
    };
    while let Err(oneshot::error::TryRecvError::Empty) = stopped.try_recv() {
        check(next_offset(&mut socket).await);
    }
    for _ in 0..50 {
        check(next_offset(&mut socket).await);
    }
    let payload = Bytes::from_static(b"still there");
    let ping = Message::Ping(payload.clone());
    futures_util::SinkExt::send(&mut socket, ping).await.expect("an open connection");
    while next_frame(&mut socket).await != Message::Pong(payload.clone()) {}
}

async fn next_offset(socket: &mut Socket) -> u64 {
    next_json(socket).await["offset"].as_u64().expect("an offset")
}
