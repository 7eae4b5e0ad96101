//! Resuming: a client continues exactly after its offset; where that is impossible it gets a gap,
//! then what there is.

use std::fmt::Display;

use config::{ByteSize, Config};
use ctsim::Sim;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Running, Socket, eventually, logs, next_json, reads_all};

/// Entries of the one log at the start.
const ENTRIES: u64 = 600;
/// The number of them that a short ring keeps, a few more where a page needs it.
const KEPT: u64 = 50;

/// A server that has read its log up to the end, and the offsets of the first and the last entry.
async fn settled(configure: impl FnOnce(&mut Config)) -> (Sim, Running, u64, u64) {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: ENTRIES,
        page_limit: 50,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    configure(&mut config);
    let server = Running::start(config).await;
    let head = eventually("the log is read", async || {
        let latest: Value = server.get("/latest.json").await.json().await.expect("JSON");
        let newest = &latest["messages"][0];
        (newest["data"]["cert_index"] == ENTRIES - 1).then(|| offset(newest))
    })
    .await;
    (sim, server, head + 1 - ENTRIES, head)
}

fn keeps_little(config: &mut Config) {
    config.feed.ring_bytes = ByteSize::new(256 * ByteSize::KIB);
}

fn offset(message: &Value) -> u64 {
    message["offset"].as_u64().unwrap_or_else(|| panic!("no offset: {message}"))
}

/// A gap, but for the stream.
fn gap(dropped: Option<u64>, reason: &str) -> Value {
    json!({"message_type": "gap", "dropped": dropped, "disconnecting": false, "reason": reason})
}

/// Removes the stream from a gap, which must be that of the server.
fn of_stream(mut gap: Value, stream: &str) -> Value {
    let named = gap.as_object_mut().and_then(|gap| gap.remove("stream"));
    assert_eq!(named, Some(stream.into()), "{gap}");
    gap
}

async fn websocket(server: &Running, since: impl Display) -> Socket {
    server.connect(&format!("/?since={since}")).await
}

/// The first two events of an SSE stream, as `(event, id, data)`.
async fn events(
    server: &Running,
    since: impl Display,
) -> Vec<(Option<String>, Option<u64>, Value)> {
    let url = format!("http://{}/sse", server.address);
    let request = reqwest::Client::new().get(url).header("Last-Event-ID", since.to_string());
    let mut body = request.send().await.expect("an answer").bytes_stream();
    let mut text = Vec::new();
    while text.windows(2).filter(|pair| pair == b"\n\n").count() < 2 {
        let more = tokio::time::timeout(PATIENCE, body.next()).await.expect("in time");
        text.extend_from_slice(&more.expect("an open stream").expect("no error"));
    }
    let text = String::from_utf8(text).expect("UTF-8");
    let stream = server.stream_id().await;
    let parse = |event: &str| {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ").expect("data")).expect("JSON");
        let number = |id: &str| id.strip_suffix(&format!("@{stream}"))?.parse().ok();
        let id = field("id: ").map(|id| number(id).expect("an offset of this stream"));
        (field("event: ").map(str::to_owned), id, data)
    };
    text.split("\n\n").take(2).map(parse).collect()
}

/// The messages that both protocols must send to a client that has everything up to `since`:
/// perhaps a gap, then the message at `next`.
async fn check(server: &Running, since: impl Display + Copy, expected: Option<&Value>, next: u64) {
    let mut socket = websocket(server, since).await;
    let mut first = next_json(&mut socket).await;
    let stream = server.stream_id().await;
    if let Some(expected) = expected {
        assert_eq!(of_stream(first, &stream), *expected, "since={since}");
        first = next_json(&mut socket).await;
    }
    assert_eq!(offset(&first), next, "since={since}");

    let events = events(server, since).await;
    let mut events = events.iter();
    if let Some(expected) = expected {
        let (name, id, data) = events.next().expect("an event");
        assert_eq!((name.as_deref(), *id), (Some("gap"), None), "since={since}");
        assert_eq!(of_stream(data.clone(), &stream), *expected, "since={since}");
    }
    let (name, id, data) = events.next().expect("an event");
    assert_eq!((name, *id, offset(data)), (&None, Some(next), next), "since={since}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_in_the_ring_resumes_without_a_gap() {
    let (_sim, server, first, head) = settled(|_| {}).await;
    for since in [first - 1, first, first + 77, head - 2] {
        check(&server, since, None, since + 1).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_before_this_process_gets_a_gap() {
    let (_sim, server, first, _) = settled(|_| {}).await;
    for since in [0, 1, first - 2] {
        check(&server, since, Some(&gap(None, "before_start")), first).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_older_than_the_ring_gets_a_gap() {
    let (_sim, server, first, head) = settled(keeps_little).await;
    let mut socket = websocket(&server, 0).await;
    let stream = server.stream_id().await;
    let first_message = next_json(&mut socket).await;
    assert_eq!(of_stream(first_message, &stream), gap(None, "before_start"));
    let oldest = offset(&next_json(&mut socket).await);
    assert!((first + 1..=head + 1 - KEPT).contains(&oldest), "{first} {oldest} {head}");
    for since in [first - 1, first + 7, oldest - 2] {
        let dropped = gap(Some(oldest - since - 1), "evicted");
        check(&server, since, Some(&dropped), oldest).await;
    }
    check(&server, oldest - 1, None, oldest).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_ahead_of_the_head_replays_the_ring() {
    let (_sim, server, first, head) = settled(|_| {}).await;
    for since in [head + 1, head + 2, 1 << 53, u64::MAX] {
        check(&server, since, Some(&gap(None, "ahead")), first).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_of_another_stream_replays_the_ring() {
    let (_sim, server, first, head) = settled(|_| {}).await;
    let own = server.stream_id().await;
    check(&server, &format!("{}@{own}", first + 7), None, first + 8).await;
    for since in [0, first, head, u64::MAX] {
        let since = format!("{since}@01J9-a_b.c");
        check(&server, &since, Some(&gap(None, "other_stream")), first).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_up_to_date_gets_no_gap() {
    let (sim, server, _, head) = settled(|_| {}).await;
    let mut sockets = vec![websocket(&server, head).await, server.connect("/").await];
    sim.logs()[0].grow(3).expect("it grows");
    for socket in &mut sockets {
        for expected in 1..=3 {
            assert_eq!(offset(&next_json(socket).await), head + expected);
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_offset_is_refused() {
    let (_sim, server, ..) = settled(|_| {}).await;
    let client = reqwest::Client::new();
    let sse = format!("http://{}/sse", server.address);
    let numbers =
        ["yesterday", "", "-1", "+1x", "1.5", "0x10", "1e3", "18446744073709551616", "%20"];
    let of_streams = ["@", "7@", "@stream", "x@stream", "-7@stream", "1.5@stream"];
    for since in numbers.into_iter().chain(of_streams) {
        let url = format!("ws://{}/?since={since}", server.address);
        let refused = tokio_tungstenite::connect_async(url).await.expect_err(since).to_string();
        assert!(refused.contains("400"), "since={since}: {refused}");
        let answer = reqwest::get(format!("{sse}?since={since}")).await.expect("an answer");
        assert_eq!(answer.status(), 400, "since={since}");
        if !since.is_empty() {
            let request = client.get(&sse).header("Last-Event-ID", since);
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 400, "Last-Event-ID: {since}");
        }
    }
    server.stop().await;
}
