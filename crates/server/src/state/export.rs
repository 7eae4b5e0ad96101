//! Positions in the format of certstream-server-go, kept up to date for a return to that server
//! (`compat.export_index`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Config;
use follow::Fleet;
use follow::position::{self, Imported, State};
use parking_lot::Mutex;
use supervise::Supervisor;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;

/// Interval at which the file is written, if anything has changed.
const EVERY: Duration = Duration::from_secs(10);

/// The file.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    /// The positions of logs that this server does not follow, which the file already had or which
    /// were imported.
    others: Imported,
    /// The content of the file. Locked while it is written.
    written: Mutex<Imported>,
}

impl Index {
    /// Reads the file, if it exists, and writes the positions to resume from to it; `None` if none is
    /// configured.
    ///
    /// # Errors
    /// If the file is something else, or cannot be written.
    pub(crate) fn open(config: &Config, saved: &State) -> anyhow::Result<Option<Self>> {
        let Some(path) = config.compat.export_index.clone() else { return Ok(None) };
        let what = || format!("compat.export_index: {}", path.display());
        let mut others = saved.imported.clone();
        others.extend(position::import(&path).with_context(what)?.unwrap_or_default());
        let index = Self { path: path.clone(), others, written: Mutex::default() };
        index.write(saved).with_context(what)?;
        Ok(Some(index))
    }

    /// Writes the positions unless they are what was written last.
    fn write(&self, state: &State) -> std::io::Result<()> {
        let mut index = self.others.clone();
        index.extend(state.go_index());
        let mut written = self.written.lock();
        if *written != index {
            position::write_go_index(&self.path, &index)?;
            *written = index;
        }
        Ok(())
    }
}

/// The task that keeps the file up to date. It writes on a blocking thread: a slow disk delays nobody.
#[derive(Debug)]
pub(crate) struct IndexExport {
    task: JoinHandle<()>,
    writer: Writer,
}

#[derive(Debug, Clone)]
struct Writer {
    index: Arc<Index>,
    fleet: Arc<Fleet>,
    metrics: Arc<Metrics>,
}

impl IndexExport {
    /// Starts to write the file.
    #[must_use]
    pub(crate) fn start(
        index: Index,
        fleet: Arc<Fleet>,
        metrics: Arc<Metrics>,
        tasks: &Supervisor,
    ) -> Self {
        let writer = Writer { index: Arc::new(index), fleet, metrics };
        let (tasks, writes) = (tasks.clone(), writer.clone());
        let task = tokio::spawn(async move {
            let write = || async {
                loop {
                    tokio::time::sleep(EVERY).await;
                    writes.write().await;
                }
            };
            tasks.run("export_index", write).await;
        });
        Self { task, writer }
    }

    /// Writes the file a last time, after a write that is in progress.
    pub(crate) async fn finish(self) {
        self.task.abort();
        self.writer.write().await;
    }
}

impl Writer {
    async fn write(&self) {
        let (index, state) = (Arc::clone(&self.index), self.fleet.state(None));
        let written = tokio::task::spawn_blocking(move || index.write(&state)).await;
        let error: anyhow::Error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.into(),
            Err(error) => error.into(),
        };
        self.metrics.state_errors.inc();
        let file = self.index.path.display();
        tracing::error!(%error, %file, "positions could not be exported (compat.export_index)");
    }
}
