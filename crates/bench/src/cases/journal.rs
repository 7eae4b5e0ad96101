//! The journal: what it adds to ingest, how fast it is replayed and searched, and how long a start
//! takes with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::delays::Delays;
use crate::figures::report::Report;
use crate::harness::site::{LogGroup, Logs, Server, wait};
use crate::harness::{folder, proc};
use crate::plan::{Benchmark, Plan};

const LOGS: usize = 4;
/// Between two looks at the server's counters, each of which costs it a little.
const LOOK: Duration = Duration::from_millis(100);
/// Clients beside the replay.
const LIVE: usize = 100;
/// Look-ups that are timed.
const LOOKUPS: u64 = 1_000;

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "journal", cases: &["cost", "replay", "look-up"], is_long: true, run };

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let rate = if case == "replay" { 100.0 } else { 0.0 };
    let group = LogGroup {
        rfc6962: LOGS / 2,
        static_ct: LOGS / 2,
        initial_size: plan.entries / LOGS as u64,
        rate,
        publish_interval: Duration::from_millis(200),
    };
    let logs = Logs::start(&group)?;
    let entries = group.initial_size * LOGS as u64;
    let data = data_dir()?;
    match case {
        "cost" => cost(&logs, entries, &data, report),
        "replay" => replay(plan, &logs, entries, &data, report),
        _ => look_up(&logs, entries, &data, report),
    }
}

/// Returns an empty directory.
fn data_dir() -> anyhow::Result<String> {
    let data: PathBuf = folder()?.join("journal");
    if data.try_exists()? {
        std::fs::remove_dir_all(&data)?;
    }
    Ok(data.display().to_string())
}

/// Starts a server that reads everything, and returns it once it has.
fn filled(logs: &Logs, entries: u64, more: &[(&str, &str)]) -> anyhow::Result<Server> {
    let basics = [("ct_log.start", "zero"), ("protocols.api", "true")];
    let server = Server::start(logs, &[&basics, more].concat())?;
    wait("all entries", LOOK, || {
        let published = server.metric("certstream_certificates_total").unwrap_or(0.0);
        let left_out = server.metric("certstream_duplicates_total").unwrap_or(0.0);
        Ok((published + left_out >= entries as f64).then_some(()))
    })?;
    Ok(server)
}

fn journal(server: &Server) -> anyhow::Result<Value> {
    let stats: Value = serde_json::from_str(&server.get("api/stats")?)?;
    stats.get("journal").cloned().context("/api/stats has no journal")
}

fn cost(logs: &Logs, entries: u64, data: &str, report: &mut Report) -> anyhow::Result<()> {
    let without = filled(logs, entries, &[])?;
    let cpu_without = proc::cpu(without.id())?.as_secs_f64();
    drop(without);
    let server = filled(logs, entries, &[("data_dir", data)])?;
    let cpu = proc::cpu(server.id())?.as_secs_f64();
    let stats = journal(&server)?;
    let bytes = stats["bytes"].as_f64().context("no bytes")?;
    let records = stats["entries"].as_f64().context("no entries")?;
    let added = (cpu - cpu_without) / entries as f64 * 1e6;
    report.add(
        format!("journal, {entries} entries, {records} records"),
        format!("{added:.1} µs CPU per entry more, {:.0} bytes per record", bytes / records),
        "≤ 3 µs, ≤ 650 bytes",
        json!({ "cpu_s": cpu, "cpu_without_s": cpu_without, "bytes": bytes, "records": records }),
    );
    Ok(())
}

fn replay(
    plan: &Plan,
    logs: &Logs,
    entries: u64,
    data: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let server = filled(logs, entries, &[("data_dir", data)])?;
    let time = plan.time(10);
    let mut live = LoadOptions::lite(&server, LIVE, time);
    live.warmup = Duration::ZERO;
    let alone = Program::load(&live)?.wait_for("done")?;
    let mut beside = Program::load(&live)?;
    beside.wait_for("measuring")?;
    let mut options = LoadOptions::lite(&server, 1, time);
    options.path = "/?since=0".to_owned();
    options.warmup = Duration::ZERO;
    let mut load = Program::load(&options)?;
    let replayed = load.wait_for("done")?;
    let beside = beside.wait_for("done")?;
    let number = |said: &Value, name: &str| said[name].as_f64().unwrap_or(f64::NAN);
    let rate = number(&replayed, "messages") / time.as_secs_f64();
    let (p99, beside_p99) = (number(&alone, "p99_ms"), number(&beside, "p99_ms"));
    report.add(
        format!("replay of {entries} entries to one client beside {LIVE} live ones"),
        format!("{rate:.0} msg/s; live p99 {beside_p99:.1} ms beside it, {p99:.1} ms alone"),
        "≥ 100 k msg/s on an idle core",
        json!({ "replay": replayed, "live_beside": beside, "live_alone": alone }),
    );
    Ok(())
}

fn look_up(logs: &Logs, entries: u64, data: &str, report: &mut Report) -> anyhow::Result<()> {
    let server = filled(logs, entries, &[("data_dir", data)])?;
    drop(server);
    let since = Instant::now();
    let settings = [("data_dir", data), ("protocols.api", "true")];
    let server = Server::start(logs, &settings)?;
    let start = since.elapsed();
    let listed: Value = serde_json::from_str(&server.get("api/logs")?)?;
    let listed = listed["logs"].as_array().context("no logs")?;
    let ids: Vec<String> = listed
        .iter()
        .filter_map(|log| log["log_id"].as_str())
        .map(|id| id.replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned())
        .collect();
    let first = ids.first().context("no log has an id")?;
    wait("the indexes", LOOK, || Ok(server.get(&format!("api/entry/{first}/0")).ok()))?;
    let (mut delays, mut found) = (Delays::default(), 0_u64);
    for number in 0..LOOKUPS {
        let log = &ids[usize::try_from(number)? % ids.len()];
        let index = (number * 7919) % (entries / LOGS as u64);
        let Ok(entry) = server.get(&format!("api/entry/{log}/{index}")) else { continue };
        let entry: Value = serde_json::from_str(&entry)?;
        let hash = entry["sha256"].as_str().context("no hash")?.to_owned();
        let since = Instant::now();
        server.get(&format!("api/cert/{hash}"))?;
        delays.add(u64::try_from(since.elapsed().as_micros())?);
        found += 1;
    }
    let quantile = |share| delays.quantile(share).context("nothing was found");
    let (p50, p99) = (quantile(0.5)?, quantile(0.99)?);
    report.add(
        format!("start with a journal, and look-ups by hash in it ({found}, warm)"),
        format!("start {} ms; p50 {p50:.2} ms, p99 {p99:.2} ms", start.as_millis()),
        "≤ 1 s; ≤ 5 ms",
        json!({ "start_ms": start.as_millis(), "p50_ms": p50, "p99_ms": p99, "found": found }),
    );
    Ok(())
}
