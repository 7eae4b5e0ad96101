//! Many logs of several hosts with common faults, for long: what is lost, how late entries are,
//! and whether memory grows.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::counts::Counts;
use crate::figures::delays::Delays;
use crate::figures::heads::{Heads, LogStats, log_stats};
use crate::figures::record;
use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::pause;
use crate::harness::proc::{self, Stopwatch};
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};

/// Of each protocol.
const LOGS: usize = 20;
/// Entries a second, all logs together.
const RATE: f64 = 3000.0;
/// The simulator's faults and limits: one request in twenty meets a fault, and both logs and hosts
/// refuse requests beyond a limit. Real front ends allow a client about 13 requests a second.
const FAULTS: [&str; 4] = ["--hosts=8", "--fault-per-mille=50", "--log-rate=13", "--host-rate=60"];
/// The interval at which the simulator's heads are read: the error of the delays.
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks at the server's memory.
const WEIGH: Duration = Duration::from_secs(10);
/// After the start, before anything is measured.
const SETTLE: Duration = Duration::from_secs(10);

/// The observations while the server ran.
struct Watched {
    heads: Heads,
    /// Resident memory, MB, every [`WEIGH`].
    memory: Vec<f64>,
    /// Of the server, for each entry published.
    cpu_us: f64,
    stats: Vec<LogStats>,
    host_violations: u64,
}

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "soak", cases: &["soak", "hour"], is_long: true, run };

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    if case == "hour" { hour(report) } else { faulty_logs(plan, report) }
}

/// As many entries as all logs together get in an hour and more, as fast as they are read well.
fn hour(report: &mut Report) -> anyhow::Result<()> {
    const LOGS: usize = 8;
    const RATE: f64 = 50_000.0;
    const ENTRIES: f64 = 10e6;
    let logs = Logs::start(&LogGroup {
        rfc6962: LOGS / 2,
        static_ct: LOGS / 2,
        initial_size: 2000,
        rate: RATE / LOGS as f64,
        publish_interval: Duration::from_secs(1),
    })?;
    let server = Server::start(&logs, &[])?;
    let longest = Duration::from_secs_f64(3.0 * ENTRIES / RATE);
    let mut load = Program::load(&LoadOptions::lite(&server, 1, longest))?;
    load.wait_for("connected")?;
    let mut memory = Vec::new();
    let start = Instant::now();
    let mut published = 0.0;
    while published < ENTRIES && start.elapsed() < longest {
        pause(WEIGH / 2);
        memory.push(proc::memory(server.id())?.resident);
        published = server.metric("certstream_certificates_total")?;
    }
    anyhow::ensure!(published >= ENTRIES, "only {published} entries in {longest:?}");
    let seconds = start.elapsed().as_secs();
    let what = format!("{:.1} million entries of {LOGS} logs in {seconds} s", published / 1e6);
    flatness(report, &what, &memory);
    Ok(())
}

fn faulty_logs(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let group = LogGroup {
        rfc6962: LOGS,
        static_ct: LOGS,
        initial_size: 2000,
        rate: RATE / (2 * LOGS) as f64,
        publish_interval: Duration::from_secs(1),
    };
    let logs = Logs::start_with(&group, &FAULTS)?;
    // Every entry is to be accounted for; what fails is known.
    let server = Server::start(&logs, &[("dedup.enabled", "false"), ("log_level", "error")])?;
    let file = folder()?.join("soak.received");
    let mut options = LoadOptions::lite(&server, 1, Duration::from_secs(60 * plan.minutes));
    options.warmup = SETTLE;
    options.record = Some(file.clone());
    let mut load = Program::load(&options)?;
    load.wait_for("measuring")?;
    let watched = watch(&logs, &server, &mut load)?;
    drop(server);

    let mut counts = Counts::default();
    let (mut from_head, mut from_sct) = (Delays::default(), Delays::default());
    record::for_each(&file, |message| {
        counts.add(&message);
        if let Some(published) = watched.heads.published(&message) {
            from_head.add(message.at.saturating_sub(published));
            from_sct.add(message.at.saturating_sub(message.submitted * 1000));
        }
    })?;
    let name =
        format!("soak, {} min, {} logs, {RATE:.0} entries/s, 5 % faults", plan.minutes, 2 * LOGS);
    delays(report, format!("{name}: head published by the log → read by the client"), &from_head);
    delays(report, "soak: the same from the SCT's time".to_owned(), &from_sct);
    completeness(report, &counts, &watched);
    lag(report, &counts, &watched.stats);
    costs(report, &watched);
    politeness(report, &watched);
    Ok(())
}

/// Watches logs and server until the load client is done.
fn watch(logs: &Logs, server: &Server, load: &mut Program) -> anyhow::Result<Watched> {
    let processes = [server.id(), logs.id(), load.id(), std::process::id()];
    let published = server.metric("certstream_certificates_total")?;
    let watch = Stopwatch::start(&processes)?;
    let mut heads = Heads::default();
    let mut memory = vec![proc::memory(server.id())?.resident];
    let mut weighed = Instant::now();
    load.wait_with("done", LOOK, || {
        if weighed.elapsed() >= WEIGH {
            memory.push(proc::memory(server.id())?.resident);
            weighed = Instant::now();
        }
        heads.look(logs)
    })?;
    let spent = watch.stop()?;
    let entries = server.metric("certstream_certificates_total")? - published;
    let hosts = logs.stats()?;
    let hosts = hosts.get("hosts").and_then(serde_json::Value::as_array);
    let violations = |host: &serde_json::Value| host.get("violations")?.as_u64();
    Ok(Watched {
        heads,
        memory,
        cpu_us: spent.cpu.as_secs_f64() * 1e6 / entries,
        stats: log_stats(logs)?,
        host_violations: hosts.into_iter().flatten().filter_map(violations).sum(),
    })
}

fn delays(report: &mut Report, what: String, delays: &Delays) {
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| delays.quantile(share).unwrap_or(f64::NAN));
    report.add(
        what,
        format!("median {p50:.0} ms, p99 {p99:.0} ms, longest {most:.0} ms"),
        "-",
        json!({ "p50_ms": p50, "p99_ms": p99, "max_ms": most }),
    );
}

fn completeness(report: &mut Report, counts: &Counts, watched: &Watched) {
    let faults: u64 = watched.stats.iter().map(|log| log.faults).sum();
    let (different, lost, repeated) = (counts.different(), counts.lost(), counts.repeated());
    report.add(
        format!("soak: {different} entries of {} logs through {faults} faults", counts.logs()),
        format!("{lost} lost, {repeated} repeated (by log and index)"),
        "0 lost, 0 repeated",
        json!({ "different": different, "lost": lost, "repeated": repeated, "faults": faults }),
    );
}

/// Reports the lag of each log when the client disconnected.
fn lag(report: &mut Report, counts: &Counts, stats: &[LogStats]) {
    let each = RATE / (2 * LOGS) as f64;
    let behind =
        |log: &LogStats| log.size.saturating_sub(counts.next_index(&log.url)) as f64 / each;
    let mut seconds: Vec<f64> = stats.iter().map(behind).collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let most = seconds.last().copied().unwrap_or(f64::NAN);
    report.add(
        "soak: lag of each log at the end",
        format!("median {median:.1} s, longest {most:.1} s"),
        "-",
        json!({ "seconds": seconds }),
    );
}

fn costs(report: &mut Report, watched: &Watched) {
    let Watched { memory, cpu_us, .. } = watched;
    flatness(report, "soak", memory);
    report.add(
        "soak: CPU of the server",
        format!("{cpu_us:.1} µs an entry, heads and faults included"),
        "-",
        json!({ "us_per_entry": cpu_us }),
    );
}

/// Reports the growth of memory, from samples in equal intervals.
fn flatness(report: &mut Report, what: &str, memory: &[f64]) {
    let third = (memory.len() / 3).max(1);
    let median = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    };
    // The first third still fills the ring.
    let middle = median(&memory[third.min(memory.len() - 1)..memory.len().min(2 * third + 1)]);
    let last = median(&memory[memory.len() - third..]);
    let most = memory.iter().copied().fold(0.0, f64::max);
    report.add(
        format!("{what}: resident memory"),
        format!("middle third {middle:.1} MB, last third {last:.1} MB, most {most:.1} MB"),
        "flat",
        json!({ "mb": memory }),
    );
}

fn politeness(report: &mut Report, watched: &Watched) {
    let requests: u64 = watched.stats.iter().map(|log| log.requests).sum();
    let of_logs: u64 = watched.stats.iter().map(|log| log.violations).sum();
    let of_hosts = watched.host_violations;
    report.add(
        format!("soak: requests beyond the limits of logs or hosts, of {requests}"),
        format!("{of_logs} beyond a log's, {of_hosts} beyond a host's"),
        "-",
        json!({ "requests": requests, "log_violations": of_logs, "host_violations": of_hosts }),
    );
}
