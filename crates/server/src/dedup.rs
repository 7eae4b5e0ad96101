//! The same certificate is logged in several logs; clients want it once.
//!
//! A window remembers what was published lately, bounded in number and time. It holds the first
//! 16 bytes of a SHA-256, so that a mistake is out of reach even for somebody who tries.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use ct::Hash;
use hashbrown::HashTable;

/// Enough of a hash to tell certificates apart.
type Key = [u8; 16];

/// Certificates there is room for at first.
const FIRST_ROOM: usize = 1024;

/// What was published lately: some 35 bytes of memory for each certificate there is room for.
#[derive(Debug)]
pub struct Window {
    capacity: usize,
    ttl: Duration,
    /// When the first came.
    start: Option<Instant>,
    /// The certificates in the order of their coming.
    seen: VecDeque<Seen>,
    /// Which of all that ever came is the first of these; it wraps around.
    first: u32,
    /// Where each is, counted in the same way, by its key.
    places: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    key: Key,
    /// Seconds after the start.
    at: u32,
}

impl Window {
    /// Remembers at most `capacity` certificates, each for `ttl` from its first coming.
    #[must_use]
    pub fn new(capacity: usize, ttl: Duration) -> Self {
        Self {
            capacity: capacity.clamp(1, u32::MAX as usize),
            ttl,
            start: None,
            seen: VecDeque::new(),
            first: 0,
            places: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// Whether this certificate has not come within the window; from now on it has.
    pub fn is_first(&mut self, hash: &Hash, now: Instant) -> bool {
        let passed = now.saturating_duration_since(*self.start.get_or_insert(now));
        self.forget(passed);
        let mut key = Key::default();
        for (to, from) in key.iter_mut().zip(hash) {
            *to = *from;
        }
        let Self { seen, first, places, hasher, capacity, .. } = self;
        let at = |place: u32| seen.get(place.wrapping_sub(*first) as usize).map(|seen| seen.key);
        let hash = hasher.hash_one(key);
        if places.find(hash, |place| at(*place) == Some(key)).is_some() {
            return false;
        }
        let place = first.wrapping_add(u32::try_from(seen.len()).unwrap_or(u32::MAX));
        places.insert_unique(hash, place, |place| hasher.hash_one(at(*place).unwrap_or_default()));
        if seen.len() == seen.capacity() {
            let room = seen.len().max(FIRST_ROOM).min(*capacity - seen.len());
            seen.reserve_exact(room);
        }
        seen.push_back(Seen { key, at: u32::try_from(passed.as_secs()).unwrap_or(u32::MAX) });
        true
    }

    /// Certificates remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Lets go of what is too old, and of the oldest where there is no room for one more.
    fn forget(&mut self, passed: Duration) {
        while let Some(&Seen { key, at }) = self.seen.front() {
            let age = passed.saturating_sub(Duration::from_secs(at.into()));
            if self.seen.len() < self.capacity && age < self.ttl {
                return;
            }
            let oldest = self.first;
            let hash = self.hasher.hash_one(key);
            if let Ok(place) = self.places.find_entry(hash, |place| *place == oldest) {
                place.remove();
            }
            self.seen.pop_front();
            self.first = oldest.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> Hash {
        [number; 32]
    }

    #[test]
    fn a_certificate_is_first_once_within_time_and_capacity() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(3, Duration::from_secs(10));
        assert!(window.is_first(&hash(1), at(0)));
        assert!(!window.is_first(&hash(1), at(9)), "a repeat does not make it younger");
        assert!(window.is_first(&hash(1), at(10)), "its time is over");
        assert!(window.is_first(&hash(2), at(10)));
        assert!(window.is_first(&hash(3), at(10)));
        assert!(window.is_first(&hash(4), at(11)), "the oldest makes room");
        assert_eq!(window.len(), 3);
        assert!(window.is_first(&hash(1), at(11)));
        assert!(!window.is_first(&hash(4), at(11)));
        assert!(window.is_first(&hash(5), at(60)));
        assert_eq!(window.len(), 1);
    }
}
