//! The programs a benchmark runs beside those under test. They are this one under other names, and
//! say what they do in lines of JSON on standard output.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{anyhow, bail};
use serde_json::{Value, json};

use super::load::LoadOptions;
use crate::processes::{Process, release_binary};

const EVENT: &str = "event";
const FAILED: &str = "failed";

/// A running program; ended when it goes out of scope.
pub(super) struct Program {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Program {
    pub(super) fn start(arguments: Vec<String>) -> anyhow::Result<Self> {
        let mut command = release_binary("xtask");
        let mut process = Process::start(command.args(arguments).stdout(Stdio::piped()))?;
        let output = process.output()?;
        Ok(Self { process, output })
    }

    /// A load client.
    pub(super) fn load(options: &LoadOptions) -> anyhow::Result<Self> {
        Self::start(options.arguments())
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it says that it has come to `event`; what else it says then.
    pub(super) fn wait_for(&mut self, event: &str) -> anyhow::Result<Value> {
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

    /// The same, looking at something else again and again meanwhile.
    pub(super) fn wait_looking(
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

/// Tells the one who started this program what it has come to.
pub(super) fn say(event: &str, mut values: Value) {
    values[EVENT] = event.into();
    println!("{values}");
}

/// Runs what this program was started for; tells where that fails.
pub(super) fn reporting(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    if let Err(error) = &outcome {
        say(FAILED, json!({ "error": format!("{error:#}") }));
    }
    outcome
}
