//! A budget of bytes that many holders share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that may be held at once, all holders together.
///
/// Who finds in the middle of an answer that it is larger than what was reserved cannot wait for
/// others, who may wait for the same. So one holder at a time may go beyond the budget; the bound
/// in all is the budget and the largest single answer.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    bytes: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
}

/// Bytes reserved, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    bytes: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
    held: usize,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Self {
        let total = total.clamp(1, u32::MAX as usize >> 1);
        Self { total, bytes: Arc::new(Semaphore::new(total)), beyond: Arc::new(Semaphore::new(1)) }
    }

    /// Waits until so many bytes are free, or all of them if it is more than there are.
    pub(crate) async fn reserve(&self, bytes: usize) -> Lease {
        let held = bytes.clamp(1, self.total);
        let permits = u32::try_from(held).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(permits).await.ok();
        Lease { bytes, beyond: None, held }
    }

    /// All of it.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }

    /// Bytes reserved at the moment.
    pub(crate) fn used(&self) -> usize {
        self.total - self.bytes.available_permits()
    }

    /// Makes room in a lease for `bytes` in all.
    pub(crate) async fn grow(&self, lease: &mut Lease, bytes: usize) {
        if bytes <= lease.held || lease.beyond.is_some() {
            return;
        }
        let more = u32::try_from(bytes - lease.held).unwrap_or(u32::MAX);
        if let Ok(permits) = Arc::clone(&self.bytes).try_acquire_many_owned(more) {
            match &mut lease.bytes {
                Some(held) => held.merge(permits),
                none => *none = Some(permits),
            }
            lease.held = bytes;
        } else {
            lease.beyond = Arc::clone(&self.beyond).acquire_owned().await.ok();
        }
    }
}

impl Lease {
    /// Bytes reserved.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    /// Gives back what is above `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let kept = bytes.clamp(1, self.held);
        if let Some(permits) = &mut self.bytes {
            drop(permits.split(self.held - kept));
        }
        self.held = kept;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_reserved_is_given_back() {
        let budget = Budget::new(1000);
        let mut first = budget.reserve(600).await;
        assert!(budget.reserve(500).now_or_never().is_none(), "it would be too much");
        first.shrink(400);
        assert_eq!((budget.used(), first.held()), (400, 400));
        let second = budget.reserve(500).now_or_never().expect("there is room");
        budget.grow(&mut first, 450).await;
        assert_eq!(budget.used(), 950);
        drop((first, second));
        assert_eq!(budget.used(), 0);
        assert_eq!(budget.reserve(5000).await.held(), 1000, "more than all is all");
    }

    #[tokio::test]
    async fn one_at_a_time_goes_beyond() {
        let budget = Budget::new(1000);
        let mut first = budget.reserve(500).await;
        let mut second = budget.reserve(500).await;
        budget.grow(&mut first, 700).now_or_never().expect("the first may");
        assert!(budget.grow(&mut second, 700).now_or_never().is_none(), "the second waits");
        budget.grow(&mut first, 900).now_or_never().expect("and goes on");
        drop(first);
        budget.grow(&mut second, 700).now_or_never().expect("now there is room");
        assert_eq!(budget.used(), 700);
    }
}
