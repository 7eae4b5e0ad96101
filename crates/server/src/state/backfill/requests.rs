//! Requests of `certstream-server backfill` to the running server, which are left in the data directory
//! as acknowledgements are, and the answers beside them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use follow::{Fleet, acknowledge, file};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::job::Job;
use super::missing::Missing;
use crate::history::JournalHistory;
use crate::history::published::InJournal;
use crate::state::acknowledgements::{CHECK_EVERY, waiting};

/// The name in the data directory beside which requests wait.
const NAME: &str = "backfill";
/// The most bytes of an answer that are read.
const LONGEST: u64 = 64 * 1024;
/// The time between two answers about the progress.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// The progress of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) stage: Stage,
    /// A line about the progress, the outcome, or the reason of a failure.
    pub(crate) text: String,
}

/// The stage of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    Running,
    Done,
    Failed,
}

/// Leaves a request for logs with these names, URLs or ids, and removes the answer to an earlier one.
///
/// # Errors
/// If the directory cannot be written, or an earlier request waits
/// ([`AlreadyExists`](io::ErrorKind::AlreadyExists)).
pub(crate) fn leave(data_dir: &Path, names: &[String]) -> io::Result<()> {
    forget(data_dir)?;
    acknowledge::leave(&data_dir.join(NAME), names)
}

/// Reports whether a request has not been taken yet.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn is_waiting(data_dir: &Path) -> io::Result<bool> {
    acknowledge::is_waiting(&data_dir.join(NAME))
}

/// Takes back a request that nobody has taken.
///
/// # Errors
/// If the directory cannot be written.
pub(crate) fn withdraw(data_dir: &Path) -> io::Result<()> {
    acknowledge::take(&data_dir.join(NAME)).map(|_| ())
}

/// Reads the answer, if there is one.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn answer(data_dir: &Path) -> io::Result<Option<Answer>> {
    let bytes = file::read(&place_of_answer(data_dir), LONGEST)?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other)).transpose()
}

fn place_of_answer(data_dir: &Path) -> PathBuf {
    file::with_suffix(&data_dir.join(NAME), ".status")
}

fn forget(data_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(place_of_answer(data_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The task that does what is requested as long as the server runs.
#[derive(Debug)]
pub(crate) struct Requests {
    finish: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Server {
    data_dir: PathBuf,
    fleet: Arc<Fleet>,
    missing: Arc<Missing>,
    published: InJournal,
}

impl Requests {
    /// Begins to take requests.
    pub(crate) fn start(
        data_dir: &Path,
        fleet: &Arc<Fleet>,
        missing: &Arc<Missing>,
        history: &JournalHistory,
        tasks: &Supervisor,
    ) -> Self {
        if let Err(error) = forget(data_dir) {
            tracing::warn!(%error, "the answer to an earlier backfill cannot be removed");
        }
        let server = Arc::new(Server {
            data_dir: data_dir.to_path_buf(),
            fleet: Arc::clone(fleet),
            missing: Arc::clone(missing),
            published: history.published(),
        });
        let tasks = tasks.clone();
        let (finish, mut finished) = watch::channel(false);
        let task = tokio::spawn(async move {
            let take = || Arc::clone(&server).take_all();
            tokio::select! {
                _ = finished.wait_for(|finished| *finished) => {}
                () = tasks.run("backfill", take) => {}
            }
        });
        Self { finish, task }
    }

    /// Takes no more requests. What a request under way has not committed stays missing.
    pub(crate) async fn finish(self) {
        self.finish.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a backfill has ended with an error");
        }
    }
}

impl Server {
    async fn take_all(self: Arc<Self>) {
        self.end_interrupted();
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            match waiting(&self.data_dir.join(NAME)).await {
                Ok(names) if names.is_empty() => {}
                Ok(names) => self.run(&names).await,
                Err(error) => tracing::error!(%error, "a request to backfill could not be taken"),
            }
        }
    }

    /// Answers a request that this task was at work on when it ended with a panic.
    fn end_interrupted(&self) {
        match answer(&self.data_dir) {
            Ok(Some(Answer { stage: Stage::Running, text })) => self.report(
                Stage::Failed,
                format!(
                    "{text}; then an error of the program ended it, see the log of the server; run the \
                     command again, and it continues there"
                ),
            ),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the progress of a backfill cannot be read"),
        }
    }

    async fn run(&self, names: &[String]) {
        tracing::info!(logs = ?names, "entries that are missing are to be read");
        let Self { fleet, missing, published, .. } = self;
        let job = Job { missing, published, fleet };
        let reported = Mutex::new(None::<Instant>);
        let note = |text| {
            let mut reported = reported.lock();
            if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                *reported = Some(Instant::now());
                self.report(Stage::Running, text);
            }
        };
        match job.run(names, |_, reader| reader, note).await {
            Ok(text) => self.report(Stage::Done, text),
            Err(text) => {
                tracing::warn!(reason = text, "entries stay missing");
                self.report(Stage::Failed, text);
            }
        }
    }

    fn report(&self, stage: Stage, text: String) {
        let answer = serde_json::to_vec(&Answer { stage, text }).map_err(io::Error::other);
        let place = place_of_answer(&self.data_dir);
        let written = answer.and_then(|answer| file::replace(&place, &answer));
        if let Err(error) = written {
            tracing::warn!(%error, "the progress of a backfill cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use follow::{FleetOptions, position};
    use journal::Indexes;
    use tokio::sync::mpsc;

    use super::*;
    use crate::app::http_client;
    use crate::history::sample::{SETTINGS, Sample};
    use crate::options;

    #[tokio::test]
    async fn a_request_that_a_panic_ended_is_answered() {
        let sample = Sample::new(SETTINGS);
        let folder = tempfile::tempdir().expect("a folder");
        let config = config::Config::default();
        let options = FleetOptions {
            follow: options::follow_options(&config),
            configured: Vec::new(),
            catalogue: None,
            saved: position::State::default(),
        };
        let (pages, _unread) = mpsc::channel(1);
        let fleet = Fleet::start(Arc::new(http_client(&config).expect("a client")), options, pages);
        let server = Arc::new(Server {
            data_dir: folder.path().to_path_buf(),
            fleet,
            missing: Arc::new(Missing::of(&sample.state)),
            published: InJournal::new(Arc::new(Indexes::new(sample.journal()))),
        });
        server.report(Stage::Running, "Log: 5 of 9 entries read".to_owned());
        // As after a panic.
        let task = tokio::spawn(Arc::clone(&server).take_all());
        let ended = async {
            loop {
                let found = answer(folder.path()).expect("readable").expect("an answer");
                if found.stage != Stage::Running {
                    break found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it ends");
        task.abort();
        assert_eq!(ended.stage, Stage::Failed);
        assert!(ended.text.starts_with("Log: 5 of 9 entries read; "), "{}", ended.text);
        assert!(ended.text.contains("run the command again"), "{}", ended.text);
        server.fleet.stop().await;
    }
}
