//! Writing the state file, every few seconds and at the end; and taking the acknowledgements left
//! beside it.

use std::sync::Arc;
use std::time::Duration;

use follow::Fleet;
use follow::position::{State, StateFile};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::http::Shared;

/// How often the state file is written, if anything has changed.
const SAVE_EVERY: Duration = Duration::from_secs(3);

/// The task that saves the state. It writes on a blocking thread: a slow disk delays nobody.
#[derive(Debug)]
pub(crate) struct Saver {
    finish: oneshot::Sender<()>,
    task: JoinHandle<Writer>,
}

#[derive(Debug)]
struct Writer {
    file: Arc<StateFile>,
    written: State,
}

impl Saver {
    /// Begins to save.
    #[must_use]
    pub(crate) fn start(file: StateFile, shared: &Shared) -> Self {
        let (finish, mut finished) = oneshot::channel();
        // Not the whole of `shared`: it would keep the connections' channel open.
        let (fleet, hub) = (Arc::clone(&shared.fleet), Arc::clone(&shared.hub));
        let metrics = Arc::clone(&shared.metrics);
        let mut writer = Writer { file: Arc::new(file), written: State::default() };
        let task = tokio::spawn(async move {
            while tokio::time::timeout(SAVE_EVERY, &mut finished).await.is_err() {
                writer.take_acknowledgements(&fleet).await;
                if !writer.write(fleet.state(hub.head())).await {
                    metrics.state_errors.inc();
                }
            }
            writer
        });
        Self { finish, task }
    }

    /// Saves a last time.
    pub(crate) async fn finish(self, shared: &Shared) {
        drop(self.finish);
        let Ok(mut writer) = self.task.await else {
            tracing::error!("the task that saves the state has failed");
            return;
        };
        if !writer.write(shared.fleet.state(shared.hub.head())).await {
            shared.metrics.state_errors.inc();
        }
    }
}

impl Writer {
    /// Ends the alarms that somebody has acknowledged (`certstream-server logs ack`).
    async fn take_acknowledgements(&self, fleet: &Fleet) {
        let file = Arc::clone(&self.file);
        match tokio::task::spawn_blocking(move || file.take_acknowledgements()).await {
            Ok(Ok(names)) => {
                for name in names {
                    let alarms = fleet.acknowledge(&name);
                    tracing::info!(log = name, alarms, "alarms are acknowledged");
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "an acknowledgement could not be taken"),
            Err(error) => tracing::error!(%error, "an acknowledgement could not be taken"),
        }
    }

    /// Writes the state unless it is what was written last; whether that went well.
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
                tracing::error!(%error, "positions could not be saved, a restart would repeat entries");
                false
            }
            Err(error) => {
                tracing::error!(%error, "positions could not be saved");
                false
            }
        }
    }
}
