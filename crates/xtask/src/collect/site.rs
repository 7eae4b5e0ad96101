//! Simulated logs and the server that follows them from their first entry.

use std::path::Path;

use super::rows::wait_for_rows;
use crate::logs::Logs;
use crate::process::{Process, Programs, free_port, wait_for};

/// Simulated logs and a server; both end when this is dropped.
#[derive(Debug)]
pub struct Site {
    logs: Logs,
    server: Option<Process>,
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
        let logs = Logs::start(programs, folder, logs)?;
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (port, server) = (free_port()?, None);
        let mut site = Self { logs, server, port, settings, programs };
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
        let mut command = self.logs.server(self.port)?;
        command.args(["--log-level=error", "--feed-ring-bytes=256MiB"]).args(&self.settings);
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
        self.logs.urls()
    }

    /// Waits until the files in a folder, including the open one, have so many rows.
    ///
    /// # Errors
    /// If they do not within ten minutes, or the folder cannot be read.
    pub fn wait_for_rows(&self, folder: &Path, wanted: u64) -> anyhow::Result<()> {
        wait_for_rows(self.programs, folder, wanted)
    }
}
