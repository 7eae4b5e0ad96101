//! The cost of verifying: CPU time of following a log, per entry, by protocol and setting.
//!
//! `cargo bench -p follow --bench verify`. A simulated log is read from its first entry to its last,
//! over HTTP on the loopback interface. The simulator has threads of its own, so that only the
//! follower's are counted; they do everything from the socket to the page: HTTP, base64, parsing,
//! hashing, proving.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measures")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ct::signature::PublicKey;
use follow::catalogue::CatalogueOptions;
use follow::position::State;
use follow::{Client, Fleet, FleetOptions, FollowOptions, Start, Verification};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// Entries read for one figure.
const ENTRIES: u64 = 100_000;
/// The best of so many runs counts.
const RUNS: usize = 3;
/// The name of the follower's threads.
const FOLLOWER: &str = "follower";

fn main() -> anyhow::Result<()> {
    println!("{ENTRIES} entries, CPU microseconds per entry, best of {RUNS}");
    println!("{:<12}{:>10}{:>10}{:>10}", "", "off", "report", "enforce");
    for (name, rfc6962) in [("RFC 6962", 1), ("static-ct", 0)] {
        let simulator = runtime("simulator")?;
        let config = ctsim::Config {
            rfc6962,
            static_ct: 1 - rfc6962,
            rate: 0.0,
            initial_size: ENTRIES,
            ..ctsim::Config::default()
        };
        let sim = simulator.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            anyhow::Ok(ctsim::Sim::start(config, listener).await?)
        })?;
        print!("{name:<12}");
        for verification in [Verification::Off, Verification::Report, Verification::Enforce] {
            let mut best = f64::INFINITY;
            for _ in 0..RUNS {
                best = best.min(follow(&sim, verification)?);
            }
            print!("{best:>10.2}");
        }
        println!();
        drop(sim);
        simulator.shutdown_timeout(Duration::from_secs(1));
    }
    Ok(())
}

fn runtime(name: &str) -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().thread_name(name).worker_threads(2).enable_all().build()?)
}

/// Reads the log once; CPU microseconds per entry.
fn follow(sim: &ctsim::Sim, verification: Verification) -> anyhow::Result<f64> {
    let key = PublicKey::from_pem(&sim.list_key_pem())?;
    let follow = FollowOptions {
        verification,
        start: Start::Index(0),
        fetch_concurrency: 4,
        ..FollowOptions::default()
    };
    let catalogue = Some(CatalogueOptions::new(sim.list_url(), key));
    let options =
        FleetOptions { follow, configured: Vec::new(), catalogue, saved: State::default() };
    let runtime = runtime(FOLLOWER)?;
    let micros = runtime.block_on(async {
        let client = Client::new("follow-bench/1", Duration::from_secs(30))?;
        let (sender, mut pages) = mpsc::channel(64);
        let fleet = Fleet::start(Arc::new(client), options, sender);
        // On a thread of the follower's, as in the server.
        let read = tokio::spawn(async move {
            let mut read = 0;
            while read < ENTRIES {
                let Some(page) = pages.recv().await else { break };
                read += page.entries.len() as u64;
                page.log.published(page.end, page.tree, 0);
            }
            read
        });
        let read = read.await?;
        let micros = cpu_micros(FOLLOWER)?;
        fleet.stop().await;
        anyhow::ensure!(read == ENTRIES, "only {read} entries came");
        Ok(micros)
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(micros / ENTRIES as f64)
}

/// CPU time that this process's threads of this name have had.
fn cpu_micros(name: &str) -> anyhow::Result<f64> {
    let mut nanos = 0_u64;
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.trim() != name {
            continue;
        }
        let stat = fs::read_to_string(thread.join("schedstat"))?;
        let running = stat.split_whitespace().next().and_then(|first| first.parse::<u64>().ok());
        nanos += running.unwrap_or(0);
    }
    Ok(nanos as f64 / 1e3)
}
