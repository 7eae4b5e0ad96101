//! Simulated logs and the server that follows them from their first entry.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{Programs, inspect};
use crate::process::{Process, complete, free_port, start_ready, wait_for};

/// The longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(600);

/// Simulated logs and a server; both end when this is dropped.
#[derive(Debug)]
pub struct Site {
    _logs: Process,
    server: Option<Process>,
    said: Value,
    key: PathBuf,
    port: u16,
    settings: Vec<String>,
    programs: Programs,
}

impl Site {
    /// Starts two logs of each protocol with these numeric options of `ctsim`, and the server with these
    /// flags.
    ///
    /// # Errors
    /// If a program does not start or the server does not become healthy.
    pub fn start(
        programs: Programs,
        folder: &Path,
        logs: &[(&str, u64)],
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        let mut arguments = vec!["--port=0".to_owned(), "--publish-interval-ms=100".to_owned()];
        arguments.extend(logs.iter().map(|(name, value)| format!("--{name}={value}")));
        let (process, said) = start_ready(programs("ctsim").args(arguments))?;
        let key = folder.join("log_list_key.pem");
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--fail", "--output"]).arg(&key);
        complete(curl.arg(text(&said, "list_key_url")?))?;
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (port, server) = (free_port()?, None);
        let mut site = Self { _logs: process, server, said, key, port, settings, programs };
        site.start_server()?;
        wait_for(&format!("http://127.0.0.1:{port}/health"))?;
        Ok(site)
    }

    /// Kills the server if it runs, and starts it.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_server(&mut self) -> anyhow::Result<()> {
        drop(self.server.take()); // SIGKILL
        let mut command = (self.programs)("certstream-server");
        command.args(["--host=127.0.0.1", "--log-level=error", "--dedup-enabled=false"]);
        command.arg(format!("--port={}", self.port));
        command.arg(format!("--ct-log-log-list-url={}", text(&self.said, "list_url")?));
        command.arg(format!("--ct-log-log-list-key-file={}", self.key.display()));
        command.args(["--ct-log-poll-interval-ms=100", "--ct-log-partial-tile-wait-ms=100"]);
        command.args(["--ct-log-start=zero", "--feed-ring-bytes=256MiB"]).args(&self.settings);
        self.server = Some(Process::start(&mut command)?);
        Ok(())
    }

    /// Returns the URL of the stream of full messages.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    /// Returns the number of entries of all logs, when each log has `each`.
    #[must_use]
    pub fn entries(&self, each: u64) -> u64 {
        each * self.log_urls().len() as u64
    }

    /// Returns the URLs of all logs.
    #[must_use]
    pub fn log_urls(&self) -> Vec<String> {
        let logs = self.said.get("logs").and_then(Value::as_array);
        let urls = logs.into_iter().flatten().filter_map(|log| log.get("url")?.as_str());
        urls.map(str::to_owned).collect()
    }

    /// Waits until the files in a folder, including the open one, have so many rows.
    ///
    /// # Errors
    /// If they do not within ten minutes, or the folder cannot be read.
    pub fn wait_for_rows(&self, folder: &Path, wanted: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut rows = 0;
        while start.elapsed() < PATIENCE {
            rows = rows_in(self.programs, folder)?;
            if rows >= wanted {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("{} has {rows} rows, not {wanted}", folder.display())
    }
}

/// Returns the rows of all files in a folder and below it, as far as they can be read now.
fn rows_in(programs: Programs, folder: &Path) -> anyhow::Result<u64> {
    let mut rows = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // Parts that are closed while this looks are found the next time.
            rows += rows_in(programs, &path).unwrap_or(0);
        } else if path
            .extension()
            .is_some_and(|it| ["feather", "parquet", "open"].iter().any(|name| it == *name))
        {
            let report = inspect(programs, &path).ok();
            rows += report.and_then(|it| it.get("rows")?.as_u64()).unwrap_or(0);
        }
    }
    Ok(rows)
}

fn text(said: &Value, key: &str) -> anyhow::Result<String> {
    let value = said.get(key).and_then(Value::as_str).map(str::to_owned);
    value.with_context(|| format!("ctsim does not say {key}"))
}
