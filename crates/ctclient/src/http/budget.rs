//! A budget of bytes shared by all responses and pages in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may be in memory at once, over all leases.
///
/// A response that turns out larger than was reserved for it cannot wait for others, which may wait
/// for it. So one lease at a time may go beyond the budget; the total bound is the budget plus the
/// largest single response.
#[derive(Debug)]
pub struct Budget {
    total: usize,
    bytes: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
    /// Bytes held beyond the budget.
    excess: Arc<AtomicUsize>,
}

/// The part of a budget that one log may use, so that none takes it from the others.
#[derive(Debug)]
pub struct Share {
    total: usize,
    bytes: Arc<Semaphore>,
}

impl Share {
    /// So many bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        let total = bounded(total);
        Self { total, bytes: Arc::new(Semaphore::new(total)) }
    }
}

/// Bytes taken from a budget until the lease is dropped.
#[derive(Debug)]
pub struct Lease {
    share: Option<OwnedSemaphorePermit>,
    bytes: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
    reserved: usize,
    /// Bytes beyond those.
    excess: usize,
    total_excess: Arc<AtomicUsize>,
}

/// A number of permits.
fn bounded(bytes: usize) -> usize {
    bytes.clamp(1, u32::MAX as usize >> 1)
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

async fn acquire(semaphore: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    // The semaphores are never closed.
    Arc::clone(semaphore).acquire_many_owned(permits(bytes)).await.ok()
}

impl Budget {
    /// Makes a budget of `total` bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        let total = bounded(total);
        Self {
            total,
            bytes: Arc::new(Semaphore::new(total)),
            beyond: Arc::new(Semaphore::new(1)),
            excess: Arc::default(),
        }
    }

    /// Waits until `bytes` are free, or all bytes if there are not as many, and takes them.
    pub async fn reserve(&self, bytes: usize, share: Option<&Share>) -> Lease {
        let most = share.map_or(self.total, |share| share.total.min(self.total));
        let reserved = bytes.clamp(1, most);
        let share = match share {
            Some(share) => acquire(&share.bytes, reserved).await,
            None => None,
        };
        let bytes = acquire(&self.bytes, reserved).await;
        let total_excess = Arc::clone(&self.excess);
        Lease { share, bytes, beyond: None, reserved, excess: 0, total_excess }
    }

    /// Returns the size of the budget in bytes.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Returns the bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        let excess = self.excess.load(Ordering::Relaxed);
        (self.total - self.bytes.available_permits()).saturating_add(excess)
    }

    /// Grows a lease to `bytes` in total; waits if it has to go beyond the budget, for its turn.
    pub async fn grow(&self, lease: &mut Lease, bytes: usize) {
        if bytes <= lease.held() || lease.try_grow(bytes) {
            return;
        }
        if lease.beyond.is_none() {
            lease.beyond = Arc::clone(&self.beyond).acquire_owned().await.ok();
        }
        lease.set_excess(bytes.saturating_sub(lease.reserved));
    }
}

impl Lease {
    /// Returns the bytes of this lease.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.reserved.saturating_add(self.excess)
    }

    /// Reports whether this lease is the one that may go beyond the budget.
    #[must_use]
    pub const fn is_beyond(&self) -> bool {
        self.beyond.is_some()
    }

    /// Grows the lease to `bytes` in total if there is room; returns whether there is.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.reserved).filter(|more| *more > 0) else {
            return true;
        };
        let mut taken = Vec::with_capacity(2);
        for held in [&self.share, &self.bytes].into_iter().flatten() {
            match Arc::clone(held.semaphore()).try_acquire_many_owned(permits(more)) {
                Ok(permit) => taken.push(permit),
                Err(_) => return false,
            }
        }
        let held = [&mut self.share, &mut self.bytes].into_iter().flatten();
        held.zip(taken).for_each(|(held, more)| held.merge(more));
        self.reserved = bytes;
        self.set_excess(0);
        self.beyond = None;
        true
    }

    /// Sets the lease to `bytes` in total. Bytes beyond those reserved are counted without waiting for
    /// room: they are in memory already.
    pub fn set(&mut self, bytes: usize) {
        if !self.try_grow(bytes) {
            return self.set_excess(bytes.saturating_sub(self.reserved));
        }
        let kept = bytes.clamp(1, self.reserved);
        for held in [&mut self.share, &mut self.bytes].into_iter().flatten() {
            drop(held.split(self.reserved - kept));
        }
        self.reserved = kept;
        self.set_excess(0);
        self.beyond = None;
    }

    /// Splits off a lease of `bytes`, or of as many as there are. The claim to go beyond the budget
    /// stays with this one.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let reserved = bytes.min(self.reserved);
        let take = |held: &mut Option<OwnedSemaphorePermit>| held.as_mut()?.split(reserved);
        let (share, taken) = (take(&mut self.share), take(&mut self.bytes));
        self.reserved -= reserved;
        let excess = (bytes - reserved).min(self.excess);
        self.set_excess(self.excess - excess);
        let total_excess = Arc::clone(&self.total_excess);
        let mut part =
            Self { share, bytes: taken, beyond: None, reserved, excess: 0, total_excess };
        part.set_excess(excess);
        part
    }

    /// Adds the bytes of another lease of the same log.
    pub fn merge(&mut self, mut other: Self) {
        let pairs = [(&mut self.share, other.share.take()), (&mut self.bytes, other.bytes.take())];
        for (held, more) in pairs {
            match (held, more) {
                (Some(held), Some(more)) => held.merge(more),
                (held, more) => *held = held.take().or(more),
            }
        }
        self.beyond = self.beyond.take().or_else(|| other.beyond.take());
        self.reserved += other.reserved;
        let excess = other.excess;
        other.set_excess(0);
        self.set_excess(self.excess + excess);
    }

    fn set_excess(&mut self, excess: usize) {
        self.total_excess.fetch_add(excess, Ordering::Relaxed);
        self.total_excess.fetch_sub(self.excess, Ordering::Relaxed);
        self.excess = excess;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.set_excess(0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn reserved_bytes_are_returned() {
        let budget = Budget::new(1000);
        let mut first = budget.reserve(600, None).await;
        assert!(budget.reserve(500, None).now_or_never().is_none(), "it would be too much");
        first.set(400);
        assert_eq!((budget.used(), first.held()), (400, 400));
        let second = budget.reserve(500, None).now_or_never().expect("there is room");
        budget.grow(&mut first, 450).await;
        assert_eq!(budget.used(), 950);
        drop((first, second));
        assert_eq!(budget.used(), 0);
        assert_eq!(budget.reserve(5000, None).await.held(), 1000, "more than all is all");
    }

    #[tokio::test]
    async fn one_lease_at_a_time_exceeds_the_budget() {
        let budget = Budget::new(1000);
        let mut first = budget.reserve(500, None).await;
        let mut second = budget.reserve(500, None).await;
        budget.grow(&mut first, 700).now_or_never().expect("the first may");
        assert!(first.is_beyond());
        assert_eq!(budget.used(), 1200, "what is beyond is counted");
        assert!(budget.grow(&mut second, 700).now_or_never().is_none(), "the second waits");
        budget.grow(&mut first, 900).now_or_never().expect("and continues");
        first.set(300);
        assert!(!first.is_beyond());
        drop(first);
        budget.grow(&mut second, 700).now_or_never().expect("now there is room");
        assert_eq!(budget.used(), 700);
    }

    #[tokio::test]
    async fn a_log_takes_no_more_than_its_share() {
        let budget = Budget::new(1000);
        let (one, other) = (Share::new(250), Share::new(250));
        let first = budget.reserve(800, Some(&one)).await;
        assert_eq!((first.held(), budget.used()), (250, 250));
        assert!(budget.reserve(1, Some(&one)).now_or_never().is_none(), "its share is used up");
        let mut second =
            budget.reserve(200, Some(&other)).now_or_never().expect("others have theirs");
        assert!(second.try_grow(250) && !second.try_grow(251));
        drop(first);
        let mut third = budget.reserve(100, Some(&one)).now_or_never().expect("given back");
        third.merge(budget.reserve(100, Some(&one)).now_or_never().expect("there is room"));
        third.set(230);
        assert_eq!((third.held(), budget.used()), (230, 480));
        third.set(300);
        assert_eq!((third.held(), budget.used()), (300, 550), "it is counted all the same");
        drop((second, third));
        assert_eq!(budget.used(), 0);
        assert!(budget.reserve(250, Some(&one)).now_or_never().is_some());
    }
}
