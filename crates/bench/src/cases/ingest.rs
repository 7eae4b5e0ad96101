//! The cost of ingest: all entries exist at the start, and the server reads from zero.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::proc::Stopwatch;
use crate::harness::site::{LogGroup, Logs, Server, wait};
use crate::plan::{Benchmark, Plan};

const LOGS: usize = 4;
/// Between two looks at the server's counters, each of which costs it a little.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "ingest", cases: &["rfc6962", "static-ct"], is_long: false, run };

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let (protocol, rfc6962, static_ct, target) = match case {
        "rfc6962" => ("RFC 6962", LOGS, 0, "≤ 20 µs, proof included"),
        _ => ("static-ct", 0, LOGS, "≤ 14 µs, proof included"),
    };
    let group = LogGroup {
        rfc6962,
        static_ct,
        initial_size: plan.entries / LOGS as u64,
        rate: 0.0,
        publish_interval: Duration::from_secs(1),
    };
    one_protocol(protocol, &group, target, report)
}

fn one_protocol(
    protocol: &str,
    group: &LogGroup,
    target: &'static str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let entries = group.initial_size * LOGS as u64;
    let logs = Logs::start(group)?;
    let simulation = proc::cpu(logs.id())?;
    let start = Instant::now();
    let server = Server::start(&logs, &[("ct_log.start", "zero")])?;
    let mut options = LoadOptions::lite(&server, 1, Duration::from_secs(120));
    options.path = "/?since=0".to_owned();
    let mut load = Program::load(&options)?;
    load.wait_for("connected")?;
    let processes = [server.id(), load.id(), logs.id(), std::process::id()];
    let watch = Stopwatch::start(&processes)?;
    wait("all entries", LOOK, || {
        let published = server.metric("certstream_certificates_total").unwrap_or(0.0);
        let left_out = server.metric("certstream_duplicates_total").unwrap_or(0.0);
        Ok((published + left_out >= entries as f64).then_some(()))
    })?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = proc::cpu(server.id())?.as_secs_f64();
    let simulation = (proc::cpu(logs.id())? - simulation).as_secs_f64();
    let others = watch.stop()?.disturbance();
    let sent = server.metric("certstream_messages_sent_total")?;
    let each = cpu / entries as f64 * 1e6;
    let rate = entries as f64 / wall;
    report.add(
        format!("ingest, {protocol}, {entries} entries of {LOGS} logs, one lite client"),
        format!("{each:.1} µs CPU per entry, {rate:.0} entries/s, start included; {others}"),
        target,
        json!({
            "entries": entries,
            "server_cpu_s": cpu,
            "wall_s": wall,
            "ctsim_cpu_s": simulation,
            "messages_sent": sent,
        }),
    );
    Ok(())
}
