//! The messages of clients in their order: whether all clients have the same ones, and for how long a
//! client had none.

use std::collections::BTreeMap;

use flate2::Crc;
use serde_json::{Value, json};

/// The shortest time without a message that is reported, in microseconds.
const SILENCE: u64 = 500_000;
/// The most silences that are reported.
const MOST_SILENCES: usize = 100_000;
/// The most different announcements that are counted apart.
const MOST_NOTICES: usize = 100;
/// An odd number without structure (the golden ratio).
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The messages of all clients.
#[derive(Debug)]
pub(super) struct Sequences {
    clients: Vec<Sequence>,
    /// Each with the client, its beginning and its end, in microseconds since 1970.
    silences: Vec<(usize, u64, u64)>,
    /// Announcements that are neither certificates nor heartbeats, by their text without offsets.
    notices: BTreeMap<String, u64>,
}

/// The messages of one client.
#[derive(Debug, Default, Clone)]
struct Sequence {
    count: u64,
    last: Option<u64>,
    /// Follows from all offsets and the bytes of all messages in their order.
    hash: u64,
    /// Messages whose offset was not larger than the one before.
    disordered: u64,
    /// Time of the last message, in microseconds since 1970.
    at: u64,
}

impl Sequences {
    pub(super) fn new(clients: usize) -> Self {
        let clients = vec![Sequence::default(); clients];
        Self { clients, silences: Vec::new(), notices: BTreeMap::new() }
    }

    /// Adds a message of a client, read at `now`.
    pub(super) fn add(&mut self, client: usize, offset: u64, message: &[u8], now: u64) {
        let Some(sequence) = self.clients.get_mut(client) else { return };
        let Sequence { at, .. } = *sequence;
        if at > 0 && now.saturating_sub(at) >= SILENCE && self.silences.len() < MOST_SILENCES {
            self.silences.push((client, at, now));
        }
        sequence.add(offset, message, now);
    }

    /// Adds an announcement to a client. Before its first certificate a client knows nothing that could
    /// be missing.
    pub(super) fn notice(&mut self, client: usize, text: &[u8]) {
        let message: Value = serde_json::from_slice(text).unwrap_or_default();
        let has_begun = self.clients.get(client).is_some_and(|sequence| sequence.count > 0);
        if has_begun && message["message_type"] != "heartbeat" {
            let notice = format!("{}, {} dropped", message["reason"], message["dropped"]);
            if self.notices.len() < MOST_NOTICES || self.notices.contains_key(&notice) {
                *self.notices.entry(notice).or_default() += 1;
            }
        }
    }

    /// Reports whether every client has so many messages.
    pub(super) fn have(&self, count: u64) -> bool {
        self.clients.iter().all(|sequence| sequence.count >= count)
    }

    pub(super) fn report(&self) -> Value {
        let clients = self.clients.iter().map(|sequence| {
            let Sequence { count, last, hash, disordered, .. } = sequence;
            let hash = format!("{hash:016x}");
            json!({ "count": count, "last": last, "hash": hash, "disordered": disordered })
        });
        json!({
            "clients": clients.collect::<Vec<_>>(),
            "silences": self.silences,
            "notices": self.notices,
        })
    }
}

impl Sequence {
    fn add(&mut self, offset: u64, message: &[u8], now: u64) {
        let mut crc = Crc::new();
        crc.update(message);
        for part in [offset, u64::from(crc.sum())] {
            self.hash = (self.hash.rotate_left(23) ^ part).wrapping_mul(MIX);
        }
        self.disordered += u64::from(self.last.is_some_and(|last| last >= offset));
        self.last = Some(offset);
        self.count += 1;
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_in_a_sequence_changes_its_hash() {
        let hash = |messages: &[(u64, &str)]| {
            let mut sequence = Sequence::default();
            messages.iter().for_each(|(offset, text)| sequence.add(*offset, text.as_bytes(), 1));
            (sequence.hash, sequence.disordered)
        };
        let (all, in_order) = hash(&[(1, "a"), (2, "b"), (5, "c")]);
        assert_eq!(in_order, 0);
        assert_eq!(hash(&[(1, "a"), (2, "b"), (5, "c")]).0, all);
        let others: [&[(u64, &str)]; 5] = [
            &[(1, "a"), (2, "b")],
            &[(1, "a"), (2, "b"), (6, "c")],
            &[(1, "a"), (2, "b"), (5, "d")],
            &[(1, "a"), (5, "c"), (2, "b")],
            &[(1, "a"), (2, "b"), (2, "b"), (5, "c")],
        ];
        for other in others {
            assert_ne!(hash(other).0, all, "{other:?}");
        }
        assert_eq!(hash(others[3]).1, 1);
        assert_eq!(hash(others[4]).1, 1);
    }

    #[test]
    fn silences_and_announcements_are_reported() {
        let mut sequences = Sequences::new(2);
        let gap = br#"{"message_type":"gap","reason":"renumbered","dropped":0,"offset":7}"#;
        sequences.notice(1, gap);
        sequences.add(1, 1, b"a", 1_000_000);
        sequences.add(1, 2, b"b", 1_400_000);
        sequences.add(0, 1, b"a", 1_400_000);
        assert!(sequences.have(1) && !sequences.have(2));
        sequences.notice(1, gap);
        sequences.notice(1, br#"{"message_type":"heartbeat"}"#);
        sequences.add(1, 9, b"c", 2_400_000);
        let report = sequences.report();
        assert_eq!(report["silences"], json!([[1, 1_400_000, 2_400_000]]));
        assert_eq!(report["notices"], json!({ "\"renumbered\", 0 dropped": 1 }));
        assert_eq!(report["clients"][1]["count"], 3);
        assert_eq!(report["clients"][1]["last"], 9);
    }
}
