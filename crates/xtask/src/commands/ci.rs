//! `cargo xtask ci`: the steps that a change must pass.

mod dependencies;
pub(crate) mod words;

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{differential, docs, e2e, packaging};
use xtask::process::{command, complete, is_installed};

pub(crate) const NAME: &str = "ci";

/// A step's name and its action.
type Step = (&'static str, fn() -> anyhow::Result<()>);

/// The steps, cheapest first. Those from `test` on use one build of the workspace, with the features
/// of the tests.
const STEPS: [Step; 12] = [
    ("prerequisites", e2e::prerequisites),
    ("words", words::run),
    ("dependencies", dependencies::check),
    ("fmt", format),
    ("deny", deny),
    ("clippy", clippy),
    ("doc", documentation),
    ("test", tests),
    ("differential", differential::run),
    ("e2e", e2e::run),
    ("docs", docs::run_all),
    ("packaging", packaging::run_all),
];

/// Runs all steps, up to the first that fails; prints the time of each and the total.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut times = Vec::new();
    let outcome = STEPS.iter().try_for_each(|(name, action)| {
        println!("== {name}");
        let start = Instant::now();
        let outcome = action();
        times.push((*name, start.elapsed()));
        outcome.with_context(|| format!("the step {name} failed"))
    });
    for (name, time) in &times {
        println!("{name:>14} {:>7.1} s", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:>14} {:>7.1} s", "total", total.as_secs_f64());
    outcome
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    complete(command(&["cargo"]).args(arguments))
}

fn format() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"])
}

fn clippy() -> anyhow::Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// Tests mostly wait, so more of them run at a time than there are cores.
fn tests() -> anyhow::Result<()> {
    let mut test = command(&["cargo", "test", "--workspace", "--locked"]);
    complete(test.env("RUST_TEST_THREADS", "4"))
}

/// Documents libraries, and programs without one. With the examples, so that the features are those of
/// clippy and the tests, and no dependency is checked a second time.
fn documentation() -> anyhow::Result<()> {
    let mut doc = command(&["cargo", "doc", "--workspace", "--no-deps", "--locked"]);
    doc.args(["--lib", "--examples"]);
    doc.args(
        ["bench", "certstream-arrow", "certstream-server"].map(|name| format!("--bin={name}")),
    );
    complete(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Checks licences, bans and sources. The advisories would need the network.
fn deny() -> anyhow::Result<()> {
    if !is_installed(&["cargo", "deny", "--version"]) {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}
