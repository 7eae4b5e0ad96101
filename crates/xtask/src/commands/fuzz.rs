//! `cargo xtask fuzz`: each way in from the network against inputs grown by libFuzzer.
//!
//! cargo-fuzz builds `fuzz/` on the stable compiler, which gives out the coverage instrumentation
//! when `RUSTC_BOOTSTRAP` is set. No sanitizer: no crate here has unsafe code, so a fault is a
//! panic, and without one some five times as many inputs are tried.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgMatches, Command as Cli, value_parser};

use xtask::process::{command, is_installed};

pub(crate) const NAME: &str = "fuzz";

/// The longest input tried, in bytes.
const MAX_INPUT: &str = "-max_len=4096";

/// An input that takes longer, in seconds, is a finding.
const TIMEOUT: &str = "-timeout=10";

pub(crate) fn command_line() -> Cli {
    let number = |name: &'static str, help: &'static str| {
        let parse = value_parser!(u64).range(1..);
        Arg::new(name).long(name).value_name("N").value_parser(parse).help(help)
    };
    Cli::new(NAME)
        .about("What must hold for any input, against inputs grown by libFuzzer")
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .help("One of fuzz/fuzz_targets; all if left out"),
        )
        .arg(number("runs", "Inputs to try for each target").conflicts_with("seconds"))
        .arg(number("seconds", "Time for each target").default_value("30"))
}

/// The outcome of one target.
struct Outcome {
    executions: u64,
    took: Duration,
    /// The last output of the fuzzer, if it found something.
    finding: Option<String>,
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    if !is_installed(&["cargo", "fuzz", "--version"]) {
        bail!("cargo-fuzz is not installed: cargo install cargo-fuzz");
    }
    let number = |name: &str| arguments.get_one::<u64>(name).copied();
    let limit = match (number("runs"), number("seconds")) {
        (Some(runs), _) => format!("-runs={runs}"),
        (None, seconds) => format!("-max_total_time={}", seconds.unwrap_or(30)),
    };
    let mut targets = write_seeds()?;
    if let Some(wanted) = arguments.get_one::<String>("target") {
        targets.retain(|target| target == wanted);
        ensure!(!targets.is_empty(), "there is no target {wanted} in fuzz/fuzz_targets");
    }
    let mut outcomes = Vec::new();
    for target in targets {
        println!("== {target}");
        let outcome = fuzz(&target, &limit)?;
        if let Some(finding) = &outcome.finding {
            println!("{finding}");
        }
        outcomes.push((target, outcome));
    }
    report(&outcomes)
}

fn report(outcomes: &[(String, Outcome)]) -> anyhow::Result<()> {
    println!(
        "{:<12}{:>14}{:>10}{:>14}{:>10}",
        "target", "executions", "seconds", "per second", "findings"
    );
    for (target, Outcome { executions, took, finding }) in outcomes {
        let seconds = took.as_secs_f64();
        let rate = *executions as f64 / seconds;
        let findings = usize::from(finding.is_some());
        println!("{target:<12}{executions:>14}{seconds:>10.0}{rate:>14.0}{findings:>10}");
    }
    let found = outcomes.iter().filter(|(_, outcome)| outcome.finding.is_some()).count();
    ensure!(found == 0, "{found} targets with findings; their inputs are in fuzz/artifacts");
    Ok(())
}

/// Writes the seeds into the corpus; the names of all targets.
fn write_seeds() -> anyhow::Result<Vec<String>> {
    let words = ["cargo", "run", "--quiet", "--package", "fuzzing", "--", "fuzz/corpus"];
    let output = command(&words).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the seeds cannot be written: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn fuzz(target: &str, limit: &str) -> anyhow::Result<Outcome> {
    let cargo_fuzz = |verb| {
        let mut cargo = command(&["cargo", "fuzz", verb, "--sanitizer", "none", target]);
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo
    };
    xtask::process::complete(&mut cargo_fuzz("build"))?;
    let start = Instant::now();
    let mut fuzzer = cargo_fuzz("run")
        .args(["--", limit, MAX_INPUT, TIMEOUT, "-print_final_stats=1"])
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = fuzzer.stderr.take().context("the fuzzer has no standard error to read")?;
    let mut last = Vec::new();
    let mut executions = 0;
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            executions = count.trim().parse()?;
        }
        if last.len() == 60 {
            last.remove(0);
        }
        last.push(line);
    }
    let failed = !fuzzer.wait()?.success();
    Ok(Outcome { executions, took: start.elapsed(), finding: failed.then(|| last.join("\n")) })
}
