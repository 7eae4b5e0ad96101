//! The time from the end of a log's fault until the server has read the log to its head again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ctsim::fault::{Fault, Scope, Times};
use ctsim::{LogHandle, Sim};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::figures::report::Report;
use crate::harness::folder;
use crate::harness::pause;
use crate::harness::site::{Server, wait};
use crate::plan::{Benchmark, Plan};

/// The default length of a fault, in seconds.
const LASTS: u64 = 12;
/// Logs that meet it in one run.
const LOGS: usize = 20;
/// They meet it one after the other, so that it begins at all moments of a log's rhythm.
const APART: Duration = Duration::from_millis(130);
/// Entries a second that each log gains.
const RATE: f64 = 50.0;
/// The interval at which the server's positions are read: the error of the figure.
const LOOK: Duration = Duration::from_millis(50);
/// The longest time for a log, after which the case has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const BENCHMARK: Benchmark = Benchmark {
    name: "faults",
    cases: &[
        "rfc6962-500",
        "rfc6962-refused",
        "rfc6962-stall",
        "static-ct-500",
        "static-ct-refused",
        "static-ct-stall",
    ],
    is_long: true,
    run,
};

/// The fault of a log.
#[derive(Clone, Copy)]
enum LogFault {
    Status500,
    Refused,
    Stall,
}

impl LogFault {
    fn of(case: &str) -> Self {
        match case.rsplit('-').next() {
            Some("refused") => Self::Refused,
            Some("stall") => Self::Stall,
            _ => Self::Status500,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Status500 => "status 500",
            Self::Refused => "refused connections",
            Self::Stall => "requests without an answer",
        }
    }

    fn begin(self, sim: &Sim, log: &LogHandle) {
        let fault = match self {
            Self::Status500 => Fault::Status { code: 500, retry_after: None },
            // What is asked before the end gets no answer after it either.
            Self::Stall => Fault::Delay(Duration::from_secs(3600)),
            Self::Refused => return set_away(sim, log, true),
        };
        log.faults().inject(Scope::Every, fault, Times::UntilCleared);
    }

    fn end(self, sim: &Sim, log: &LogHandle) {
        if matches!(self, Self::Refused) {
            set_away(sim, log, false);
        }
        log.faults().clear();
    }
}

/// Each log has a host of its own.
fn set_away(sim: &Sim, log: &LogHandle, away: bool) {
    let host = sim.hosts().iter().find(|host| log.url().starts_with(&host.base_url()));
    host.into_iter().for_each(|host| host.set_away(away));
}

fn run(plan: &Plan, case: &str, report: &mut Report) -> anyhow::Result<()> {
    let fault = LogFault::of(case);
    let is_tiled = case.starts_with("static-ct");
    let (rfc6962, static_ct) = if is_tiled { (0, LOGS) } else { (LOGS, 0) };
    let runtime = Runtime::new()?;
    let sim = runtime.block_on(async {
        let config = ctsim::Config {
            rfc6962,
            static_ct,
            hosts: LOGS,
            rate: RATE,
            initial_size: 2000,
            publish_interval: Duration::from_secs(1),
            ..ctsim::Config::default()
        };
        anyhow::Ok(Sim::start(config, TcpListener::bind("127.0.0.1:0").await?).await?)
    })?;
    let key = folder()?.join("faults_key.pem");
    std::fs::write(&key, sim.list_key_pem())?;
    let server = Server::follow(&sim.list_url(), &key, &[])?;
    wait("all logs to be read", LOOK, || {
        let read = Read::ask(&server)?;
        Ok(sim.logs().iter().all(|log| read.is_at_head(log)).then_some(()))
    })?;
    // Longer than it takes a log to become healthy and its rhythm to be known.
    pause(Duration::from_secs(5));
    let outcome = measure(&sim, &server, fault, plan.time(LASTS));
    drop(server);
    runtime.block_on(sim.shutdown());
    let mut took = outcome?;
    took.sort_unstable();
    let [median, worst] = [took.len() / 2, took.len() - 1]
        .map(|at| took.get(at).map_or(f64::NAN, Duration::as_secs_f64));
    let protocol = if is_tiled { "static-ct" } else { "RFC 6962" };
    let seconds = plan.time(LASTS).as_secs();
    report.add(
        format!(
            "{protocol}, {seconds} s of {}, {LOGS} times: at the head again after",
            fault.words()
        ),
        format!("median {median:.1} s, worst {worst:.1} s"),
        "≤ 6 s",
        json!({ "seconds": took.iter().map(Duration::as_secs_f64).collect::<Vec<_>>() }),
    );
    ensure!(worst <= 6.0, "a log was at its head only {worst:.1} s after the end");
    Ok(())
}

/// Begins and ends the fault at all logs, one a moment after the other; returns for each the time from
/// its end until the server has read everything again.
fn measure(
    sim: &Sim,
    server: &Server,
    fault: LogFault,
    lasts: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let start = Instant::now();
    let mut begun = 0;
    let mut ended: Vec<Instant> = Vec::new();
    let mut took: HashMap<usize, Duration> = HashMap::new();
    let logs = sim.logs();
    let due = |number: usize| APART * u32::try_from(number).unwrap_or(u32::MAX);
    while took.len() < logs.len() {
        let now = Instant::now();
        while now >= start + due(begun)
            && let Some(log) = logs.get(begun)
        {
            fault.begin(sim, log);
            begun += 1;
        }
        while now >= start + due(ended.len()) + lasts
            && let Some(log) = logs.get(ended.len())
        {
            fault.end(sim, log);
            ended.push(Instant::now());
        }
        let read = Read::ask(server)?;
        for (number, end) in ended.iter().enumerate() {
            let log = logs.get(number).context("a log")?;
            if !took.contains_key(&number) && read.is_at_head(log) {
                took.insert(number, end.elapsed());
            }
        }
        ensure!(start.elapsed() < due(logs.len()) + lasts + PATIENCE, "some logs never came back");
        pause(LOOK);
    }
    Ok(took.into_values().collect())
}

/// The next index of each log, by the log's name.
struct Read(HashMap<String, u64>);

impl Read {
    fn ask(server: &Server) -> anyhow::Result<Self> {
        Ok(Self(server.by_label("certstream_log_next_index", "log")?))
    }

    /// Reports whether everything is read that the log had published one publishing interval ago:
    /// the newest head may not have been asked for yet.
    fn is_at_head(&self, log: &LogHandle) -> bool {
        let newest = RATE as u64 + 1;
        self.0.get(log.description()).is_some_and(|next| *next + newest >= log.size())
    }
}
