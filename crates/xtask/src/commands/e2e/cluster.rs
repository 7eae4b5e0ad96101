//! `certstream-arrow` behind a load balancer that sends it from one edge of a cluster to the other,
//! because they are killed again and again.

mod balancer;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use xtask::cluster::{Cluster, Role, Size};
use xtask::collect::{analysts, empty_folder, inspect, script, wait_for_rows};
use xtask::logs::Logs;
use xtask::process::{Process, binary, complete};

use balancer::Balancer;

/// Entries of each of the four logs, and those that it gains a second.
const ENTRIES: u64 = 3_000;
const RATE: u64 = 200;
/// Kills of an edge, and the time between two of them.
const KILLS: usize = 6;
const BETWEEN: Duration = Duration::from_secs(2);

/// Kills the edges in turn; then the collector's file must have each certificate once.
pub(super) fn collector() -> anyhow::Result<()> {
    let python = analysts()?;
    let here = empty_folder("cluster")?;
    let grow = [("initial-size", 0), ("rate", RATE), ("max-size", ENTRIES)];
    let logs = Logs::start(binary, &here, &grow)?;
    let urls = logs.urls();
    let total = ENTRIES * urls.len() as u64;
    let size = Size { nats: 1, ingest: 1, edges: 2 };
    // The logs run as long as the cluster.
    let mut cluster = Cluster::start(&here, size, move |port| logs.server(port))?;
    let balancer = Balancer::start(cluster.edges())?;
    let file = here.join("certs.feather");
    let mut command = binary("certstream-arrow");
    command.args(["--url", &balancer.url(), "--from-oldest", "--flush-interval", "50ms"]);
    command.args(["-b", "500", "--log-level", "error", "-o"]).arg(&file);
    let collector = Process::start(&mut command)?;
    let edges = |cluster: &Cluster| -> Vec<usize> {
        let servers = cluster.servers.iter().enumerate();
        servers.filter(|(_, it)| it.role == Role::Edge).map(|(number, _)| number).collect()
    };
    for number in edges(&cluster).into_iter().cycle().take(KILLS) {
        std::thread::sleep(BETWEEN);
        cluster.servers.get_mut(number).context("an edge")?.kill();
        std::thread::sleep(BETWEEN / 4);
        cluster.start_server(number)?;
    }
    wait_for_rows(binary, &here, total)?;
    let (status, _) = collector.terminate()?;
    ensure!(status.success(), "the collector ended with {status}");
    complete(script(&python, "once.py").arg(&file).arg(ENTRIES.to_string()).args(urls))?;
    let report = inspect(binary, &file)?;
    let gaps = report.get("gap_count").and_then(Value::as_u64).context("a number of gaps")?;
    ensure!(gaps == 0, "the file has {gaps} gaps");
    let connections = balancer.connections();
    ensure!(connections > KILLS / 2, "the collector has connected only {connections} times");
    println!("killed edges {KILLS} times; the collector connected {connections} times");
    Ok(())
}
