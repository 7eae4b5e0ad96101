//! One client that behaves, alone and beside many that do not: what it loses, how long it waits, and
//! whether the server gives everything back.

mod greedy;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::clients::delivery::Delivery;
use crate::clients::hostile;
use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::figures::report::Report;
use crate::harness::pause;
use crate::harness::proc::{self, Stopwatch};
use crate::harness::site::{LogGroup, Logs, Server};
use crate::plan::{Benchmark, Plan};

pub(crate) const BENCHMARK: Benchmark =
    Benchmark { name: "hostile", cases: &["hostile", greedy::NAME], is_long: false, run };

const LOGS: usize = 4;
/// Messages a second, all logs together.
const RATE: f64 = 400.0;
const INTERVAL: Duration = Duration::from_millis(200);
/// Entries of each log at the start, so many that the ring is full before anything is measured.
const INITIAL_SIZE: u64 = 10_000;
/// After the start.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two looks at the server's memory and descriptors.
const LOOK: Duration = Duration::from_millis(250);
/// The longest time for the server to release what clients used.
const RETURN: Duration = Duration::from_secs(60);
/// Memory counts as given back when so many MB more than before are left.
const MEMORY_SLACK: f64 = 5.0;
/// Connections to logs come and go.
const DESCRIPTOR_SLACK: usize = LOGS;

/// The memory and descriptors of the server.
#[derive(Debug, Clone, Copy)]
struct Usage {
    /// Resident memory, MB.
    memory: f64,
    descriptors: usize,
}

impl Usage {
    fn read(server: &Server) -> anyhow::Result<Self> {
        let memory = proc::memory(server.id()).context("the server has ended")?.resident;
        Ok(Self { memory, descriptors: proc::descriptors(server.id())? })
    }

    fn max(self, other: Self) -> Self {
        let descriptors = self.descriptors.max(other.descriptors);
        Self { memory: self.memory.max(other.memory), descriptors }
    }

    fn raw(self) -> Value {
        json!({ "resident_mb": self.memory, "descriptors": self.descriptors })
    }
}

/// The server's use before, during and after, and the time until it was back to normal.
struct Release {
    before: Usage,
    most: Usage,
    after: Usage,
    memory_back: Option<Duration>,
    descriptors_back: Option<Duration>,
}

fn start_logs() -> anyhow::Result<Logs> {
    Logs::start(&LogGroup {
        rfc6962: LOGS,
        static_ct: 0,
        initial_size: INITIAL_SIZE,
        rate: RATE / LOGS as f64,
        publish_interval: INTERVAL,
    })
}

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    if case == greedy::NAME {
        return greedy::run(report);
    }
    let beside = plan.time(60);
    let logs = start_logs()?;
    let interval = INTERVAL.as_millis().to_string();
    let settings = [
        ("ct_log.poll_interval_ms", interval.as_str()),
        ("ct_log.start", "zero"),
        // So few that they do not hide what clients leave behind.
        ("ct_log.fetch_concurrency", "1"),
    ];
    let server = Server::start(&logs, &settings)?;
    pause(SETTLE);
    let client = |time| LoadOptions { sampled: 1, ..LoadOptions::lite(&server, 1, time) };

    let alone = Delivery::measure(server.id(), &[logs.id()], &client(beside / 2))?;
    let before = Usage::read(&server)?;
    let mut most = before;
    let mut healthy = Program::load(&client(beside))?;
    healthy.wait_for("connected")?;
    let mut crowd = Program::start(hostile::arguments(&server.address(), beside))?;
    crowd.wait_for("started")?;
    healthy.wait_for("measuring")?;
    let processes = [server.id(), healthy.id(), crowd.id(), logs.id(), std::process::id()];
    let watch = Stopwatch::start(&processes)?;
    let received = healthy.wait_with("done", LOOK, || {
        most = most.max(Usage::read(&server)?);
        Ok(())
    })?;
    let among = Delivery { spent: watch.stop()?, connected: Value::Null, received };
    let did = crowd.wait_for("done")?;
    drop((healthy, crowd));
    let release = wait_for_release(&server, before, most)?;
    report_delays(&alone, &among, &did, report);
    report_release(&release, report);
    check(&server, &among, &release)
}

/// Waits until the server has given back what it took, or long enough.
fn wait_for_release(server: &Server, before: Usage, most: Usage) -> anyhow::Result<Release> {
    let start = Instant::now();
    let (mut memory_back, mut descriptors_back) = (None, None);
    loop {
        let after = Usage::read(server)?;
        let passed = start.elapsed();
        if after.memory <= before.memory + MEMORY_SLACK {
            memory_back.get_or_insert(passed);
        }
        if after.descriptors <= before.descriptors + DESCRIPTOR_SLACK {
            descriptors_back.get_or_insert(passed);
        }
        if memory_back.is_some() && descriptors_back.is_some() || passed > RETURN {
            return Ok(Release { before, most, after, memory_back, descriptors_back });
        }
        pause(LOOK);
    }
}

fn report_delays(alone: &Delivery, among: &Delivery, did: &Value, report: &mut Report) {
    let milliseconds = |name| [alone.number(name), among.number(name)];
    let [p50_alone, p50] = milliseconds("p50_ms");
    let [p99_alone, p99] = milliseconds("p99_ms");
    let count = |name: &str| did.get(name).and_then(Value::as_u64).unwrap_or(0);
    report.add(
        format!(
            "a healthy client at {RATE} msg/s beside {} that connect and vanish ({} refused), {} \
             unfinished handshakes, {} stalled, {} at a byte a second",
            count("vanished"),
            count("refused"),
            count("half_open"),
            count("stalled"),
            count("slow"),
        ),
        format!(
            "lost {:.0} (alone {:.0}); delay p50 {p50:.1} ms (alone {p50_alone:.1}), p99 {p99:.1} \
             ms (alone {p99_alone:.1}): {:.2}×; server {:.1} % of a core (alone {:.1}); {}",
            among.number("lost"),
            alone.number("lost"),
            p99 / p99_alone,
            among.spent.load() * 100.0,
            alone.spent.load() * 100.0,
            among.spent.disturbance(),
        ),
        "0 lost, p99 < 2×",
        json!({ "alone": alone.raw(), "among": among.raw(), "hostile": did }),
    );
}

fn report_release(release: &Release, report: &mut Report) {
    let Release { before, most, after, memory_back, descriptors_back } = release;
    let words = |back: &Option<Duration>| match back {
        Some(time) => format!("back after {:.1} s", time.as_secs_f64()),
        None => format!("NOT back after {} s", RETURN.as_secs()),
    };
    report.add(
        "what the server holds: before, most meanwhile, after",
        format!(
            "{:.1}, {:.1}, {:.1} MB ({}); {}, {}, {} descriptors ({})",
            before.memory,
            most.memory,
            after.memory,
            words(memory_back),
            before.descriptors,
            most.descriptors,
            after.descriptors,
            words(descriptors_back),
        ),
        "all back within a minute",
        json!({
            "before": before.raw(),
            "most": most.raw(),
            "after": after.raw(),
            "memory_back_s": memory_back.map(|time| time.as_secs_f64()),
            "descriptors_back_s": descriptors_back.map(|time| time.as_secs_f64()),
        }),
    );
}

/// Checks what is required on any machine.
fn check(server: &Server, among: &Delivery, release: &Release) -> anyhow::Result<()> {
    let lost = among.number("lost");
    ensure!(lost == 0.0, "the healthy client lost {lost} messages");
    ensure!(among.number("looked_at") > 0.0, "the healthy client got nothing");
    ensure!(among.number("ended") == 0.0, "the healthy client was disconnected");
    ensure!(release.descriptors_back.is_some(), "the server keeps descriptors open");
    server.metric("certstream_connections").map(drop)
}
