//! Compressed streams say what the plain ones say.

use std::io::Write as _;

use config::Config;
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Running, eventually, logs, next_json, reads_all};
use crate::raw;

const ENTRIES: u64 = 400;
const STREAMS: [(&str, &str); 3] =
    [("/", "lite"), ("/full-stream", "full"), ("/domains-only", "domains")];

/// A server that has read its one log.
async fn settled(configure: impl FnOnce(&mut Config)) -> Running {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: ENTRIES,
        page_limit: 60,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.feed.skip_empty_domains = false;
    configure(&mut config);
    let server = Running::start(config).await;
    eventually("the log is read", async || {
        let message: Value = server.get("/example.json").await.json().await.expect("JSON");
        let is_last = message["data"]["cert_index"] == ENTRIES - 1;
        (is_last && message["offset"].is_u64()).then_some(())
    })
    .await;
    server
}

/// Sends a request; the head of the answer, and what follows.
async fn ask(server: &Running, request: &[u8]) -> (String, BufReader<TcpStream>) {
    let mut tcp = BufReader::new(raw::connect(server.address).await.expect("the server listens"));
    tcp.write_all(request).await.expect("it takes it");
    let head = raw::response_head(&mut tcp).await.expect("an answer");
    (head, tcp)
}

async fn plain(server: &Running, path: &str) -> Vec<Value> {
    let mut socket = server.connect_from_oldest(path).await;
    let mut messages = Vec::new();
    for _ in 0..ENTRIES {
        messages.push(next_json(&mut socket).await);
    }
    messages
}

/// One message, with the context of those before it (RFC 7692 section 7.2.2).
fn inflate(context: &mut Decompress, payload: &[u8]) -> Vec<u8> {
    let input = [payload, b"\x00\x00\xff\xff"].concat();
    let before = context.total_in();
    let mut output = Vec::with_capacity(1 << 20);
    loop {
        let used = usize::try_from(context.total_in() - before).expect("small");
        let full = output.len() == output.capacity();
        if used == input.len() && !full {
            return output;
        }
        output.reserve(if full { 1 << 20 } else { 0 });
        let rest = &input[used..];
        context.decompress_vec(rest, &mut output, FlushDecompress::Sync).expect("deflate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deflated_websocket_messages_equal_plain_ones() {
    let server = settled(|_| {}).await;
    for (path, _) in STREAMS {
        let expected = plain(&server, path).await;
        for (offer, agreed) in [(raw::OFFER, raw::AGREED), (raw::OFFER_EACH, raw::AGREED_EACH)] {
            deflated_websocket(&server, path, offer, agreed, &expected).await;
        }
    }
    server.stop().await;
}

async fn deflated_websocket(
    server: &Running,
    path: &str,
    offer: &str,
    agreed: &str,
    expected: &[Value],
) {
    let request = raw::handshake(&format!("{path}?since=0"), offer);
    let (head, mut tcp) = ask(server, &request).await;
    assert!(raw::is_accepted(&head), "{head}");
    assert_eq!(raw::header(&head, "sec-websocket-extensions"), Some(agreed));
    let keeps_context = agreed == raw::AGREED;
    let mut context = Decompress::new(false);
    let mut messages = Vec::new();
    let (mut sent, mut inflated) = (0, 0);
    while messages.len() < expected.len() {
        let frame = tokio::time::timeout(PATIENCE, raw::frame(&mut tcp)).await;
        let frame = frame.expect("in time").expect("no error").expect("an open connection");
        let text = match frame.first {
            raw::TEXT => frame.payload,
            raw::COMPRESSED_TEXT => {
                if !keeps_context {
                    context.reset(false);
                }
                let text = inflate(&mut context, &frame.payload);
                (sent, inflated) = (sent + frame.payload.len(), inflated + text.len());
                text
            }
            _ => continue,
        };
        let message: Value = serde_json::from_slice(&text).expect("JSON");
        // A busy machine may be silent for long enough for a heartbeat.
        if message["offset"].is_u64() && message["message_type"] != "heartbeat" {
            messages.push(message);
        }
    }
    assert!(sent > 0 && sent < inflated, "{path}: {sent} bytes for {inflated}");
    assert_eq!(messages, expected, "{path}");
}

/// RFC 1952: a stream without its trailer is an error for most clients.
#[tokio::test(flavor = "multi_thread")]
async fn gzipped_events_end_with_the_trailer_when_the_server_stops() {
    let server = settled(|_| {}).await;
    // One that has read everything, and one that has read nothing but the head.
    let request = b"GET /sse?stream=full&since=0 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
    let (_, mut current) = ask(&server, request).await;
    let (_, mut behind) = ask(&server, request).await;
    let mut bytes = Vec::with_capacity(1 << 16);
    let mut decoder = GzDecoder::new(Vec::new());
    while whole_events(decoder.get_ref()) < usize::try_from(ENTRIES).expect("few") + 1 {
        let read = tokio::time::timeout(PATIENCE, current.read_buf(&mut bytes)).await;
        assert!(read.expect("in time").expect("no error") > 0, "the end");
        decoder.write_all(&bytes).expect("gzip");
        decoder.flush().expect("gzip");
        bytes.clear();
    }
    let stopping = tokio::spawn(server.stop());
    current.read_to_end(&mut bytes).await.expect("an end");
    decoder.write_all(&bytes).expect("gzip");
    decoder.finish().expect("the trailer is right");
    bytes.clear();
    behind.read_to_end(&mut bytes).await.expect("an end");
    let mut decoder = GzDecoder::new(Vec::new());
    decoder.write_all(&bytes).expect("gzip");
    let text = decoder.finish().expect("the trailer is right");
    assert!(text.ends_with(b"\n\n"), "whole events");
    stopping.await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn gzipped_events_equal_plain_ones() {
    let server = settled(|_| {}).await;
    for (path, stream) in STREAMS {
        let expected = plain(&server, path).await;
        // To HTTP/1.0 the events come without chunks.
        let request = format!(
            "GET /sse?stream={stream}&since=0 HTTP/1.0\r\nAccept-Encoding: br;q=1, gzip;q=0.5\r\n\r\n"
        );
        let (head, mut tcp) = ask(&server, request.as_bytes()).await;
        assert_eq!(raw::header(&head, "content-encoding"), Some("gzip"), "{head}");
        assert!(head.contains("vary: accept-encoding\r\n"), "{head}");
        let mut decoder = GzDecoder::new(Vec::new());
        let mut bytes = [0; 4096];
        let mut messages = Vec::new();
        while messages.len() < expected.len() + 1 {
            let read = tokio::time::timeout(PATIENCE, tcp.read(&mut bytes)).await;
            let read = read.expect("in time").expect("no error");
            assert!(read > 0, "the end");
            decoder.write_all(&bytes[..read]).expect("gzip");
            decoder.flush().expect("gzip");
            messages = whole_messages(decoder.get_ref());
        }
        messages.truncate(expected.len() + 1);
        assert_eq!(messages.remove(0)["message_type"], "gap", "the greeting");
        assert_eq!(messages, expected, "{stream}");
    }
    server.stop().await;
}

/// The messages that have come whole, without heartbeats.
fn whole_messages(text: &[u8]) -> Vec<Value> {
    let whole = text.windows(2).rposition(|pair| pair == b"\n\n").unwrap_or(0);
    let text = str::from_utf8(&text[..whole]).expect("UTF-8");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let messages = data.map(|data| serde_json::from_str::<Value>(data).expect("JSON"));
    messages.filter(|message| message["message_type"] != "heartbeat").collect()
}

/// The number of events that have come whole.
fn whole_events(text: &[u8]) -> usize {
    text.windows(2).filter(|pair| pair == b"\n\n").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_is_used_only_if_requested_and_enabled() {
    let gzip = b"GET /sse?since=0 HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
    let plain = b"GET /sse?since=0 HTTP/1.0\r\nAccept-Encoding: gzip;q=0, br\r\n\r\n";
    let server = settled(|_| {}).await;
    let (head, _) = ask(&server, plain).await;
    assert_eq!(raw::header(&head, "content-encoding"), None, "{head}");
    assert!(head.contains("vary: accept-encoding\r\n"), "{head}");
    server.stop().await;

    let server = settled(|config| {
        config.compression.websocket = false;
        config.compression.sse = false;
    })
    .await;
    let (head, mut tcp) = ask(&server, gzip).await;
    assert_eq!(raw::header(&head, "content-encoding"), None, "{head}");
    let mut first = [0; 11];
    tcp.read_exact(&mut first).await.expect("an event");
    assert_eq!(&first, b"event: gap\n");
    let (head, mut tcp) = ask(&server, &raw::handshake("/?since=0", raw::OFFER)).await;
    assert!(raw::is_accepted(&head), "{head}");
    assert_eq!(raw::header(&head, "sec-websocket-extensions"), None);
    let frame = raw::frame(&mut tcp).await.expect("no error").expect("a frame");
    assert_eq!(frame.first, raw::TEXT);
    server.stop().await;
}
