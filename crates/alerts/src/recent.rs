//! The newest alerts, in memory: for programs and people that look at them.

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::alert::{Alert, Explained, Sighting};

/// Bytes that the alerts occupy at most: about 16,000 of usual size.
const MAX_BYTES: usize = 16 << 20;
/// Alerts that a follower may be behind before it misses some.
const BEHIND: usize = 256;

/// The state of an alert at one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is sent, again and again, until it arrives.
    Waiting,
    /// The receiver has it.
    Arrived,
    /// It is among the dead letters.
    DeadLetter,
}

/// One of the newest alerts.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number since the process started, from 0.
    pub number: u64,
    /// The alert.
    pub alert: Arc<Alert>,
    /// Its state at each receiver, by the name of the receiver.
    pub receivers: BTreeMap<String, State>,
}

/// The newest alerts, bounded in number and in bytes. They are gone when the process ends.
#[derive(Debug)]
pub struct Recent {
    capacity: usize,
    max_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// The oldest first.
    entries: VecDeque<Entry>,
    next: u64,
    bytes: usize,
    /// None once the list is closed.
    followers: Option<broadcast::Sender<Entry>>,
}

impl Recent {
    /// Makes an empty list of at most this many alerts.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let followers = Some(broadcast::Sender::new(BEHIND));
        let kept = Kept { entries: VecDeque::new(), next: 0, bytes: 0, followers };
        Self { capacity, max_bytes: MAX_BYTES, kept: Mutex::new(kept) }
    }

    /// Adds an alert, which its followers get, and returns its number.
    pub fn push(&self, alert: Arc<Alert>) -> u64 {
        let mut kept = self.kept.lock();
        let number = kept.next;
        kept.next += 1;
        let entry = Entry { number, alert, receivers: BTreeMap::new() };
        kept.bytes += bytes(&entry);
        kept.entries.push_back(entry.clone());
        kept.trim(self.capacity, self.max_bytes);
        // Inside the lock, so that followers get the alerts in order. There may be none.
        let _followers = kept.followers.as_ref().map(|followers| followers.send(entry));
        drop(kept);
        number
    }

    /// Notes the state of an alert at a receiver. An alert that is no longer in the list has none.
    pub fn set_state(&self, id: &str, receiver: &str, state: State) {
        let mut kept = self.kept.lock();
        let Some(entry) = kept.entries.iter_mut().rev().find(|entry| entry.alert.id == id) else {
            return;
        };
        if let Some(known) = entry.receivers.get_mut(receiver) {
            *known = state;
            return;
        }
        entry.receivers.insert(receiver.to_owned(), state);
        kept.bytes += receiver_bytes(receiver);
        kept.trim(self.capacity, self.max_bytes);
    }

    /// Returns the newest alerts, of one rule or of all, the newest first.
    #[must_use]
    pub fn list(&self, rule: Option<&str>, limit: usize) -> Vec<Entry> {
        let kept = self.kept.lock();
        let of_rule = |entry: &&Entry| rule.is_none_or(|rule| entry.alert.rule == rule);
        kept.entries.iter().rev().filter(of_rule).take(limit).cloned().collect()
    }

    /// Returns the alerts from now on. A follower that is too far behind is notified of how many it misses.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Entry> {
        self.kept.lock().subscribe()
    }

    /// Returns the alerts after the one with this identity that are still in the list, the oldest first, and
    /// those from now on. All are after one that is not in the list: it is older, or of an earlier process.
    #[must_use]
    pub fn subscribe_after(&self, id: &str) -> (Vec<Entry>, broadcast::Receiver<Entry>) {
        let kept = self.kept.lock();
        let last = kept.entries.iter().rposition(|entry| entry.alert.id == id);
        let first = last.map_or(0, |last| last + 1);
        let missed = kept.entries.iter().skip(first).cloned().collect();
        // Inside the lock, so that none is missed or repeated.
        let follower = kept.subscribe();
        drop(kept);
        (missed, follower)
    }

    /// Ends the followers once they have what was added before, because the server stops.
    pub fn close(&self) {
        self.kept.lock().followers = None;
    }
}

impl Kept {
    /// Returns the alerts from now on; none if the list is closed.
    fn subscribe(&self) -> broadcast::Receiver<Entry> {
        let closed = || broadcast::channel(1).1;
        self.followers.as_ref().map_or_else(closed, broadcast::Sender::subscribe)
    }

    /// Removes the oldest alerts over the bounds.
    fn trim(&mut self, capacity: usize, max_bytes: usize) {
        while self.entries.len() > capacity || self.bytes > max_bytes {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= bytes(&oldest);
        }
    }
}

/// Returns about the bytes that an entry occupies.
fn bytes(entry: &Entry) -> usize {
    let alert = &*entry.alert;
    let certificate = &alert.certificate;
    let texts = [&alert.id, &alert.rule, &alert.entry, &certificate.sha256];
    let texts = texts.into_iter().chain(&alert.link).chain(&certificate.names);
    let issuer = [&certificate.serial_number, &certificate.issuer_cn, &certificate.issuer_o];
    let texts: usize = texts.chain(issuer).map(|text| size_of::<String>() + text.len()).sum();
    let reasons: usize = alert.reasons.iter().map(reason_bytes).sum();
    let sightings = alert.sightings.iter();
    let sightings: usize =
        sightings.map(|seen| size_of::<Sighting>() + seen.log.len() + seen.url.len()).sum();
    let receivers: usize = entry.receivers.keys().map(|name| receiver_bytes(name)).sum();
    size_of::<Entry>() + size_of::<Alert>() + texts + reasons + sightings + receivers
}

fn reason_bytes(reason: &Explained) -> usize {
    let optional = [&reason.name, &reason.of, &reason.likeness].into_iter().flatten();
    let texts = [&reason.condition, &reason.text].into_iter().chain(optional);
    size_of::<Explained>() + texts.map(String::len).sum::<usize>()
}

fn receiver_bytes(name: &str) -> usize {
    size_of::<(String, State)>() + name.len()
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::alert::tests::alert;

    /// An alert of a rule with an identity of its own.
    fn numbered(rule: &str, id: u64) -> Arc<Alert> {
        Arc::new(Alert { id: format!("{id:064x}"), ..alert(rule) })
    }

    fn numbers(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn the_newest_alerts_are_listed_by_rule() {
        let recent = Recent::new(3);
        for (id, rule) in ["a", "a", "b", "a", "b"].into_iter().enumerate() {
            assert_eq!(recent.push(numbered(rule, id as u64)), id as u64);
        }
        assert_eq!(numbers(&recent.list(None, 10)), [4, 3, 2]);
        assert_eq!(numbers(&recent.list(None, 2)), [4, 3]);
        assert_eq!(numbers(&recent.list(Some("b"), 10)), [4, 2]);
        assert_eq!(numbers(&recent.list(Some("c"), 10)), [0_u64; 0]);
    }

    #[test]
    fn an_alert_has_a_state_at_each_receiver() {
        let recent = Recent::new(10);
        for id in 0..2 {
            recent.push(numbered("a", id));
        }
        let id = format!("{:064x}", 0);
        recent.set_state(&id, "ops", State::Waiting);
        recent.set_state(&id, "mail", State::DeadLetter);
        recent.set_state(&id, "ops", State::Arrived);
        recent.set_state("unknown", "ops", State::Arrived);
        let listed = recent.list(None, 10);
        assert!(listed[0].receivers.is_empty());
        let states = [("mail", State::DeadLetter), ("ops", State::Arrived)];
        let states = states.map(|(name, state)| (name.to_owned(), state));
        assert_eq!(listed[1].receivers, BTreeMap::from(states));
    }

    #[test]
    fn bytes_are_bounded_and_add_up() {
        let mut recent = Recent::new(1000);
        recent.max_bytes = 20_000;
        for id in 0..500 {
            recent.push(numbered("a", id));
            // Receivers take room too.
            for receiver in 0..id % 7 {
                let name = format!("receiver {receiver}");
                recent.set_state(&format!("{id:064x}"), &name, State::Waiting);
            }
            let kept = recent.kept.lock();
            assert_eq!(kept.bytes, kept.entries.iter().map(bytes).sum::<usize>());
            assert!(kept.bytes <= 20_000, "{}", kept.bytes);
        }
        let left = recent.list(None, 1000);
        assert!((5..100).contains(&left.len()), "{}", left.len());
        assert_eq!(left[0].number, 499);
        // An alert that is larger than the list is not kept, and the next one is.
        let mut large = alert("large");
        large.certificate.names = vec!["n".repeat(253); 100];
        recent.push(Arc::new(large));
        assert_eq!(recent.list(None, 10).len(), 0);
        recent.push(numbered("a", 501));
        assert_eq!(numbers(&recent.list(None, 10)), [501]);
    }

    #[test]
    fn followers_get_each_alert_once_and_learn_what_they_miss() {
        let recent = Recent::new(1000);
        let mut early = recent.subscribe();
        for id in 0..3 {
            recent.push(numbered("a", id));
        }
        assert_eq!(early.try_recv().unwrap().number, 0);
        let (missed, mut late) = recent.subscribe_after(&format!("{:064x}", 0));
        assert_eq!(numbers(&missed), [1, 2]);
        assert_eq!(late.try_recv().unwrap_err(), TryRecvError::Empty);
        recent.push(numbered("a", 3));
        assert_eq!(late.try_recv().unwrap().number, 3);
        assert_eq!(numbers(&recent.subscribe_after("of an earlier process").0), [0, 1, 2, 3]);
        for id in 4..4 + BEHIND as u64 {
            recent.push(numbered("a", id));
        }
        assert_eq!(early.try_recv().unwrap_err(), TryRecvError::Lagged(3));
        assert_eq!(early.try_recv().unwrap().number, 4);
    }

    #[test]
    fn followers_end_with_the_last_alert_before_the_close() {
        let recent = Recent::new(10);
        let mut follower = recent.subscribe();
        recent.push(numbered("a", 0));
        recent.close();
        recent.push(numbered("a", 1));
        assert_eq!(follower.try_recv().unwrap().number, 0);
        assert_eq!(follower.try_recv().unwrap_err(), TryRecvError::Closed);
        assert_eq!(recent.subscribe().try_recv().unwrap_err(), TryRecvError::Closed);
    }
}
