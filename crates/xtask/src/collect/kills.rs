//! The collector and the server killed again and again while certificates pass.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::site::Site;
use super::{analysts, empty_folder, inspect, script};
use crate::process::{Process, Programs, complete};

/// The number of kills, and the entries and growth of the logs.
#[derive(Clone, Copy, Debug)]
pub struct Kills {
    /// The build of the programs.
    pub programs: Programs,
    /// The number of kills of the collector.
    pub collector: u64,
    /// The number of kills of the server.
    pub server: u64,
    /// Entries of each of the four logs.
    pub entries: u64,
    /// Entries a second that each log gains.
    pub rate: u64,
}

/// The contents of the collector's file after all kills.
#[derive(Debug)]
pub struct Outcome {
    /// The certificates in it.
    pub rows: u64,
    /// The gaps in it.
    pub gaps: u64,
    /// The gaps of unknown size in it.
    pub open_gaps: u64,
    /// The length of the run.
    pub took: Duration,
}

/// Kills at random moments; then checks that the file has each certificate once.
///
/// # Errors
/// If a program does not start, the rows do not arrive, or a certificate is missing or repeated.
pub fn run(kills: Kills) -> anyhow::Result<Outcome> {
    let python = analysts()?;
    let start = Instant::now();
    let here = empty_folder("kills")?;
    let kept = format!("--data-dir={}", here.join("data").display());
    let logs = [("initial-size", 0), ("rate", kills.rate), ("max-size", kills.entries)];
    let mut site = Site::start(kills.programs, &here, &logs, &[&kept])?;
    let file = here.join("certs.feather");
    let url = site.url();
    let collect = || {
        let mut command = (kills.programs)("certstream-arrow");
        command.args(["--url", &url, "--from-oldest", "--flush-interval", "50ms", "-b", "500"]);
        Process::start(command.args(["--log-level", "error", "-o"]).arg(&file))
    };
    let total = site.entries(kills.entries);
    // All kills fall into the time in which the logs grow.
    let growing = Duration::from_secs(kills.entries).checked_div(u32::try_from(kills.rate)?);
    let all = kills.collector + kills.server;
    let mean = growing.unwrap_or_default() / u32::try_from(all + 1)?;
    let mut random = Random::new();
    let mut collector = collect()?;
    let (mut of_collector, mut of_server) = (0, 0);
    for kill in 1..=all {
        std::thread::sleep(mean.mul_f64(2.0 * random.next()));
        // Spread evenly among each other.
        if of_server * all < kill * kills.server {
            of_server += 1;
            site.start_server()?;
        } else {
            of_collector += 1;
            drop(collector); // SIGKILL
            collector = collect()?;
        }
    }
    site.wait_for_rows(&here, total)?;
    let (status, _) = collector.terminate()?;
    ensure!(status.success(), "the collector ended with {status}");
    let mut check = script(&python, "once.py");
    complete(check.arg(&file).arg(kills.entries.to_string()).args(site.log_urls()))?;
    let report = inspect(kills.programs, &file)?;
    let number = |key: &str| report.get(key).and_then(Value::as_u64).context("a number");
    println!("killed the collector {of_collector} times and the server {of_server} times");
    // The server's journal has everything, so nothing is missing, not even for a moment.
    let gaps = number("gap_count")?;
    ensure!(gaps == 0, "the file has {gaps} gaps");
    Ok(Outcome {
        rows: number("rows")?,
        gaps,
        open_gaps: number("open_gap_count")?,
        took: start.elapsed(),
    })
}

/// Numbers between 0 and 1 that nobody can foresee.
struct Random(u64);

impl Random {
    fn new() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        Self(RandomState::new().hash_one(0) | 1)
    }

    fn next(&mut self) -> f64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
