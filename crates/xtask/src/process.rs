//! Running other programs: tools to their end, and the programs under test until a value is dropped.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The longest wait for a condition, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command from words, which runs at the root of the workspace.
#[must_use]
pub fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().map_or(("true", &[][..]), |(p, a)| (*p, a));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(crate::root());
    command
}

/// Runs a command to its end with its output shown.
///
/// # Errors
/// If it cannot be started or does not succeed.
pub fn complete(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

/// Reports whether a program is installed: the command succeeds.
#[must_use]
pub fn is_installed(words: &[&str]) -> bool {
    let mut command = command(words);
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// A child process, killed when this value is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a process.
    ///
    /// # Errors
    /// If the program cannot be run.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self(child))
    }

    /// Returns its standard output, for a command that was started with it piped.
    ///
    /// # Errors
    /// If it was not piped, or was returned before.
    pub fn output(&mut self) -> anyhow::Result<BufReader<ChildStdout>> {
        let stdout = self.0.stdout.take().context("the process has no standard output to read")?;
        Ok(BufReader::new(stdout))
    }

    /// Returns its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Returns its status, if it has ended.
    ///
    /// # Errors
    /// If the system does not give the status.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Sends SIGTERM and waits; returns the status and the time that it took to end.
    ///
    /// # Errors
    /// If it does not end within a minute.
    pub fn terminate(mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let start = Instant::now();
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
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
        // It may have ended already.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Builds the programs that [`binary`] starts, together with the tests: the features are then those of
/// the tests, and nothing is built twice.
///
/// # Errors
/// If the build fails.
pub fn build_programs() -> anyhow::Result<()> {
    complete(&mut command(&["cargo", "build", "--workspace", "--bins", "--tests", "--locked"]))
}

/// Returns the command of a program of this workspace from the debug build.
#[must_use]
pub fn binary(name: &str) -> Command {
    Command::new(target().join("debug").join(name))
}

/// Returns the command of a program of this workspace from the release build.
#[must_use]
pub fn release_binary(name: &str) -> Command {
    Command::new(target().join("release").join(name))
}

/// Returns cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| crate::root().join("target"))
}

/// Returns the folder of the user.
///
/// # Errors
/// If the environment does not name it.
pub fn home() -> anyhow::Result<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")
}

/// Returns cargo's folder of settings and sources.
///
/// # Errors
/// If the environment does not name it.
pub fn cargo_home() -> anyhow::Result<PathBuf> {
    std::env::var_os("CARGO_HOME").map_or_else(|| Ok(home()?.join(".cargo")), |it| Ok(it.into()))
}

/// Returns a port of the loopback interface that was free a moment ago.
///
/// # Errors
/// If the system has none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts simulated logs of the debug build; returns the description in their first line.
///
/// # Errors
/// If they do not start.
pub fn start_logs(arguments: &[&str]) -> anyhow::Result<(Process, Value)> {
    start_ready(binary("ctsim").args(arguments))
}

/// Starts a program that describes itself in a first line of JSON, which is returned.
///
/// # Errors
/// If it does not start, or its first line is no JSON.
pub fn start_ready(command: &mut Command) -> anyhow::Result<(Process, Value)> {
    let mut process = Process::start(command.stdout(Stdio::piped()))?;
    let mut line = String::new();
    process.output()?.read_line(&mut line)?;
    let ready = serde_json::from_str(&line);
    Ok((process, ready.with_context(|| format!("{command:?} said {line:?}"))?))
}

/// Waits until a URL responds with 200.
///
/// # Errors
/// If it does not within a minute.
pub fn wait_for(url: &str) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if answers(url)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("{url} does not answer")
}

/// Reports whether a URL responds with 200 now (or another status that `curl --fail` accepts).
///
/// # Errors
/// If curl cannot be run.
pub fn answers(url: &str) -> anyhow::Result<bool> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--max-time", "5", url]);
    Ok(curl.stdout(Stdio::null()).status()?.success())
}
