//! Slots: limits on what exists at a time, in all and for each client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::address::ClientKey;

/// The limits on slots in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotLimits {
    pub(super) total: u64,
    pub(super) per_client: u64,
}

impl SlotLimits {
    /// Slots that are counted, but not limited.
    pub(super) const NONE: Self = Self { total: u64::MAX, per_client: u64::MAX };
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    Client,
}

/// Slots in use. It remembers clients that have one, and no others.
#[derive(Debug, Default)]
pub(super) struct Slots {
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    total: u64,
    by_client: HashMap<ClientKey, u64>,
}

/// One slot in use; free again when this is dropped, in whatever way.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    client: ClientKey,
}

impl Slots {
    /// Takes a slot. Both limits are exact.
    pub(super) fn take(
        self: &Arc<Self>,
        client: ClientKey,
        limits: SlotLimits,
    ) -> Result<Slot, Full> {
        let mut taken = self.taken.lock();
        if taken.total >= limits.total {
            return Err(Full::Total);
        }
        let here = taken.by_client.get(&client).copied().unwrap_or(0);
        if here >= limits.per_client {
            return Err(Full::Client);
        }
        taken.by_client.insert(client, here + 1);
        taken.total += 1;
        Ok(Slot { slots: Arc::clone(self), client })
    }

    /// Returns the number of slots in use.
    pub(super) fn in_use(&self) -> u64 {
        self.taken.lock().total
    }

    /// Resolves once fewer than `total` are in use. For one waiter.
    pub(super) async fn room(&self, total: u64) {
        while self.in_use() >= total {
            // Its permit is kept where a slot was freed in between.
            self.freed.notified().await;
        }
    }
}

impl Slot {
    /// Returns the client that it belongs to.
    pub(super) const fn client(&self) -> ClientKey {
        self.client
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        taken.total -= 1;
        if let Entry::Occupied(mut here) = taken.by_client.entry(self.client) {
            *here.get_mut() -= 1;
            if *here.get() == 0 {
                here.remove();
            }
        }
        drop(taken);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn client(text: &str) -> ClientKey {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn both_limits_apply_exactly_and_dropped_slots_are_free_again() {
        let slots = Arc::new(Slots::default());
        let limits = SlotLimits { total: 3, per_client: 2 };
        let first = slots.take(client("192.0.2.1"), limits).expect("room");
        let second = slots.take(client("192.0.2.1"), limits).expect("room");
        assert_eq!(slots.take(client("192.0.2.1"), limits).err(), Some(Full::Client));
        let third = slots.take(client("2001:db8::1"), limits).expect("room");
        assert_eq!(slots.take(client("2001:db8::2"), limits).err(), Some(Full::Total));
        drop(first);
        let fourth = slots.take(client("2001:db8::2"), limits).expect("room");
        drop((second, third, fourth));
        assert_eq!(slots.in_use(), 0);
        assert!(slots.taken.lock().by_client.is_empty(), "nothing is kept");
    }

    #[test]
    fn a_panic_frees_its_slot() {
        let slots = Arc::new(Slots::default());
        let panics = AssertUnwindSafe(|| {
            let _slot = slots.take(client("192.0.2.1"), SlotLimits::NONE);
            panic!("of the test");
        });
        assert!(catch_unwind(panics).is_err());
        assert_eq!(slots.in_use(), 0);
    }

    #[test]
    fn a_lowered_limit_refuses_until_enough_slots_are_free() {
        let slots = Arc::new(Slots::default());
        let mut held: Vec<Slot> = (0..5)
            .map(|_| slots.take(client("192.0.2.1"), SlotLimits::NONE).expect("no limit"))
            .collect();
        let lower = SlotLimits { total: 3, per_client: 3 };
        for left in [5, 4, 3] {
            assert!(slots.take(client("192.0.2.1"), lower).is_err(), "{left} are in use");
            held.pop();
        }
        assert!(slots.take(client("192.0.2.1"), lower).is_ok());
    }

    #[test]
    fn concurrent_threads_take_exactly_as_many_slots_as_there_are() {
        let slots = Arc::new(Slots::default());
        let limits = SlotLimits { total: 500, per_client: 100 };
        let held: Vec<Slot> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let takes = (0..1000).filter_map(|number| {
                            let address = IpAddr::from([192, 0, 2, number as u8 % 7]);
                            slots.take(address.into(), limits).ok()
                        });
                        takes.collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!((held.len(), slots.in_use()), (500, 500));
        assert!(slots.taken.lock().by_client.values().all(|count| *count <= 100));
    }

    #[tokio::test]
    async fn a_waiter_resumes_when_a_slot_is_freed() {
        let slots = Arc::new(Slots::default());
        let slot = slots.take(client("192.0.2.1"), SlotLimits::NONE).expect("no limit");
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.room(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(slot);
        waiting.await.expect("room");
    }
}
