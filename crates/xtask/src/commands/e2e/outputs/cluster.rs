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
use super::{GROWING, GROWING_EACH, RATE, consume_plain, growing, outputs};

const PATIENCE: Duration = Duration::from_secs(60);
/// Messages of a run before a kill: those of three seconds, in which its cursors are saved.
const MESSAGES: u64 = 3 * 4 * RATE;

/// Kills the node that runs the outputs; then the brokers must have each entry of each log.
pub(crate) fn cluster(python: &Path, kills: u64) -> anyhow::Result<()> {
    let here = empty_folder("outputs-cluster")?;
    let brokers = Brokers::start(python, &here, false)?;
    brokers.create_topic("certs")?;
    let config = here.join("config.yaml");
    std::fs::write(&config, outputs(&brokers, &here)?)?;
    let entries = RATE * (2 * GROWING + 2 * GROWING_EACH * kills);
    let logs = Logs::start(binary, &here, &growing(entries))?;
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
        let runner = wait_for_progress(&cluster)?;
        cluster.servers.get_mut(runner).context("a server")?.kill();
        cluster.start_server(runner)?;
    }
    let edge = cluster.edges().pop().context("an edge")?;
    consume_plain(&brokers, &format!("http://{edge}"), entries, &urls)
}

/// Waits until a server that runs the outputs was up to date once and has published so many
/// [`MESSAGES`] since then. Returns its number.
fn wait_for_progress(cluster: &Cluster) -> anyhow::Result<usize> {
    let start = Instant::now();
    let mut first = None;
    while start.elapsed() < PATIENCE {
        let running = cluster.servers.iter().enumerate().find_map(|(number, server)| {
            let published = Figures { port: server.port() }.published()?;
            Some((number, published))
        });
        match (first, running) {
            (Some((runner, before)), Some((number, (published, _)))) if runner == number => {
                if published >= before + MESSAGES {
                    return Ok(number);
                }
            }
            (_, running) => {
                let is_up_to_date = running.filter(|(_, (_, is_up_to_date))| *is_up_to_date);
                first = is_up_to_date.map(|(number, (published, _))| (number, published));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("no server runs the outputs: {first:?}")
}
