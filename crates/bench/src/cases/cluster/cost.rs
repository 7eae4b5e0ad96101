//! The cost of a cluster against a single server with the same load: reading logs, and serving
//! clients.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::{empty_folder, server};
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::report::Report;
use crate::harness::pause;
use crate::harness::proc::{self, Spent, Stopwatch};
use crate::harness::site::{LogGroup, Logs, Server, metric, wait_for};
use crate::plan::Plan;
use xtask::cluster::{Cluster, Role, Size};

/// Logs of each protocol.
const LOGS: usize = 2;
/// Measurements of each.
const ROUNDS: usize = 3;
const FROM_ZERO: &[(&str, &str)] = &[("ct_log.start", "zero"), ("dedup.enabled", "false")];
/// Between two looks at a server's counters, each of which costs it a little.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(600);
/// Before a measurement of clients.
const SETTLE: Duration = Duration::from_secs(5);
const CLIENTS: usize = 100;

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    ingest(plan, report)?;
    clients(plan, report)
}

fn logs(initial_size: u64, rate: f64) -> anyhow::Result<Rc<Logs>> {
    let group = LogGroup {
        rfc6962: LOGS,
        static_ct: LOGS,
        initial_size,
        rate,
        publish_interval: Duration::from_millis(500),
    };
    Ok(Rc::new(Logs::start(&group)?))
}

/// All entries exist at the start; a single server and a node that leads read them in turn.
fn ingest(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let entries = plan.entries / (2 * LOGS) as u64 * (2 * LOGS) as u64;
    let logs = logs(plan.entries / (2 * LOGS) as u64, 0.0)?;
    let (mut single, mut leader, mut nats) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let server = Server::start(&logs, FROM_ZERO)?;
        published(&server.address(), entries)?;
        single.push(proc::cpu(server.id())?);
        drop(server);
        let size = Size { nats: plan.nats, ingest: 1, edges: 0 };
        let cluster = Cluster::start(&empty_folder()?, size, self::server(&logs, FROM_ZERO))?;
        let node = cluster.servers.first().context("a node")?;
        published(&node.address(), entries)?;
        leader.push(proc::cpu(node.id().context("it runs")?)?);
        let servers = cluster.nats.ids().into_iter().map(proc::cpu);
        nats.push(servers.sum::<anyhow::Result<Duration>>()?);
    }
    let each = |cpu: &[Duration]| median(cpu) / entries as f64 * 1e6;
    let (single, leader, nats) = (each(&single), each(&leader), each(&nats));
    report.add(
        format!("cluster, ingest of {entries} entries through {} NATS servers", plan.nats),
        format!(
            "{leader:.1} µs CPU per entry of the node that leads, {single:.1} of a single server; all \
             servers of NATS {nats:.1}"
        ),
        "stated",
        json!({ "leader_us": leader, "single_us": single, "nats_us": nats }),
    );
    Ok(())
}

/// Waits until a server has published so many entries.
fn published(address: &str, entries: u64) -> anyhow::Result<()> {
    wait_for("all entries", PATIENCE, LOOK, || {
        let published = metric(address, "certstream_certificates_total").unwrap_or(0.0);
        Ok((published >= entries as f64).then_some(()))
    })
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

/// An edge and a single server deliver the same entries to as many clients, at the same time.
fn clients(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let logs = logs(2_000, plan.rate as f64 / (2 * LOGS) as f64)?;
    let single = Server::start(&logs, &[])?;
    let size = Size { nats: plan.nats, ingest: 1, edges: 1 };
    let cluster = Cluster::start(&empty_folder()?, size, server(&logs, &[]))?;
    let edge = cluster.servers.iter().find(|server| server.role == Role::Edge);
    let edge = edge.context("an edge")?;
    let servers =
        [(single.address(), single.id()), (edge.address(), edge.id().context("it runs")?)];
    let count = plan.clients(CLIENTS);
    let few = measure(plan, &servers, 1)?;
    let many = measure(plan, &servers, count)?;
    let more = count.saturating_sub(1).max(1) as f64;
    let [alone, of_edge] = [0, 1].map(|which: usize| {
        let of = |spent: &[Spent]| spent.get(which).map_or(f64::NAN, Spent::load);
        (of(&few), of(&many), (of(&many) - of(&few)) / more)
    });
    report.add(
        format!("cluster, {count} clients of an edge and as many of a single server, {} entries/s", plan.rate),
        format!(
            "{:.2} ms CPU a second for each further client, {:.2} of the single server: {:.2}×; {:.3} core \
             with all clients, {:.3} of the single server; with one {:.3} and {:.3}",
            of_edge.2 * 1e3,
            alone.2 * 1e3,
            of_edge.2 / alone.2,
            of_edge.1,
            alone.1,
            of_edge.0,
            alone.0,
        ),
        "≤ 1.05×",
        json!({
            "clients": count,
            "edge": [of_edge.0, of_edge.1],
            "single": [alone.0, alone.1],
        }),
    );
    Ok(())
}

/// Measures both servers while each has so many clients.
fn measure(plan: &Plan, servers: &[(String, u32)], clients: usize) -> anyhow::Result<Vec<Spent>> {
    let mut programs = Vec::new();
    for (address, _) in servers {
        let stay = plan.time(20) + PATIENCE;
        let mut load = Program::load(&LoadOptions::new(address.clone(), clients, stay))?;
        load.wait_for("connected")?;
        programs.push(load);
    }
    pause(SETTLE);
    let processes: Vec<_> = servers.iter().map(|(_, process)| [*process]).collect();
    let watches = processes.iter().map(|it| Stopwatch::start(it));
    let watches = watches.collect::<anyhow::Result<Vec<_>>>()?;
    pause(plan.time(20));
    watches.iter().map(Stopwatch::stop).collect()
}
