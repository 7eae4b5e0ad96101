//! The server's figures about its outputs, from its metrics.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use xtask::process::response;

const PATIENCE: Duration = Duration::from_secs(180);

/// The metrics of a server.
pub(super) struct Figures {
    pub(super) port: u16,
}

/// The figures at one moment.
#[derive(Debug, Default)]
pub(super) struct Now {
    /// Entries of the stream.
    pub(super) published: u64,
    /// Acknowledged messages, by output.
    pub(super) messages: Vec<u64>,
    /// Entries that wait, by output.
    pub(super) behind: Vec<u64>,
    /// 1 for each output that the server runs.
    running: Vec<u64>,
}

impl Figures {
    /// Waits until each of so many outputs has published a message.
    pub(super) fn wait_for_progress(&self, outputs: usize) -> anyhow::Result<()> {
        let before = std::cell::Cell::new(None);
        self.wait("progress of all outputs", |now| {
            if now.messages.len() != outputs {
                return false;
            }
            let least = now.messages.iter().min().copied().unwrap_or_default();
            let begun = before.get().unwrap_or(least);
            before.set(Some(begun));
            least > begun
        })
    }

    /// Returns the messages that each output has published at least, and whether none is behind; nothing
    /// if the server does not run all of them.
    pub(super) fn published(&self) -> Option<(u64, bool)> {
        let now = self.read().ok()?;
        let runs = !now.running.is_empty() && now.running.iter().all(|running| *running == 1);
        let is_up_to_date = now.behind.iter().all(|behind| *behind == 0);
        now.messages.into_iter().min().filter(|_| runs).map(|least| (least, is_up_to_date))
    }

    /// Waits until the stream has so many entries and no output is behind.
    pub(super) fn wait_for_end(&self, entries: u64) -> anyhow::Result<()> {
        self.wait("the end", |now| {
            now.published >= entries && now.behind.iter().all(|behind| *behind == 0)
        })
    }

    pub(super) fn wait(&self, what: &str, is_so: impl Fn(&Now) -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut now = Now::default();
        while start.elapsed() < PATIENCE {
            // A server that was killed is not there at first.
            if let Ok(read) = self.read() {
                now = read;
                if is_so(&now) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("waited without success for {what}: {now:?}")
    }

    fn read(&self) -> anyhow::Result<Now> {
        let text = response(&format!("http://127.0.0.1:{}/metrics", self.port))?;
        let text = text.context("no metrics")?;
        let all = |name: &str| -> anyhow::Result<Vec<u64>> {
            let lines = text.lines().filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()).flatten()
            });
            lines.map(|value| Ok(value.parse::<f64>().context("a figure")? as u64)).collect()
        };
        Ok(Now {
            published: all("certstream_journal_entries")?.first().copied().unwrap_or_default(),
            messages: all("certstream_output_messages_total")?,
            behind: all("certstream_output_behind")?,
            running: all("certstream_output_running")?,
        })
    }
}
