//! Acknowledgements of alarms that `certstream-server logs ack` leaves in the data directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use follow::{Fleet, acknowledge};
use supervise::Supervisor;

use crate::options;

/// Interval of the checks for an acknowledgement.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Takes acknowledgements as long as the server runs.
pub(crate) fn start(config: &Config, fleet: &Arc<Fleet>, tasks: &Supervisor) {
    let Some(place) = options::acknowledgements(config) else { return };
    let (fleet, tasks) = (Arc::clone(fleet), tasks.clone());
    tokio::spawn(async move {
        tasks.run("acknowledgements", || take_all(place.clone(), Arc::clone(&fleet))).await;
    });
}

async fn take_all(place: PathBuf, fleet: Arc<Fleet>) {
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
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
