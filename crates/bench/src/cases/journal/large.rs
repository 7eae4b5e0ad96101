//! A large journal: its start, look-ups in it, its memory, and replays of it alone and beside live
//! clients.
//!
//! It is filled by a server from simulated logs, and kept for other runs with as many entries or fewer.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};

use super::{data_dir, delete, figure, filled, wait_for_indexes};
use crate::clients::delivery::Delivery;
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::delays::Delays;
use crate::figures::report::Report;
use crate::harness::proc;
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::Plan;

/// Logs that fill the journal, and those that are followed later: others, so that the journal fits.
const LOGS: usize = 4;
const SEEDS: [&str; 2] = ["--seed=18", "--seed=19"];
/// Entries a second that all logs gain together while the journal is read.
const LIVE_RATE: f64 = 100.0;
/// Clients beside the replay.
const LIVE_CLIENTS: usize = 100;
/// Look-ups that are timed, with all files in the system's memory and with none.
const WARM: u64 = 2_000;
const COLD: u64 = 100;
/// The next index that is looked up: far from the last, and not in order.
const STEP: u64 = 1_000_003;
/// After a start, before its memory is measured.
const SETTLE: Duration = Duration::from_secs(15);
/// The description of a journal that was filled.
const DESCRIPTION: &str = "filled.json";

/// A journal with so many entries of each of these logs.
struct Filled {
    path: String,
    logs: Vec<String>,
    each: u64,
}

pub(super) fn run(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let filled = Filled::provide(plan.entries)?;
    let logs = logs(2_000, LIVE_RATE, SEEDS[1])?;
    let baseline = {
        let server = Server::start(&logs, &[("protocols.api", "true")])?;
        std::thread::sleep(SETTLE);
        proc::memory(server.id())?.anonymous
    };
    forget(Path::new(&filled.path))?;
    let settings = [("data_dir", filled.path.as_str()), ("protocols.api", "true")];
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

impl Filled {
    /// Returns a journal that is there and large enough, or fills one.
    fn provide(entries: u64) -> anyhow::Result<Self> {
        let dir = data_dir("large")?;
        let description = dir.join(DESCRIPTION);
        if let Ok(text) = std::fs::read_to_string(&description) {
            let said: Value = serde_json::from_str(&text)?;
            let each = said["each"].as_u64().context("no number of entries")?;
            let ids = said["logs"].as_array().context("no logs")?;
            if each >= entries / LOGS as u64 {
                let logs = ids.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                return Ok(Self { path: dir.display().to_string(), logs, each });
            }
        }
        delete(&dir)?;
        let each = entries / LOGS as u64;
        let filled = Self::fill(&dir, each)?;
        let said = json!({ "each": each, "logs": filled.logs });
        std::fs::write(description, said.to_string())?;
        Ok(filled)
    }

    fn fill(dir: &Path, each: u64) -> anyhow::Result<Self> {
        let logs = logs(each, 0.0, SEEDS[0])?;
        let path = dir.display().to_string();
        let settings = [("data_dir", path.as_str()), ("protocols.api", "true")];
        let server = filled(&logs, each * LOGS as u64, &settings)?;
        wait_for_indexes(&server)?;
        let logs = ids(&server)?;
        server.stop()?;
        Ok(Self { path, logs, each })
    }

    /// Returns the path of an entry.
    fn entry(&self, number: u64) -> String {
        let log = usize::try_from(number).unwrap_or(0) % self.logs.len().max(1);
        let log = self.logs.get(log).map_or("", String::as_str);
        format!("api/entry/{log}/{}", number.wrapping_mul(STEP) % self.each.max(1))
    }
}

fn logs(each: u64, rate: f64, seed: &str) -> anyhow::Result<Logs> {
    let group = LogGroup {
        rfc6962: LOGS / 2,
        static_ct: LOGS / 2,
        initial_size: each,
        rate: rate / LOGS as f64,
        publish_interval: Duration::from_millis(200),
    };
    Logs::start_with(&group, &[seed])
}

/// Returns the ids of all logs, as paths write them.
fn ids(server: &Server) -> anyhow::Result<Vec<String>> {
    let listed: Value = serde_json::from_str(&server.get("api/logs")?)?;
    let listed = listed["logs"].as_array().context("no logs")?;
    let ids = listed.iter().filter_map(|log| log["log_id"].as_str());
    Ok(ids.map(|id| id.replace('+', "-").replace('/', "_").replace('=', "")).collect())
}

/// Takes all files of a directory, and of those in it, out of the system's memory.
fn forget(dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            let file = File::open(&path)?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
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
