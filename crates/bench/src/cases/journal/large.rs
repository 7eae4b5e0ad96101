//! A large journal: its start, look-ups in it, its memory, and replays of it alone and beside live
//! clients.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::filled::{Filled, SETTLE, forget, live_logs};
use super::{figure, wait_for_indexes};
use crate::clients::delivery::Delivery;
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::delays::Delays;
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::site::{Logs, Server};
use crate::plan::Plan;

/// Entries a second that all logs gain together while the journal is read.
const LIVE_RATE: f64 = 100.0;
/// Clients beside the replay.
const LIVE_CLIENTS: usize = 100;
/// Look-ups that are timed, with all files in the system's memory and with none.
const WARM: u64 = 2_000;
const COLD: u64 = 100;

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let filled = Filled::provide(plan.entries)?;
    let logs = live_logs(LIVE_RATE)?;
    let baseline = {
        let server = Server::start(&logs, &[("protocols.api", "true")])?;
        std::thread::sleep(SETTLE);
        proc::memory(server.id())?.anonymous
    };
    forget(Path::new(&filled.path))?;
    let settings = filled.settings();
    let since = Instant::now();
    let server = Server::start(&logs, &settings)?;
    let start = since.elapsed();
    wait_for_indexes(&server)?;
    let indexed = since.elapsed();
    std::thread::sleep(SETTLE);
    let memory = proc::memory(server.id())?.anonymous;
    let (bytes, records) = (figure(&server, "bytes")?, figure(&server, "entries")?);
    report.add(
        format!("start with a journal of {:.2} GiB, {records} records", bytes / (1_u64 << 30) as f64),
        format!(
            "{} ms until it answers, with no file in the system's memory; {} ms until all indexes are \
             there; {:.1} MB anonymous memory more ({baseline:.1} without)",
            start.as_millis(),
            indexed.as_millis(),
            memory - baseline,
        ),
        "≤ 1 s, ≤ 40 MB",
        json!({
            "start_ms": start.as_millis(),
            "indexed_ms": indexed.as_millis(),
            "bytes": bytes,
            "records": records,
            "bytes_per_record": bytes / records,
            "anonymous_mb": [baseline, memory],
        }),
    );
    look_ups(&server, &filled, baseline, report)?;
    replays(plan, &logs, &server, report)
}

fn look_ups(
    server: &Server,
    filled: &Filled,
    baseline: f64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut warm, mut cold) = (Delays::default(), Delays::default());
    let dir = Path::new(&filled.path);
    for (delays, count, is_cold) in [(&mut warm, WARM, false), (&mut cold, COLD, true)] {
        for number in 0..count {
            let entry: Value = serde_json::from_str(&server.get(&filled.entry(number))?)?;
            let hash = entry["sha256"].as_str().context("an entry has no hash")?.to_owned();
            if is_cold {
                forget(dir)?;
            }
            let since = Instant::now();
            server.get(&format!("api/cert/{hash}"))?;
            delays.add(u64::try_from(since.elapsed().as_micros())?);
        }
    }
    let memory = proc::memory(server.id())?.anonymous - baseline;
    let quantile = |delays: &Delays, share| delays.quantile(share).context("nothing was found");
    let [warm, cold] =
        [&warm, &cold].map(|it| anyhow::Ok([quantile(it, 0.5)?, quantile(it, 0.99)?]));
    let ([w50, w99], [c50, c99]) = (warm?, cold?);
    report.add(
        format!("look-ups by hash, {WARM} with all files in the system's memory, {COLD} with none"),
        format!(
            "p50 {w50:.2}, p99 {w99:.2} ms; cold {c50:.1}, {c99:.1} ms; {memory:.1} MB anonymous memory more \
             than without a journal"
        ),
        "p99 ≤ 5 ms, ≤ 40 MB",
        json!({ "warm_ms": [w50, w99], "cold_ms": [c50, c99], "memory_mb": memory }),
    );
    Ok(())
}

fn replays(plan: &Plan, logs: &Logs, server: &Server, report: &mut Report) -> anyhow::Result<()> {
    let time = plan.time(10);
    let replay = LoadOptions {
        path: "/?since=0".to_owned(),
        warmup: Duration::ZERO,
        ..LoadOptions::lite(server, 1, time)
    };
    let live = LoadOptions::lite(server, LIVE_CLIENTS, time);
    let others = [logs.id()];
    let alone = Delivery::measure(server.id(), &others, &replay)?;
    report.add(
        "replay to one client",
        format!(
            "{:.0} msg/s, {:.2} CPU-s per million; {}",
            alone.rate(),
            alone.cpu_per_million(),
            alone.spent.disturbance()
        ),
        "≥ 100,000 msg/s on an idle core",
        json!({ "replay": alone.raw() }),
    );
    let live_alone = Delivery::measure(server.id(), &others, &live)?;
    let mut beside = Program::load(&live)?;
    beside.wait_for("measuring")?;
    let replayed = Delivery::measure(server.id(), &[logs.id(), beside.id()], &replay)?;
    let beside = beside.wait_for("done")?;
    let p99 = |said: &Value| said["p99_ms"].as_f64().unwrap_or(f64::NAN);
    let (with, without) = (p99(&beside), live_alone.number("p99_ms"));
    report.add(
        format!("replay to one client beside {LIVE_CLIENTS} live ones at {LIVE_RATE} msg/s"),
        format!(
            "{:.0} msg/s; live p99 {with:.1} ms, {without:.1} ms without the replay ({:.2}×); {}",
            replayed.rate(),
            with / without,
            replayed.spent.disturbance()
        ),
        "≥ 25,000 msg/s, live p99 < 2×",
        json!({ "replay": replayed.raw(), "beside": beside, "live_alone": live_alone.raw() }),
    );
    Ok(())
}
