//! Clients of a server with a journal: what is no longer in memory comes from disk, and equals what
//! live clients got.

use std::time::Duration;

use config::{ByteSize, Config, NamedLog};
use ctsim::Sim;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Running, Socket, eventually, logs, next_frame, next_json, reads_all};

/// Entries of each of the two logs at the start.
const ENTRIES: u64 = 700;

/// A server with a journal and a ring of a few pages.
async fn keeps_on_disk(rate: f64, configure: impl FnOnce(&mut Config)) -> (Sim, Running, TempDir) {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate,
        initial_size: ENTRIES,
        publish_interval: Duration::from_millis(20),
        page_limit: 50,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.data_dir = Some(folder.path().join("data"));
    config.feed.ring_bytes = ByteSize::new(128 * ByteSize::KIB);
    config.protocols.api = true;
    configure(&mut config);
    let server = Running::start(config).await;
    (sim, server, folder)
}

/// Reads the texts of certificates. Before them may come a gap: what `since` names is older than
/// anything kept.
async fn texts(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let Message::Text(text) = next_frame(socket).await else { continue };
        let is = |kind: &str| text.contains(&format!("\"message_type\":\"{kind}\""));
        let is_greeting = texts.is_empty() && is("gap");
        if !is_greeting && !is("heartbeat") {
            texts.push(text.to_string());
        }
    }
    texts
}

fn offset(text: &str) -> u64 {
    let message: Value = serde_json::from_str(text).expect("JSON");
    message["offset"].as_u64().unwrap_or_else(|| panic!("no offset: {text}"))
}

/// Waits until everything that the logs have at the start is read, and returns the last offset.
async fn settled(server: &Running) -> u64 {
    eventually("the logs are read", async || {
        let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
        let entries = stats["journal"]["entries"].as_u64()?;
        (entries >= 2 * ENTRIES).then(|| stats["offset"].as_u64())?
    })
    .await
}

/// Reads the events of certificates of an SSE stream, with their ids.
async fn events(server: &Running, path: &str, count: usize) -> Vec<String> {
    let url = format!("http://{}{path}", server.address);
    let mut body = reqwest::get(url).await.expect("an answer").bytes_stream();
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    while events.len() < count {
        bytes.extend(body.next().await.expect("the stream is open").expect("no error"));
        while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
            let event = String::from_utf8(bytes.drain(..end + 2).collect()).expect("UTF-8");
            let is_certificate = event.contains("id: ") && event.contains("\ndata: ");
            events.extend(is_certificate.then_some(event));
        }
    }
    events.truncate(count);
    events
}

/// Reads everything that a client gets, while it is published.
fn reading(mut socket: Socket, count: usize) -> tokio::task::JoinHandle<Vec<String>> {
    tokio::spawn(async move { texts(&mut socket, count).await })
}

/// Compares texts without printing all of them.
fn compare(live: &[String], replay: &[String], path: &str) {
    assert_eq!(live.len(), replay.len(), "{path}");
    let different = live.iter().zip(replay).find(|(live, replay)| live != replay);
    assert_eq!(different, None, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_from_any_offset_equals_what_live_clients_got() {
    let (sim, server, _folder) = keeps_on_disk(0.0, |_| {}).await;
    // `domains-only` leaves out certificates without a host name, and has fewer messages.
    let paths = ["/?", "/full-stream?", "/?compat=go&", "/full-stream?compat=rust&"];
    let sse = "/sse?stream=lite&";
    let count = usize::try_from(2 * ENTRIES).expect("fits");
    // They are connected before most of it is published; a stream that is new has everything.
    let mut live = Vec::new();
    for path in paths {
        live.push(reading(server.connect(&format!("{path}since=0")).await, count));
    }
    let live_events = events(&server, &format!("{sse}since=0"), count).await;
    let last = settled(&server).await;
    let oldest_in_ring = {
        let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
        last + 1 - stats["memory"]["ring_entries"].as_u64().expect("a number")
    };
    let mut first = 0;
    for (path, live) in paths.into_iter().zip(live) {
        let live = live.await.expect("they were read");
        if path == "/?" {
            first = offset(&live[0]);
            assert!(first < oldest_in_ring, "it is not in memory any more");
            assert_eq!(offset(&live[count - 1]), last);
        }
        // Offsets have no holes.
        for (skipped, read) in [(0, count - 1), (311, 60), (count - 90, 89)] {
            let since = first + skipped as u64;
            let path = format!("{path}since={since}");
            let replay = texts(&mut server.connect(&path).await, read).await;
            compare(&live[skipped + 1..][..read], &replay, &path);
        }
    }
    for skipped in [0, 700] {
        let since = first + skipped as u64;
        let path = format!("{sse}since={since}");
        let replay = events(&server, &path, count - 1 - skipped).await;
        compare(&live_events[skipped + 1..], &replay, &path);
    }
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_names_a_log_as_it_was_named_when_live_clients_got_it() {
    const GROWTH: u64 = 80;
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: GROWTH,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let log = &sim.logs()[0];
    let config = |name: &str, operator: &str| {
        let mut config = reads_all(&sim, &folder);
        config.data_dir = Some(folder.path().join("data"));
        config.ct_log.disable_default_logs = true;
        config.custom_logs = vec![NamedLog {
            name: name.to_owned(),
            url: log.url().to_owned(),
            key: Some(base64_simd::STANDARD.encode_to_string(log.key())),
            operator: Some(operator.to_owned()),
            log_origin: None,
            tree_size_source: None,
            expected_log_id: None,
            batch_size: None,
            poll_interval_ms: None,
        }];
        config
    };
    let (mut live, count) = (Vec::new(), usize::try_from(GROWTH).expect("fits"));
    for (name, operator) in [("First", "One"), ("Second", "One"), ("First", "Another")] {
        let server = Running::start(config(name, operator)).await;
        let since = live.last().map_or(0, |text: &String| offset(text));
        let mut socket = server.connect(&format!("/full-stream?since={since}")).await;
        if !live.is_empty() {
            log.grow(GROWTH).expect("it grows");
        }
        let got = texts(&mut socket, count).await;
        let source = format!("\"name\":\"{name}\",\"operator\":\"{operator}\"");
        assert!(got.iter().all(|text| text.contains(&source)), "{}", got[0]);
        live.extend(got);
        let path = format!("/full-stream?since={}", offset(&live[0]));
        let replay = texts(&mut server.connect(&path).await, live.len() - 1).await;
        compare(&live[1..], &replay, &path);
        server.stop().await;
    }
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_times_work_in_the_past() {
    let (sim, server, _folder) = keeps_on_disk(0.0, |_| {}).await;
    settled(&server).await;
    let count = usize::try_from(2 * ENTRIES).expect("fits");
    let all = texts(&mut server.connect("/?since=0").await, count).await;
    let all: Vec<Value> =
        all.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    let names = |message: &Value| -> Vec<String> {
        let names = message["data"]["leaf_cert"]["all_domains"].as_array().expect("names");
        names.iter().filter_map(|name| name.as_str()).map(str::to_lowercase).collect()
    };
    let is_below = |name: &str| name == "co.uk" || name.ends_with(".co.uk");
    let passing: Vec<&Value> =
        all.iter().filter(|message| names(message).iter().any(|name| is_below(name))).collect();
    assert!(passing.len() > 10 && passing.len() < count / 2, "{}", passing.len());
    let mut filtered = server.connect("/?domain=co.uk&since=0").await;
    let found = texts(&mut filtered, passing.len()).await;
    let found: Vec<u64> = found.iter().map(|text| offset(text)).collect();
    assert!(
        passing.iter().map(|message| message["offset"].as_u64()).eq(found.into_iter().map(Some))
    );
    let middle = &all[count / 3];
    let seen = middle["data"]["seen"].as_f64().expect("a time");
    let first = all.iter().find(|each| each["data"]["seen"].as_f64() >= Some(seen));
    let first = first.map(|each| each["offset"].clone());
    let mut later = server.connect(&format!("/?since_time={seen:.3}")).await;
    assert_eq!(first, Some(offset(&texts(&mut later, 1).await[0]).into()));
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_replays_beside_live_clients_get_everything() {
    const REPLAYS: usize = 50;
    let (sim, server, _folder) = keeps_on_disk(20.0, |_| {}).await;
    settled(&server).await;
    let mut live = server.connect("/").await;
    let count = usize::try_from(2 * ENTRIES).expect("fits");
    let replay = async |server: &Running| {
        let mut socket = server.connect("/?since=0").await;
        let texts = texts(&mut socket, count).await;
        texts.iter().map(|text| offset(text)).collect::<Vec<_>>()
    };
    let replays = join_all((0..REPLAYS).map(|_| replay(&server)));
    let beside = async {
        for _ in 0..20 {
            next_json(&mut live).await;
        }
    };
    let (replays, ()) = tokio::join!(replays, beside);
    for replay in &replays {
        assert_eq!(replay, &replays[0]);
        assert!(replay.windows(2).all(|pair| pair[1] == pair[0] + 1), "no offset is left out");
    }
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_loses_nothing_and_a_restart_neither() {
    let (sim, server, folder) = keeps_on_disk(300.0, |_| {}).await;
    let mut slow = server.connect("/full-stream?since=0").await;
    let first = offset(&texts(&mut slow, 1).await[0]);
    // It reads nothing until what it needs has left the ring many times over.
    let head = eventually("the ring has moved on", async || {
        let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
        let head = stats["offset"].as_u64()?;
        (head > first + 3 * ENTRIES).then_some(head)
    })
    .await;
    let wanted = usize::try_from(head - first).expect("fits");
    let offsets: Vec<u64> =
        texts(&mut slow, wanted).await.iter().map(|text| offset(text)).collect();
    assert_eq!(offsets, (first + 1..=head).collect::<Vec<_>>());
    let metrics = server.get("/metrics").await.text().await.expect("text");
    let lost: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("certstream_messages_lost_total"))
        .filter(|line| !line.ends_with(" 0"))
        .collect();
    assert_eq!(lost, [""; 0]);
    server.stop().await;
    let mut config = reads_all(&sim, &folder);
    config.data_dir = Some(folder.path().join("data"));
    let server = Running::start(config).await;
    let mut again = server.connect(&format!("/?since={first}")).await;
    for expected in first + 1..=head {
        assert_eq!(next_json(&mut again).await["offset"], expected);
    }
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_entries_are_looked_up_in_everything_kept() {
    let (sim, server, _folder) = keeps_on_disk(0.0, |config| config.api.cache_capacity = 1).await;
    settled(&server).await;
    let oldest = &texts(&mut server.connect("/full-stream?since=0").await, 1).await[0];
    let oldest: Value = serde_json::from_str(oldest).expect("JSON");
    let leaf = &oldest["data"]["leaf_cert"];
    let name = oldest["data"]["source"]["name"].as_str().expect("a name").replace(' ', "%20");
    let index = &oldest["data"]["cert_index"];
    let paths = [
        format!("/api/cert/{}", leaf["sha256"].as_str().expect("a digest")),
        format!("/api/cert/{}", leaf["sha1"].as_str().expect("a digest")),
        format!("/api/entry/{name}/{index}"),
    ];
    for path in &paths {
        let found: Value = server.look_up(path).await.json().await.expect("JSON");
        assert_eq!(found["offset"], oldest["offset"], "{path}");
        assert_eq!(found["sha256"], leaf["sha256"]);
        assert_eq!(found["sightings"][0]["cert_index"], *index);
        assert_eq!(found["linked"], Value::Null);
        let der = server.look_up(&format!("{path}?format=der")).await;
        assert_eq!(der.headers()["content-type"], "application/pkix-cert");
        let der = der.bytes().await.expect("bytes");
        let base64 = base64_simd::STANDARD.encode_to_string(&der);
        assert_eq!(leaf["as_der"], base64);
        let pem = server.look_up(&format!("{path}?format=pem")).await.text().await.expect("text");
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
    }
    for (path, status) in [
        ("/api/cert/00", 404),
        (&*format!("/api/cert/{}", "0".repeat(64)), 404),
        (&*format!("/api/entry/{name}/99999999"), 404),
        ("/api/entry/no%20such%20log/1", 404),
        (&*format!("{}?format=xml", paths[0]), 400),
    ] {
        assert_eq!(server.look_up(path).await.status(), status, "{path}");
    }
    server.stop().await;
    sim.shutdown().await;
}
