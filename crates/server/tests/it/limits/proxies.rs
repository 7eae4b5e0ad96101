//! Behind HAProxy, with the configurations that operators had trouble with (`../shared/data`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{
    PATIENCE, Running, Socket, eventually, logs, next_frame, next_json, reads_all, shared_data,
};
use crate::operations::process::free_port;

/// A running proxy.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Proxy {
    /// Runs HAProxy with this configuration, in which each `(from, to)` is replaced first.
    fn start(path: PathBuf, listens_on: &str, replaced: &[(&str, String)]) -> Self {
        let mut config = std::fs::read_to_string(path).expect("readable");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        for (from, to) in replaced.iter().chain([&(listens_on, address.to_string())]) {
            assert!(config.contains(from), "{from}: {config}");
            config = config.replace(from, to);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, config).expect("writable");
        let mut haproxy = Command::new("haproxy");
        let haproxy = haproxy.arg("-db").arg("-f").arg(file).stdout(Stdio::null());
        let child = haproxy.stderr(Stdio::null()).spawn().expect("it starts");
        Self { child, address, _folder: folder }
    }

    /// A WebSocket client, as soon as the proxy lets one in.
    async fn connect(&self, path: &str) -> Socket {
        let url = format!("ws://{}{path}", self.address);
        eventually("a client is let in", async || {
            tokio_tungstenite::connect_async(&url).await.ok().map(|(socket, _)| socket)
        })
        .await
    }
}

/// A configuration of the folder of real data; none where that or HAProxy is missing.
fn configuration(name: &str) -> Option<PathBuf> {
    let path = shared_data()?.join("reports").join(name);
    if !path.is_file() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    if Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_err() {
        println!("skipped: haproxy is not installed");
        return None;
    }
    Some(path)
}

fn one_log() -> ctsim::Config {
    ctsim::Config { rfc6962: 1, static_ct: 0, rate: 0.0, initial_size: 50, ..Default::default() }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_outlasts_a_proxy_that_closes_idle_connections() {
    let Some(path) = configuration("haproxy-idle-30s.cfg") else { return };
    let sim = logs(one_log()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.heartbeat.interval_secs = 1;
    let server = Running::start(config).await;
    let head = read_to(&server, 49).await;
    let replaced = [("127.0.0.1:9504", server.address.to_string()), ("30s", "3s".to_owned())];
    let proxy = Proxy::start(path, "127.0.0.1:9512", &replaced);
    // It has neither heartbeats nor messages, and the client does nothing but answer pings.
    let mut socket = proxy.connect("/domains-only").await;
    for _ in 0..6 {
        let frame = next_frame(&mut socket).await;
        assert!(matches!(frame, Message::Ping(_)), "{frame:?}");
    }
    let url = format!("http://{}/sse?stream=domains", proxy.address);
    let mut events = reqwest::get(url).await.expect("an answer").bytes_stream();
    let mut text = String::new();
    while text.matches("\n\n").count() < 6 {
        let more = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time");
        let more = more.expect("an open stream").expect("no error");
        text += str::from_utf8(&more).expect("UTF-8");
    }
    let id = format!("id: {head}@{}\n\n", server.stream_id().await);
    assert_eq!(text.replace(&id, ""), "", "nothing but ids");
    drop((socket, events, proxy));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_resumes_on_an_older_server_when_the_younger_one_ends() {
    let Some(path) = configuration("haproxy-two-servers.cfg") else { return };
    let sim = logs(one_log()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let old = Running::start(reads_all(&sim, &folder)).await;
    let first = read_to(&old, 49).await - 49;
    let young = Running::start(reads_all(&sim, &folder)).await;
    let since = read_to(&young, 49).await;
    let replaced = [
        ("127.0.0.1:9541", old.address.to_string()),
        ("127.0.0.1:9542", young.address.to_string()),
    ];
    let proxy = Proxy::start(path, "127.0.0.1:9543", &replaced);
    let mut socket = proxy.connect("/").await;
    sim.logs()[0].grow(1).expect("it grows");
    let message = next_json(&mut socket).await;
    assert_eq!(message["offset"], since + 1, "the younger one serves");
    drop(socket);
    young.stop().await;
    let mut socket = proxy.connect(&format!("/?since={}", since + 1)).await;
    let gap = next_json(&mut socket).await;
    assert_eq!((&gap["message_type"], &gap["reason"]), (&"gap".into(), &"ahead".into()));
    for index in 0..=50 {
        let message = next_json(&mut socket).await;
        assert_eq!(message["data"]["cert_index"], index);
        assert_eq!(message["offset"], first + index);
    }
    drop((socket, proxy));
    old.stop().await;
}
