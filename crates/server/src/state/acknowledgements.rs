//! Acknowledgements of alarms that `certstream-server logs ack` leaves in the data directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use follow::{Fleet, acknowledge};
use supervise::Supervisor;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::options;

/// Interval of the checks for an acknowledgement.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The task that takes acknowledgements as long as the server runs.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    finish: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Acknowledgements {
    /// Begins to take them; `None` if there is no place for them.
    pub(crate) fn start(config: &Config, fleet: &Arc<Fleet>, tasks: &Supervisor) -> Option<Self> {
        let place = options::acknowledgements(config)?;
        let (fleet, tasks) = (Arc::clone(fleet), tasks.clone());
        let (finish, finished) = watch::channel(false);
        let task = tokio::spawn(async move {
            let take = || take_all(place.clone(), Arc::clone(&fleet), finished.clone());
            tasks.run("acknowledgements", take).await;
        });
        Some(Self { finish, task })
    }

    /// Waits until the one that is being taken is committed, and takes no more: the next one is for
    /// the next start.
    pub(crate) async fn finish(self) {
        self.finish.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "acknowledgements could not be taken to the end");
        }
    }
}

async fn take_all(place: PathBuf, fleet: Arc<Fleet>, mut finished: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = finished.wait_for(|finished| *finished) => return,
            () = tokio::time::sleep(CHECK_EVERY) => {}
        }
        let path = place.clone();
        let taken = tokio::task::spawn_blocking(move || acknowledge::take(&path)).await;
        let names = match taken.map_err(std::io::Error::other).flatten() {
            Ok(names) => names,
            Err(error) => {
                tracing::error!(%error, "an acknowledgement could not be taken");
                continue;
            }
        };
        for name in names {
            let alarms = fleet.acknowledge(&name).await;
            tracing::info!(log = name, alarms, "alarms are acknowledged");
        }
    }
}
