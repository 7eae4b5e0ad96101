//! Outputs of a cluster: the node that runs them is killed, and another one continues.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use xtask::cluster::{Cluster, Size};
use xtask::collect::empty_folder;
use xtask::logs::Logs;
use xtask::process::{binary, complete};

use super::brokers::Brokers;
use super::figures::Figures;
use super::{GROWING, GROWING_EACH, RATE, consume_plain, outputs};

const PATIENCE: Duration = Duration::from_secs(60);
/// Messages of a run before a kill: more than those of the second after which its cursors are saved.
const MESSAGES: u64 = 5 * RATE * 4 / 2;

/// Kills the node that runs the outputs; then the brokers must have each entry of each log.
pub(crate) fn cluster(python: &Path, kills: u64) -> anyhow::Result<()> {
    let here = empty_folder("outputs-cluster")?;
    let brokers = Brokers::start(python, &here, false)?;
    brokers.create_topic("certs")?;
    let config = here.join("config.yaml");
    std::fs::write(&config, outputs(&brokers, &here)?)?;
    let entries = RATE * (GROWING + GROWING_EACH * kills);
    let grow = [("initial-size", 0), ("rate", RATE), ("max-size", entries)];
    let logs = Logs::start(binary, &here, &grow)?;
    let urls = logs.urls();
    let size = Size { nats: 1, ingest: 2, edges: 1 };
    let mut cluster = Cluster::start(&here, size, move |port| {
        let mut command = logs.server(port)?;
        command.arg("--config").arg(&config).arg("--protocols-sse=true");
        Ok(command)
    })?;
    // A new output begins with the newest entry; consumers are to have all.
    let mut republish = brokers.script("republish.py");
    complete(republish.arg(cluster.nats.urls()).args(["nats", "kafka"]))?;
    for _ in 0..kills {
        let runner = wait_for_runner(&cluster)?;
        cluster.servers.get_mut(runner).context("a server")?.kill();
        wait_for_runner(&cluster)?;
        cluster.start_server(runner)?;
    }
    let edge = cluster.edges().pop().context("an edge")?;
    consume_plain(&brokers, &format!("http://{edge}"), entries, &urls)
}

/// Returns the number of the server that runs the outputs, once it has published [`MESSAGES`].
fn wait_for_runner(cluster: &Cluster) -> anyhow::Result<usize> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut servers = cluster.servers.iter();
        let is_runner = |port| Figures { port }.is_runner(MESSAGES);
        if let Some(runner) = servers.position(|it| it.id().is_some() && is_runner(it.port())) {
            return Ok(runner);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("no server runs the outputs")
}
