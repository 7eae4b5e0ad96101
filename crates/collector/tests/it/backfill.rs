//! `backfill` and `verify` against simulated logs: whole archives, interrupted ones, and changed files.

mod changed;
mod compacted;
mod events;
mod killed;
mod real_tiles;
mod refused;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use collector::archive::verify::{self, Level};
use ctsim::Sim;
use tokio::net::TcpListener;

use crate::harness::program;

/// One log of each protocol with `size` entries, the same in every run.
async fn simulate(size: u64) -> Sim {
    let config = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: size,
        epoch: Some(1_790_000_000_000),
        ..ctsim::Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sim::start(config, listener).await.expect("simulated logs")
}

/// Returns the command that reads all logs of a simulator.
fn command(sim: &Sim, folder: &Path, arguments: &[&str]) -> Command {
    // Measurements name the release build.
    let mut command = std::env::var_os("BACKFILL_PROGRAM").map_or_else(program, Command::new);
    command.args(["backfill", "--list", &sim.list_url(), "-o"]).arg(folder).args(arguments);
    if !arguments.contains(&"--log") {
        command.arg("--all");
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
async fn output(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().expect("the program runs"));
    run.await.expect("no panic")
}

/// Runs a command to its end; returns its exit status and standard error.
async fn finish(command: Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = output(command).await;
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

async fn backfill(sim: &Sim, folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    finish(command(sim, folder, arguments)).await
}

fn parts(folder: &Path) -> Vec<PathBuf> {
    verify::files(&[folder.to_owned()]).unwrap_or_default()
}

/// Verifies all parts, and returns the ranges of each log, in order.
fn ranges(folder: &Path, level: Level) -> BTreeMap<String, Vec<(u64, u64)>> {
    let mut ranges: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for part in parts(folder) {
        let verified =
            verify::verify(&part).unwrap_or_else(|it| panic!("{}: {it}", part.display()));
        assert_eq!(verified.level, level);
        let json = verified.json(&part);
        let number = |name: &str| json[name].as_u64().expect("a number");
        let (start, end) = (number("start"), number("end"));
        assert_eq!(number("rows"), end - start);
        let log = json["log_id"].as_str().expect("an id").to_owned();
        ranges.entry(log).or_default().push((start, end));
    }
    ranges
}

/// Asserts that each log has each entry of a range once.
fn assert_complete(sim: &Sim, folder: &Path, level: Level, start: u64, end: u64) {
    let ranges = ranges(folder, level);
    for log in sim.logs() {
        let ranges = &ranges[&log.log_id().to_string()];
        let mut next = start;
        for (from, to) in ranges {
            assert_eq!(*from, next, "{}: {ranges:?}", log.name());
            next = *to;
        }
        assert_eq!(next, end, "{}: {ranges:?}", log.name());
    }
    assert_eq!(ranges.len(), sim.logs().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_both_protocols_are_archived_in_parts_that_verify() {
    let sim = simulate(3_000).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, level, arguments) in [
        ("plain", Level::Digests, &["--format", "parquet"][..]),
        ("der", Level::Recomputed, &["--format", "parquet", "--with-der"]),
        ("feather", Level::Recomputed, &["--format", "feather", "--with-der"]),
    ] {
        let range = ["--start", "300", "--end", "2700", "--part-entries", "1000"];
        let (status, log) = backfill(&sim, &at(name), &[arguments, &range].concat()).await;
        assert_eq!(status, Some(0), "{log}");
        assert_complete(&sim, &at(name), level, 300, 2_700);
        let names: Vec<_> = parts(&at(name)).iter().map(|it| it.display().to_string()).collect();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(names[0].contains("-0000000000300-0000000001000."), "{names:?}");
    }
    // More of the range: only what is missing is read.
    let before = parts(&at("plain"));
    let (status, log) = backfill(&sim, &at("plain"), &["--part-entries", "1000"]).await;
    assert_eq!(status, Some(0), "{log}");
    assert_complete(&sim, &at("plain"), Level::Digests, 0, 3_000);
    assert_eq!(parts(&at("plain")).len(), before.len() + 4);
    // The program says the same.
    let mut verify = program();
    let output = verify.arg("verify").arg(at("der")).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        (output.status.code(), text.matches("every column").count()),
        (Some(0), 6),
        "{text}"
    );
    // Other rows cannot be added.
    let (status, log) = backfill(&sim, &at("plain"), &["--with-der"]).await;
    assert_eq!(status, Some(64), "{log}");
    assert!(log.contains("without certificates"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_of_time_has_every_entry_of_it() {
    let sim = simulate(3_000).await;
    let folder = tempfile::tempdir().unwrap();
    let (status, log) = backfill(&sim, folder.path(), &["--since", "2000-01-01"]).await;
    assert_eq!(status, Some(0), "{log}");
    assert_complete(&sim, folder.path(), Level::Digests, 0, 3_000);
    let later = folder.path().join("later");
    let (status, log) = backfill(&sim, &later, &["--since", "2100-01-01"]).await;
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("has no entries of this time"), "{log}");
    assert!(parts(&later).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_follow_each_other_become_one_that_verifies() {
    let sim = simulate(3_000).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, level, arguments) in [
        ("parquet", Level::Digests, &["--format", "parquet"][..]),
        ("feather", Level::Recomputed, &["--format", "feather", "--with-der"]),
    ] {
        let output = folder.path().join(name);
        let cut = ["--part-entries", "500"];
        let (status, log) = backfill(&sim, &output, &[arguments, &cut].concat()).await;
        assert_eq!(status, Some(0), "{log}");
        let small = parts(&output)[0].clone();
        let kept = std::fs::read(&small).unwrap();
        let compact = || {
            let output = program().args(["compact", "--entries", "2000"]).arg(&output).output();
            String::from_utf8(output.expect("it runs").stdout).expect("text")
        };
        assert!(compact().contains("replaced 12 parts, wrote 4"));
        assert_complete(&sim, &output, level, 0, 3_000);
        assert_eq!(parts(&output).len(), 4);
        // As if it had been killed before it deleted a part.
        std::fs::write(&small, kept).unwrap();
        assert!(compact().contains("replaced 1 parts, wrote 0"));
        assert_complete(&sim, &output, level, 0, 3_000);
        let (status, log) = backfill(&sim, &output, &[arguments, &cut].concat()).await;
        assert_eq!(status, Some(0), "{log}");
        assert_eq!(parts(&output).len(), 4, "nothing is missing");
    }
}
