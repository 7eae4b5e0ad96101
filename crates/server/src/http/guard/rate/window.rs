//! A sliding window of requests, in constant space.

use std::time::Duration;

use tokio::time::Instant;

/// Slots that a window is divided into.
const SLOTS: u32 = 12;
/// A window that ends inside a slot begins inside one.
const KEPT: usize = SLOTS as usize + 1;

/// Counts by slot of time. A slot counts until it lies outside the window altogether, so that in
/// no interval as long as the window there are more requests than allowed; a request is given back
/// a twelfth of the window late at most.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Where slot 0 begins.
    began: Instant,
    length: Duration,
    /// The number of the newest slot.
    newest: u64,
    /// Requests in it and in those before it, at their number modulo [`KEPT`].
    counts: [u32; KEPT],
}

impl Window {
    pub(super) const fn new(length: Duration, now: Instant) -> Self {
        Self { began: now, length, newest: 0, counts: [0; KEPT] }
    }

    /// Requests that count now, in a window of this length.
    pub(super) fn total(&mut self, length: Duration, now: Instant) -> u32 {
        self.slide(length, now);
        self.counts.iter().sum()
    }

    /// Counts one more, after [`Self::total`] for the same moment.
    pub(super) fn add(&mut self) {
        self.counts[slot(self.newest)] += 1;
    }

    /// How long until fewer than `max` count, if none is added.
    pub(super) fn wait(&self, max: u32, now: Instant) -> Duration {
        let mut total: u32 = self.counts.iter().sum();
        let mut last = self.newest;
        for age in (0..KEPT as u64).rev() {
            if total < max {
                break;
            }
            let Some(number) = self.newest.checked_sub(age) else { continue };
            total -= self.counts[slot(number)];
            last = number;
        }
        let slots = u32::try_from(last + KEPT as u64).unwrap_or(u32::MAX);
        let freed = (self.length / SLOTS).checked_mul(slots).unwrap_or(Duration::MAX);
        freed.saturating_sub(now.saturating_duration_since(self.began))
    }

    fn slide(&mut self, length: Duration, now: Instant) {
        if length != self.length {
            self.stretch(length, now);
        }
        let width = (length / SLOTS).as_nanos().max(1);
        let passed = now.saturating_duration_since(self.began).as_nanos();
        let newest = u64::try_from(passed / width).unwrap_or(u64::MAX);
        let skipped = newest.saturating_sub(self.newest).min(KEPT as u64);
        for number in (0..skipped).map(|back| newest - back) {
            self.counts[slot(number)] = 0;
        }
        self.newest = self.newest.max(newest);
    }

    /// The length has changed: what counted counts on, as if it were of now.
    fn stretch(&mut self, length: Duration, now: Instant) {
        let total = self.counts.iter().sum();
        *self = Self::new(length, now);
        self.counts[0] = total;
    }
}

/// The place of a slot.
const fn slot(number: u64) -> usize {
    (number % KEPT as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_secs(60);

    #[test]
    fn requests_count_until_they_are_outside() {
        let start = Instant::now();
        let mut window = Window::new(LENGTH, start);
        assert_eq!(window.total(LENGTH, start), 0);
        window.add();
        window.add();
        for (seconds, expected) in [(0, 2), (59, 2), (60, 2), (64, 2), (65, 0), (1000, 0)] {
            let then = start + Duration::from_secs(seconds);
            assert_eq!(window.clone().total(LENGTH, then), expected, "after {seconds} s");
        }
        assert_eq!(window.wait(2, start), Duration::from_secs(65));
        assert_eq!(window.wait(2, start + Duration::from_secs(60)), Duration::from_secs(5));
    }

    #[test]
    fn another_length_forgets_nothing() {
        let start = Instant::now();
        let mut window = Window::new(LENGTH, start);
        window.total(LENGTH, start);
        window.add();
        let later = start + Duration::from_secs(50);
        assert_eq!(window.total(Duration::from_secs(12), later), 1);
        assert_eq!(window.total(Duration::from_secs(12), later + Duration::from_secs(14)), 0);
    }

    proptest! {
        /// In no interval of the window's length are there more than allowed, and who waits as
        /// told gets in.
        #[test]
        fn never_more_than_allowed(max in 1_u32..20, pauses in prop::collection::vec(0_u64..9000, 1..200)) {
            let mut now = Instant::now();
            let mut window = Window::new(LENGTH, now);
            let mut admitted: Vec<Instant> = Vec::new();
            for pause in pauses {
                now += Duration::from_millis(pause);
                if window.total(LENGTH, now) < max {
                    window.add();
                    admitted.push(now);
                    let inside = admitted.iter().filter(|at| now - **at < LENGTH).count();
                    prop_assert!(inside <= max as usize);
                } else {
                    let wait = window.wait(max, now);
                    prop_assert!(wait <= LENGTH + LENGTH / SLOTS);
                    prop_assert!(window.clone().total(LENGTH, now + wait) < max);
                    if let Some(early) = wait.checked_sub(Duration::from_millis(1)) {
                        prop_assert!(window.clone().total(LENGTH, now + early) >= max);
                    }
                }
            }
        }
    }
}
