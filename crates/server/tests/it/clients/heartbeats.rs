//! Heartbeats: what is sent when nothing is, and the offset it carries, from which a client resumes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use config::{ByteSize, Config, HeartbeatMode};
use ctsim::Sim;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    PATIENCE, Running, Socket, eventually, logs, next_frame, next_json, reads_all,
};
use crate::program::Process;

/// Entries of the one log at the start.
const ENTRIES: u64 = 300;
/// A filter that nothing passes.
const NOTHING: &str = "domain=nothing.example";

async fn log() -> Sim {
    let config = ctsim::Config { rfc6962: 1, static_ct: 0, rate: 0.0, ..ctsim::Config::default() };
    logs(ctsim::Config { initial_size: ENTRIES, ..config }).await
}

/// A server with heartbeats every second that has read its log up to the end.
async fn start(sim: &Sim, configure: impl FnOnce(&mut Config)) -> (Running, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(sim, &folder);
    config.heartbeat.interval_secs = 1;
    configure(&mut config);
    let server = Running::start(config).await;
    let head = read_to(&server, ENTRIES - 1).await;
    (server, head)
}

/// The offset of the entry with this index, once it is published.
async fn read_to(server: &Running, index: u64) -> u64 {
    eventually("the log is read", async || {
        let newest: Value = server.get("/example.json").await.json().await.expect("JSON");
        let is_last = newest["data"]["cert_index"] == index;
        newest["offset"].as_u64().filter(|_| is_last)
    })
    .await
}

/// The offset of the first heartbeat that says `wanted`; smaller ones may come before.
async fn heartbeat_up_to(socket: &mut Socket, wanted: u64) {
    loop {
        let Message::Text(text) = next_frame(socket).await else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(message["message_type"], "heartbeat", "{message}");
        assert!(message["timestamp"].is_f64(), "{message}");
        let offset = message["offset"].as_u64().expect("an offset");
        assert!(offset <= wanted, "{offset} is past the head, {wanted}");
        if offset == wanted {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_without_matches_resumes_from_heartbeats_without_a_gap() {
    let sim = log().await;
    let (server, head) = start(&sim, |config| {
        config.feed.ring_bytes = ByteSize::new(64 * ByteSize::KIB);
    })
    .await;
    let mut socket = server.connect(&format!("/?{NOTHING}")).await;
    heartbeat_up_to(&mut socket, head).await;
    // Far more than the ring keeps, and none of it matches.
    sim.logs()[0].grow(2_000).expect("it grows");
    let last = read_to(&server, ENTRIES + 1_999).await;
    heartbeat_up_to(&mut socket, last).await;
    drop(socket);
    let mut resumed = server.connect(&format!("/?{NOTHING}&since={last}")).await;
    heartbeat_up_to(&mut resumed, last).await;
    // Without the heartbeats it would ask for this.
    let mut stale = server.connect(&format!("/?{NOTHING}&since={head}")).await;
    assert_eq!(next_json(&mut stale).await["reason"], "evicted");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_during_a_replay_have_the_readers_own_offset() {
    let sim = log().await;
    let (server, head) = start(&sim, |_| {}).await;
    let since = head - 200;
    let mut socket = server.connect(&format!("/?heartbeat=true&since={since}")).await;
    let Message::Text(first) = next_frame(&mut socket).await else { panic!("no message") };
    let first: Value = serde_json::from_str(&first).expect("JSON");
    let found = (&first["message_type"], first["offset"].as_u64());
    assert_eq!(found, (&"heartbeat".into(), Some(since)), "not the head, {head}");
    assert_eq!(next_json(&mut socket).await["offset"], since + 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_heartbeats_have_offsets() {
    let sim = log().await;
    let (server, head) = start(&sim, |config| config.heartbeat.mode = HeartbeatMode::Off).await;
    for path in ["/", "/full-stream", "/domains-only"] {
        for profile in ["calidog", "go", "rust"] {
            let asked = format!("{path}?compat={profile}&heartbeat=true");
            let mut socket = server.connect(&asked).await;
            // At once, and then again and again.
            heartbeat_up_to(&mut socket, head).await;
            heartbeat_up_to(&mut socket, head).await;
        }
    }
    for wrong in ["yes", "", "TRUE"] {
        let url = format!("ws://{}/?heartbeat={wrong}", server.address);
        let refused = tokio_tungstenite::connect_async(url).await.expect_err(wrong).to_string();
        assert!(refused.contains("400"), "{wrong}: {refused}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_heartbeats_gets_pings_at_the_interval() {
    let sim = log().await;
    let (server, _) = start(&sim, |_| {}).await;
    for path in ["/domains-only", "/?compat=go", "/domains-only?compat=go"] {
        let mut socket = server.connect(path).await;
        let begun = std::time::Instant::now();
        for _ in 0..2 {
            let frame = next_frame(&mut socket).await;
            assert!(matches!(frame, Message::Ping(_)), "{path}: {frame:?}");
        }
        // A Ping comes every 30 s in any case.
        assert!(begun.elapsed() < std::time::Duration::from_secs(25), "{path}");
    }
    server.stop().await;
}

/// Reads an SSE stream until it contains `wanted`.
async fn events_until(server: &Running, path: &str, wanted: &str) -> String {
    let url = format!("http://{}{path}", server.address);
    let mut body = reqwest::get(url).await.expect("an answer").bytes_stream();
    let mut text = String::new();
    while !text.contains(wanted) {
        let more = tokio::time::timeout(PATIENCE, body.next()).await.expect("in time");
        let more = more.expect("an open stream").expect("no error");
        write!(text, "{}", str::from_utf8(&more).expect("UTF-8")).expect("a string takes it");
    }
    text
}

/// Waits until a WebSocket client has had so many heartbeats, which come every second.
async fn heartbeats(server: &Running, count: u32) {
    let mut socket = server.connect("/").await;
    let mut seen = 0;
    while seen < count {
        seen += u32::from(matches!(next_frame(&mut socket).await, Message::Text(_)));
    }
}

/// Reads an SSE stream until it contains `wanted`, two heartbeats. They come at the interval that is
/// configured, so a WebSocket client has not had ten by then.
async fn two_heartbeats(server: &Running, path: &str, wanted: &str) -> String {
    tokio::select! {
        text = events_until(server, path, wanted) => text,
        () = heartbeats(server, 10) => panic!("{path}: ten intervals and not two heartbeats"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sse_heartbeats_are_events_with_only_an_id() {
    let sim = log().await;
    let (server, head) = start(&sim, |_| {}).await;
    let stream = server.stream_id().await;
    let id = format!("id: {head}@{stream}\n\n");
    for query in [NOTHING, "stream=domains", "compat=go&heartbeat=true"] {
        let text = two_heartbeats(&server, &format!("/sse?{query}"), &id.repeat(2)).await;
        assert_eq!(text.replace(&id, ""), "", "{query}: nothing but ids");
    }
    for profile in ["go", "rust"] {
        let path = format!("/sse?compat={profile}");
        let text = two_heartbeats(&server, &path, &": heartbeat\n\n".repeat(2)).await;
        assert!(!text.contains("id:"), "{profile}: {text}");
    }
    server.stop().await;
}

fn identity(message: &Value) -> (String, u64) {
    let log = message["data"]["source"]["url"].as_str().expect("a log");
    (log.to_owned(), message["data"]["cert_index"].as_u64().expect("an index"))
}

/// `kill -9`: what was published after the offset that was saved comes again, and is no gap.
#[tokio::test(flavor = "multi_thread")]
async fn resume_after_a_kill_reports_no_gap_and_misses_nothing() {
    let sim = logs(ctsim::Config {
        rfc6962: 2,
        static_ct: 1,
        rate: 100.0,
        publish_interval: std::time::Duration::from_millis(100),
        initial_size: ENTRIES,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let (key, state) = (folder.path().join("key.pem"), folder.path().join("state.json"));
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    let file = format!(
        "log_level: info\ndedup: false\nct_log:\n  log_list_url: {}\n  log_list_key_file: {}\n  \
         state_file: {}\n  poll_interval_ms: 100\n  partial_tile_wait_ms: 100\n  \
         resume_overlap_secs: 2\n",
        sim.list_url(),
        key.display(),
        state.display()
    );
    let mut since = None;
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let server = Process::start(&file, &[], &[]);
        let since_then = since.map_or_else(String::new, |since: u64| format!("?since={since}"));
        let url = format!("ws://{}/{since_then}", server.address);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("accepted");
        // Until a state was saved that this process has published a part of.
        let before = since.unwrap_or(0);
        loop {
            let message = next_json(&mut socket).await;
            assert_eq!(message["message_type"], "certificate_update", "no gap: {message}");
            seen.insert(identity(&message));
            since = message["offset"].as_u64();
            let saved = std::fs::read(&state).ok();
            let saved = saved.and_then(|saved| serde_json::from_slice::<Value>(&saved).ok());
            let from = saved.and_then(|saved| saved["resent_from"].as_u64()).unwrap_or(0);
            if from > before && since >= Some(from) {
                break;
            }
        }
        drop(server); // SIGKILL
    }
    // Everything between the first and the last entry of each log came.
    for log in sim.logs() {
        let url = log.url().trim_end_matches('/');
        let mut indexes = seen.iter().filter(|(of, _)| of == url).map(|(_, index)| *index);
        let first = indexes.next().expect("some");
        let missing = (first + 1..).zip(indexes).find(|(expected, index)| expected != index);
        assert_eq!(missing, None, "{url}");
    }
}

/// The text messages before the Close frame.
async fn until_close(socket: &mut Socket) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        match next_frame(socket).await {
            Message::Text(text) => messages.push(serde_json::from_str(&text).expect("JSON")),
            Message::Close(_) => return messages,
            _ => {}
        }
    }
}

/// No heartbeat is due for an hour, and nothing comes again after the restart: only the heartbeat at
/// the end says that the filter has searched everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_without_matches_resumes_after_a_stop_without_a_gap() {
    let sim = log().await;
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    let configure = |config: &mut Config| {
        config.heartbeat.interval_secs = 3600;
        config.ct_log.state_file = Some(state.clone());
        config.ct_log.resume_overlap_secs = 0;
    };
    let (server, head) = start(&sim, configure).await;
    let asked = format!("{NOTHING}&heartbeat=true");
    let mut sockets = Vec::new();
    for query in [NOTHING, &asked] {
        sockets.push(server.connect(&format!("/?{query}")).await);
    }
    heartbeat_up_to(&mut sockets[1], head).await;
    let sse = format!("http://{}/sse?{NOTHING}", server.address);
    let events = reqwest::get(sse).await.expect("an answer");
    // Their Close frame ends as it did.
    let mut plain = Vec::new();
    for path in ["/domains-only?", "/?compat=go&", "/?compat=rust&"] {
        plain.push(server.connect(&format!("{path}{NOTHING}")).await);
    }
    sim.logs()[0].grow(50).expect("it grows");
    let last = read_to(&server, ENTRIES + 49).await;
    let stream = server.stream_id().await;
    let stopped = tokio::spawn(server.stop());
    for socket in &mut sockets {
        let messages = until_close(socket).await;
        let end = messages.last().expect("a heartbeat");
        let found = (&end["message_type"], end["offset"].as_u64());
        assert_eq!(found, (&"heartbeat".into(), Some(last)));
    }
    for socket in &mut plain {
        let messages = until_close(socket).await;
        assert!(messages.iter().all(|message| message.get("offset").is_none()), "{messages:?}");
    }
    assert_eq!(events.text().await.expect("the end"), format!("id: {last}@{stream}\n\n"));
    drop((sockets, plain));
    stopped.await.expect("stops");

    let mut config = reads_all(&sim, &folder);
    configure(&mut config);
    let server = Running::start(config).await;
    let mut resumed = server.connect(&format!("/?{asked}&since={last}")).await;
    let Message::Text(first) = next_frame(&mut resumed).await else { panic!("no message") };
    let first: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(first["message_type"], "heartbeat", "{first}");
    let mut stale = server.connect(&format!("/?{asked}&since={head}")).await;
    let first = next_json(&mut stale).await;
    assert_eq!(first["reason"], "before_start", "what it may have missed is not sent again");
    server.stop().await;
}

/// A log without a position begins at its head. Were that not saved before anything is published, what
/// a killed server has published would never come again.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_position_of_a_log_is_saved_before_its_first_certificate_is_sent() {
    let sim = log().await;
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    let mut config = reads_all(&sim, &folder);
    config.ct_log.state_file = Some(state.clone());
    let server = Running::start(config).await;
    let mut socket = server.connect("/").await;
    let log = identity(&next_json(&mut socket).await).0;
    let saved = std::fs::read(&state).expect("a state is saved");
    let saved: Value = serde_json::from_slice(&saved).expect("JSON");
    assert!(saved["logs"][&log]["current_index"].is_u64(), "{log} is not in {saved}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_a_restart_does_not_repeat_are_reported_as_a_gap() {
    let sim = log().await;
    let folder = tempfile::tempdir().expect("a folder");
    let start = async |overlap| {
        let mut config = reads_all(&sim, &folder);
        config.ct_log.state_file = Some(folder.path().join("state.json"));
        config.ct_log.resume_overlap_secs = overlap;
        Running::start(config).await
    };
    let server = start(0).await;
    let head = read_to(&server, ENTRIES - 1).await;
    server.stop().await;
    // All was published and saved, so nothing comes again.
    let server = start(0).await;
    let mut up_to_date = server.connect(&format!("/?since={head}")).await;
    let mut behind = server.connect(&format!("/?since={}", head - 1)).await;
    assert_eq!(next_json(&mut behind).await["reason"], "before_start");
    sim.logs()[0].grow(1).expect("it grows");
    assert_eq!(next_json(&mut up_to_date).await["data"]["cert_index"], ENTRIES);
    assert_eq!(next_json(&mut behind).await["data"]["cert_index"], ENTRIES);
    server.stop().await;
}

/// A client that was away when the server was stopped misses nothing where all since is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn entries_that_a_restart_repeats_are_not_a_gap() {
    let sim = log().await;
    let folder = tempfile::tempdir().expect("a folder");
    let start = async || {
        let mut config = reads_all(&sim, &folder);
        config.ct_log.state_file = Some(folder.path().join("state.json"));
        config.ct_log.resume_overlap_secs = 3600;
        Running::start(config).await
    };
    let server = start().await;
    let head = read_to(&server, ENTRIES - 1).await;
    server.stop().await;
    let server = start().await;
    let mut away = server.connect(&format!("/?since={}", head - 100)).await;
    for index in 0..ENTRIES {
        assert_eq!(next_json(&mut away).await["data"]["cert_index"], index);
    }
    server.stop().await;
}
