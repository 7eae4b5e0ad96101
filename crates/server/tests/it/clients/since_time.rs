//! Resuming by time: a client starts with the first message seen at that time or later.

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::harness::{Running, next_json, streaming};

/// Reads messages from the oldest on: offset and time seen.
async fn seen(server: &Running, count: usize) -> Vec<(u64, f64)> {
    let mut socket = server.connect_from_oldest("/").await;
    let mut seen = Vec::new();
    while seen.len() < count {
        let message = next_json(&mut socket).await;
        let offset = message["offset"].as_u64().expect("an offset");
        seen.push((offset, message["data"]["seen"].as_f64().expect("a time")));
    }
    seen
}

async fn first(server: &Running, query: &str) -> Value {
    next_json(&mut server.connect(&format!("/?{query}")).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_starts_with_the_first_message_seen_at_a_time_or_later() {
    let (_sim, server) = streaming(100.0).await;
    let seen = seen(&server, 450).await;
    // The server may have begun with many entries in one millisecond; the last ones came one by one.
    for (_, time) in &seen[430..] {
        let (offset, _) = seen.iter().find(|(_, each)| each >= time).expect("itself");
        let expected = Some(*offset);
        let message = first(&server, &format!("since_time={time:.3}")).await;
        assert_eq!(message["offset"].as_u64(), expected, "{time}");
        let millis = (time * 1000.0).round() as i64;
        let rfc3339 = jiff::Timestamp::from_millisecond(millis).expect("a time");
        let message = first(&server, &format!("since_time={rfc3339}")).await;
        assert_eq!(message["offset"].as_u64(), expected, "{rfc3339}");
        let url = format!("http://{}/sse?since_time={time:.3}", server.address);
        let mut body = reqwest::get(url).await.expect("the server answers").bytes_stream();
        let chunk = body.next().await.expect("an event").expect("no error");
        let id = format!("id: {offset}");
        assert!(chunk.starts_with(id.as_bytes()), "{:?}", String::from_utf8_lossy(&chunk));
    }
    let ahead = first(&server, "since_time=4000000000").await;
    let (last, _) = seen[449];
    assert!(ahead["offset"].as_u64() > Some(last), "the next message: {ahead}");
    let gap = first(&server, "since_time=1000000000").await;
    assert_eq!((&gap["message_type"], &gap["reason"]), (&"gap".into(), &"before_start".into()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_and_two_places_to_start_at_are_refused() {
    let (_sim, server) = streaming(100.0).await;
    for (query, expected) in [
        ("since_time=yesterday", "since_time: \"yesterday\" is not a time; give RFC 3339"),
        ("since_time=", "since_time: \"\" is not a time"),
        ("since_time=5&since=5", "since and since_time: give one of them"),
    ] {
        let response = server.get(&format!("/sse?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        let told = response.text().await.expect("text");
        assert!(told.starts_with(expected), "{query}: {told}");
    }
    server.stop().await;
}
