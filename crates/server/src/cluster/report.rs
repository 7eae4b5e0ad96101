//! The status of the logs, from the leader to all other nodes, through the bucket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use follow::LogsSnapshot;
use relay::{Bucket, UseError};
use supervise::Supervisor;
use tokio::time::{MissedTickBehavior, interval};

use super::leading::FollowedLogs;
use super::logs::ClusterLogs;
use super::status::Status;

/// Interval at which the leader reports, and others read that.
const EVERY: Duration = Duration::from_secs(2);
/// Key of the entry in the bucket.
const KEY: &str = "logs";

/// Starts to report while this node leads, and to read the report otherwise.
pub(super) fn start(
    bucket: Bucket,
    logs: Arc<ClusterLogs>,
    followed: Arc<FollowedLogs>,
    status: Arc<Status>,
    tasks: &Supervisor,
) {
    let tasks = tasks.clone();
    tokio::spawn(async move {
        let exchange = || exchange(&bucket, &logs, &followed, &status);
        tasks.run("cluster_logs", exchange).await;
    });
}

async fn exchange(bucket: &Bucket, logs: &ClusterLogs, followed: &FollowedLogs, status: &Status) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut read = 0;
    loop {
        ticks.tick().await;
        let exchanged = match followed.fleet() {
            Some(fleet) => {
                let snapshot = LogsSnapshot::take(&*fleet);
                status.see_report();
                write(bucket, &snapshot).await
            }
            None => self::read(bucket, logs, status, &mut read).await,
        };
        if let Err(error) = exchanged {
            tracing::debug!(%error, "the status of the logs could not be exchanged");
        }
    }
}

async fn write(bucket: &Bucket, snapshot: &LogsSnapshot) -> Result<(), UseError> {
    match snapshot.encode() {
        Ok(bytes) => bucket.put(KEY, Bytes::from(bytes)).await.map(|_| ()),
        Err(error) => {
            tracing::warn!(%error, "the status of the logs cannot be reported to other nodes");
            Ok(())
        }
    }
}

async fn read(
    bucket: &Bucket,
    logs: &ClusterLogs,
    status: &Status,
    last: &mut u64,
) -> Result<(), UseError> {
    let Some((revision, bytes)) = bucket.get(KEY).await? else { return Ok(()) };
    if revision == *last {
        return Ok(());
    }
    // The first one may be that of a leader that is gone.
    if *last != 0 {
        status.see_report();
    }
    *last = revision;
    match LogsSnapshot::decode(&bytes) {
        Ok(snapshot) => logs.update(snapshot),
        Err(error) => tracing::warn!(%error, "the report of the logs' status cannot be read"),
    }
    Ok(())
}
