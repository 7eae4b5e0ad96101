//! Writing the state file, every few seconds and at the end; and taking the acknowledgements left
//! beside it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use feed::Hub;
use follow::position::{State, StateFile};
use follow::{Fleet, Saves};
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;
use crate::publish::messages::MessageStream;

/// Interval at which the state file is written, if anything has changed.
const SAVE_EVERY: Duration = Duration::from_secs(3);
/// Interval of the checks, at the end, that the task still writes.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The name of the task that saves.
const TASK: &str = "save_state";

/// The parts that the state is read from, and the task is run with.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) hub: Arc<Hub<MessageStream>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Supervisor,
}

/// The task that saves the state. It writes on a blocking thread: a slow disk delays nobody.
#[derive(Debug)]
pub(crate) struct Saver {
    finish: watch::Sender<bool>,
    task: JoinHandle<()>,
    file: Arc<StateFile>,
    parts: Saved,
}

#[derive(Debug)]
struct Writer {
    file: Arc<StateFile>,
    written: State,
}

impl Saver {
    /// Begins to save.
    #[must_use]
    pub(crate) fn start(file: StateFile, parts: Saved) -> Self {
        let (finish, finished) = watch::channel(false);
        let file = Arc::new(file);
        let Saved { fleet, hub, metrics, tasks } = parts.clone();
        let saved = Arc::clone(&file);
        let task = tokio::spawn(async move {
            let save = || {
                let mut writer = Writer::new(&saved);
                let mut finished = finished.clone();
                let (fleet, hub, metrics) = (&fleet, &hub, &metrics);
                async move {
                    let mut finished = pin!(finished.wait_for(|finished| *finished));
                    let mut asked = 0;
                    loop {
                        tokio::select! {
                            _ = &mut finished => return,
                            () = tokio::time::sleep(SAVE_EVERY) => {}
                            () = is_asked(fleet, asked) => {}
                        }
                        writer.take_acknowledgements(fleet).await;
                        asked = fleet.saves().map_or(0, Saves::asked);
                        if writer.write(fleet.state(hub.head())).await {
                            fleet.saves().inspect(|saves| saves.done(asked));
                        } else {
                            metrics.state_errors.inc();
                        }
                    }
                }
            };
            tasks.run(TASK, save).await;
        });
        Self { finish, task, file, parts }
    }

    /// Saves a last time.
    pub(crate) async fn finish(mut self) {
        self.finish.send_replace(true);
        // What is being written is waited for; a restart after a panic is not.
        while tokio::time::timeout(LOOK_EVERY, &mut self.task).await.is_err() {
            let tasks = self.parts.tasks.tasks();
            if tasks.iter().any(|task| task.name == TASK && task.down > 0) {
                self.task.abort();
            }
        }
        let mut writer = Writer::new(&self.file);
        if !writer.write(self.parts.fleet.state(self.parts.hub.head())).await {
            self.parts.metrics.state_errors.inc();
        }
    }
}

/// Waits until a log has asked more often than so for a save.
async fn is_asked(fleet: &Fleet, asked: u64) {
    match fleet.saves() {
        Some(saves) => saves.asked_after(asked).await,
        None => std::future::pending().await,
    }
}

impl Writer {
    fn new(file: &Arc<StateFile>) -> Self {
        Self { file: Arc::clone(file), written: State::default() }
    }

    /// Ends the alarms that somebody has acknowledged (`certstream-server logs ack`).
    async fn take_acknowledgements(&self, fleet: &Fleet) {
        let file = Arc::clone(&self.file);
        match tokio::task::spawn_blocking(move || file.take_acknowledgements()).await {
            Ok(Ok(names)) => {
                for name in names {
                    let alarms = fleet.acknowledge(&name).await;
                    tracing::info!(log = name, alarms, "alarms acknowledged");
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "an acknowledgement could not be processed"),
            Err(error) => tracing::error!(%error, "an acknowledgement could not be processed"),
        }
    }

    /// Writes the state unless it is what was written last. Returns `false` if that failed.
    async fn write(&mut self, state: State) -> bool {
        if state == self.written {
            return true;
        }
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || file.save(&state).map(|()| state)).await;
        match written {
            Ok(Ok(state)) => {
                self.written = state;
                true
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot save positions; a restart would repeat entries");
                false
            }
            Err(error) => {
                tracing::error!(%error, "cannot save positions");
                false
            }
        }
    }
}
