//! The task of the lease: renews that of a node that leads, and watches that of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ct::Hash;
use relay::protocol::{Eligibility, Lease};
use relay::{Bucket, Candidate, UseError};
use tokio::time::{MissedTickBehavior, interval};

use super::standing::Standing;

/// Interval at which a leader renews its lease, and others look at it.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Time without a change after which a lease is over.
const OVER_AFTER: Duration = Duration::from_secs(5);
/// Time for which nobody must have a lease before a node tries to lead.
const FREE_AFTER: Duration = Duration::from_secs(2);
/// Time without a sign after which a node does not count as ready to lead.
const READY_FOR: Duration = Duration::from_secs(3);

/// Keeps the lease of a node that may lead.
#[derive(Debug)]
pub(super) struct LeaseKeeper {
    pub(super) bucket: Bucket,
    pub(super) configuration: Hash,
    started: Instant,
    lease: Lease,
    /// Terms that had begun when the lease was looked at.
    begins: u64,
    /// The last announcement of a node that is ready to lead.
    ready: Lease,
}

impl LeaseKeeper {
    pub(super) fn new(bucket: Bucket, configuration: Hash) -> Self {
        let (lease, ready) = (Lease::default(), Lease::default());
        Self { bucket, configuration, started: Instant::now(), lease, begins: 0, ready }
    }

    /// Runs until the node has ended.
    pub(super) async fn run(mut self, standing: Arc<Standing>) {
        let mut ticks = interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = standing.changed() => {}
            }
            if standing.has_ended() {
                return;
            }
            let kept = if standing.leads() {
                self.renew(&standing).await
            } else {
                self.watch(&standing).await
            };
            if let Err(error) = kept {
                tracing::debug!(%error, "the lease cannot be read or renewed");
                // Renewals may have been made that this node could not see.
                (self.lease, self.ready) = (Lease::default(), Lease::default());
                standing.set_over(false);
            }
        }
    }

    fn candidate(&self, standing: &Standing) -> Candidate {
        Candidate { nonce: standing.nonce(), configuration: self.configuration }
    }

    /// Renews the lease, and looks for a node to hand over to.
    async fn renew(&mut self, standing: &Standing) -> Result<(), UseError> {
        self.bucket.renew(&self.candidate(standing)).await?;
        let (revision, ready) = self.bucket.ready().await?;
        let now = self.started.elapsed();
        self.ready.note(revision, now);
        let is_ready = !self.ready.is_over(READY_FOR, Eligibility::Equal, now);
        let equal = ready.filter(|ready| ready.configuration == self.configuration && is_ready);
        standing.set_successor(equal.map(|ready| ready.nonce));
        Ok(())
    }

    /// Announces this node, and looks whether the lease of the leader is over.
    async fn watch(&mut self, standing: &Standing) -> Result<(), UseError> {
        let begins = standing.begins();
        self.bucket.announce(&self.candidate(standing)).await?;
        let (revision, leader) = self.bucket.lease().await?;
        let now = self.started.elapsed();
        if self.begins != begins {
            // A new leader: its first renewal may be on its way.
            (self.begins, self.lease) = (begins, Lease::default());
        }
        self.lease.note(revision, now);
        let eligibility = match leader {
            Some(leader) if leader.configuration != self.configuration => Eligibility::Unequal,
            _ => Eligibility::Equal,
        };
        let time = if leader.is_none() { FREE_AFTER } else { OVER_AFTER };
        if self.lease.is_over(time, eligibility, now) && standing.begins() == begins {
            standing.set_over(true);
        } else {
            standing.set_over(false);
        }
        Ok(())
    }
}
