//! Entries that a cluster has skipped are read by the node that leads, also if that is another one in the
//! middle.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use config::Role;
use ctsim::fault::{Fault, Scope, Times};
use ctsim::{Endpoint, LogHandle, Sim};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use xtask::nats::Nats;

use crate::harness::{Running, Socket, eventually, logs, next_json, reads_all};
use crate::operations::process::PROGRAM;
use crate::program::Process;

/// Entries that each log has at the start, and that are read.
const READ: u64 = 10;
/// Entries that each gains while no node reads, and that are skipped.
const SKIPPED: u64 = 400;
const END: u64 = READ + SKIPPED;
/// Groups of two logs that have the same certificates.
const GROUPS: usize = 2;

/// A server of NATS, two nodes that read logs, and an edge.
struct Cluster {
    sim: Sim,
    folder: TempDir,
    nats: Nats,
    nodes: [Option<Process>; 2],
    edge: Option<Process>,
}

impl Cluster {
    /// Starts everything, and has the logs skip entries. `None` if NATS cannot be installed: the test is
    /// then skipped.
    async fn that_has_skipped() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        if let Err(error) = xtask::nats::program() {
            println!("SKIPPED: the server of NATS cannot be installed: {error:#}");
            return None;
        }
        let nats = Nats::start(folder.path(), 1).expect("NATS starts");
        let sim = logs(ctsim::Config {
            rfc6962: GROUPS,
            static_ct: GROUPS,
            copies: 2,
            rate: 0.0,
            initial_size: READ,
            page_limit: 100,
            publish_interval: Duration::from_millis(20),
            ..ctsim::Config::default()
        })
        .await;
        std::fs::write(folder.path().join("key.pem"), sim.list_key_pem()).expect("writable");
        let mut cluster = Self { sim, folder, nats, nodes: [None, None], edge: None };
        cluster.start_nodes();
        cluster.edge = Some(Process::start(&cluster.file("edge"), &[], &[]));
        for log in cluster.sim.logs() {
            let is_read = async || {
                (of_log(cluster.edge(), log).await?["current_index"] == READ).then_some(())
            };
            eventually("the log is read", is_read).await;
        }
        cluster.nodes = [None, None]; // SIGKILL
        cluster.sim.logs().iter().for_each(|log| log.grow(SKIPPED).expect("it grows"));
        // The program refuses so small a limit.
        let mut limited = reads_all(&cluster.sim, &cluster.folder);
        limited.role = Role::Ingest;
        limited.cluster.url = vec![cluster.nats.urls()];
        limited.ct_log.max_catchup_lag_entries = 100;
        limited.ct_log.start_overlap_leaves = 0;
        let node = Running::start(limited).await;
        for log in cluster.sim.logs() {
            lacks(cluster.edge(), log, &skipped()).await;
        }
        node.stop().await;
        cluster.start_nodes();
        Some(cluster)
    }

    /// Returns the configuration of a node.
    fn file(&self, role: &str) -> String {
        // Too few certificates are remembered to recognise those of the other log: only the stream
        // knows them. After a failure a log is left alone for longer than the test takes.
        format!(
            "role: {role}\ncluster: {{url: {:?}, max_bytes: 1GiB}}\ndedup: {{capacity: 10}}\n\
             protocols: {{api: true}}\n\
             ct_log: {{log_list_url: {:?}, log_list_key_file: {:?}, start: zero, \
             poll_interval_ms: 50, partial_tile_wait_ms: 50, retry_max_attempts: 1, \
             retry_initial_delay_ms: 60000, retry_max_delay_ms: 60000}}\n",
            self.nats.urls(),
            self.sim.list_url(),
            self.folder.path().join("key.pem"),
        )
    }

    fn start_nodes(&mut self) {
        let file = self.file("ingest");
        self.nodes = [0, 1].map(|_| Some(Process::start(&file, &[], &[])));
    }

    fn edge(&self) -> SocketAddr {
        self.edge.as_ref().expect("it runs").address
    }

    /// Connects a client to the edge.
    async fn connect(&self, path: &str) -> Socket {
        let url = format!("ws://{}{path}", self.edge());
        tokio_tungstenite::connect_async(url).await.expect("the edge accepts").0
    }

    /// Kills the node that leads.
    async fn kill_leader(&mut self) {
        let leader = eventually("a node leads", async || {
            for (number, node) in self.nodes.iter().enumerate() {
                let Some(node) = node else { continue };
                let metrics = format!("http://{}/metrics", node.address);
                let metrics = reqwest::get(metrics).await.ok()?.text().await.ok()?;
                // Gauges may be written with a decimal point.
                if metrics.lines().any(|line| line.starts_with("certstream_cluster_leader 1")) {
                    return Some(number);
                }
            }
            None
        })
        .await;
        drop(self.nodes[leader].take()); // SIGKILL
    }

    /// Begins to run the command for these logs, on a machine that needs nothing but the configuration.
    fn backfill<'l>(&self, logs: impl IntoIterator<Item = &'l LogHandle>) -> JoinHandle<Output> {
        let configuration: PathBuf = self.folder.path().join("config.yaml");
        std::fs::write(&configuration, self.file("edge")).expect("writable");
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(&configuration).arg("backfill").env_clear();
        for log in logs {
            command.args(["--log", log.description()]);
        }
        tokio::task::spawn_blocking(move || command.output().expect("the program runs"))
    }
}

async fn of_log(address: SocketAddr, log: &LogHandle) -> Option<Value> {
    let answer = reqwest::get(format!("http://{address}/api/logs")).await.ok()?;
    let mut answer: Value = answer.json().await.ok()?;
    let logs = answer["logs"].as_array_mut()?;
    let found = logs.iter_mut().find(|each| each["name"] == log.description())?;
    Some(found.take())
}

/// Waits until the API has these missing ranges of a log.
async fn lacks(address: SocketAddr, log: &LogHandle, expected: &Value) {
    let what = format!("{expected} of {} is missing", log.description());
    let is_so = async || (of_log(address, log).await?["missing"] == *expected).then_some(());
    eventually(&what, is_so).await;
}

fn skipped() -> Value {
    json!([{"first": READ, "end": END, "reason": "skipped"}])
}

/// Returns what the command has printed.
async fn printed(command: JoinHandle<Output>) -> Result<String, String> {
    let output = command.await.expect("no panic");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(text) } else { Err(errors) }
}

/// Reads the messages up to that of the entry that the logs have gained last, and returns those that
/// are backfilled, by offset.
async fn backfilled(socket: &mut Socket) -> BTreeMap<u64, Value> {
    let mut messages = BTreeMap::new();
    loop {
        let message = next_json(socket).await;
        if message["backfilled"] == true {
            let offset = message["offset"].as_u64().expect("an offset");
            assert!(messages.insert(offset, message).is_none(), "{offset} comes twice");
        } else if message["data"]["cert_index"] == END {
            return messages;
        }
    }
}

/// Checks that messages are those of each certificate of the skipped entries, each once.
fn are_skipped(messages: &BTreeMap<u64, Value>) {
    let entry = |message: &Value| {
        let index = message["data"]["cert_index"].as_u64().expect("an index");
        assert!((READ..END).contains(&index), "{message}");
        (message["data"]["source"]["url"].to_string(), index)
    };
    let fingerprint = |message: &Value| message["data"]["leaf_cert"]["fingerprint"].to_string();
    let expected = GROUPS * SKIPPED as usize;
    assert_eq!(messages.len(), expected);
    assert_eq!(messages.values().map(entry).collect::<BTreeSet<_>>().len(), expected);
    assert_eq!(messages.values().map(fingerprint).collect::<BTreeSet<_>>().len(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_skipped_is_read_once_although_the_leader_is_killed() {
    let Some(mut cluster) = Cluster::that_has_skipped().await else { return };
    let mut live = cluster.connect("/").await;
    let mut asking = cluster.connect("/?backfilled=true").await;
    let listed = printed(cluster.backfill([])).await.expect("it lists");
    let gap = "400 entries are missing\n  10 to 409: skipped";
    assert_eq!(listed.matches(gap).count(), cluster.sim.logs().len(), "{listed}");

    // The second and the fourth log have the same certificates.
    let [one, held, same, same_as_held] = cluster.sim.logs() else { panic!("four logs") };
    held.faults().inject(Scope::Entries, Fault::HangUp, Times::UntilCleared);
    let requests = || held.stats().requests(Endpoint::GetEntries);
    let before = requests();
    let command = cluster.backfill([one, same, held, same_as_held]);
    let edge = cluster.edge();
    for log in [one, same] {
        lacks(edge, log, &json!([])).await;
    }
    eventually("the next log is requested", async || (requests() > before).then_some(())).await;
    cluster.kill_leader().await;
    let [one, held, same, same_as_held] = cluster.sim.logs() else { panic!("four logs") };
    held.faults().clear();
    let done = printed(command).await.expect("the next leader continues");
    for (log, is_continued) in [(one, false), (same, false), (held, true), (same_as_held, true)] {
        lacks(edge, log, &json!([])).await;
        let line = format!("{}: 400 entries read, none is missing any more", log.description());
        assert_eq!(done.contains(&line), is_continued, "{done}");
    }
    let nothing = printed(cluster.backfill(&cluster.sim.logs()[..1])).await;
    let nothing = nothing.expect_err("nothing is missing");
    assert!(nothing.contains("no entry is missing"), "{nothing}");

    cluster.sim.logs()[0].grow(1).expect("it grows");
    assert!(backfilled(&mut live).await.is_empty());
    let shown = backfilled(&mut asking).await;
    are_skipped(&shown);
    let mut again = cluster.connect("/?since=0&backfilled=true").await;
    assert_eq!(backfilled(&mut again).await, shown);
    let mut unasked = cluster.connect("/?since=0").await;
    assert!(backfilled(&mut unasked).await.is_empty());
}
