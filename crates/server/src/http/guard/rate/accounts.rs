//! The accounts of all clients, in bounded space.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use ct::Hash;
use tokio::time::Instant;

use super::super::address::ClientKey;
use super::account::{Account, Allowance, Verdict};

/// Whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Key {
    Address(ClientKey),
    /// That of the token with this hash.
    Token(Hash),
}

/// Accounts in two generations. One that asks is young; when the young are half of what may be
/// kept, or have had the time in which an account becomes as new, they become the old ones and
/// those before them are forgotten. So nothing is ever searched for what can go.
#[derive(Debug)]
pub(in super::super) struct Accounts {
    young: HashMap<Key, Account>,
    old: HashMap<Key, Account>,
    /// When the young began.
    began: Instant,
}

impl Accounts {
    pub(in super::super) fn new(now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), began: now }
    }

    /// One request of a client, and how many accounts it made the server forget too early.
    pub(in super::super) fn ask(
        &mut self,
        key: Key,
        allowance: &Allowance,
        most: usize,
        horizon: Duration,
        now: Instant,
    ) -> (Verdict, usize) {
        let forgotten = self.turn(most, horizon, now);
        let old = &mut self.old;
        let account = self
            .young
            .entry(key)
            .or_insert_with(|| old.remove(&key).unwrap_or_else(|| Account::new(allowance, now)));
        (account.ask(allowance, now), forgotten)
    }

    /// How many there are.
    pub(in super::super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn turn(&mut self, most: usize, horizon: Duration, now: Instant) -> usize {
        let is_due = now.saturating_duration_since(self.began) >= horizon;
        if !is_due && self.young.len() < (most / 2).max(1) {
            return 0;
        }
        self.began = now;
        let forgotten = mem::replace(&mut self.old, mem::take(&mut self.young));
        if is_due { 0 } else { forgotten.len() }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::super::auth::Tier;
    use super::*;

    const HORIZON: Duration = Duration::from_secs(100);
    const ALLOWANCE: Allowance = Allowance {
        tier: Tier::Free,
        max_tokens: 1.0,
        refill_rate: 0.01,
        burst: 0.0,
        burst_window: Duration::from_secs(10),
        window: Duration::from_secs(10),
        window_max: 1000,
    };

    fn key(number: u32) -> Key {
        Key::Address(IpAddr::from(Ipv4Addr::from_bits(number)).into())
    }

    fn ask(accounts: &mut Accounts, number: u32, now: Instant) -> (bool, usize) {
        let (verdict, forgotten) = accounts.ask(key(number), &ALLOWANCE, 10, HORIZON, now);
        (matches!(verdict, Verdict::Allowed { .. }), forgotten)
    }

    #[test]
    fn there_are_never_more_than_may_be_kept() {
        let now = Instant::now();
        let mut accounts = Accounts::new(now);
        let forgotten: usize = (0..1000).map(|number| ask(&mut accounts, number, now).1).sum();
        assert!(accounts.len() <= 10, "{}", accounts.len());
        assert_eq!(forgotten, 1000 - accounts.len(), "what is forgotten is counted");
    }

    #[test]
    fn who_asks_is_remembered_through_turns() {
        let now = Instant::now();
        let mut accounts = Accounts::new(now);
        assert!(ask(&mut accounts, 0, now).0);
        for number in 1..100 {
            ask(&mut accounts, number, now);
            assert!(!ask(&mut accounts, 0, now).0, "after {number} others");
        }
    }

    #[test]
    fn who_does_not_ask_for_long_is_forgotten_when_it_is_as_new() {
        let now = Instant::now();
        let mut accounts = Accounts::new(now);
        assert!(ask(&mut accounts, 0, now).0);
        assert!(!ask(&mut accounts, 0, now + HORIZON / 2).0);
        assert_eq!(ask(&mut accounts, 1, now + HORIZON), (true, 0));
        assert_eq!(accounts.len(), 2, "not yet");
        assert_eq!(ask(&mut accounts, 1, now + HORIZON * 2), (true, 0));
        assert_eq!(accounts.len(), 1);
        assert!(ask(&mut accounts, 0, now + HORIZON * 2).0);
    }
}
