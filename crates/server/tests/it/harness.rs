//! A server in this process, and clients of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ctsim::Sim;
use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use server::app::{Mode, Server};
use server::config::{ByteSize, Config};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take on a slow machine before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Simulated logs on a free port.
pub(crate) async fn logs(config: ctsim::Config) -> Sim {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sim::start(config, listener).await.expect("simulated logs")
}

/// A configuration that reads every entry of the simulated logs and keeps all of them.
pub(crate) fn reads_all(sim: &Sim, folder: &tempfile::TempDir) -> Config {
    let key = folder.path().join("log_list_key.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("a writable folder");
    let mut config = Config { host: [127, 0, 0, 1].into(), port: 0, ..Config::default() };
    config.protocols.sse = true;
    config.dedup.enabled = false;
    config.feed.ring_bytes = ByteSize::new(1024 * ByteSize::MIB);
    config.feed.chunk_bytes = ByteSize::new(64 * ByteSize::MIB);
    config.ct_log.log_list_url = sim.list_url();
    config.ct_log.log_list_key_file = Some(key);
    config.ct_log.start = server::config::Start::Index(0);
    config.ct_log.poll_interval_ms = 50;
    config.ct_log.partial_tile_wait_ms = 50;
    config.ct_log.retry_initial_delay_ms = 50;
    config
}

/// A running server; stopping it is part of what tests check.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn start(config: Config) -> Self {
        let server = Server::start(config, Mode::Serve).await.expect("the server starts");
        let address = server.address().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            // A test that ends early drops the sender, which stops the server as well.
            let _told = stopped.await;
        }));
        Self { address, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("stops");
        ended.expect("no panic").expect("ends well");
    }

    /// A WebSocket client of this path that wants everything from the oldest entry on.
    pub(crate) async fn connect_from_oldest(&self, path: &str) -> Socket {
        let mut socket = self.connect(&format!("{path}?since=0")).await;
        let first = next_json(&mut socket).await;
        assert_eq!(first["message_type"], "gap", "offset 0 is not of this server");
        socket
    }

    pub(crate) async fn connect(&self, path: &str) -> Socket {
        let url = format!("ws://{}{path}", self.address);
        let connected = tokio_tungstenite::connect_async(url).await;
        connected.expect("the server accepts").0
    }

    /// The data of the events of an SSE stream, from the oldest entry on.
    pub(crate) async fn events(&self, stream: &str) -> impl Stream<Item = Value> + use<> {
        let url = format!("http://{}/sse?stream={stream}&since=0", self.address);
        let response = reqwest::get(url).await.expect("the server answers");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut bytes = response.bytes_stream().boxed();
        let mut buffer = Vec::new();
        async_lines(async move || {
            loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    return Some(String::from_utf8(line).expect("UTF-8"));
                }
                buffer.extend_from_slice(&bytes.next().await?.expect("no broken answer"));
            }
        })
        .filter_map(async |line| {
            let data = line.strip_prefix("data: ")?;
            let message: Value = serde_json::from_str(data).expect("JSON");
            (message["message_type"] != "gap").then_some(message)
        })
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://{}{path}", self.address)).await.expect("the server answers")
    }
}

fn async_lines<F>(next: F) -> impl Stream<Item = String>
where
    F: AsyncFnMut() -> Option<String>,
{
    futures_util::stream::unfold(next, async |mut next| {
        let line = next().await?;
        Some((line, next))
    })
}

/// The next message that is not a heartbeat or control frame.
pub(crate) async fn next_json(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = next_frame(socket).await {
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["message_type"] != "heartbeat" {
                return message;
            }
        }
    }
}

/// The next frame of any kind.
pub(crate) async fn next_frame(socket: &mut Socket) -> Message {
    let frame = tokio::time::timeout(PATIENCE, socket.next()).await;
    frame.expect("something within the patience").expect("an open connection").expect("no error")
}

/// Asks again and again until the answer is as wanted.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The folder of real CT data beside the checkout, if it is there.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared/data is not here");
    None
}
