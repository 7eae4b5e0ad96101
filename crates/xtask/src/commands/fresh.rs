//! `cargo xtask fresh`: the README's first commands on a new, minimal system.
//!
//! `mmdebstrap` makes the system in a folder. It gets this machine's Rust toolchain, the packages that
//! the README names, and a clone of what is committed here, with `../shared` beside it if that exists.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgMatches, Command as Cli, builder::PossibleValuesParser};

use xtask::process::{Process, answers, command, complete, free_port};
use xtask::root;

use crate::commands::system::System;

pub(crate) const NAME: &str = "fresh";

/// The systems: our name and that of the distribution's release.
const SYSTEMS: [(&str, &str); 2] = [("debian12", "bookworm"), ("debian13", "trixie")];

/// The parts of a run, in order.
const PARTS: [&str; 3] = ["system", "demo", "ci"];

/// The longest time for the build of the demo.
const BUILD: Duration = Duration::from_secs(40 * 60);

pub(crate) fn command_line() -> Cli {
    let names = SYSTEMS.map(|(name, _)| name);
    let system = Arg::new("system").value_name("SYSTEM").default_value(names[0]);
    let until = Arg::new("until").long("until").value_name("PART").default_value("ci");
    Cli::new(NAME)
        .about("The README's first commands on a new, minimal Debian (as root, with mmdebstrap)")
        .arg(system.value_parser(PossibleValuesParser::new(names)).help("The system"))
        .arg(until.value_parser(PossibleValuesParser::new(PARTS)).help("The last part to run"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| arguments.get_one::<String>(name).context("clap gives a default");
    let (name, until) = (text("system")?, text("until")?);
    let (_, release) = SYSTEMS.iter().find(|(known, _)| known == name).context("a known system")?;
    let mut times = Vec::new();
    let outcome = run_parts(name, release, until, &mut times);
    for (part, time) in times {
        println!("{name}: {part:<8}{time:>8.1} s");
    }
    outcome
}

/// Runs the parts, and notes the time of each.
fn run_parts(
    name: &str,
    release: &str,
    until: &str,
    times: &mut Vec<(&'static str, f64)>,
) -> anyhow::Result<()> {
    let mut timed = |part: &'static str, action: &mut dyn FnMut() -> anyhow::Result<()>| {
        println!("== fresh {name}: {part}");
        let start = Instant::now();
        let outcome = action();
        times.push((part, start.elapsed().as_secs_f64()));
        outcome.with_context(|| format!("{part} failed on {name}"))
    };
    let mut made = None;
    timed("system", &mut || {
        made = Some(prepare(name, release)?);
        Ok(())
    })?;
    let system = made.context("the system was made")?;
    if until != PARTS[0] {
        timed("demo", &mut || demo(&system))?;
    }
    if until == PARTS[2] {
        let mut ci = system.command(&["cargo", "xtask", "ci", "--install"]);
        timed("ci", &mut || complete(&mut ci))?;
    }
    Ok(())
}

/// Makes the system, with everything that a user has before the first command.
fn prepare(name: &str, release: &str) -> anyhow::Result<System> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let packages = packages(&readme).context("README.md names no packages to install")?;
    let system = System::make(name, release)?;
    system.add_toolchain()?;
    let mut install =
        system.command(&["sh", "-ec", "apt-get update -qq; apt-get install -yqq \"$@\"", "sh"]);
    complete(install.args(&packages))?;
    println!("installed {}", packages.join(" "));
    clone(&system)?;
    Ok(system)
}

/// Returns the packages of the README's first `apt-get install`.
fn packages(readme: &str) -> Option<Vec<String>> {
    let (_, rest) = readme.split_once("apt-get install ")?;
    let end = rest.find(['`', '\n', '#', ')']).unwrap_or(rest.len());
    let words = rest.get(..end)?.split_whitespace().filter(|word| !word.starts_with('-'));
    Some(words.map(str::to_owned).collect())
}

/// Clones what is committed here into the system.
fn clone(system: &System) -> anyhow::Result<()> {
    let here = format!("file://{}", root().display());
    let mut clone = command(&["git", "clone", "--quiet", "--depth=1", &here]);
    complete(clone.arg(system.clone_folder()))?;
    let shared = root().join("../shared");
    if shared.is_dir() {
        let to = system.clone_folder().with_file_name("shared");
        complete(command(&["cp", "-r"]).arg(shared).arg(to))?;
    }
    Ok(())
}

/// Runs the demo until certificates stream.
fn demo(system: &System) -> anyhow::Result<()> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let (_, port) = address.split_once(':').context("an address")?;
    let words = ["cargo", "run", "--release", "--", "--demo", "--port", port];
    let mut process = Process::start(&mut system.command(&words))?;
    let start = Instant::now();
    while !answers(&format!("http://{address}/health"))? {
        if let Some(status) = process.ended()? {
            bail!("the demo ended with {status}");
        }
        ensure!(start.elapsed() < BUILD, "the demo does not start within {BUILD:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("the demo answers after {:.0} s", start.elapsed().as_secs_f64());
    let stream = format!("http://{address}/sse?stream=domains");
    complete(
        command(&[
            "bash",
            "-ec",
            "set -o pipefail; curl -fsSN --max-time 60 \"$1\" | head -n 3 \
        || test ${PIPESTATUS[0]} = 23",
            "bash",
            &stream,
        ])
        .current_dir(Path::new("/")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_the_readme_are_found() {
        let text = "on Debian, `apt-get install -y build-essential curl`.\n apt-get install zsh";
        assert_eq!(packages(text), Some(vec!["build-essential".to_owned(), "curl".to_owned()]));
        assert_eq!(packages("cargo install"), None);
        let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
        let named = packages(&readme).expect("packages");
        assert!(named.iter().any(|name| name == "build-essential"), "{named:?}");
    }
}
