//! The benchmarks' side of a client program: starting it and waiting for the events that it reports.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{anyhow, bail};
use serde_json::Value;

use super::events::{EVENT, FAILED};
use crate::clients::load::LoadOptions;
use xtask::process::{Process, release_binary};

/// A running program; ended when it goes out of scope.
pub(crate) struct Program {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(arguments: Vec<String>) -> anyhow::Result<Self> {
        let mut command = release_binary("bench");
        let mut process = Process::start(command.args(arguments).stdout(Stdio::piped()))?;
        let output = process.output()?;
        Ok(Self { process, output })
    }

    /// A load client.
    pub(crate) fn load(options: &LoadOptions) -> anyhow::Result<Self> {
        Self::start(options.arguments())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it says that it has come to `event`; what else it says then.
    pub(crate) fn wait_for(&mut self, event: &str) -> anyhow::Result<Value> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            let said: Value = serde_json::from_str(&line)?;
            match said.get(EVENT).and_then(Value::as_str) {
                Some(here) if here == event => return Ok(said),
                Some(FAILED) => {
                    let error = said.get("error").and_then(Value::as_str);
                    bail!("the clients failed: {}", error.unwrap_or("they do not say why"));
                }
                _ => line.clear(),
            }
        }
        bail!("the clients ended before they were {event}")
    }

    /// Waits for an event as [`wait_for`](Self::wait_for) does, and calls `look` repeatedly
    /// meanwhile.
    pub(crate) fn wait_with(
        &mut self,
        event: &str,
        every: Duration,
        mut look: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| self.wait_for(event));
            let mut looked = Ok(());
            while looked.is_ok() && !waiting.is_finished() {
                looked = look();
                std::thread::sleep(every);
            }
            let said = waiting.join().map_err(|_| anyhow!("the wait for {event} broke"))?;
            looked.and(said)
        })
    }
}
