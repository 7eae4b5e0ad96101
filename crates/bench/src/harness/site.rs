//! The programs under test: simulated logs and the server that follows them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustls::ClientConfig;
use serde_json::Value;

use super::folder;
use super::http;
use super::tls::{self, Identity};
use xtask::process::{Process, free_port, release_binary, start_ready};

/// The longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which logs to simulate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogGroup {
    pub(crate) rfc6962: usize,
    pub(crate) static_ct: usize,
    /// Entries each log has at the start.
    pub(crate) initial_size: u64,
    /// Entries a second that each log gains.
    pub(crate) rate: f64,
    /// The interval at which each log publishes a head.
    pub(crate) publish_interval: Duration,
}

/// Simulated logs.
pub(crate) struct Logs {
    process: Process,
    base_url: String,
    list_url: String,
    list_key: PathBuf,
}

impl Logs {
    pub(crate) fn start(group: &LogGroup) -> anyhow::Result<Self> {
        Self::start_with(group, &[])
    }

    /// With further arguments of the simulator.
    pub(crate) fn start_with(group: &LogGroup, arguments: &[&str]) -> anyhow::Result<Self> {
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

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the command of a server that follows these logs, with everything else at its default but
    /// `settings`, keys and values.
    pub(crate) fn server(&self, port: u16, settings: &[(&str, &str)]) -> Command {
        server_command(port, (&self.list_url, &self.list_key), settings)
    }

    /// Returns the simulator's counts of requests, and the sizes of the logs.
    pub(crate) fn stats(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&http::get(&format!("{}stats.json", self.base_url))?)?)
    }
}

/// The server, listening.
pub(crate) struct Server {
    process: Process,
    port: u16,
    /// Its certificate, and how to talk to it, if it speaks TLS.
    tls: Option<(PathBuf, Arc<ClientConfig>)>,
}

impl Server {
    /// With everything at its default but `settings`, keys and values, and what it takes to follow
    /// these logs.
    ///
    /// # Errors
    /// If it does not have one of the settings, or does not listen.
    pub(crate) fn start(logs: &Logs, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::launch(free_port()?, (&logs.list_url, &logs.list_key), settings, None)
    }

    /// Starts a server that follows the logs of a list, which the key in a file verifies.
    pub(crate) fn follow(
        list_url: &str,
        list_key: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::launch(free_port()?, (list_url, list_key), settings, None)
    }

    /// On a certain port.
    pub(crate) fn start_at(
        port: u16,
        logs: &Logs,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::launch(port, (&logs.list_url, &logs.list_key), settings, None)
    }

    /// Speaking TLS.
    pub(crate) fn start_tls(logs: &Logs, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let Identity { certificate, key } = Identity::create()?;
        let tls = Some((certificate.clone(), tls::client(&certificate)?));
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let files = [("tls_cert", certificate.as_str()), ("tls_key", key.as_str())];
        let list = (logs.list_url.as_str(), logs.list_key.as_path());
        Self::launch(free_port()?, list, &[settings, &files].concat(), tls)
    }

    fn launch(
        port: u16,
        (list_url, list_key): (&str, &Path),
        settings: &[(&str, &str)],
        tls: Option<(PathBuf, Arc<ClientConfig>)>,
    ) -> anyhow::Result<Self> {
        let mut command = server_command(port, (list_url, list_key), settings);
        let process = Process::start(&mut command)?;
        let mut server = Self { process, port, tls };
        wait("the server to listen", Duration::from_millis(5), || {
            if let Some(status) = server.process.ended()? {
                bail!("the server with {} ended: {status}", flags(settings).join(" "));
            }
            Ok(server.get("health").ok())
        })?;
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops it with SIGTERM, and waits until it has ended.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let (status, _) = self.process.terminate()?;
        ensure!(status.success(), "the server ended: {status}");
        Ok(())
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the answer to a request.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        self.get_from(Ipv4Addr::LOCALHOST, path)
    }

    /// Returns the answer to a request of a client with this address.
    pub(crate) fn get_from(&self, client: Ipv4Addr, path: &str) -> anyhow::Result<String> {
        let tls = self.tls.as_ref().map(|(_, tls)| tls);
        let scheme = if tls.is_some() { "https" } else { "http" };
        http::get_from(client, &format!("{scheme}://{}/{path}", self.address()), tls)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        sum(&self.get("metrics")?, name)
    }

    /// A metric by the value of one of its labels.
    pub(crate) fn by_label(&self, name: &str, label: &str) -> anyhow::Result<HashMap<String, u64>> {
        let text = self.get("metrics")?;
        let values = text.lines().filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            let (found, labels) = key.split_once('{')?;
            let (_, rest) = labels.split_once(&format!("{label}=\""))?;
            let (labelled, _) = rest.split_once('"')?;
            (found == name).then_some((labelled.to_owned(), value.parse().ok()?))
        });
        Ok(values.collect())
    }

    /// Returns the file of the server's certificate, PEM, if it speaks TLS.
    pub(crate) fn certificate(&self) -> Option<&Path> {
        self.tls.as_ref().map(|(certificate, _)| certificate.as_path())
    }
}

/// Returns the command of a server that follows the logs of a list, which the key in a file verifies.
fn server_command(
    port: u16,
    (list_url, list_key): (&str, &Path),
    settings: &[(&str, &str)],
) -> Command {
    let (port, key_file) = (port.to_string(), list_key.display().to_string());
    let basics = [
        ("host", "127.0.0.1"),
        ("port", &port),
        ("log_level", "warn"),
        ("ct_log.log_list_url", list_url),
        ("ct_log.log_list_key_file", &key_file),
    ];
    let is_set = |key: &str| settings.iter().any(|(set, _)| *set == key);
    let basics: Vec<_> = basics.into_iter().filter(|(key, _)| !is_set(key)).collect();
    let mut command = release_binary("certstream-server");
    command.args(flags(&basics)).args(flags(settings));
    command
}

/// Returns settings as flags, because a flag that there is not is refused.
fn flags(settings: &[(&str, &str)]) -> Vec<String> {
    let flag = |key: &str| key.replace(['.', '_'], "-");
    settings.iter().map(|(key, value)| format!("--{}={value}", flag(key))).collect()
}

/// Returns the metric of the server at an address, the sum over all its labels.
pub(crate) fn metric(address: &str, name: &str) -> anyhow::Result<f64> {
    sum(&http::get(&format!("http://{address}/metrics"))?, name)
}

/// Returns the sum of a metric over all its labels.
fn sum(metrics: &str, name: &str) -> anyhow::Result<f64> {
    let mut found = false;
    let mut sum = 0.0;
    for line in metrics.lines() {
        let Some((key, value)) = line.rsplit_once(' ') else { continue };
        if key.split('{').next() == Some(name) {
            sum += value.parse::<f64>()?;
            found = true;
        }
    }
    ensure!(found, "/metrics has no {name}");
    Ok(sum)
}

/// Asks again and again until there is an answer, for a minute.
pub(crate) fn wait<T>(
    what: &str,
    every: Duration,
    ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    wait_for(what, PATIENCE, every, ask)
}

/// Asks again and again until there is an answer, for so long.
pub(crate) fn wait_for<T>(
    what: &str,
    patience: Duration,
    every: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(every);
    }
    bail!("waited in vain for {what}")
}
