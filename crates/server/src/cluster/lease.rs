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
/// Time without a sign after which a node does not count as ready to lead.
const READY_FOR: Duration = Duration::from_secs(3);

/// Keeps the lease of a node that may lead.
#[derive(Debug)]
pub(super) struct LeaseKeeper {
    pub(super) bucket: Bucket,
    pub(super) configuration: Hash,
    started: Instant,
    lease: Lease,
    /// The last announcement of a node that is ready to lead.
    ready: Lease,
}

impl LeaseKeeper {
    pub(super) fn new(bucket: Bucket, configuration: Hash) -> Self {
        let (lease, ready) = (Lease::default(), Lease::default());
        Self { bucket, configuration, started: Instant::now(), lease, ready }
    }

    /// Runs for ever.
    pub(super) async fn run(mut self, standing: Arc<Standing>) {
        let mut ticks = interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
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
        self.bucket.announce(&self.candidate(standing)).await?;
        let (revision, leader) = self.bucket.lease().await?;
        let now = self.started.elapsed();
        self.lease.note(revision, now);
        let eligibility = match leader {
            Some(leader) if leader.configuration != self.configuration => Eligibility::Unequal,
            _ => Eligibility::Equal,
        };
        let is_over = leader.is_none() || self.lease.is_over(OVER_AFTER, eligibility, now);
        standing.set_over(is_over);
        Ok(())
    }
}
