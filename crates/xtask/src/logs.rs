//! Simulated logs as a process, and the command of a server that reads all of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use crate::process::{Process, Programs, complete, start_ready};

/// Simulated logs; they end when this is dropped.
#[derive(Debug)]
pub struct Logs {
    _process: Process,
    said: Value,
    key: PathBuf,
    programs: Programs,
}

impl Logs {
    /// Starts logs with these arguments of `ctsim`. The key of their list is saved in the folder.
    ///
    /// # Errors
    /// If the simulator does not start.
    pub fn start(
        programs: Programs,
        folder: &Path,
        arguments: &[(&str, u64)],
    ) -> anyhow::Result<Self> {
        let mut command = programs("ctsim");
        command.arg("--port=0");
        if !arguments.iter().any(|(name, _)| *name == "publish-interval-ms") {
            command.arg("--publish-interval-ms=100");
        }
        command.args(arguments.iter().map(|(name, value)| format!("--{name}={value}")));
        let (process, said) = start_ready(&mut command)?;
        let key = folder.join("log_list_key.pem");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--output"]).arg(&key);
        complete(curl.arg(text(&said, "list_key_url")?))?;
        Ok(Self { _process: process, said, key, programs })
    }

    /// Returns the command of a server that follows the logs from their first entries, and delivers
    /// each of their entries.
    ///
    /// # Errors
    /// If the simulator did not describe itself.
    pub fn server(&self, port: u16) -> anyhow::Result<Command> {
        let mut command = (self.programs)("certstream-server");
        command.args(["--host=127.0.0.1", "--dedup-enabled=false", "--ct-log-start=zero"]);
        command.arg(format!("--port={port}"));
        command.arg(format!("--ct-log-log-list-url={}", text(&self.said, "list_url")?));
        command.arg(format!("--ct-log-log-list-key-file={}", self.key.display()));
        command.args(["--ct-log-poll-interval-ms=100", "--ct-log-partial-tile-wait-ms=100"]);
        Ok(command)
    }

    /// Returns the URLs of all logs.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let logs = self.said.get("logs").and_then(Value::as_array);
        let urls = logs.into_iter().flatten().filter_map(|log| log.get("url")?.as_str());
        urls.map(str::to_owned).collect()
    }
}

fn text(said: &Value, key: &str) -> anyhow::Result<String> {
    let value = said.get(key).and_then(Value::as_str).map(str::to_owned);
    value.with_context(|| format!("ctsim does not say {key}"))
}
