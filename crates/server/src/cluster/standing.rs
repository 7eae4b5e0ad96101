//! Facts that the member and the task of the lease share.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A random number that names a node, and the term that it begins.
pub(super) type Nonce = [u8; 16];

/// The standing of this node among those that may lead.
#[derive(Debug)]
pub(super) struct Standing {
    leads: AtomicBool,
    is_over: AtomicBool,
    has_ended: AtomicBool,
    /// Begins of terms that were read.
    begins: AtomicU64,
    /// Wakes the task of the lease.
    changed: Notify,
    nonce: Mutex<Nonce>,
    successor: Mutex<Option<Nonce>>,
}

impl Standing {
    pub(super) fn new() -> Self {
        Self {
            leads: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            begins: AtomicU64::new(0),
            changed: Notify::new(),
            nonce: Mutex::new(random()),
            successor: Mutex::default(),
        }
    }

    /// Notes whether this node leads.
    pub(super) fn set_leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Release);
        self.is_over.store(false, Ordering::Release);
        if !leads {
            *self.successor.lock() = None;
        }
        self.changed.notify_one();
    }

    /// Notes that the node has ended, and its lease is not kept any more.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Notes that a node has begun to lead.
    pub(super) fn see_begin(&self) {
        self.begins.fetch_add(1, Ordering::AcqRel);
        self.is_over.store(false, Ordering::Release);
    }

    /// Returns how many terms were seen to begin.
    pub(super) fn begins(&self) -> u64 {
        self.begins.load(Ordering::Acquire)
    }

    /// Waits until this node leads, leads no more, or has ended.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    /// Notes whether the lease of the leader is over.
    pub(super) fn set_over(&self, is_over: bool) {
        self.is_over.store(is_over, Ordering::Release);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Returns the number that names this node.
    pub(super) fn nonce(&self) -> Nonce {
        *self.nonce.lock()
    }

    /// Returns the number for a term that begins now, and takes another one: none begins two terms.
    pub(super) fn take_nonce(&self) -> Nonce {
        std::mem::replace(&mut *self.nonce.lock(), random())
    }

    /// Notes the node to hand over to.
    pub(super) fn set_successor(&self, successor: Option<Nonce>) {
        *self.successor.lock() = successor;
    }

    pub(super) fn successor(&self) -> Option<Nonce> {
        *self.successor.lock()
    }
}

/// Returns a random number.
fn random() -> Nonce {
    let number = || RandomState::new().build_hasher().finish();
    (u128::from(number()) << 64 | u128::from(number())).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_term_has_another_number() {
        let standing = Standing::new();
        let first = standing.nonce();
        assert_eq!(standing.take_nonce(), first);
        assert_ne!(standing.nonce(), first);
    }

    #[test]
    fn a_node_that_leads_does_not_see_its_own_lease_as_over() {
        let standing = Standing::new();
        standing.set_over(true);
        standing.set_leads(true);
        assert!(standing.leads() && !standing.is_over());
    }
}
