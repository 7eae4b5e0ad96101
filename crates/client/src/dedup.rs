//! Detection of duplicates: the entries of each log that were received already.
//!
//! An entry is identified by its log and its index in it. For each log the window is a bitmap over the
//! newest [`SPAN`] indexes, so memory does not grow with the number of entries: 128 KiB per log, and
//! [`MAX_LOGS`] logs at most.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use wire::decode::Log as Source;

use crate::text::shown;

/// Number of indexes of a log that are remembered, counted down from the highest one received.
pub const SPAN: u64 = 1 << 20;

/// Most logs that are remembered; beyond that, the least recently seen one is evicted.
pub const MAX_LOGS: usize = 512;

/// Number of consecutive entries after which a hole in a log's indexes is significant. A server that
/// omits entries which it sent from another log before, or which match no filter, leaves holes all
/// the time.
const STEADY: u64 = 64;

/// The relation of an entry to those received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It was not received before.
    New,
    /// It was received before.
    Duplicate,
    /// It is further back than the window reaches. It is kept, because a duplicate is better than a
    /// loss.
    BeyondWindow,
}

/// The window over the newest entries of all logs.
#[derive(Debug, Default)]
pub struct Window {
    logs: HashMap<Box<str>, Log>,
    /// Number of entries received.
    clock: u64,
    /// Number of logs evicted.
    evicted: u64,
}

/// The position in a log before a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The log.
    pub log: Box<str>,
    /// The highest index received.
    pub highest: u64,
    /// True if indexes had no holes up to there.
    pub is_steady: bool,
}

#[derive(Debug)]
struct Log {
    /// The index of the first bit; a multiple of 64.
    base: u64,
    words: VecDeque<u64>,
    highest: u64,
    /// Number of consecutive indexes up to the highest.
    run: u64,
    /// The clock at the last entry.
    used: u64,
}

impl Window {
    /// Records an entry, and returns its relation to the earlier ones.
    pub fn record(&mut self, log: &str, index: u64) -> Novelty {
        self.clock += 1;
        if let Some(known) = self.logs.get_mut(log) {
            known.used = self.clock;
            return known.record(index);
        }
        if self.logs.len() == MAX_LOGS {
            self.evict_one();
        }
        self.logs.insert(log.into(), Log::starting_at(index, self.clock));
        Novelty::New
    }

    /// Returns the position of each log, except logs without an entry among the last [`SPAN`].
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

    fn evict_one(&mut self) {
        let oldest = self.logs.iter().min_by_key(|(_, log)| log.used);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.evicted += 1;
            // A server can invent any number of logs.
            if self.evicted.is_power_of_two() {
                tracing::warn!(
                    forgotten = self.evicted,
                    log = %shown(&name),
                    "more than {MAX_LOGS} logs: duplicates from the evicted ones are not detected"
                );
            }
            self.logs.remove(&name);
        }
    }
}

/// The longest text that identifies a log, in bytes: the memory per log is bounded.
const MAX_IDENTITY: usize = 512;

/// Returns the text that identifies the log of a message: its LogID, or else its URL without scheme
/// and trailing slashes, in which servers differ. Returns none if the message has neither, or the
/// text is longer than 512 bytes.
#[must_use]
pub fn log_identity<'a>(log: &'a Source<'_>) -> Option<Cow<'a, str>> {
    log_identity_of(log.log_id.as_deref(), log.url.as_deref())
}

/// Returns the text that identifies a log, from its LogID in base64 and its URL, as
/// [`log_identity`] does.
#[must_use]
pub fn log_identity_of<'a>(log_id: Option<&'a str>, url: Option<&'a str>) -> Option<Cow<'a, str>> {
    let text = match (log_id, url) {
        (Some(log_id), _) => log_id,
        (None, Some(url)) => {
            let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
            bare.trim_end_matches('/')
        }
        (None, None) => return None,
    };
    (text.len() <= MAX_IDENTITY).then_some(Cow::Borrowed(text))
}

impl Log {
    fn starting_at(index: u64, used: u64) -> Self {
        let mut log =
            Self { base: index & !63, words: VecDeque::from([0]), highest: index, run: 0, used };
        log.record(index);
        log
    }

    fn record(&mut self, index: u64) -> Novelty {
        if index < self.base && !self.reach_back(index) {
            return Novelty::BeyondWindow;
        }
        self.reach_forward(index);
        let place = index - self.base;
        let bit = 1 << (place % 64);
        let word = usize::try_from(place / 64).ok().and_then(|at| self.words.get_mut(at));
        // The two calls above have made room for the word.
        let Some(word) = word else { return Novelty::BeyondWindow };
        if *word & bit != 0 {
            return Novelty::Duplicate;
        }
        *word |= bit;
        self.advance(index);
        Novelty::New
    }

    fn advance(&mut self, index: u64) {
        if index == self.highest.wrapping_add(1) || self.run == 0 {
            self.run += 1;
        } else if index > self.highest {
            self.run = 1;
        }
        self.highest = self.highest.max(index);
    }

    /// Makes room for an index below the base, and reports whether the window can reach that far.
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

    /// Makes room for an index above the end, and drops indexes more than the span behind it.
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
    fn entries_are_new_duplicate_or_beyond_the_window() {
        let mut window = Window::default();
        for (log, index, expected) in [
            ("a", 5, Novelty::New),
            ("a", 6, Novelty::New),
            ("a", 5, Novelty::Duplicate),
            ("b", 5, Novelty::New),
            ("a", 4, Novelty::New),
            ("a", 0, Novelty::New),
            ("a", 4, Novelty::Duplicate),
            ("a", SPAN * 3, Novelty::New),
            ("a", 5, Novelty::BeyondWindow),
            ("a", SPAN * 3, Novelty::Duplicate),
            ("a", SPAN * 2 + 1, Novelty::New),
            ("a", SPAN * 2 - 1, Novelty::BeyondWindow),
            ("a", u64::MAX, Novelty::New),
            ("a", u64::MAX, Novelty::Duplicate),
            ("a", u64::MAX - 1, Novelty::New),
        ] {
            assert_eq!(window.record(log, index), expected, "{log} {index}");
        }
    }

    #[test]
    fn a_log_has_one_identity_however_its_url_is_written() {
        let log = |id: Option<&str>, url: &str| {
            let log = Source {
                log_id: id.map(|id| id.to_owned().into()),
                url: Some(url.to_owned().into()),
                ..Source::default()
            };
            log_identity(&log).map(Cow::into_owned)
        };
        assert_eq!(log(None, "https://a/b/"), log(None, "a/b"));
        assert_ne!(log(None, "https://a/b"), log(None, "https://a/c"));
        assert_eq!(log(Some("id"), "https://a"), log(Some("id"), "https://b"));
        assert_eq!(log_identity(&Source::default()), None);
    }

    #[test]
    fn memory_of_the_window_is_bounded() {
        let mut window = Window::default();
        for index in (0..SPAN * 8).step_by(1_000) {
            assert_eq!(window.record("log", index), Novelty::New);
        }
        assert!(window.logs["log"].words.len() as u64 <= SPAN / 64 + 2);
        for log in 0..2 * MAX_LOGS {
            window.record(&log.to_string(), 0);
        }
        assert_eq!(window.logs.len(), MAX_LOGS);
    }

    #[test]
    fn marks_report_whether_a_log_had_holes() {
        let mut window = Window::default();
        for index in 100..100 + STEADY {
            window.record("steady", index);
            window.record("holes", 2 * index);
        }
        window.record("steady", 120); // a duplicate changes nothing
        let mut marks = window.marks();
        marks.sort_by_key(|mark| mark.log.clone());
        let holes = Mark { log: "holes".into(), highest: 326, is_steady: false };
        let steady = Mark { log: "steady".into(), highest: 163, is_steady: true };
        assert_eq!(marks, [holes, steady]);
    }

    proptest! {
        /// Within the window, a set is the reference.
        #[test]
        fn the_window_agrees_with_a_set(indexes in prop::collection::vec(0_u64..5_000, 1..500)) {
            let mut window = Window::default();
            let mut set = HashSet::new();
            for index in indexes {
                let expected = if set.insert(index) { Novelty::New } else { Novelty::Duplicate };
                prop_assert_eq!(window.record("log", index), expected);
            }
        }

        #[test]
        fn any_index_is_a_duplicate_the_second_time(indexes in prop::collection::vec(any::<u64>(), 1..50)) {
            let mut window = Window::default();
            for index in indexes {
                window.record("log", index);
                prop_assert_ne!(window.record("log", index), Novelty::New);
            }
        }
    }
}
