//! The lease of the outputs: a key of the bucket that its holder renews every second.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use relay::{Bucket, UseError};
use tokio::time::{Instant, sleep, timeout};

/// The key.
const KEY: &str = "outputs";
/// Interval at which the holder renews it, and others look at it.
const EVERY: Duration = Duration::from_secs(1);
/// Time without a renewal after which it is over.
const OVER_AFTER: Duration = Duration::from_secs(5);

/// The lease, as one node sees it.
#[derive(Debug)]
pub(super) struct Lease {
    bucket: Bucket,
    /// The node.
    name: String,
    held: Option<Held>,
}

/// A lease that this node holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    revision: u64,
    /// The time before its last renewal.
    renewed: Instant,
}

/// The reason why a node holds the lease no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Another node has it.
    Taken,
    /// It could not be renewed in time.
    NotRenewed,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "another node has taken the lease",
            Self::NotRenewed => "the lease could not be renewed, as NATS does not respond",
        })
    }
}

/// The lease of another node, which is over once its revision rests on this node's clock.
#[derive(Clone, Copy, Debug, Default)]
struct Watched(Option<(u64, Instant)>);

impl Watched {
    /// Notes a revision that was read, and reports whether the lease is over.
    fn is_over(&mut self, revision: u64, now: Instant) -> bool {
        match self.0 {
            Some((known, since)) if known == revision => now - since >= OVER_AFTER,
            _ => {
                self.0 = Some((revision, now));
                false
            }
        }
    }
}

impl Lease {
    pub(super) const fn new(bucket: Bucket, name: String) -> Self {
        Self { bucket, name, held: None }
    }

    /// Waits until this node holds the lease.
    pub(super) async fn acquire(&mut self) {
        let mut watched = Watched::default();
        loop {
            let now = Instant::now();
            match self.try_acquire(&mut watched, now).await {
                Ok(Some(revision)) => {
                    self.held = Some(Held { revision, renewed: now });
                    return;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "the lease of the outputs cannot be read or taken");
                    // Renewals may have been made that this node could not see.
                    watched = Watched::default();
                }
            }
            sleep(EVERY).await;
        }
    }

    async fn try_acquire(
        &self,
        watched: &mut Watched,
        now: Instant,
    ) -> Result<Option<u64>, UseError> {
        match self.bucket.get(KEY).await? {
            None => self.bucket.create(KEY, self.value()).await,
            // It was given up, or an answer was lost.
            Some((revision, value)) if value.is_empty() || value == self.value() => {
                self.bucket.update(KEY, self.value(), revision).await
            }
            Some((revision, _)) if watched.is_over(revision, now) => {
                self.bucket.update(KEY, self.value(), revision).await
            }
            Some(_) => Ok(None),
        }
    }

    /// Renews the lease until this node holds it no longer.
    pub(super) async fn keep(&mut self) -> Lost {
        loop {
            let Some(held) = self.held else { return Lost::NotRenewed };
            let now = Instant::now();
            let left = OVER_AFTER.saturating_sub(now - held.renewed);
            // Without a connection each attempt fails at once, before any timeout.
            if left.is_zero() {
                return self.lose(Lost::NotRenewed);
            }
            match timeout(left, self.renew(held.revision)).await {
                Ok(Ok(Some(revision))) => self.held = Some(Held { revision, renewed: now }),
                Ok(Ok(None)) => return self.lose(Lost::Taken),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the lease of the outputs cannot be renewed");
                }
                Err(_elapsed) => return self.lose(Lost::NotRenewed),
            }
            sleep(EVERY.min(left)).await;
        }
    }

    const fn lose(&mut self, lost: Lost) -> Lost {
        self.held = None;
        lost
    }

    /// Returns the new revision; none if another node has the lease.
    async fn renew(&self, revision: u64) -> Result<Option<u64>, UseError> {
        self.replace(self.value(), revision).await
    }

    async fn replace(&self, value: Bytes, revision: u64) -> Result<Option<u64>, UseError> {
        let replaced = self.bucket.update(KEY, value.clone(), revision).await?;
        if replaced.is_some() {
            return Ok(replaced);
        }
        // The answer to a renewal before may have been lost.
        match self.bucket.get(KEY).await? {
            Some((found, own)) if own == self.value() => {
                self.bucket.update(KEY, value, found).await
            }
            _ => Ok(None),
        }
    }

    /// Gives it up, so that another node can take it at once.
    pub(super) async fn release(&self) {
        let Some(held) = self.held else { return };
        let released = timeout(EVERY, self.replace(Bytes::new(), held.revision));
        if !matches!(released.await, Ok(Ok(Some(_)))) {
            tracing::debug!("the lease of the outputs is not given up, and ends by itself");
        }
    }

    fn value(&self) -> Bytes {
        Bytes::copy_from_slice(self.name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_once_its_revision_rests() {
        let (mut watched, start) = (Watched::default(), Instant::now());
        let mut is_over =
            |revision, seconds| watched.is_over(revision, start + Duration::from_secs(seconds));
        assert!(!is_over(7, 0));
        assert!(!is_over(7, 4));
        assert!(!is_over(8, 6), "it was renewed");
        assert!(!is_over(8, 10));
        assert!(is_over(8, 11));
    }
}
