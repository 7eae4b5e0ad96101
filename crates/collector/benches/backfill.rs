//! The cost of an archive: the program reads simulated logs of both protocols, proves every entry and
//! writes it. `cargo bench -p collector --bench backfill`
//!
//! CPU is the user and system time of the program's process with all its threads; memory is its peak
//! in RAM. The simulated logs are in this process.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ctsim::Sim;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

#[path = "support/process.rs"]
mod process;

use process::{cpu, peak, size};

/// The number of entries of each log.
const ENTRIES: u64 = 400_000;

fn main() {
    let runtime = Runtime::new().unwrap();
    let config = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: ENTRIES,
        ..ctsim::Config::default()
    };
    let sim = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Sim::start(config, listener).await.unwrap()
    });
    println!(
        "{:<32} {:>9} {:>9} {:>11} {:>9} {:>8}",
        "", "entries/s", "CPU µs", "entries/s/core", "B/row", "MB RAM"
    );
    for log in sim.logs() {
        for (what, arguments) in [
            ("parquet", &[][..]),
            ("parquet, with DER", &["--with-der"]),
            ("feather", &["--format", "feather"]),
        ] {
            measure(&format!("{} {what}", log.name()), log.url(), &sim.list_url(), arguments);
        }
    }
}

fn measure(what: &str, log: &str, list: &str, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("archive");
    let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-arrow"));
    command.args(["backfill", "--list", list, "--log", log, "--log-level", "warn", "-o"]);
    command.arg(&output).args(arguments).stdin(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut memory = 0.0_f64;
    // A process that has ended keeps its numbers until it is waited for.
    while is_running(&child) {
        memory = memory.max(peak(&child).unwrap_or(0.0));
        thread::sleep(Duration::from_millis(20));
    }
    let (wall, cpu) = (start.elapsed(), cpu(&child));
    assert!(child.wait().unwrap().success());
    println!(
        "{what:<32} {:>9.0} {:>9.2} {:>11.0} {:>9.1} {:>8.1}",
        ENTRIES as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / ENTRIES as f64,
        ENTRIES as f64 / cpu.as_secs_f64(),
        size(&output) as f64 / ENTRIES as f64,
        memory,
    );
}

fn is_running(child: &Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().next() != Some("Z")
}
