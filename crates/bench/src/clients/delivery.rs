//! Delivery to a load client, measured together with `/proc`.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::clients::load::LoadOptions;
use crate::clients::program::Program;
use crate::harness::proc::{Spent, Stopwatch};

/// The messages that the load client received, and the server's cost of delivering them.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) spent: Spent,
    /// The load client's reports when all were connected, and at the end.
    pub(crate) connected: Value,
    pub(crate) received: Value,
}

impl Delivery {
    /// Runs the load client against process `server`; `others` belong to the run too.
    ///
    /// # Errors
    /// If the clients cannot connect or cannot read what they get.
    pub(crate) fn measure(
        server: u32,
        others: &[u32],
        options: &LoadOptions,
    ) -> anyhow::Result<Self> {
        Self::measure_with(server, others, options, Duration::from_secs(1), || Ok(()))
    }

    /// Measures as [`measure`](Self::measure) does, and calls `look` repeatedly meanwhile.
    ///
    /// # Errors
    /// Those of [`measure`](Self::measure) and of `look`.
    pub(crate) fn measure_with(
        server: u32,
        others: &[u32],
        options: &LoadOptions,
        every: Duration,
        look: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut load = Program::load(options)?;
        let connected = load.wait_for("connected")?;
        let processes = [&[server, load.id(), std::process::id()], others].concat();
        load.wait_for("measuring")?;
        let watch = Stopwatch::start(&processes)?;
        let received = load.wait_with("done", every, look)?;
        let delivery = Self { spent: watch.stop()?, connected, received };
        let unreadable = delivery.number("unreadable");
        ensure!(unreadable == 0.0, "{unreadable} messages could not be read");
        Ok(delivery)
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.received.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    pub(crate) fn messages(&self) -> f64 {
        self.number("messages")
    }

    /// Messages received in a second, by all clients together.
    pub(crate) fn rate(&self) -> f64 {
        self.messages() / self.spent.wall.as_secs_f64()
    }

    /// CPU-seconds of the server for a million messages received.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.spent.cpu.as_secs_f64() / self.messages() * 1e6
    }

    /// Messages that came with one read, which is what one write of the server brought unless
    /// writes come faster than reads.
    pub(crate) fn messages_per_read(&self) -> f64 {
        self.messages() / self.number("reads")
    }

    /// Bytes of a message on the wire (before TLS), with all that comes with it.
    pub(crate) fn message_bytes(&self) -> f64 {
        self.number("bytes") / self.messages()
    }

    /// Returns the compression ratio of the clients that inspect their messages.
    pub(crate) fn compression(&self) -> f64 {
        self.number("looked_at_plain_bytes") / self.number("looked_at_bytes")
    }

    /// The share of the messages that clients missed, on the clients that look.
    pub(crate) fn lost_share(&self) -> f64 {
        let (lost, got) = (self.number("lost"), self.number("looked_at"));
        lost / (lost + got).max(1.0)
    }

    /// Everything, for the record.
    pub(crate) fn raw(&self) -> Value {
        json!({
            "server_cpu_s": self.spent.cpu.as_secs_f64(),
            "wall_s": self.spent.wall.as_secs_f64(),
            "other_processes_cpu_s": self.spent.others.as_secs_f64(),
            "cpu_s_per_million": self.cpu_per_million(),
            "messages_per_s": self.rate(),
            "messages_per_read": self.messages_per_read(),
            "message_bytes": self.message_bytes(),
            "compression": self.compression(),
            "connected": self.connected,
            "received": self.received,
        })
    }
}
