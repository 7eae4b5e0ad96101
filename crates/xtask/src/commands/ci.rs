//! `cargo xtask ci`: the steps that a change must pass.

mod build;
mod dependencies;
mod documentation;
mod needs;
mod testing;
pub(crate) mod words;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command as Cli};

use xtask::process::{command, complete, is_installed};
use xtask::{collect, nats};

use super::{clients, differential, docs, e2e, packaging};
pub(crate) use documentation::as_rustdoc;

pub(crate) const NAME: &str = "ci";

/// The variable that is set where the build's variables are.
const LINTED: &str = "XTASK_LINTED";

pub(crate) fn command_line() -> Cli {
    let install = Arg::new("install").long("install").action(ArgAction::SetTrue);
    Cli::new(NAME)
        .about("Everything a change must pass")
        .arg(install.help("Install what is missing, as root on Debian and Ubuntu"))
}

/// Runs all steps, up to the first that fails; prints the time of each and the total.
pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    if std::env::var_os(LINTED).is_none() {
        return start_linted();
    }
    let mut steps = Steps::default();
    let outcome = run_steps(&mut steps, arguments.get_flag("install"));
    steps.print();
    outcome
}

/// Runs this program again, in an environment where cargo runs clippy in place of the compiler.
fn start_linted() -> anyhow::Result<()> {
    let mut again = Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1)).env(LINTED, "1");
    build::lint(&mut again)?;
    // It has named what failed.
    ensure!(again.status()?.success(), "a change must pass all steps");
    Ok(())
}

/// The steps, cheapest first. All that build use one build of the workspace.
fn run_steps(steps: &mut Steps, install: bool) -> anyhow::Result<()> {
    steps.run("prerequisites", || needs::check(install))?;
    steps.run("words", words::run)?;
    steps.run("dependencies", dependencies::check)?;
    steps.run("fmt", format)?;
    steps.run("deny", deny)?;
    // Packages for the later steps come from the network while the compiler has the cores.
    let packages = thread::spawn(install_packages);
    let programs = steps.run("build", build::all)?;
    steps.run("packages", || packages.join().map_err(|_| anyhow!("a panic"))?)?;
    steps.run("test", || testing::run(programs, documentation::command()))?;
    steps.run("differential", differential::run)?;
    steps.run("e2e", e2e::run)?;
    steps.run("docs", docs::run_all)?;
    steps.run("packaging", packaging::run_all)
}

/// The times of the steps so far.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn run<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        println!("== {name}");
        let start = Instant::now();
        let outcome = step();
        self.0.push((name, start.elapsed()));
        outcome.with_context(|| format!("the step {name} failed"))
    }

    fn print(&self) {
        for (name, time) in &self.0 {
            println!("{name:>14} {:>7.1} s", time.as_secs_f64());
        }
        let total: Duration = self.0.iter().map(|(_, time)| *time).sum();
        println!("{:>14} {:>7.1} s", "total", total.as_secs_f64());
    }
}

fn install_packages() -> anyhow::Result<()> {
    clients::python()?;
    clients::install_node()?;
    collect::analysts()?;
    nats::program()?;
    Ok(())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    complete(command(&["cargo"]).args(arguments))
}

fn format() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"])
}

/// Checks licences, bans and sources. The advisories would need the network.
fn deny() -> anyhow::Result<()> {
    if !is_installed(&["cargo", "deny", "--version"]) {
        println!("skipped: cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}
