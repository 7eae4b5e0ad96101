//! Clients of a server in this process.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(crate) use crate::support::{PATIENCE, Running, logs, reads_all, shared_data};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Running {
    /// Connects a WebSocket client that reads everything from the oldest entry on.
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

    /// Returns the data of the events of an SSE stream, from the oldest entry on.
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

    /// Returns the answer to a look-up, once a part of the journal that is not indexed yet cannot change
    /// it. That a certificate is missing is known only once everything is indexed.
    pub(crate) async fn look_up(&self, path: &str) -> reqwest::Response {
        eventually(&format!("the journal is indexed for {path}"), async || {
            let answer = self.get(path).await;
            (answer.status() != 503).then_some(answer)
        })
        .await
    }

    /// Returns the id of its stream, which every stream's response names.
    pub(crate) async fn stream_id(&self) -> String {
        let url = format!("http://{}/sse", self.address);
        let response = reqwest::Client::new().head(url).send().await.expect("an answer");
        response.headers()["certstream-stream"].to_str().expect("ASCII").to_owned()
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

/// Returns the next message that is not a heartbeat or control frame.
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

/// Returns the next frame of any kind.
pub(crate) async fn next_frame(socket: &mut Socket) -> Message {
    let frame = tokio::time::timeout(PATIENCE, socket.next()).await;
    frame.expect("something within the patience").expect("an open connection").expect("no error")
}

/// Repeats a request until the answer is as expected.
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

/// Starts a server that keeps everything, with a few hundred messages; each of its two logs gains
/// `rate` entries a second.
pub(crate) async fn streaming(rate: f64) -> (ctsim::Sim, Running) {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate,
        initial_size: 200,
        publish_interval: Duration::from_millis(20),
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    (sim, server)
}
