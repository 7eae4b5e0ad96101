//! Amounts of something that all searches share, of which no client takes more than its part.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use feed::Owner;
use parking_lot::Mutex;

/// The part of a stock that one client gets at most: this fraction.
const PART: u64 = 4;

/// Something of which there is a limited amount.
#[derive(Debug)]
pub(crate) struct Stock {
    most: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: u64,
    /// Only clients that have some.
    by_client: HashMap<Owner, u64>,
}

/// An amount that a client has; it is back in the stock when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    stock: Arc<Stock>,
    client: Owner,
    amount: u64,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// That of all clients.
    Total,
    /// That of the client.
    Client,
}

impl Stock {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// Takes an amount. Both limits are exact.
    pub(crate) fn take(self: &Arc<Self>, client: Owner, amount: u64) -> Result<Share, Full> {
        let mut taken = self.taken.lock();
        if taken.total.saturating_add(amount) > self.most {
            return Err(Full::Total);
        }
        let here = taken.by_client.get(&client).copied().unwrap_or(0);
        if here.saturating_add(amount) > self.most / PART {
            return Err(Full::Client);
        }
        taken.change(client, 0, amount);
        drop(taken);
        Ok(Share { stock: Arc::clone(self), client, amount })
    }
}

impl Taken {
    fn change(&mut self, client: Owner, before: u64, after: u64) {
        let changed = |amount: u64| amount.saturating_sub(before).saturating_add(after);
        self.total = changed(self.total);
        let here = changed(self.by_client.get(&client).copied().unwrap_or(0));
        match self.by_client.entry(client) {
            Entry::Occupied(entry) if here == 0 => drop(entry.remove()),
            Entry::Vacant(_) if here == 0 => {}
            entry => *entry.or_default() = here,
        }
    }
}

impl Share {
    /// Sets the amount to what is needed, whatever the limits: less than was taken, or slightly more.
    pub(crate) fn set(&mut self, amount: u64) {
        self.stock.taken.lock().change(self.client, self.amount, amount);
        self.amount = amount;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.stock.taken.lock().change(self.client, self.amount, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_its_part_and_all_clients_no_more_than_there_is() {
        let stock = Stock::new(16);
        let take = |client: u128, amount| stock.take(Owner(client), amount);
        let mut first = take(1, 3).expect("room");
        assert_eq!(take(1, 2).err(), Some(Full::Client));
        let more = take(1, 1).expect("room");
        assert_eq!(take(1, 1).err(), Some(Full::Client));
        let others = [2, 3].map(|client| take(client, 4).expect("room"));
        // A share that became larger leaves less for others.
        first.set(6);
        assert_eq!(take(4, 2).err(), Some(Full::Total));
        first.set(0);
        let last = take(4, 4).expect("room");
        assert!(take(1, 3).is_ok());
        drop((first, more, others, last));
        let taken = stock.taken.lock();
        assert!(taken.total == 0 && taken.by_client.is_empty(), "{taken:?}");
    }
}
