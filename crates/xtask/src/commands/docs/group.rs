//! Processes of a code block.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

/// The longest time for one block.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A shell and the processes that it started; killed together when this is dropped.
pub(super) struct Group(Child);

impl Group {
    /// Starts a command as the leader of a process group.
    pub(super) fn start(command: &mut Command) -> anyhow::Result<Self> {
        Ok(Self(command.process_group(0).spawn()?))
    }

    /// Waits for the end of the command.
    pub(super) fn wait(mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "it has not ended after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends SIGTERM to all of them and waits for the end of the command.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "it does not end after SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Returns the status of the command, if it has ended.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.0.try_wait()?)
    }

    /// Returns the standard output of a command that was started with it piped.
    pub(super) fn stdout(&mut self) -> anyhow::Result<ChildStdout> {
        self.0.stdout.take().context("no standard output")
    }

    fn signal(&self, signal: Signal) {
        // A process that has ended already cannot be signalled.
        let _sent = kill_process_group(Pid::from_child(&self.0), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _reaped = self.0.wait();
    }
}
