//! Outputs to brokers: the feed as their source, and their tasks.

mod settings;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use config::Config;
use feed::{Begin, Hub};
use record::StreamId;
use sinks::{Cursor, Output, Resume, Status};
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use self::settings::Configured;
use self::source::FeedSource;
use crate::publish::messages::MessageStream;

pub(crate) use self::settings::check;

/// The folder of cursors in the data directory.
const FOLDER: &str = "outputs";

/// The figures of all outputs.
pub(crate) type Statuses = Arc<[Arc<Status>]>;

/// The outputs of a server; by default none.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    statuses: Statuses,
    tasks: Vec<JoinHandle<()>>,
    stopping: watch::Sender<bool>,
}

/// The parts of the server that outputs read.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The stream.
    pub(crate) hub: Arc<Hub<MessageStream>>,
    /// The stream again, to render.
    pub(crate) messages: Arc<MessageStream>,
    /// Its id.
    pub(crate) stream: StreamId,
    /// The background tasks.
    pub(crate) tasks: Supervisor,
}

impl Outputs {
    /// Starts the outputs of a configuration. The first of their messages is the next one published, or
    /// the one at their cursor.
    ///
    /// # Errors
    /// If a file that the configuration names, or a cursor, cannot be read.
    pub(crate) fn start(config: &Config, parts: &Parts) -> anyhow::Result<Self> {
        let (stopping, stop) = watch::channel(false);
        let folder = config.data_dir.as_ref().map(|dir| dir.join(FOLDER));
        let mut statuses = Vec::new();
        let mut tasks = Vec::new();
        for configured in settings::outputs(config)? {
            let status = Arc::new(Status::new(configured.settings.name.clone()));
            statuses.push(Arc::clone(&status));
            let folder = folder.clone();
            let (parts, stop) = (parts.clone(), stop.clone());
            let task = Task { configured, folder, parts, status, stop };
            // Opened here: nothing that is published from now on is left out.
            let opened = task.open()?;
            tasks.push(tokio::spawn(task.run(opened)));
        }
        Ok(Self { statuses: statuses.into(), tasks, stopping })
    }

    /// Returns the figures.
    pub(crate) fn statuses(&self) -> Statuses {
        Arc::clone(&self.statuses)
    }

    /// Waits until everything is published, once the hub is closed; what a broker does not take is left
    /// for the next start.
    pub(crate) async fn finish(self, deadline: Instant) {
        self.stopping.send_replace(true);
        for mut task in self.tasks {
            if timeout_at(deadline, &mut task).await.is_err() {
                tracing::warn!("an output did not end in time: the next start repeats messages");
                task.abort();
            }
        }
    }
}

/// The task of one output.
struct Task {
    configured: Configured,
    folder: Option<PathBuf>,
    parts: Parts,
    status: Arc<Status>,
    stop: watch::Receiver<bool>,
}

impl Task {
    /// Publishes; after a panic it continues at the cursor.
    async fn run(self, opened: (Output, FeedSource)) {
        let mut opened = Some(opened);
        let supervisor = self.parts.tasks.clone();
        let again = || {
            let output = opened.take().map_or_else(|| self.open(), Ok);
            async move {
                match output {
                    Ok((output, source)) => output.run(source).await,
                    Err(error) => tracing::error!("an output has ended: {error:#}"),
                }
            }
        };
        supervisor.run(self.configured.task, again).await;
    }

    /// Opens the cursor, and the stream there.
    fn open(&self) -> anyhow::Result<(Output, FeedSource)> {
        let Configured { settings, form, .. } = &self.configured;
        let (output, stream) = (settings.name.as_str(), self.parts.stream);
        let (cursor, resume) = match &self.folder {
            Some(folder) => Cursor::open(folder, output, stream)
                .with_context(|| format!("the output {output}"))?,
            None => (Cursor::in_memory(stream), Resume::Head),
        };
        let begin = self.begin(resume);
        let source = FeedSource::new(&self.parts, *form, begin);
        let (status, stop) = (Arc::clone(&self.status), self.stop.clone());
        Ok((Output::new(settings.clone(), cursor, status, stop), source))
    }

    /// Returns the place to begin at, and says it.
    fn begin(&self, resume: Resume) -> Begin {
        let output = self.configured.settings.name.as_str();
        match resume {
            Resume::Head if self.folder.is_none() => {
                tracing::warn!(
                    output,
                    "the output begins with the next certificate, as at each start without data_dir"
                );
                Begin::Head
            }
            Resume::Head => {
                tracing::info!(output, "a new output begins with the next certificate");
                Begin::Head
            }
            Resume::Oldest => {
                tracing::warn!(
                    output,
                    "the cursor of the output is one of another stream: everything that is kept is \
                     published"
                );
                Begin::Oldest
            }
            Resume::At(position) if position.next > self.parts.hub.next_offset() => {
                tracing::error!(
                    output,
                    next = position.next,
                    "the cursor of the output is ahead of the stream: everything that is kept is \
                     published"
                );
                Begin::Oldest
            }
            Resume::At(position) => {
                tracing::info!(output, next = position.next, "the output continues");
                Begin::At(position.next, position.entries)
            }
        }
    }
}
