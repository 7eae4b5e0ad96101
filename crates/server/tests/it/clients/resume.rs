//! A client that loses its connection again and again: nothing is missing, nothing comes twice.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::{Decompress, FlushDecompress};
use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, Take};
use tokio::net::TcpStream;

use crate::harness::{Running, next_json, streaming};
use crate::raw::{self, COMPRESSED_TEXT, TEXT};

/// The number of lost connections of each transport's client.
const WEBSOCKET_ROUNDS: usize = 1_000;
const SSE_ROUNDS: usize = 300;
/// The number of messages that must have arrived over these connections.
const ENOUGH: usize = 500;
/// A connection lasts shorter than this.
const LONGEST_MS: u64 = 10;
/// A connection that is to end inside a message, most likely, takes fewer bytes than this.
const MOST_BYTES: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn websocket() {
    check(Transport::WebSocket, "/", WEBSOCKET_ROUNDS, |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deflated_websocket() {
    check(Transport::WebSocketDeflate, "/", WEBSOCKET_ROUNDS, |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_websocket() {
    let is_below = |name: &str, domain: &str| {
        name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let wanted =
        |names: &[&str]| names.iter().any(|name| is_below(name, "com") || is_below(name, "co.uk"));
    let path = "/?domain=com,co.uk";
    check(Transport::WebSocket, path, WEBSOCKET_ROUNDS, wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_deflated_websocket() {
    let wanted =
        |names: &[&str]| names.iter().any(|name| name.contains("bank") || name.contains("mail."));
    let path = "/?match=bank,mail.";
    check(Transport::WebSocketDeflate, path, WEBSOCKET_ROUNDS, wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sse() {
    check(Transport::Sse, "/sse?stream=lite", SSE_ROUNDS, |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzipped_sse() {
    check(Transport::SseGzip, "/sse?stream=lite", SSE_ROUNDS, |_| true).await;
}

/// Loses `rounds` connections; then what came must be the messages the names of which are `wanted`,
/// each once.
async fn check(transport: Transport, path: &str, rounds: usize, wanted: impl Fn(&[&str]) -> bool) {
    let mut random = Random::new(&format!("{transport:?} {path}"));
    let (_sim, server) = streaming(500.0).await;
    let first = next_json(&mut server.connect("/").await).await;
    let first = first["offset"].as_u64().expect("an offset");
    let mut follower = Follower { last: first, seen: Vec::new(), compressed: 0 };
    let mut lost = 0;
    // On a fast machine so many rounds may pass before there is much to read.
    while lost < rounds || follower.seen.len() < ENOUGH {
        let cut = Cut::random(&mut random);
        let round = follower.connection(server.address, transport, path, &cut);
        if let Ok(ended) = tokio::time::timeout(cut.time, round).await {
            ended.expect("only the client ends a connection");
        }
        lost += 1;
    }
    println!("{lost} connections, {} messages", follower.seen.len());
    // What passes a filter is compressed for nobody else, and goes out as it is.
    let is_filtered = path.contains("match=") || path.contains("domain=");
    if transport.is_compressed() && !is_filtered {
        assert!(follower.compressed > 0, "nothing came compressed");
    }
    let expected = reference(&server, first, follower.last, wanted).await;
    let place = follower.seen.iter().zip(&expected).position(|(seen, wanted)| seen != wanted);
    let wrong = place.map(|place| (follower.seen[place], expected[place]));
    assert_eq!(wrong, None, "what came instead of what was wanted");
    assert_eq!(follower.seen.len(), expected.len(), "each message once");
    server.stop().await;
}

/// The offsets of the wanted messages past `first` up to `last`, read over one connection.
async fn reference(
    server: &Running,
    first: u64,
    last: u64,
    wanted: impl Fn(&[&str]) -> bool,
) -> Vec<u64> {
    let mut socket = server.connect(&format!("/?since={first}")).await;
    let mut offsets = Vec::new();
    for expected in first + 1..=last {
        let message = next_json(&mut socket).await;
        assert_eq!(message["offset"], expected, "no offset is left out");
        let names = message["data"]["leaf_cert"]["all_domains"].as_array().expect("names");
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        if wanted(&names) {
            offsets.push(expected);
        }
    }
    offsets
}

/// The time and way in which a connection is lost.
struct Cut {
    bytes: u64,
    time: Duration,
    /// By a reset instead of an orderly end.
    reset: bool,
}

impl Cut {
    fn random(random: &mut Random) -> Self {
        let inside_a_message = random.below(2) == 0;
        Self {
            bytes: if inside_a_message { random.below(MOST_BYTES) } else { u64::MAX },
            time: Duration::from_micros(random.below(LONGEST_MS * 1_000)),
            reset: random.below(2) == 0,
        }
    }
}

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    /// Others each time, unless `TEST_SEED` says which.
    fn new(name: &str) -> Self {
        let given = std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::from(since_1970.subsec_nanos())
        });
        println!("{name}: TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The transport of a client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    WebSocket,
    WebSocketDeflate,
    Sse,
    SseGzip,
}

impl Transport {
    const fn is_compressed(self) -> bool {
        matches!(self, Self::WebSocketDeflate | Self::SseGzip)
    }

    /// The request of a client that has everything up to the offset `last`.
    fn request(self, path: &str, last: u64) -> Vec<u8> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let resumed = format!("{path}{separator}since={last}");
        // To HTTP/1.0 the events come without chunks.
        let events = |header: &str| {
            format!("GET {path} HTTP/1.0\r\nLast-Event-ID: {last}\r\n{header}\r\n").into_bytes()
        };
        match self {
            Self::WebSocket => raw::handshake(&resumed, ""),
            Self::WebSocketDeflate => raw::handshake(&resumed, raw::OFFER),
            Self::Sse => events(""),
            Self::SseGzip => events("Accept-Encoding: gzip\r\n"),
        }
    }

    fn check_head(self, head: &str) {
        let good = match self {
            Self::WebSocket | Self::WebSocketDeflate => raw::is_accepted(head),
            Self::Sse | Self::SseGzip => {
                head.contains(" 200 ")
                    && raw::header(head, "content-type") == Some("text/event-stream")
            }
        };
        assert!(good, "{head}");
        let (name, value) = match self {
            Self::WebSocket | Self::WebSocketDeflate => ("sec-websocket-extensions", raw::AGREED),
            Self::Sse | Self::SseGzip => ("content-encoding", "gzip"),
        };
        let expected = self.is_compressed().then_some(value);
        assert_eq!(raw::header(head, name), expected, "{head}");
    }
}

/// The messages that a client has seen over all its connections.
struct Follower {
    last: u64,
    /// The offset of every message that came whole.
    seen: Vec<u64>,
    /// The number of them that arrived compressed.
    compressed: usize,
}

impl Follower {
    /// One connection, to its end or until the future is dropped.
    async fn connection(
        &mut self,
        address: SocketAddr,
        transport: Transport,
        path: &str,
        cut: &Cut,
    ) -> io::Result<()> {
        let mut tcp = raw::connect(address).await?;
        if cut.reset {
            SockRef::from(&tcp).set_linger(Some(Duration::ZERO))?;
        }
        tcp.write_all(&transport.request(path, self.last)).await?;
        let mut input = BufReader::new(tcp.take(cut.bytes));
        let head = match raw::response_head(&mut input).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            head => head?,
        };
        transport.check_head(&head);
        match transport {
            Transport::WebSocket | Transport::WebSocketDeflate => self.frames(&mut input).await,
            Transport::Sse => self.events(&mut input, None).await,
            Transport::SseGzip => {
                let mut header = [0; 10];
                match input.read_exact(&mut header).await {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                    read => read?,
                };
                assert_eq!(header[..4], [0x1F, 0x8B, 8, 0], "RFC 1952, no optional parts");
                self.events(&mut input, Some(Inflater::new())).await
            }
        }
    }

    async fn frames(&mut self, input: &mut BufReader<Take<TcpStream>>) -> io::Result<()> {
        let mut inflater = Inflater::new();
        while let Some(frame) = raw::frame(input).await? {
            if frame.first == TEXT {
                self.message(&frame.payload);
            } else if frame.first == COMPRESSED_TEXT {
                // RFC 7692 section 7.2.2.
                let deflated = [frame.payload.as_slice(), &[0, 0, 0xFF, 0xFF]].concat();
                self.message(&inflater.inflate(&deflated));
                self.compressed += 1;
            }
        }
        Ok(())
    }

    /// The events of a response body; what is not a whole event does not count.
    async fn events(
        &mut self,
        input: &mut BufReader<Take<TcpStream>>,
        mut inflater: Option<Inflater>,
    ) -> io::Result<()> {
        let mut waiting = Vec::new();
        let mut piece = [0; 8 * 1024];
        while let read @ 1.. = input.read(&mut piece).await? {
            match &mut inflater {
                Some(inflater) => waiting.extend(inflater.inflate(&piece[..read])),
                None => waiting.extend(&piece[..read]),
            }
            while let Some(end) = waiting.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = waiting.drain(..end + 2).collect();
                self.event(str::from_utf8(&event).expect("UTF-8"));
                self.compressed += usize::from(inflater.is_some());
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &str) {
        let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
        if let Some(data) = field("data: ") {
            self.message(data.as_bytes());
            let id = field("id: ").and_then(|id| id.split('@').next()?.parse().ok());
            assert_eq!(id, Some(self.last), "{event}");
        }
    }

    fn message(&mut self, json: &[u8]) {
        let message: Value = serde_json::from_slice(json).expect("JSON");
        if message["message_type"] == "heartbeat" {
            return;
        }
        let offset = message["offset"].as_u64();
        let offset = offset.unwrap_or_else(|| panic!("after {}: {message}", self.last));
        assert!(offset > self.last, "{offset} after {}", self.last);
        self.last = offset;
        self.seen.push(offset);
    }
}

/// A raw deflate stream, flushed after every message.
struct Inflater(Decompress);

impl Inflater {
    fn new() -> Self {
        Self(Decompress::new(false))
    }

    /// All that these further bytes of it say.
    fn inflate(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * 1024);
        loop {
            let before = self.0.total_in();
            let inflated = self.0.decompress_vec(bytes, &mut out, FlushDecompress::Sync);
            inflated.expect("a deflate stream");
            let read = usize::try_from(self.0.total_in() - before).expect("small");
            bytes = &bytes[read..];
            if bytes.is_empty() && out.len() < out.capacity() {
                return out;
            }
            out.reserve(64 * 1024);
        }
    }
}
