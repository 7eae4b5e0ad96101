//! Outputs of a cluster: one node at a time runs them, the one that holds their lease in the bucket.
//!
//! The lease only avoids work done twice. A node that holds it no longer and has not noticed cannot move
//! a cursor (see [`BucketStore`]), and delivery is at least once.

mod lease;
mod store;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};

use relay::Bucket;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::lease::{Lease, Lost};
pub(super) use self::store::BucketStore;
use super::{abort, finish};

/// Returns the name of a node in the bucket, another one at each start.
pub(super) fn random_name() -> String {
    let random = || RandomState::new().hash_one(0_u8);
    format!("{:016x}{:016x}", random(), random())
}

/// A node that holds the lease, or waits for it.
pub(super) struct Holder<S> {
    lease: Lease,
    /// Starts the outputs. They end by themselves once the receiver has `true`.
    start: S,
}

impl<S: Fn(&watch::Receiver<bool>) -> Vec<JoinHandle<()>>> Holder<S> {
    pub(super) const fn new(bucket: Bucket, name: String, start: S) -> Self {
        Self { lease: Lease::new(bucket, name), start }
    }

    /// Runs the outputs whenever it holds the lease, until `stop` resolves to a deadline.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<Instant>) {
        loop {
            tokio::select! {
                // Without a sender the server has ended.
                _ = &mut stop => return,
                () = self.lease.acquire() => {}
            }
            tracing::info!("this node runs the outputs of the cluster");
            let (stopping, stopped) = watch::channel(false);
            let tasks = (self.start)(&stopped);
            let lost = tokio::select! {
                lost = self.lease.keep() => lost,
                deadline = &mut stop => {
                    stopping.send_replace(true);
                    let deadline = deadline.unwrap_or_else(|_| Instant::now());
                    return self.hand_over(tasks, deadline).await;
                }
            };
            abort(tasks).await;
            note(lost);
        }
    }

    /// Lets the outputs end, and gives up the lease, so that another node has it at once.
    async fn hand_over(mut self, tasks: Vec<JoinHandle<()>>, deadline: Instant) {
        let ended = tokio::select! {
            () = finish(tasks, deadline) => None,
            lost = self.lease.keep() => Some(lost),
        };
        match ended {
            None => self.lease.release().await,
            Some(lost) => note(lost),
        }
    }
}

fn note(lost: Lost) {
    tracing::warn!("this node runs the outputs of the cluster no longer: {lost}");
}
