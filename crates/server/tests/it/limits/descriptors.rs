//! Clients that take every descriptor they can get.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, eventually, logs};
use crate::program::Process;
use crate::raw;

/// The limit on open files of the server.
const LIMIT: u64 = 256;
/// Connections tried.
const CROWD: usize = 400;

/// A stream over a connection of its own; none where it is closed.
async fn stream(server: &Process) -> Option<BufReader<TcpStream>> {
    let mut tcp = BufReader::new(raw::connect(server.address).await.ok()?);
    tcp.write_all(&raw::handshake("/", "")).await.ok()?;
    let head = tokio::time::timeout(PATIENCE, raw::response_head(&mut tcp)).await;
    let head = head.expect("an answer or an end").ok()?;
    head.starts_with("HTTP/1.1 101 ").then_some(tcp)
}

fn open_descriptors(server: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.id())).expect("its descriptors").count()
}

fn last_offset(state: &Path) -> Option<u64> {
    serde_json::from_slice::<Value>(&fs::read(state).ok()?).ok()?["last_offset"].as_u64()
}

/// Reads a stream until it is aborted; the number of messages and the longest pause between two.
async fn watch(url: String, seen: tokio::sync::watch::Sender<(u64, Duration)>) {
    let mut socket = tokio_tungstenite::connect_async(url).await.expect("accepted").0;
    let mut last = Instant::now();
    while let Some(frame) = socket.next().await {
        if !frame.expect("no error").is_text() {
            continue;
        }
        let pause = std::mem::replace(&mut last, Instant::now()).elapsed();
        seen.send_modify(|(count, longest)| {
            *count += 1;
            *longest = pause.max(*longest);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_cannot_use_up_the_reserved_descriptors() {
    rlimit::increase_nofile_limit(4096).expect("room for both ends");
    let rate = ctsim::Config { rfc6962: 2, static_ct: 2, rate: 20.0, ..Default::default() };
    let sim = logs(ctsim::Config { publish_interval: Duration::from_millis(200), ..rate }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (key, state) = (folder.path().join("key.pem"), folder.path().join("state.json"));
    fs::write(&key, sim.list_key_pem()).expect("writable");
    let flags = [
        format!("--ct-log-log-list-url={}", sim.list_url()),
        format!("--ct-log-log-list-key-file={}", key.display()),
        format!("--ct-log-state-file={}", state.display()),
        "--ct-log-poll-interval-ms=100".to_owned(),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let server = Process::start_with_descriptors(LIMIT, "", &flags);
    let (sender, mut seen) = tokio::sync::watch::channel((0, Duration::ZERO));
    let second = tokio::spawn(watch(format!("ws://{}/", server.address), sender));
    seen.wait_for(|(count, _)| *count > 0).await.expect("the second client reads");
    let before = open_descriptors(&server);

    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.extend(stream(&server).await);
    }
    let most = open_descriptors(&server);
    let accepted = crowd.len();
    assert!(accepted < CROWD && accepted > 50, "{accepted} of {CROWD} streams");
    assert!(most as u64 <= LIMIT * 3 / 4 + 16, "{most} descriptors");

    // While the crowd stays, positions are saved, logs are read and the second client is served.
    let saved = last_offset(&state);
    let later = eventually("the state is saved", async || {
        last_offset(&state).filter(|offset| Some(*offset) > saved)
    });
    later.await;
    let messages = seen.borrow_and_update().0;
    seen.wait_for(|(count, _)| *count > messages + 10).await.expect("the second client reads on");
    let (messages, pause) = *seen.borrow();
    let lines = server.lines();
    let failed = lines.iter().find(|line| line.contains("cannot save"));
    assert_eq!(failed, None);
    server.wait_for_line(
        "closed a connection: the remaining file descriptors are reserved for files and logs",
    );

    let during = open_descriptors(&server);
    drop(crowd);
    let mut again = eventually("there is room again", async || stream(&server).await).await;
    again.shutdown().await.expect("closed");
    println!(
        "limit {LIMIT}: {accepted} of {CROWD} streams, {before} descriptors before, {} at most; \
         the second client: {messages} messages, longest pause {pause:?}",
        most.max(during)
    );
    second.abort();
    server.stop();
}
