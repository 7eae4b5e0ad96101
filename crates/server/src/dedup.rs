//! The same certificate is logged in several logs; clients want it once.
//!
//! A window remembers what was published lately, bounded in number and time. It holds the first
//! 16 bytes of a SHA-256, so that a mistake is out of reach even for somebody who tries.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use ct::Hash;

/// Enough of a hash to tell certificates apart.
type Key = [u8; 16];

/// What was published lately.
#[derive(Debug)]
pub struct Window {
    capacity: usize,
    ttl: Duration,
    keys: HashSet<Key>,
    /// The keys in the order of their coming.
    ages: VecDeque<(Instant, Key)>,
}

impl Window {
    /// Remembers at most `capacity` certificates, each for `ttl` from its first coming.
    #[must_use]
    pub fn new(capacity: usize, ttl: Duration) -> Self {
        Self { capacity: capacity.max(1), ttl, keys: HashSet::new(), ages: VecDeque::new() }
    }

    /// Whether this certificate has not come within the window; from now on it has.
    pub fn is_first(&mut self, hash: &Hash, now: Instant) -> bool {
        self.forget(now);
        let mut key = Key::default();
        for (to, from) in key.iter_mut().zip(hash) {
            *to = *from;
        }
        let first = self.keys.insert(key);
        if first {
            self.ages.push_back((now, key));
        }
        first
    }

    /// Certificates remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Lets go of what is too old, and of the oldest where there is no room for one more.
    fn forget(&mut self, now: Instant) {
        while let Some((at, key)) = self.ages.front() {
            if self.keys.len() < self.capacity && now.duration_since(*at) < self.ttl {
                return;
            }
            self.keys.remove(key);
            self.ages.pop_front();
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
