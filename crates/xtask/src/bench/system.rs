//! The programs under test: simulated logs and the server that follows them.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::report::folder;
use super::{http, load::LoadOptions};
use crate::processes::{Process, free_port, release_binary, start_ready};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which logs to simulate.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogGroup {
    pub(super) rfc6962: usize,
    pub(super) static_ct: usize,
    /// Entries each log has at the start.
    pub(super) initial_size: u64,
    /// Entries a second that each log gains.
    pub(super) rate: f64,
    /// How often each log publishes a head.
    pub(super) publish_interval: Duration,
}

/// Simulated logs.
pub(super) struct Logs {
    process: Process,
    base_url: String,
    list_url: String,
    list_key: PathBuf,
}

impl Logs {
    pub(super) fn start(group: &LogGroup) -> anyhow::Result<Self> {
        Self::start_with(group, &[])
    }

    /// With further arguments of the simulator.
    pub(super) fn start_with(group: &LogGroup, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = release_binary("ctsim");
        command.args(arguments);
        command.args(["--port", "0"]).env("RUST_LOG", "warn");
        for (name, value) in [
            ("rfc6962", group.rfc6962.to_string()),
            ("static-ct", group.static_ct.to_string()),
            ("initial-size", group.initial_size.to_string()),
            ("rate", group.rate.to_string()),
            ("publish-interval-ms", group.publish_interval.as_millis().to_string()),
        ] {
            command.arg(format!("--{name}={value}"));
        }
        let (process, ready) = start_ready(&mut command)?;
        let text = |key: &str| {
            let value = ready.get(key).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("ctsim does not say {key}"))
        };
        let list_key = folder()?.join("log_list_key.pem");
        std::fs::write(&list_key, http::get(&text("list_key_url")?)?)?;
        let (base_url, list_url) = (text("base_url")?, text("list_url")?);
        Ok(Self { process, base_url, list_url, list_key })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What they were asked, and where they are.
    pub(super) fn stats(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&http::get(&format!("{}stats.json", self.base_url))?)?)
    }
}

/// The server, listening.
pub(super) struct Server {
    process: Process,
    port: u16,
}

impl Server {
    /// With everything at its default but `settings`, which are environment variables without
    /// `CERTSTREAM_`, and what it takes to follow these logs.
    pub(super) fn start(logs: &Logs, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_at(free_port()?, logs, settings)
    }

    /// On a certain port.
    pub(super) fn start_at(
        port: u16,
        logs: &Logs,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut command: Command = release_binary("certstream-server");
        command
            .env("CERTSTREAM_HOST", "127.0.0.1")
            .env("CERTSTREAM_PORT", port.to_string())
            .env("CERTSTREAM_LOG_LEVEL", "warn")
            .env("CERTSTREAM_CT_LOG_LOG_LIST_URL", &logs.list_url)
            .env("CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE", &logs.list_key);
        for (name, value) in settings {
            command.env(format!("CERTSTREAM_{name}"), value);
        }
        let server = Self { process: Process::start(&mut command)?, port };
        let often = Duration::from_millis(5);
        wait("the server to listen", often, || Ok(http::get(&server.url("health")).ok()))?;
        Ok(server)
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The sum of a metric over all its labels.
    pub(super) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = http::get(&self.url("metrics"))?;
        let mut found = false;
        let mut sum = 0.0;
        for line in text.lines() {
            let Some((key, value)) = line.rsplit_once(' ') else { continue };
            if key.split('{').next() == Some(name) {
                sum += value.parse::<f64>()?;
                found = true;
            }
        }
        ensure!(found, "/metrics has no {name}");
        Ok(sum)
    }

    /// A load client's options for the lite stream; it looks into the messages of one client in
    /// fifty.
    pub(super) fn lite(&self, clients: usize, time: Duration) -> LoadOptions {
        LoadOptions {
            address: format!("127.0.0.1:{}", self.port),
            path: "/".to_owned(),
            clients,
            sampled: clients.div_ceil(50),
            warmup: Duration::from_secs(3),
            time,
            record: None,
            reconnect: false,
        }
    }
}

/// Asks again and again until there is an answer.
pub(super) fn wait<T>(
    what: &str,
    every: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(every);
    }
    bail!("waited in vain for {what}")
}
