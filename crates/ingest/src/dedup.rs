//! The same certificate is logged in several logs; clients want it once.
//!
//! A window remembers what was published lately, bounded in number and time. It stores the first
//! 16 bytes of a SHA-256, so that a mistake is out of reach even for somebody who tries, and knows
//! the offset of each certificate without storing it: offsets are contiguous but for few jumps.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use ct::Hash;
use hashbrown::HashTable;
use record::{Batch, Record};

/// Enough of a hash to tell certificates apart.
pub(crate) type Key = [u8; 16];

/// Certificates there is room for at first.
const FIRST_ROOM: usize = 1024;

/// The certificates published lately: about 35 bytes of memory for each certificate there is room for.
#[derive(Debug)]
pub struct Window {
    capacity: usize,
    ttl: Duration,
    /// The time of the first certificate that this process published or restored.
    start: Option<Instant>,
    /// The time before the start that restored certificates are from.
    before_start: Duration,
    /// The certificates in the order of publication.
    seen: VecDeque<Seen>,
    /// Certificates forgotten so far. A certificate's place is its number, counted from the first one
    /// ever remembered.
    forgotten: u64,
    /// The low bits of the place of each key.
    places: HashTable<u32>,
    /// Runs of contiguous offsets, oldest first.
    runs: VecDeque<Run>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    key: Key,
    /// Seconds after the start.
    at: u32,
}

/// Contiguous offsets from this place on.
#[derive(Debug, Clone, Copy)]
struct Run {
    place: u64,
    offset: u64,
}

/// Returns the hash under which a record is remembered, if `hash` tells whether its certificate is that
/// of another one. A record that was read later has a hash of its own: most clients do not get it, so
/// the same certificate is published again when it is read live.
#[must_use]
pub fn remembered(record: &Record, hash: &Hash) -> Hash {
    if record.is_backfilled { read_later(hash) } else { *hash }
}

/// Returns the hash under which a record with this hash is remembered if it was read later.
pub(crate) fn read_later(hash: &Hash) -> Hash {
    hash.map(|byte| !byte)
}

/// Returns the part of a hash that is remembered.
pub(crate) fn key(hash: &Hash) -> Key {
    hash.first_chunk().copied().unwrap_or_default()
}

impl Window {
    /// Creates a window of at most `capacity` certificates, each remembered for `ttl` from its
    /// publication.
    #[must_use]
    pub fn new(capacity: usize, ttl: Duration) -> Self {
        Self {
            capacity: capacity.clamp(1, u32::MAX as usize),
            ttl,
            start: None,
            before_start: Duration::ZERO,
            seen: VecDeque::new(),
            forgotten: 0,
            places: HashTable::new(),
            runs: VecDeque::new(),
            hasher: RandomState::new(),
        }
    }

    /// Returns the offset of the certificate with this key, if it was published within the window.
    #[must_use]
    pub fn find(&self, hash: &Hash, now: Instant) -> Option<u64> {
        let key = key(hash);
        let found = self.places.find(self.hasher.hash_one(key), |place| {
            self.at(*place).is_some_and(|seen| seen.key == key)
        })?;
        let age = self.age(self.at(*found)?, self.passed(now));
        if age < self.ttl { self.offset(*found) } else { None }
    }

    /// Remembers a certificate that is published at `offset`. The oldest make room.
    pub fn insert(&mut self, hash: &Hash, offset: u64, now: Instant) {
        self.start.get_or_insert(now);
        let passed = self.passed(now);
        self.expire(now);
        self.remember(hash, offset, passed);
    }

    /// Remembers the certificates of a batch that is published, and forgets those of the past.
    pub fn publish(&mut self, batch: &Batch, now: Instant) {
        self.expire(now);
        for (offset, record) in (batch.first_offset..).zip(&batch.records) {
            self.insert(&remembered(record, record.dedup_key()), offset, now);
        }
    }

    /// Remembers a certificate that was published at `offset` so long ago, before this process. Must be
    /// called in the order of offsets, and before [`insert`](Self::insert).
    ///
    /// A clock that stepped makes ages wrong: none is larger than that of the certificate before.
    pub fn restore(&mut self, hash: &Hash, offset: u64, age: Duration, now: Instant) {
        if self.start.is_none() {
            self.start = Some(now);
            self.before_start = self.ttl;
        }
        let at = self.passed(now).saturating_sub(age);
        let last =
            self.seen.back().map_or(Duration::ZERO, |last| Duration::from_secs(last.at.into()));
        if age < self.ttl || !self.seen.is_empty() {
            self.remember(hash, offset, at.max(last));
        }
    }

    /// Remembers a certificate that was published `passed` after the beginning of the window.
    fn remember(&mut self, hash: &Hash, offset: u64, passed: Duration) {
        let key = key(hash);
        if self.seen.len() == self.capacity {
            self.forget_oldest();
        }
        let place = self.forgotten + self.seen.len() as u64;
        if self.runs.back().is_none_or(|run| run.offset + (place - run.place) != offset) {
            self.runs.push_back(Run { place, offset });
        }
        let Self { seen, forgotten, places, hasher, capacity, .. } = self;
        let low = place as u32;
        let first = *forgotten as u32;
        let at = |place: u32| seen.get(place.wrapping_sub(first) as usize).map(|seen| seen.key);
        let hash = hasher.hash_one(key);
        // A certificate that is published again counts from there.
        match places.find_mut(hash, |place| at(*place) == Some(key)) {
            Some(known) => *known = low,
            None => {
                let rehash = |place: &u32| hasher.hash_one(at(*place).unwrap_or_default());
                places.insert_unique(hash, low, rehash);
            }
        }
        if seen.len() == seen.capacity() {
            let room = seen.len().max(FIRST_ROOM).min(*capacity - seen.len());
            seen.reserve_exact(room);
        }
        seen.push_back(Seen { key, at: u32::try_from(passed.as_secs()).unwrap_or(u32::MAX) });
    }

    /// Forgets what was published at `offset` or later, because the stream has lost it.
    pub fn forget_from(&mut self, offset: u64) {
        while let Some(last) = (self.forgotten + self.seen.len() as u64).checked_sub(1)
            && let Some(newest) = self.seen.back().copied()
            && self.offset(last as u32).is_some_and(|published| published >= offset)
        {
            let hash = self.hasher.hash_one(newest.key);
            if let Ok(place) = self.places.find_entry(hash, |place| *place == last as u32) {
                place.remove();
            }
            self.seen.pop_back();
            self.runs.pop_back_if(|run| run.place >= last);
        }
    }

    /// Forgets what is too old.
    pub fn expire(&mut self, now: Instant) {
        let passed = self.passed(now);
        while self.seen.front().is_some_and(|oldest| self.age(*oldest, passed) >= self.ttl) {
            self.forget_oldest();
        }
    }

    /// Returns the number of certificates remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Reports whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn passed(&self, now: Instant) -> Duration {
        let since = |start| now.saturating_duration_since(start);
        self.before_start.saturating_add(self.start.map_or(Duration::ZERO, since))
    }

    fn age(&self, seen: Seen, passed: Duration) -> Duration {
        passed.saturating_sub(Duration::from_secs(seen.at.into()))
    }

    fn at(&self, place: u32) -> Option<Seen> {
        self.seen.get(place.wrapping_sub(self.forgotten as u32) as usize).copied()
    }

    /// Returns the offset of the certificate in a place.
    fn offset(&self, low: u32) -> Option<u64> {
        let place = self.forgotten + u64::from(low.wrapping_sub(self.forgotten as u32));
        let run = self.runs.iter().rev().find(|run| run.place <= place)?;
        Some(run.offset + (place - run.place))
    }

    fn forget_oldest(&mut self) {
        let Some(Seen { key, .. }) = self.seen.pop_front() else { return };
        let oldest = self.forgotten as u32;
        let hash = self.hasher.hash_one(key);
        if let Ok(place) = self.places.find_entry(hash, |place| *place == oldest) {
            place.remove();
        }
        self.forgotten += 1;
        while self.runs.get(1).is_some_and(|next| next.place <= self.forgotten) {
            self.runs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> Hash {
        [number; 32]
    }

    /// Publishes certificates at offsets from 100 on, unless they are in the window.
    struct Publisher {
        window: Window,
        next: u64,
    }

    impl Publisher {
        fn is_first(&mut self, hash: &Hash, now: Instant) -> bool {
            self.window.expire(now);
            if self.window.find(hash, now).is_some() {
                return false;
            }
            self.window.insert(hash, self.next, now);
            assert_eq!(self.window.find(hash, now), Some(self.next));
            self.next += 1;
            true
        }
    }

    #[test]
    fn what_the_stream_has_lost_is_first_again() {
        let now = Instant::now();
        let mut window = Window::new(10, Duration::from_secs(10));
        for (number, offset) in [(1, 100), (2, 101), (3, 500), (4, 501)] {
            window.insert(&hash(number), offset, now);
        }
        window.forget_from(501);
        assert_eq!((window.find(&hash(3), now), window.find(&hash(4), now)), (Some(500), None));
        window.forget_from(101);
        assert_eq!((window.len(), window.find(&hash(1), now)), (1, Some(100)));
        assert_eq!((window.find(&hash(2), now), window.find(&hash(3), now)), (None, None));
        window.insert(&hash(3), 900, now);
        window.insert(&hash(2), 901, now);
        assert_eq!(
            (window.find(&hash(3), now), window.find(&hash(2), now)),
            (Some(900), Some(901))
        );
        window.forget_from(0);
        assert!(window.is_empty());
    }

    #[test]
    fn a_certificate_is_first_once_within_time_and_capacity() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let window = Window::new(3, Duration::from_secs(10));
        let mut publisher = Publisher { window, next: 100 };
        assert!(publisher.is_first(&hash(1), at(0)));
        assert!(!publisher.is_first(&hash(1), at(9)), "a repeat does not make it younger");
        assert!(publisher.is_first(&hash(1), at(10)), "its time is over");
        assert!(publisher.is_first(&hash(2), at(10)));
        assert!(publisher.is_first(&hash(3), at(10)));
        assert!(publisher.is_first(&hash(4), at(11)), "the oldest makes room");
        assert_eq!(publisher.window.len(), 3);
        assert!(publisher.is_first(&hash(1), at(11)));
        assert!(!publisher.is_first(&hash(4), at(11)));
        assert!(publisher.is_first(&hash(5), at(60)));
        assert_eq!(publisher.window.len(), 1);
    }

    #[test]
    fn restored_certificates_are_forgotten_in_their_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(10, Duration::from_secs(60));
        // The clock stepped back by a minute between the second and the third.
        for (number, age) in [(0, 61), (1, 50), (2, 20), (3, 80), (4, 0)] {
            window.restore(&hash(number), 100 + u64::from(number), Duration::from_secs(age), start);
        }
        window.insert(&hash(5), 105, at(1));
        let known = |window: &Window, now| -> Vec<u8> {
            (0..6).filter(|number| window.find(&hash(*number), now).is_some()).collect()
        };
        assert_eq!(known(&window, at(1)), [1, 2, 3, 4, 5]);
        assert_eq!(window.find(&hash(3), at(1)), Some(103));
        assert_eq!(known(&window, at(11)), [2, 3, 4, 5]);
        assert_eq!(known(&window, at(41)), [4, 5], "no age is larger than that before it");
        assert_eq!(known(&window, at(62)), [0; 0]);
        window.expire(at(62));
        assert!(window.is_empty());
    }

    #[test]
    fn offsets_are_found_across_jumps() {
        let now = Instant::now();
        let mut window = Window::new(5, Duration::from_secs(10));
        let offsets = [7, 8, 20, 21, 22, 40, 41, 42, 43];
        for (number, offset) in (0..).zip(offsets) {
            window.insert(&hash(number), offset, now);
            let oldest = usize::from(number).saturating_sub(4);
            for (number, offset) in (0..=number).zip(offsets) {
                let expected = (usize::from(number) >= oldest).then_some(offset);
                assert_eq!(window.find(&hash(number), now), expected);
            }
        }
        assert_eq!(window.runs.len(), 2);
        window.insert(&hash(5), 44, now);
        assert_eq!(window.find(&hash(5), now), Some(44), "the newest of two");
    }
}
