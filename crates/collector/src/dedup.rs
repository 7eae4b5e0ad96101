//! Which entries of which logs have been taken already.
//!
//! An entry is known by its log and its index in it. For each log the window is a bitmap over the
//! newest [`SPAN`] indexes, so the memory does not depend on how many entries pass: 128 KiB a log,
//! and [`MAX_LOGS`] logs at most.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::stream::shown;

/// Indexes of a log that are remembered, counted down from the highest that came.
pub const SPAN: u64 = 1 << 20;

/// Logs that are remembered; of more, the one that has been silent for longest is forgotten.
pub const MAX_LOGS: usize = 512;

/// Entries that must have come one after the other before a hole in a log's indexes means
/// something. A server that leaves out entries that it sent before from another log, or that a
/// filter holds back, leaves holes all the time.
const STEADY: u64 = 64;

/// What there is to know about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It has not come before.
    New,
    /// It came before.
    Double,
    /// It is further back than the window reaches. It is taken, because a double is better than a
    /// loss.
    BeyondWindow,
}

/// The window over all logs.
#[derive(Debug, Default)]
pub struct Window {
    logs: HashMap<Box<str>, Log>,
    /// Counts the entries.
    clock: u64,
    /// Counts the logs that were forgotten.
    forgotten: u64,
}

/// The place in a log before a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The log.
    pub log: Box<str>,
    /// The highest index that has come.
    pub highest: u64,
    /// Whether indexes have come without holes up to there.
    pub is_steady: bool,
}

#[derive(Debug)]
struct Log {
    /// The index of the first bit; a multiple of 64.
    base: u64,
    words: VecDeque<u64>,
    highest: u64,
    /// How many came one after the other up to the highest.
    run: u64,
    /// When the last entry came.
    used: u64,
}

impl Window {
    /// Notes an entry.
    pub fn see(&mut self, log: &str, index: u64) -> Novelty {
        self.clock += 1;
        if let Some(known) = self.logs.get_mut(log) {
            known.used = self.clock;
            return known.see(index);
        }
        if self.logs.len() == MAX_LOGS {
            self.forget_one();
        }
        self.logs.insert(log.into(), Log::starting_at(index, self.clock));
        Novelty::New
    }

    /// Where each log stands. Logs of which nothing came in the last million entries say nothing.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let recent = self.clock.saturating_sub(SPAN);
        let logs = self.logs.iter().filter(|(_, log)| log.used > recent);
        logs.map(|(name, log)| Mark {
            log: name.clone(),
            highest: log.highest,
            is_steady: log.run >= STEADY,
        })
        .collect()
    }

    fn forget_one(&mut self) {
        let oldest = self.logs.iter().min_by_key(|(_, log)| log.used);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.forgotten += 1;
            // A server can invent logs without end.
            if self.forgotten.is_power_of_two() {
                tracing::warn!(
                    forgotten = self.forgotten,
                    log = %shown(&name),
                    "more than {MAX_LOGS} logs: duplicates of forgotten ones may come"
                );
            }
            self.logs.remove(&name);
        }
    }
}

impl Log {
    fn starting_at(index: u64, used: u64) -> Self {
        let mut log =
            Self { base: index & !63, words: VecDeque::from([0]), highest: index, run: 0, used };
        log.see(index);
        log
    }

    fn see(&mut self, index: u64) -> Novelty {
        if index < self.base && !self.reach_back(index) {
            return Novelty::BeyondWindow;
        }
        self.reach_forward(index);
        let place = index - self.base;
        let bit = 1 << (place % 64);
        let word = usize::try_from(place / 64).ok().and_then(|at| self.words.get_mut(at));
        // The two calls above have seen to it that the word is there.
        let Some(word) = word else { return Novelty::BeyondWindow };
        if *word & bit != 0 {
            return Novelty::Double;
        }
        *word |= bit;
        self.follow(index);
        Novelty::New
    }

    fn follow(&mut self, index: u64) {
        if index == self.highest.wrapping_add(1) || self.run == 0 {
            self.run += 1;
        } else if index > self.highest {
            self.run = 1;
        }
        self.highest = self.highest.max(index);
    }

    /// Makes room for an index below the base; whether the window can reach that far.
    fn reach_back(&mut self, index: u64) -> bool {
        if self.highest - index >= SPAN {
            return false;
        }
        while self.base > index {
            self.words.push_front(0);
            self.base -= 64;
        }
        true
    }

    /// Makes room for an index above the end, and drops what is more than the span behind it.
    fn reach_forward(&mut self, index: u64) {
        let end = |log: &Self| log.base.saturating_add(64 * log.words.len() as u64);
        if index.saturating_sub(end(self)) >= SPAN {
            self.words = VecDeque::from([0]);
            self.base = index & !63;
            return;
        }
        while index >= end(self) && end(self) < u64::MAX {
            self.words.push_back(0);
        }
        while self.highest.max(index).saturating_sub(self.base) >= SPAN + 64 {
            self.words.pop_front();
            self.base += 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles() {
        let mut window = Window::default();
        for (log, index, expected) in [
            ("a", 5, Novelty::New),
            ("a", 6, Novelty::New),
            ("a", 5, Novelty::Double),
            ("b", 5, Novelty::New),
            ("a", 4, Novelty::New),
            ("a", 0, Novelty::New),
            ("a", 4, Novelty::Double),
            ("a", SPAN * 3, Novelty::New),
            ("a", 5, Novelty::BeyondWindow),
            ("a", SPAN * 3, Novelty::Double),
            ("a", SPAN * 2 + 1, Novelty::New),
            ("a", SPAN * 2 - 1, Novelty::BeyondWindow),
            ("a", u64::MAX, Novelty::New),
            ("a", u64::MAX, Novelty::Double),
            ("a", u64::MAX - 1, Novelty::New),
        ] {
            assert_eq!(window.see(log, index), expected, "{log} {index}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut window = Window::default();
        for index in (0..SPAN * 8).step_by(1_000) {
            assert_eq!(window.see("log", index), Novelty::New);
        }
        assert!(window.logs["log"].words.len() as u64 <= SPAN / 64 + 2);
        for log in 0..2 * MAX_LOGS {
            window.see(&log.to_string(), 0);
        }
        assert_eq!(window.logs.len(), MAX_LOGS);
    }

    #[test]
    fn marks_say_whether_indexes_came_without_holes() {
        let mut window = Window::default();
        for index in 100..100 + STEADY {
            window.see("steady", index);
            window.see("holes", 2 * index);
        }
        window.see("steady", 120); // a double changes nothing
        let mut marks = window.marks();
        marks.sort_by_key(|mark| mark.log.clone());
        let holes = Mark { log: "holes".into(), highest: 326, is_steady: false };
        let steady = Mark { log: "steady".into(), highest: 163, is_steady: true };
        assert_eq!(marks, [holes, steady]);
    }

    proptest! {
        /// As a set would say, within the window.
        #[test]
        fn as_a_set(indexes in prop::collection::vec(0_u64..5_000, 1..500)) {
            let mut window = Window::default();
            let mut set = HashSet::new();
            for index in indexes {
                let expected = if set.insert(index) { Novelty::New } else { Novelty::Double };
                prop_assert_eq!(window.see("log", index), expected);
            }
        }

        #[test]
        fn anything_goes(indexes in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut window = Window::default();
            for index in indexes {
                window.see("log", index);
                prop_assert_ne!(window.see("log", index), Novelty::New);
            }
        }
    }
}
