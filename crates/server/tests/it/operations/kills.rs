//! `kill -9` at random moments, full disks and stopped processes, with a journal: clients that resume
//! get every record exactly once, offsets have no hole, and the journal accounts for each index of each
//! log once.
//!
//! `CERTSTREAM_KILLS` sets the number of kills of each run, `CERTSTREAM_KILLS_RATE` the entries a second
//! of each log, and `CERTSTREAM_STOP_SECONDS` the time for which a process is stopped.

pub(crate) mod client;
pub(super) mod disk;
pub(super) mod first_seen;
mod run;

use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Signal;

use self::client::{Client, Transport};
use self::disk::{SmallDisk, limit_files};
use self::run::{Run, configuration, journalled};
use crate::harness::{eventually, logs};
use crate::program::Process;

/// Kills of each run, unless the environment says otherwise.
const KILLS: u32 = 5;
/// Entries a second that each log gains.
const RATE: f64 = 300.0;
/// The mean time between two kills.
const BETWEEN: Duration = Duration::from_millis(700);
/// Seconds for which a process is stopped: longer than the interval of the watchdog.
const STOPPED: u64 = 1;

/// Entries that each log gains at once where the test decides when.
const GROWTH: u64 = 100;

/// An entry of a log: its URL and index.
pub(crate) type Entry = (String, u64);

/// Returns a setting from the environment.
pub(crate) fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A number below `bound` that nobody can foresee.
pub(crate) fn random(bound: u64) -> u64 {
    RandomState::new().hash_one(0) % bound
}

/// Returns the rate of each log, and its size after so many seconds.
fn load(seconds: f64) -> (f64, u64) {
    let rate = setting("CERTSTREAM_KILLS_RATE", RATE);
    (rate, (seconds * rate) as u64)
}

async fn kills_lose_and_repeat_nothing(dedup: bool, sync: &str) {
    let kills = setting("CERTSTREAM_KILLS", KILLS);
    let started = Instant::now();
    let load = load(BETWEEN.as_secs_f64() * f64::from(kills + 1));
    let mut run = Run::start(dedup, sync, load, None).await;
    for _ in 0..kills {
        let pause = random(2 * u64::try_from(BETWEEN.as_millis()).expect("short"));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        run.restart();
    }
    run.finish(true).await;
    println!(
        "{kills} kills in {:.0} s (dedup: {dedup}, sync: {sync})",
        started.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_without_dedup_lose_and_repeat_nothing() {
    kills_lose_and_repeat_nothing(false, "interval").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_with_dedup_lose_and_repeat_nothing() {
    kills_lose_and_repeat_nothing(true, "batch").await;
}

/// Ingest waits while the disk is full, and the watchdog is notified; after that everything continues.
/// Old segments go first on a full disk: the journal need not have everything, and only clients that
/// are up to date lose nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_and_is_cleared_loses_and_repeats_nothing() {
    let disk = SmallDisk::new();
    let mut run = Run::start(false, "interval", (0.0, 0), Some(&disk.data_dir())).await;
    for _ in 0..2 {
        run.grow(GROWTH);
        run.ready_is("\"ready\":true").await;
        run.clients_catch_up().await;
        disk.fill(run.server().id());
        // Deleted segments make room for some entries.
        while run.readiness().await.contains("\"ready\":true") {
            run.grow(GROWTH);
        }
        run.ready_is("the journal cannot be written").await;
        run.watchdog_is_notified().await;
        run.clients_catch_up().await;
        disk.clear(run.server().id());
        run.ready_is("\"ready\":true").await;
        run.restart();
    }
    run.finish(false).await;
}

/// A process that is stopped for longer than the watchdog waits continues, or is killed for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_stopped_loses_and_repeats_nothing() {
    let seconds = setting("CERTSTREAM_STOP_SECONDS", STOPPED);
    let mut run = Run::start(true, "interval", load(4.0), None).await;
    for is_killed in [false, true] {
        run.watchdog_is_notified().await;
        run.server().signal(Signal::STOP);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        if is_killed {
            run.restart();
        } else {
            run.server().signal(Signal::CONT);
        }
    }
    run.watchdog_is_notified().await;
    run.finish(true).await;
}

/// A disk that accepts nothing for a time: ingest waits, says so, and continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_pauses_and_continues() {
    let config = ctsim::Config { rfc6962: 1, static_ct: 0, rate: 0.0, ..Default::default() };
    let sim = logs(ctsim::Config { initial_size: 100, ..config }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let file = configuration(&sim, folder.path(), &data_dir, false, "interval");
    let server = Process::start(&file, &[], &[]);
    let client =
        Client::start(&Arc::new(Mutex::new(vec![server.address])), Transport::WebSocket, "");
    let received = |count| {
        let client = &client;
        async move || (client.received.lock().records.len() == count).then_some(())
    };
    eventually("all entries are received", received(100)).await;
    limit_files(server.id(), "1");
    sim.logs()[0].grow(50).expect("grows");
    let ready = format!("http://{}/health/ready", server.address);
    eventually("it is not ready", async || {
        let text = reqwest::get(&ready).await.ok()?.text().await.ok()?;
        text.contains("the journal cannot be written").then_some(())
    })
    .await;
    assert_eq!(client.received.lock().records.len(), 100, "nothing is shown that is not kept");
    limit_files(server.id(), "unlimited");
    eventually("all entries are received after the pause", received(150)).await;
    server.wait_for_line("the journal can be written again");
    server.stop();
    let journal = journalled(&data_dir, 1);
    assert_eq!(journal.indexes, 150);
    assert!(client.received.lock().records == journal.records);
}
