//! The load client seen from the one who starts it, and what it measures together with `/proc`.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::load::LoadOptions;
use super::proc::{Spent, Stopwatch};
use crate::processes::{Process, release_binary};

/// A running load client; ended when it goes out of scope.
pub(super) struct Load {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Load {
    pub(super) fn start(options: &LoadOptions) -> anyhow::Result<Self> {
        let mut command = release_binary("xtask");
        command.args(options.arguments()).stdout(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let output = process.output()?;
        Ok(Self { process, output })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it says that it has come to `event`.
    pub(super) fn wait_for(&mut self, event: &str) -> anyhow::Result<Value> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            let said: Value = serde_json::from_str(&line)?;
            if said.get("event").and_then(Value::as_str) == Some(event) {
                return Ok(said);
            }
            line.clear();
        }
        bail!("the load client ended before it was {event}")
    }
}

/// What a server spent to deliver what the load client received.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) spent: Spent,
    /// What the load client said when all were connected, and at the end.
    pub(super) connected: Value,
    pub(super) received: Value,
}

impl Delivery {
    /// Runs the load client against process `server`; `others` belong to the run too.
    pub(super) fn measure(
        server: u32,
        others: &[u32],
        options: &LoadOptions,
    ) -> anyhow::Result<Self> {
        let mut load = Load::start(options)?;
        let connected = load.wait_for("connected")?;
        let processes = [&[server, load.id(), std::process::id()], others].concat();
        load.wait_for("measuring")?;
        let watch = Stopwatch::start(&processes)?;
        let received = load.wait_for("done")?;
        Ok(Self { spent: watch.stop()?, connected, received })
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.received.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    pub(super) fn messages(&self) -> f64 {
        self.number("messages")
    }

    /// Messages received in a second, by all clients together.
    pub(super) fn rate(&self) -> f64 {
        self.messages() / self.spent.wall.as_secs_f64()
    }

    /// CPU-seconds of the server for a million messages received.
    pub(super) fn cpu_per_million(&self) -> f64 {
        self.spent.cpu.as_secs_f64() / self.messages() * 1e6
    }

    /// Messages that came with one read, which is what one write of the server brought unless
    /// writes come faster than reads.
    pub(super) fn messages_per_read(&self) -> f64 {
        self.messages() / self.number("reads")
    }

    /// Bytes of a message with its frame header.
    pub(super) fn message_bytes(&self) -> f64 {
        self.number("bytes") / self.messages()
    }

    /// Everything, for the record.
    pub(super) fn raw(&self) -> Value {
        json!({
            "server_cpu_s": self.spent.cpu.as_secs_f64(),
            "wall_s": self.spent.wall.as_secs_f64(),
            "other_processes_cpu_s": self.spent.others.as_secs_f64(),
            "cpu_s_per_million": self.cpu_per_million(),
            "messages_per_s": self.rate(),
            "messages_per_read": self.messages_per_read(),
            "message_bytes": self.message_bytes(),
            "connected": self.connected,
            "received": self.received,
        })
    }
}

/// The cores' share that went to programs that have nothing to do with the run, in words.
pub(super) fn disturbance(spent: &Spent) -> String {
    let share = spent.others.as_secs_f64() / spent.wall.max(Duration::from_millis(1)).as_secs_f64();
    format!("others used {share:.2} cores")
}
