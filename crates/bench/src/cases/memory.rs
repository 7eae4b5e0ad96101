//! Resident memory: with nothing to do, with idle clients, with clients that get messages. And what
//! comes with it: the load of an idle server, and how long a crowd takes to connect.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::report::Report;
use crate::harness::pause;
use crate::harness::proc::{self, Memory, Stopwatch};
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "memory", cases: &["idle", "fifty", "busy", "crowd"], is_long: false, run };

/// Eight logs.
const EACH_PROTOCOL: usize = 4;
/// After the start, before idling is measured.
const SETTLE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(15);
/// After it the server has given back what only its start needed.
const START: Duration = Duration::from_secs(75);
const IDLE_CLIENTS: Duration = Duration::from_secs(15);
const BUSY_CLIENTS: Duration = Duration::from_secs(30);
/// Connections of the large crowd.
const CROWD: usize = 10_000;
/// Longer than any of the phases.
const STAY: Duration = Duration::from_secs(100);

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    match case {
        "idle" => idle(plan, report),
        "fifty" => fifty(report),
        "busy" => busy(plan, report),
        _ => crowd(report),
    }
}

fn logs(each_protocol: usize, rate: f64) -> anyhow::Result<Logs> {
    Logs::start(&LogGroup {
        rfc6962: each_protocol,
        static_ct: each_protocol,
        initial_size: 2000,
        rate,
        publish_interval: Duration::from_secs(1),
    })
}

fn idle(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let logs = logs(EACH_PROTOCOL, 0.0)?;
    let server = Server::start(&logs, &[])?;
    pause(START);
    let processes = [server.id(), logs.id(), std::process::id()];
    let watch = Stopwatch::start(&processes)?;
    pause(IDLE);
    let spent = watch.stop()?;
    report_memory(report, "memory, idle, 8 logs", &server, "≤ 14 MB")?;
    report.add(
        "CPU, idle, 8 logs without new entries, default polling",
        format!("{:.2} % of a core ({})", spent.load() * 100.0, spent.disturbance()),
        "≤ 1 %",
        json!({ "cores": spent.load() }),
    );
    let (_load, connected) = connect(&server, plan.crowd())?;
    let clients = plan.crowd();
    let what = format!("memory, {clients} idle lite clients, 8 logs");
    report_memory(report, &what, &server, "≤ 25 MB")?;
    let number = |name: &str| connected.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    report.add(
        format!("connect and handshake, {clients} clients at once"),
        format!("median {:.1} ms, all in {:.1} ms", number("p50_ms"), number("max_ms")),
        "median ≤ 20 ms",
        connected.clone(),
    );
    Ok(())
}

fn fifty(report: &mut Report) -> anyhow::Result<()> {
    let logs = logs(25, 0.0)?;
    let server = Server::start(&logs, &[])?;
    pause(START + IDLE);
    report_memory(report, "memory, idle, 50 logs", &server, "≤ 20 MB").map(drop)
}

fn busy(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let logs = logs(EACH_PROTOCOL, 100.0 / (2.0 * EACH_PROTOCOL as f64))?;
    let server = Server::start(&logs, &[])?;
    let mut load = Program::load(&LoadOptions::lite(&server, plan.crowd(), STAY))?;
    load.wait_for("connected")?;
    pause(BUSY_CLIENTS);
    let what = format!("memory, {} lite clients at 100 msg/s, after 30 s", plan.crowd());
    report_memory(report, &what, &server, "≤ 50 MB").map(drop)
}

fn crowd(report: &mut Report) -> anyhow::Result<()> {
    let logs = logs(EACH_PROTOCOL, 0.0)?;
    let server = Server::start(&logs, &[])?;
    pause(SETTLE);
    let before = proc::memory(server.id())?;
    let (_load, connected) = connect(&server, CROWD)?;
    let open = server.metric("certstream_connections")?;
    anyhow::ensure!(open == CROWD as f64, "only {open} of {CROWD} connections are open");
    let what = format!("memory, {CROWD} idle lite clients, 8 logs");
    let after = report_memory(report, &what, &server, "≤ 150 MB")?;
    let each = |after: f64, before: f64| (after - before) * 1e6 / 1024.0 / CROWD as f64;
    let resident = each(after.resident, before.resident);
    report.add(
        format!("memory of a connection, {CROWD} idle lite clients"),
        format!("{resident:.2} KiB beside the kernel's"),
        "≤ 10 KiB",
        json!({
            "resident_kib": resident,
            "anonymous_kib": each(after.anonymous, before.anonymous),
            "connected": connected,
            "descriptors": proc::descriptors(server.id())?,
        }),
    );
    Ok(())
}

/// Connects so many clients and waits; returns them and the delays of their connections.
fn connect(server: &Server, clients: usize) -> anyhow::Result<(Program, Value)> {
    let mut load = Program::load(&LoadOptions::lite(server, clients, STAY))?;
    let connected = load.wait_for("connected")?;
    pause(IDLE_CLIENTS);
    Ok((load, connected))
}

fn report_memory(
    report: &mut Report,
    what: &str,
    server: &Server,
    target: &'static str,
) -> anyhow::Result<Memory> {
    let memory = proc::memory(server.id())?;
    let Memory { resident, anonymous } = memory;
    let published = server.metric("certstream_certificates_total").unwrap_or(0.0);
    report.add(
        what,
        format!("{resident:.1} MB, {anonymous:.1} of it not the program itself"),
        target,
        json!({ "resident_mb": resident, "anonymous_mb": anonymous, "published": published }),
    );
    Ok(memory)
}
