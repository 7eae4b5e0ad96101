//! `cargo xtask ci`: what a change must pass.

use std::time::{Duration, Instant};

use crate::command::{command, complete, is_installed};
use crate::{differential, docs, e2e, packaging};

/// Everything, cheapest first; stops at the first failure and says how long each step took.
fn run_all() -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let mut times = Vec::new();
    let mut step = |name, action: &dyn Fn() -> anyhow::Result<()>| {
        println!("== {name}");
        let start = Instant::now();
        action()?;
        times.push((name, start.elapsed()));
        anyhow::Ok(())
    };
    step("prerequisites", &e2e::prerequisites)?;
    step("fmt", &|| cargo(&["fmt", "--all", "--check"]))?;
    step("deny", &deny)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    step("clippy", &|| cargo(&clippy))?;
    step("doc", &documentation)?;
    step("test", &tests)?;
    step("differential", &differential::run)?;
    step("e2e", &e2e::run)?;
    step("docs", &docs::run_all)?;
    step("packaging", &packaging::run_all)?;
    Ok(times)
}

pub(crate) fn run() -> anyhow::Result<()> {
    for (name, time) in run_all()? {
        println!("{name:>14} {:>6.1} s", time.as_secs_f64());
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    complete(command(&["cargo"]).args(arguments))
}

/// Most of their time passes with waiting, so more of them run at a time than there are cores.
fn tests() -> anyhow::Result<()> {
    let mut test = command(&["cargo", "test", "--workspace", "--locked"]);
    complete(test.env("RUST_TEST_THREADS", "4"))
}

fn documentation() -> anyhow::Result<()> {
    let mut doc = command(&["cargo", "doc", "--workspace", "--no-deps", "--locked"]);
    complete(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The advisories need the network; licences, bans and sources do not.
fn deny() -> anyhow::Result<()> {
    if !is_installed(&["cargo", "deny", "--version"]) {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}
