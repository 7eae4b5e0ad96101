//! Runs that are killed or stopped, and continue.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use collector::archive::verify::Level;
use ctsim::LogHandle;
use ctsim::fault::{BodyFault, Fault, PageFault, Scope, Times};

use super::{assert_complete, backfill, command, parts, simulate};
use crate::harness::{eventually, terminate};

/// Lets some requests of a log fail in usual ways.
fn spoil(log: &LogHandle, per_mille: u16) {
    let status = |code, retry_after: Option<&str>| {
        let retry_after = retry_after.map(str::to_owned);
        Fault::Status { code, retry_after }
    };
    let faults = [
        status(429, None),
        status(429, Some("1")),
        status(500, None),
        status(503, None),
        Fault::Html { code: 502 },
        Fault::HangUp,
        Fault::Body(BodyFault::Cut),
        Fault::Delay(Duration::from_millis(300)),
        Fault::Page(PageFault::Short { most: 17 }),
        Fault::Page(PageFault::Empty),
    ];
    let times = Times::Share { per_mille: per_mille / faults.len() as u16 };
    for fault in faults {
        log.faults().inject(Scope::Every, fault, times);
    }
}

/// The bytes of parts that are being written.
fn unfinished(staging: &Path) -> u64 {
    let files = std::fs::read_dir(staging).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|it| it.len()).sum()
}

/// Reads logs of `size` entries while faults happen, and kills the program again and again: when a
/// part has appeared, or when one is half written.
async fn survives(size: u64, kills: usize, part_entries: &str) {
    let sim = simulate(size).await;
    sim.logs().iter().for_each(|log| spoil(log, 50));
    let folder = tempfile::tempdir().expect("a folder");
    let (output, staging) = (folder.path().join("archive"), folder.path().join(".archive.open"));
    let arguments = ["--part-entries", part_entries, "--with-der", "--concurrency", "8"];
    let mut killed = 0;
    for kill in 0..kills {
        let before = parts(&output).len();
        let mut command = command(&sim, &output, &arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let has_ended = eventually("another part, or a piece of one", || {
            let has_ended = child.try_wait().expect("a child").is_some();
            let is_time = parts(&output).len() > before + kill % 3
                || kill % 3 == 1 && unfinished(&staging) > 0;
            (has_ended || is_time).then_some(has_ended)
        })
        .await;
        killed += usize::from(!has_ended);
        // It may have ended by itself.
        let _gone = child.kill();
        child.wait().expect("a child");
    }
    assert!(killed * 10 >= kills * 9, "killed {killed} of {kills} times");
    let (status, log) = backfill(&sim, &output, &arguments).await;
    assert_eq!(status, Some(0), "{log}");
    assert_complete(&sim, &output, Level::Recomputed, 0, size);
    assert_eq!(unfinished(&staging), 0, "only the lock, which is empty");
    println!("{killed} kills, {} parts", parts(&output).len());
}

/// Returns the number in a variable of the environment, or else that of CI.
fn setting(name: &str, of_ci: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(of_ci, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    })
}

/// `BACKFILL_ENTRIES` of both logs together and `BACKFILL_KILLS` make it as long as is wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_continues_and_each_entry_is_there_once() {
    let each = setting("BACKFILL_ENTRIES", 10_000) / 2;
    let kills = setting("BACKFILL_KILLS", 5);
    let part = (each / 10).next_power_of_two().min(8_192);
    survives(each, kills as usize, &part.to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_leaves_nothing_incomplete() {
    let sim = simulate(3_000).await;
    for log in sim.logs() {
        let delay = Fault::Delay(Duration::from_secs(30));
        log.faults().inject(Scope::Entries, delay, Times::UntilCleared);
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("archive");
    let mut command = command(&sim, &output, &[]);
    let mut child = command.stderr(Stdio::null()).spawn().expect("the program starts");
    let staging = folder.path().join(".archive.open");
    let open = || std::fs::read_dir(&staging).map_or(0, Iterator::count);
    eventually("an open part", || (open() > 1).then_some(())).await;
    terminate(&child);
    let status = eventually("the end", || child.try_wait().expect("a child")).await;
    assert_eq!(status.code(), Some(1));
    assert!(parts(&output).is_empty());
    assert_eq!(open(), 1, "only the lock");
}
