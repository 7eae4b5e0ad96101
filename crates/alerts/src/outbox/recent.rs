//! The identities of recent alerts.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

/// Identities that are remembered at most, besides those of alerts that wait: about 8 MB.
const MAX_RECENT: u32 = 200_000;
/// Identities that are saved at most: the newest.
pub(super) const MAX_SAVED: usize = 10_000;
/// Bytes of an identity that are kept: of a hash, so many are enough.
const BYTES: usize = 12;

/// The identity of an alert, shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; BYTES]);

impl Key {
    /// Shortens the [identity](crate::Alert::id) of an alert.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let mut key = [0; BYTES];
        for (byte, digits) in key.iter_mut().zip(id.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        }
        Self(key)
    }

    /// Returns it as it is saved.
    pub(super) fn to_text(self) -> String {
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(self.0)
    }

    /// Reads a text.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// The identities of the newest alerts, and of all alerts that wait.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// The newest, the oldest first. Those that were forgotten, or are here again later, are not known by
    /// their number.
    order: VecDeque<Key>,
    /// The number of the next in `order`, one more than that of the last. It begins again at 0.
    next: u32,
    /// The number of each that is remembered.
    known: HashMap<Key, u32>,
    /// Those of alerts that wait.
    waiting: HashMap<Key, Waits>,
}

/// An alert that waits.
#[derive(Debug, Default)]
struct Waits {
    /// The receivers that it waits for.
    receivers: usize,
    /// True if its certificate is an alert again where it is met next.
    is_forgotten: bool,
}

impl Identities {
    pub(super) fn has(&self, key: Key) -> bool {
        self.known.contains_key(&key)
            || self.waiting.get(&key).is_some_and(|waits| !waits.is_forgotten)
    }

    pub(super) fn add(&mut self, key: Key) {
        if let Some(waits) = self.waiting.get_mut(&key) {
            waits.is_forgotten = false;
        }
        if let Entry::Vacant(known) = self.known.entry(key) {
            known.insert(self.next);
            self.order.push_back(key);
            self.next = self.next.wrapping_add(1);
        }
        if self.order.len() > MAX_RECENT as usize
            && let Some(oldest) = self.order.pop_front()
            && self.known.get(&oldest) == Some(&self.next.wrapping_sub(MAX_RECENT + 1))
        {
            self.known.remove(&oldest);
        }
    }

    /// Remembers an alert until it no longer waits for any receiver. This counts one of them.
    pub(super) fn wait(&mut self, key: Key) {
        self.waiting.entry(key).or_default().receivers += 1;
    }

    /// Notes that an alert waits for one receiver less. Once it waits for none, it is among the newest.
    pub(super) fn settle(&mut self, key: Key) {
        let Entry::Occupied(mut waits) = self.waiting.entry(key) else { return };
        waits.get_mut().receivers -= 1;
        if waits.get().receivers == 0 && !waits.remove().is_forgotten {
            self.add(key);
        }
    }

    /// Forgets those that are not to be kept, of alerts that do not wait.
    pub(super) fn retain(&mut self, is_kept: impl Fn(Key) -> bool) {
        self.known.retain(|key, _| is_kept(*key));
    }

    /// Forgets one, even if its alert waits.
    pub(super) fn remove(&mut self, key: Key) {
        self.known.remove(&key);
        if let Some(waits) = self.waiting.get_mut(&key) {
            waits.is_forgotten = true;
        }
    }

    /// Returns those that are saved, and of the alerts that wait those that are forgotten: two texts, in the
    /// first the oldest first.
    pub(super) fn to_texts(&self) -> (String, String) {
        let forgotten = self.waiting.iter().filter(|(_, waits)| waits.is_forgotten);
        let mut forgotten: Vec<Key> = forgotten.map(|(key, _)| *key).take(MAX_SAVED).collect();
        forgotten.sort_unstable();
        let numbered = self.order.iter().rev().zip(1_u32..);
        let live = numbered
            .filter(|(key, back)| self.known.get(key) == Some(&self.next.wrapping_sub(*back)));
        let newest = live.map(|(key, _)| *key).take(MAX_SAVED - forgotten.len());
        let mut newest: Vec<Key> = newest.collect();
        newest.reverse();
        (text(&newest), text(&forgotten))
    }

    /// Reads the first of the texts.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut identities = Self::default();
        keys(text)?.into_iter().for_each(|key| identities.add(key));
        Some(identities)
    }
}

fn text(keys: &[Key]) -> String {
    let bytes: Vec<u8> = keys.iter().flat_map(|key| key.0).collect();
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Reads a text of identities.
pub(super) fn keys(text: &str) -> Option<Vec<Key>> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
    let (keys, rest) = bytes.as_chunks::<BYTES>();
    rest.is_empty().then(|| keys.iter().map(|key| Key(*key)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        let mut key = [0; BYTES];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Key(key)
    }

    fn saved(identities: &Identities) -> Vec<Key> {
        keys(&identities.to_texts().0).unwrap()
    }

    #[test]
    fn the_newest_are_remembered_and_fewer_are_saved() {
        let (mut identities, end) =
            (Identities { next: u32::MAX - 7, ..Identities::default() }, 200_010);
        (0..end).for_each(|number| identities.add(key(number)));
        assert!((0..10).all(|number| !identities.has(key(number))));
        assert!((10..end).all(|number| identities.has(key(number))));
        let expected: Vec<Key> = (end - 10_000..end).map(key).collect();
        assert_eq!(saved(&identities), expected);
        assert!(
            identities.order.capacity() * BYTES + identities.known.capacity() * 17 < 10_000_000
        );
    }

    #[test]
    fn one_that_is_forgotten_and_added_again_is_as_new_as_the_others() {
        let mut identities = Identities::default();
        (0..3).for_each(|number| identities.add(key(number)));
        identities.remove(key(0));
        assert_eq!(saved(&identities), [key(1), key(2)]);
        identities.add(key(0));
        assert_eq!(saved(&identities), [key(1), key(2), key(0)]);
        // Its first place is given up, and it stays.
        (3..200_000).for_each(|number| identities.add(key(number)));
        assert!(identities.has(key(0)) && identities.has(key(1)));
        identities.add(key(200_000));
        assert!(identities.has(key(0)) && !identities.has(key(1)));
    }

    #[test]
    fn one_that_waits_is_remembered_until_it_is_the_newest() {
        let mut identities = Identities::default();
        for number in 0..2 {
            identities.add(key(number));
            identities.wait(key(number));
            identities.wait(key(number));
        }
        (2..300_000).for_each(|number| identities.add(key(number)));
        assert!(identities.has(key(0)) && identities.has(key(1)) && !identities.has(key(2)));
        identities.remove(key(1));
        for _receiver in 0..2 {
            identities.settle(key(0));
            identities.settle(key(1));
        }
        assert!(identities.waiting.is_empty());
        assert_eq!(saved(&identities).last(), Some(&key(0)));
        assert!(!identities.has(key(1)), "it was forgotten");
    }
}
