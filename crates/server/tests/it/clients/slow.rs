//! Clients that read too slowly: what they are with_offsets, and that the server ends in time with them.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use config::{ByteSize, Config, SlowClient};
use ctsim::Sim;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{PATIENCE, Running, eventually, logs, reads_all};
use crate::raw::{self, Frame};

/// Entries that are published while a client does not read. As messages of the full stream they are
/// several times what the buffers between server and client take.
const ENTRIES: u64 = 5_000;

/// A server that follows one log, which is empty but for one entry.
async fn start(configure: impl FnOnce(&mut Config)) -> (Sim, Running) {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 1,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    configure(&mut config);
    let server = Running::start(config).await;
    newest(&server, 0).await;
    (sim, server)
}

fn keeps_little(config: &mut Config) {
    config.feed.ring_bytes = ByteSize::new(64 * ByteSize::KIB);
}

/// Waits until the entry with this index is published; its offset.
async fn newest(server: &Running, index: u64) -> u64 {
    eventually("the log is read", async || {
        let message: Value = server.get("/example.json").await.json().await.expect("JSON");
        let is_last = message["data"]["cert_index"] == index && message["offset"].is_u64();
        is_last.then(|| offset(&message)).flatten()
    })
    .await
}

fn offset(message: &Value) -> Option<u64> {
    message["offset"].as_u64()
}

/// A connection with little room for what is not read.
async fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
    BufReader::new(socket.connect(address).await.expect("the server listens"))
}

async fn websocket(server: &Running, path: &str) -> BufReader<TcpStream> {
    let mut tcp = connect(server.address).await;
    tcp.write_all(&raw::handshake(path, "")).await.expect("it takes it");
    let head = raw::response_head(&mut tcp).await.expect("an answer");
    assert!(raw::is_accepted(&head), "{head}");
    tcp
}

async fn next_frame(tcp: &mut BufReader<TcpStream>) -> Frame {
    let frame = tokio::time::timeout(PATIENCE, raw::frame(tcp)).await.expect("in time");
    frame.expect("an open connection").expect("no end inside or between frames")
}

/// The next message, unless the connection is closed first.
async fn next_message(tcp: &mut BufReader<TcpStream>) -> Result<Value, Frame> {
    loop {
        let frame = next_frame(tcp).await;
        match frame.first {
            raw::TEXT => return Ok(serde_json::from_slice(&frame.payload).expect("JSON")),
            raw::CLOSE => return Err(frame),
            _ => {}
        }
    }
}

async fn lost(server: &Running, protocol: &str) -> u64 {
    let metrics = server.get("/metrics").await.text().await.expect("text");
    let name = format!("certstream_messages_lost_total{{protocol={protocol:?},stream=\"full\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_gets_every_loss_before_later_messages() {
    let (sim, server) = start(keeps_little).await;
    let first = newest(&server, 0).await;
    // Messages of this form have offsets; those of the other have none, and nor has what is missing.
    let mut with_offsets = websocket(&server, "/full-stream").await;
    let mut without_offsets = websocket(&server, "/full-stream?compat=go").await;
    sim.logs()[0].grow(ENTRIES).expect("it grows");
    let last = newest(&server, ENTRIES).await;
    assert_eq!(last, first + ENTRIES);

    let (mut expected, mut dropped) = (first + 1, 0);
    while expected <= last {
        let message = next_message(&mut with_offsets).await.expect("not closed");
        match (offset(&message), message["message_type"].as_str()) {
            (offset, Some("heartbeat")) => assert!(offset < Some(expected), "{message}"),
            (Some(offset), _) => {
                assert_eq!(offset, expected, "each message came or was announced as lost");
                expected += 1;
            }
            (None, kind) => {
                assert_eq!((kind, &message["reason"]), (Some("gap"), &"slow_client".into()));
                assert_eq!(message["disconnecting"], false);
                let lost = message["dropped"].as_u64().expect("a number");
                (expected, dropped) = (expected + lost, dropped + lost);
            }
        }
    }
    assert!(dropped > 0, "it was not slow enough");

    let mut messages = 0;
    loop {
        let message = next_message(&mut without_offsets).await.expect("not closed");
        assert_eq!(message["message_type"], "certificate_update", "it gets no offsets");
        messages += 1;
        if message["data"]["cert_index"] == ENTRIES {
            break;
        }
    }
    assert!(messages < ENTRIES);
    assert_eq!(lost(&server, "websocket").await, dropped + ENTRIES - messages);
    drop((with_offsets, without_offsets));
    server.stop().await;
}

/// The events of a response, as `(offset, data)`, up to the message with the offset `last`.
async fn read_events(
    mut tcp: BufReader<TcpStream>,
    gzip: bool,
    last: u64,
) -> Vec<(Option<u64>, Value)> {
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    let mut text = Vec::new();
    let mut events = Vec::new();
    let mut bytes = vec![0; 1 << 16];
    loop {
        let read = tokio::time::timeout(PATIENCE, tcp.read(&mut bytes)).await;
        let read = read.expect("in time").expect("no error");
        assert!(read > 0, "the end");
        if gzip {
            decoder.write_all(&bytes[..read]).expect("gzip");
            decoder.flush().expect("gzip");
            text.append(decoder.get_mut());
        } else {
            text.extend_from_slice(&bytes[..read]);
        }
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            let event = str::from_utf8(&event).expect("UTF-8");
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = field("data: ") else { continue };
            let data = serde_json::from_str(data).expect("JSON");
            let id = field("id: ").and_then(|id| id.split('@').next()?.parse().ok());
            events.push((id, data));
            if id == Some(last) {
                return events;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sse_client_gets_gaps_at_their_place() {
    let (sim, server) = start(keeps_little).await;
    let first = newest(&server, 0).await;
    let mut readers = Vec::new();
    for (gzip, header) in [(false, ""), (true, "Accept-Encoding: gzip\r\n")] {
        let mut tcp = connect(server.address).await;
        let request =
            format!("GET /sse?stream=full HTTP/1.0\r\nLast-Event-ID: {first}\r\n{header}\r\n");
        tcp.write_all(request.as_bytes()).await.expect("it takes it");
        let head = raw::response_head(&mut tcp).await.expect("an answer");
        assert_eq!(raw::header(&head, "content-encoding"), gzip.then_some("gzip"));
        readers.push((gzip, tcp));
    }
    sim.logs()[0].grow(3 * ENTRIES).expect("it grows");
    let last = newest(&server, 3 * ENTRIES).await;
    let mut dropped = 0;
    for (gzip, tcp) in readers {
        let mut next = first + 1;
        let before = dropped;
        for (offset, data) in read_events(tcp, gzip, last).await {
            match offset {
                Some(offset) => {
                    assert_eq!(offset, next, "gzip: {gzip}");
                    next += 1;
                }
                None => {
                    assert_eq!(data["reason"], "slow_client", "{data}");
                    let missed = data["dropped"].as_u64().expect("a number");
                    next += missed;
                    dropped += missed;
                }
            }
        }
        assert!(dropped > before, "gzip: {gzip}: it was not slow enough");
    }
    assert_eq!(lost(&server, "sse").await, dropped);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_is_disconnected_if_configured() {
    let (sim, server) = start(|config| {
        keeps_little(config);
        config.slow_client = SlowClient::Disconnect;
    })
    .await;
    let mut socket = websocket(&server, "/full-stream").await;
    let mut events = connect(server.address).await;
    let request = b"GET /sse?stream=full HTTP/1.1\r\nHost: localhost\r\n\r\n";
    events.write_all(request).await.expect("it takes it");
    raw::response_head(&mut events).await.expect("an answer");
    sim.logs()[0].grow(ENTRIES).expect("it grows");
    newest(&server, ENTRIES).await;

    let close = loop {
        if let Err(close) = next_message(&mut socket).await {
            break close;
        }
    };
    assert_eq!(close.code(), Some(1001));
    let reason = String::from_utf8(close.payload[2..].to_vec()).expect("UTF-8");
    let missed = reason.strip_prefix("too slow: ").and_then(|rest| rest.split(' ').next());
    let missed: u64 = missed.and_then(|number| number.parse().ok()).expect("a number");
    assert_eq!(lost(&server, "websocket").await, missed);

    let mut text = Vec::new();
    let end = tokio::time::timeout(PATIENCE, async {
        // The end of the chunked body: a chunk of no bytes.
        while !text.ends_with(b"\r\n0\r\n\r\n") && events.read_until(b'\n', &mut text).await? > 0 {}
        std::io::Result::Ok(())
    });
    end.await.expect("in time").expect("no error");
    let text = String::from_utf8_lossy(&text);
    let (_, gap) = text.rsplit_once("event: gap\ndata: ").expect("a gap");
    let gap: Value = serde_json::from_str(gap.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&gap["disconnecting"], &gap["reason"]), (&true.into(), &"slow_client".into()));
    assert_eq!(gap["dropped"].as_u64(), Some(lost(&server, "sse").await));

    // A client that has lost nothing is not concerned.
    let mut quick = server.connect("/domains-only").await;
    sim.logs()[0].grow(1).expect("it grows");
    crate::harness::next_json(&mut quick).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_far_behind_at_shutdown_learns_how_much_it_missed() {
    let (sim, server) = start(|config| config.shutdown_grace_ms = 5_000).await;
    let first = newest(&server, 0).await;
    let mut behind = websocket(&server, "/full-stream").await;
    let mut stuck = websocket(&server, "/full-stream").await;
    sim.logs()[0].grow(2 * ENTRIES).expect("it grows");
    let last = newest(&server, 2 * ENTRIES).await;

    let stopping = tokio::spawn(server.stop());
    // Slow enough not to get everything before the server is gone.
    let mut frames = tokio::task::spawn(async move {
        let mut seen = first;
        loop {
            match next_message(&mut behind).await {
                Ok(message) => {
                    let offset = offset(&message).expect("an offset");
                    assert_eq!(offset, seen + 1, "nothing is skipped before the end");
                    seen = offset;
                    if offset.is_multiple_of(10) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                Err(close) => return (seen, close),
            }
        }
    });
    let (seen, close) = (&mut frames).await.expect("a Close frame");
    assert_eq!(close.code(), Some(1001));
    let reason = String::from_utf8(close.payload[2..].to_vec()).expect("UTF-8");
    assert_eq!(reason, format!("server shuts down: {} messages not sent", last - seen));
    assert!(seen < last);
    stopping.await.expect("it ends, also with a client that does not read at all");
    let mut rest = Vec::new();
    // Cut off: an end or an error.
    let _cut = tokio::time::timeout(PATIENCE, stuck.read_to_end(&mut rest)).await.expect("an end");
}

/// Whatever a client did not get by the end was announced, also what it lost when there was no time
/// left to announce it by itself.
#[tokio::test(flavor = "multi_thread")]
async fn every_loss_is_counted_when_the_server_stops() {
    let (sim, server) = start(|config| {
        keeps_little(config);
        config.shutdown_grace_ms = 6_000;
    })
    .await;
    let first = newest(&server, 0).await;
    let mut socket = websocket(&server, "/full-stream").await;
    let mut events = connect(server.address).await;
    events.write_all(b"GET /sse?stream=full HTTP/1.0\r\n\r\n").await.expect("it takes it");
    raw::response_head(&mut events).await.expect("an answer");
    sim.logs()[0].grow(ENTRIES).expect("it grows");
    let last = newest(&server, ENTRIES).await;
    let stopping = tokio::spawn(server.stop());
    // Until the server waits no longer for clients that are behind. The sum is right at any time.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let reads_socket = async {
        let mut accounted = 0;
        loop {
            match next_message(&mut socket).await {
                Ok(message) => match message["message_type"].as_str() {
                    Some("gap") => accounted += message["dropped"].as_u64().expect("a number"),
                    Some("certificate_update") => accounted += 1,
                    _ => {}
                },
                Err(close) => {
                    let reason = String::from_utf8(close.payload[2..].to_vec()).expect("UTF-8");
                    let missed = reason.split(' ').find_map(|word| word.parse::<u64>().ok());
                    return accounted + missed.unwrap_or(0);
                }
            }
        }
    };
    let reads_events = async {
        let mut text = String::new();
        let end = tokio::time::timeout(PATIENCE, events.read_to_string(&mut text)).await;
        end.expect("in time").expect("the end");
        let gaps = text.split("event: gap\ndata: ").skip(1).map(|gap| {
            let gap: Value =
                serde_json::from_str(gap.lines().next().expect("a line")).expect("JSON");
            gap["dropped"].as_u64().expect("a number")
        });
        text.matches("\"message_type\":\"certificate_update\"").count() as u64 + gaps.sum::<u64>()
    };
    let accounted = tokio::join!(reads_socket, reads_events);
    assert_eq!(accounted, (last - first, last - first));
    stopping.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sse_client_that_is_behind_gets_heartbeats() {
    let (sim, server) = start(|config| config.heartbeat.interval_secs = 1).await;
    let mut events = connect(server.address).await;
    let request = b"GET /sse?stream=full&heartbeat=true HTTP/1.0\r\n\r\n";
    events.write_all(request).await.expect("it takes it");
    raw::response_head(&mut events).await.expect("an answer");
    sim.logs()[0].grow(ENTRIES).expect("it grows");
    let last = newest(&server, ENTRIES).await;
    let (mut seen, mut heartbeats, mut line) = (0, 0, String::new());
    let (mut id, mut has_data) = (0, false);
    while seen < last {
        line.clear();
        let read = tokio::time::timeout(PATIENCE, events.read_line(&mut line)).await;
        assert!(read.expect("in time").expect("text") > 0, "the end");
        match line.trim_end().split_once(": ") {
            Some(("id", place)) => {
                let (offset, _) = place.split_once('@').expect("an offset of a stream");
                id = offset.parse().expect("an offset");
            }
            Some(("data", _)) => has_data = true,
            Some(_) => {}
            None if has_data => {
                assert!(id > seen, "{id} after {seen}");
                (seen, has_data) = (id, false);
                if seen % 10 == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            None => {
                assert!(seen == 0 || id == seen, "a heartbeat says {id} after {seen}");
                heartbeats += 1;
            }
        }
    }
    assert!(heartbeats > 1, "the first comes with the response, the next while it is behind");
    server.stop().await;
}
