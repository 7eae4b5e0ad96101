//! A cluster that reads simulated logs, its clients, and the checks of what they have received.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use xtask::nats::Nats;

use crate::harness::{PATIENCE, eventually, logs};
use crate::operations::kills::Entry;
use crate::operations::kills::client::{Client, Servers, Transport};
use crate::program::Process;

/// The nodes that read logs, and the edges, by their numbers.
pub(super) const INGEST: [usize; 2] = [0, 1];
pub(super) const EDGES: [usize; 2] = [2, 3];

/// Simulated logs.
const LOGS: u64 = 2;

/// The configuration of a node with a ring of about a hundred entries.
pub(super) const SMALL_RING: &str = "feed: {ring_bytes: 256KiB}\n";

/// A server of NATS, two nodes that read logs, two edges, and clients of these.
pub(super) struct Site {
    pub(super) sim: ctsim::Sim,
    folder: TempDir,
    pub(super) nats: Nats,
    /// None for those that are stopped.
    nodes: [Option<Process>; 4],
    /// The addresses of the edges.
    pub(super) edges: Servers,
    pub(super) clients: Vec<Client>,
    /// The entries of each log in the end.
    size: u64,
    /// Further lines of the configuration of each node.
    settings: String,
}

impl Site {
    /// Starts everything; each log gains `rate` entries a second until it has `size`; at a rate of 0,
    /// [`grow`](Self::grow) adds them. `None` if NATS cannot be installed: the test is then skipped.
    pub(super) async fn start(rate: f64, size: u64) -> Option<Self> {
        Self::start_with(rate, size, None, "").await
    }

    /// Starts the same with certificates for a domain, and with further lines in the configuration of each
    /// node.
    pub(super) async fn start_with(
        rate: f64,
        size: u64,
        named: Option<ctsim::Named>,
        settings: &str,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        if let Err(error) = xtask::nats::program() {
            println!("SKIPPED: the server of NATS cannot be installed: {error:#}");
            return None;
        }
        let nats = Nats::start(folder.path(), 1).expect("NATS starts");
        let config = ctsim::Config { rfc6962: 1, static_ct: 1, rate, ..ctsim::Config::default() };
        let sim = logs(ctsim::Config {
            initial_size: 0,
            max_size: (rate > 0.0).then_some(size),
            publish_interval: Duration::from_millis(50),
            named,
            ..config
        })
        .await;
        std::fs::write(folder.path().join("key.pem"), sim.list_key_pem()).expect("writable");
        let (nodes, edges) = ([const { None }; 4], Arc::new(Mutex::new(Vec::new())));
        let (clients, settings) = (Vec::new(), settings.to_owned());
        let mut site = Self { sim, folder, nats, nodes, edges, clients, size, settings };
        for number in INGEST.into_iter().chain(EDGES) {
            site.start_node(number);
        }
        for number in EDGES {
            site.ready(number).await;
        }
        for (number, transport) in
            [Transport::WebSocket, Transport::Events, Transport::WebSocket].into_iter().enumerate()
        {
            site.clients.push(Client::start_at(number, &site.edges, transport, ""));
        }
        Some(site)
    }

    /// Adds so many entries to each log.
    pub(super) fn grow(&self, count: u64) {
        self.sim.logs().iter().for_each(|log| log.grow(count).expect("it grows"));
    }

    /// Starts a node that does not run.
    pub(super) fn start_node(&mut self, number: usize) {
        self.start_node_with(number, "");
    }

    /// Starts a node that does not run, with further lines of its configuration.
    pub(super) fn start_node_with(&mut self, number: usize, settings: &str) {
        let role = if INGEST.contains(&number) { "ingest" } else { "edge" };
        let file = format!(
            "role: {role}\ncluster: {{url: {:?}, max_bytes: 1GiB}}\ndedup: false\n\
             protocols: {{sse: true, api: true}}\n\
             ct_log: {{log_list_url: {:?}, log_list_key_file: {:?}, start: zero, \
             poll_interval_ms: 50, partial_tile_wait_ms: 50, retry_initial_delay_ms: 50}}\n\
             {}{settings}",
            self.nats.urls(),
            self.sim.list_url(),
            self.folder.path().join("key.pem"),
            self.settings,
        );
        self.nodes[number] = Some(Process::start(&file, &[], &[]));
        let addresses = EDGES.iter().filter_map(|edge| Some(self.nodes[*edge].as_ref()?.address));
        *self.edges.lock() = addresses.collect();
    }

    /// Returns the number of records in the end.
    pub(super) fn records(&self) -> usize {
        usize::try_from(LOGS * self.size).expect("few")
    }

    /// Kills a node.
    pub(super) fn kill(&mut self, number: usize) {
        drop(self.nodes[number].take()); // SIGKILL
    }

    /// Takes a node, which continues to run.
    pub(super) fn take(&mut self, number: usize) -> Process {
        self.nodes[number].take().expect("it runs")
    }

    pub(super) fn node(&self, number: usize) -> &Process {
        self.nodes[number].as_ref().expect("it runs")
    }

    /// Returns a response of a node, with its status; `None` if there is none.
    pub(super) async fn get(&self, number: usize, path: &str) -> Option<(u16, String)> {
        let address = self.nodes[number].as_ref()?.address;
        let request = reqwest::Client::new().get(format!("http://{address}{path}"));
        let response = request.timeout(Duration::from_secs(2)).send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    /// Returns a metric of a node, `None` if it does not respond.
    pub(super) async fn metric(&self, number: usize, name: &str) -> Option<u64> {
        let (_, text) = self.get(number, "/metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        // Gauges are written with a decimal point.
        value.and_then(|value| Some(value.parse::<f64>().ok()? as u64))
    }

    /// Waits until a node is ready for clients.
    pub(super) async fn ready(&self, number: usize) {
        let ready = async || {
            let (status, _) = self.get(number, "/health/ready").await?;
            (status == 200).then_some(())
        };
        eventually(&format!("node {number} is ready"), ready).await;
    }

    /// Returns the term that a node has read of.
    pub(super) async fn term(&self, number: usize) -> u64 {
        let term = async || self.metric(number, "certstream_cluster_term").await;
        eventually("a node knows the term", term).await
    }

    /// Waits until one of the nodes leads, but not `except`; returns its number.
    pub(super) async fn leader(&self, except: Option<usize>) -> usize {
        eventually("a node leads", async || {
            for number in INGEST.into_iter().filter(|number| Some(*number) != except) {
                if self.metric(number, "certstream_cluster_leader").await == Some(1) {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// Waits until all clients have at least so many records.
    pub(super) async fn clients_have(&self, count: usize) {
        let has = |client: &Client| client.received.lock().records.len() >= count;
        self.all_clients(&format!("all clients have {count} records"), has).await;
    }

    /// Waits until all clients have so many more records than the first one has now, or all there will be.
    pub(super) async fn clients_get(&self, more: usize) {
        let count = self.clients[0].received.lock().records.len();
        self.clients_have((count + more).min((LOGS * self.size) as usize)).await;
    }

    /// Waits until all clients have each entry of each log at least once.
    pub(super) async fn clients_have_everything(&self) {
        let has_all = |client: &Client| entries(client).len() as u64 == LOGS * self.size;
        self.all_clients("all clients have every entry", has_all).await;
    }

    /// Waits until something is true of all clients.
    async fn all_clients(&self, what: &str, is_true: impl Fn(&Client) -> bool) {
        self.all_of(&self.clients, what, is_true).await;
    }

    /// Waits until something is true of all these clients.
    pub(super) async fn all_of(
        &self,
        clients: &[Client],
        what: &str,
        is_true: impl Fn(&Client) -> bool,
    ) {
        let deadline = Instant::now() + PATIENCE;
        while !clients.iter().all(&is_true) {
            assert!(Instant::now() < deadline, "never happened: {what}\n{}", self.description());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Describes the clients and the nodes for a test that fails.
    fn description(&self) -> String {
        let mut text = format!("each of {LOGS} logs has {} entries in the end\n", self.size);
        for client in &self.clients {
            let entries = entries(client).len();
            let received = client.received.lock();
            text += &format!(
                "{:?}: {} records of {entries} entries, {} connections, last {:?}, {:?}\n",
                client.transport,
                received.records.len(),
                received.connections,
                received.records.last_key_value(),
                received.wrong,
            );
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let lines = node.as_ref().map(Process::lines).unwrap_or_default();
            text += &format!("node {number}:\n  {}\n", lines.join("\n  "));
        }
        text
    }

    /// Waits until all clients have everything, and checks that each has each entry once, in one order.
    pub(super) async fn finish(self) -> BTreeMap<u64, Entry> {
        self.clients_have_everything().await;
        let expected = LOGS * self.size;
        let first = self.clients[0].received.lock().records.clone();
        for client in &self.clients {
            let received = client.received.lock();
            assert_eq!(losses(client.transport, &received.wrong), [""; 0]);
            assert_eq!(received.records.len() as u64, expected, "{:?}", client.transport);
            assert!(received.records == first, "{:?} differs", client.transport);
        }
        first
    }
}

/// Returns the entries that a client has received.
pub(super) fn entries(client: &Client) -> BTreeSet<Entry> {
    client.received.lock().records.values().cloned().collect()
}

/// Returns the announcements that are not of a hole in the offsets behind which nothing is missing.
pub(super) fn losses(transport: Transport, wrong: &[String]) -> Vec<String> {
    let is_loss = |text: &String| {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        message["reason"] != "renumbered" || message["dropped"] != 0
    };
    wrong.iter().filter(|text| is_loss(text)).map(|text| format!("{transport:?}: {text}")).collect()
}
