//! The programs under test, ended when they go out of scope.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::command::{command, complete};

/// How long a condition may take to come true on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child process that does not outlive this value.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self(child))
    }

    /// Its standard output, line by line, for a command started with it piped.
    pub(crate) fn output(&mut self) -> anyhow::Result<BufReader<ChildStdout>> {
        let stdout = self.0.stdout.take().context("the process has no standard output to read")?;
        Ok(BufReader::new(stdout))
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Asks it to end as an operator would, and waits; says how long it took.
    pub(crate) fn terminate(mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let start = Instant::now();
        complete(Command::new("kill").args(["-TERM", &self.0.id().to_string()]))?;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok((status, start.elapsed()));
            }
            if start.elapsed() > PATIENCE {
                bail!("process {} does not end after SIGTERM", self.0.id());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Builds the programs that [`binary`] starts. With the tests, not by themselves: so the features are
/// the tests', and nothing is built a second time.
pub(crate) fn build_programs() -> anyhow::Result<()> {
    complete(&mut command(&["cargo", "build", "--workspace", "--bins", "--tests", "--locked"]))
}

/// A program of this workspace as `cargo build` leaves it.
pub(crate) fn binary(name: &str) -> Command {
    Command::new(target().join("debug").join(name))
}

/// A program of this workspace as `cargo build --release` leaves it.
pub(crate) fn release_binary(name: &str) -> Command {
    Command::new(target().join("release").join(name))
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| crate::root().join("target"))
}

/// A port of the loopback interface that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts simulated logs; returns what they say of themselves in their first line.
pub(crate) fn start_logs(arguments: &[&str]) -> anyhow::Result<(Process, Value)> {
    start_ready(binary("ctsim").args(arguments))
}

/// Starts a program that says what it is in its first line, which is returned.
pub(crate) fn start_ready(command: &mut Command) -> anyhow::Result<(Process, Value)> {
    let mut process = Process::start(command.stdout(Stdio::piped()))?;
    let mut line = String::new();
    process.output()?.read_line(&mut line)?;
    let ready = serde_json::from_str(&line);
    Ok((process, ready.with_context(|| format!("{command:?} said {line:?}"))?))
}

/// Waits until a URL answers 200.
pub(crate) fn wait_for(url: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if answers(url)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{url} does not answer")
}

/// Whether a URL answers 200 now (or what `curl --fail` takes for success).
pub(crate) fn answers(url: &str) -> anyhow::Result<bool> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--max-time", "5", url]);
    Ok(curl.stdout(Stdio::null()).status()?.success())
}
