//! Clients that resume at the place where a server is at the time, and what they have received.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::Entry;

/// The addresses of the servers that clients may connect to at the time.
pub(crate) type Servers = Arc<Mutex<Vec<SocketAddr>>>;

/// The records that a client has received, by offset, and where it resumes.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) records: BTreeMap<u64, Entry>,
    /// Those of precertificates.
    pub(crate) precerts: BTreeSet<u64>,
    since: Option<String>,
    pub(crate) wrong: Vec<String>,
    /// Connections that a server has accepted.
    pub(crate) connections: u64,
}

impl Received {
    fn message(&mut self, text: &str, stream: &str) {
        let message: Value = serde_json::from_str(text).expect("JSON");
        match message["message_type"].as_str() {
            // Before its first record a client knows nothing that could be missing.
            Some("gap") if !self.records.is_empty() => self.wrong.push(text.to_owned()),
            Some("certificate_update") => {
                let offset = message["offset"].as_u64().expect("an offset");
                let data = &message["data"];
                let url = data["source"]["url"].as_str().expect("a URL").to_owned();
                let entry = (url, data["cert_index"].as_u64().expect("an index"));
                let last = self.records.last_key_value().map(|(last, _)| *last);
                if last.is_some_and(|last| last >= offset) {
                    self.wrong.push(format!("{offset} after {last:?}: {entry:?}"));
                }
                self.records.insert(offset, entry);
                if data["update_type"] == "PrecertLogEntry" {
                    self.precerts.insert(offset);
                }
                self.since = Some(format!("{offset}@{stream}"));
            }
            _ => {}
        }
    }
}

/// The form in which a client receives the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    WebSocket,
    Events,
}

/// Clients reconnect to the place where a server is at the time: each connection is to the next one.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    servers: Servers,
    pub(crate) transport: Transport,
    pub(crate) filter: &'static str,
    pub(crate) received: Arc<Mutex<Received>>,
}

impl Client {
    pub(crate) fn start(servers: &Servers, transport: Transport, filter: &'static str) -> Self {
        Self::start_at(0, servers, transport, filter)
    }

    /// Starts a client that connects to the server with a number first.
    pub(crate) fn start_at(
        first: usize,
        servers: &Servers,
        transport: Transport,
        filter: &'static str,
    ) -> Self {
        Self::run(first, servers, transport, filter, Received::default())
    }

    /// Starts a client that has everything up to an offset.
    pub(crate) fn start_after(servers: &Servers, transport: Transport, offset: u64) -> Self {
        let received = Received { since: Some(offset.to_string()), ..Received::default() };
        Self::run(0, servers, transport, "", received)
    }

    fn run(
        first: usize,
        servers: &Servers,
        transport: Transport,
        filter: &'static str,
        received: Received,
    ) -> Self {
        let (servers, received) = (Arc::clone(servers), Arc::new(Mutex::new(received)));
        let client = Self { servers, transport, filter, received };
        let running = client.clone();
        tokio::spawn(async move {
            for turn in first.. {
                match running.transport {
                    Transport::WebSocket => running.websocket(turn).await,
                    Transport::Events => running.events(turn).await,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        client
    }

    /// Returns the address to connect to.
    fn address(&self, turn: usize, scheme: &str, path: &str) -> String {
        let since = self.received.lock().since.clone().unwrap_or_else(|| "0".to_owned());
        let servers = self.servers.lock();
        let server = servers[turn % servers.len()];
        format!("{scheme}://{server}{path}?compat=calidog&since={since}{}", self.filter)
    }

    /// Reads one connection to its end, however it ends.
    async fn websocket(&self, turn: usize) {
        let connected = tokio_tungstenite::connect_async(self.address(turn, "ws", "/")).await;
        let Ok((mut socket, response)) = connected else { return };
        self.received.lock().connections += 1;
        let stream = response.headers()["certstream-stream"].to_str().expect("ASCII").to_owned();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                self.received.lock().message(&text, &stream);
            }
        }
    }

    async fn events(&self, turn: usize) {
        let Ok(response) = reqwest::get(self.address(turn, "http", "/sse")).await else { return };
        if !response.status().is_success() {
            return;
        }
        self.received.lock().connections += 1;
        let stream = response.headers()["certstream-stream"].to_str().expect("ASCII").to_owned();
        let mut bytes = response.bytes_stream();
        let mut text = Vec::new();
        while let Some(Ok(more)) = bytes.next().await {
            text.extend_from_slice(&more);
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                let event = String::from_utf8(event).expect("UTF-8");
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    self.received.lock().message(data, &stream);
                }
            }
        }
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.received.lock().records.last_key_value().map(|(offset, _)| *offset)
    }
}
