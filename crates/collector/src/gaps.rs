//! Where messages of the stream are missing, and how many.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dedup::Mark;

/// Most gaps that a file lists; older ones are only counted.
pub const MAX_LISTED: usize = 1_000;

/// Messages that the server had and this file has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it was found, ms since the Unix epoch. No two gaps of a file have the same.
    pub at: u64,
    /// The last offset before it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Why, in a word: the server's where it said one, or how it was noticed.
    pub reason: String,
    /// How many messages; none where it is unknown.
    #[serde(default)]
    pub missing: Option<u64>,
    /// How that number is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// How the size of a gap is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The server said so.
    Server,
    /// The offsets, which have no holes while a server runs.
    Offsets,
    /// The indexes of all logs that came without holes before: what is missing between the last one
    /// before the gap and the first one after it.
    Indexes,
}

/// A gap whose size the logs' indexes may still show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGap {
    /// The gap.
    pub gap: Gap,
    /// Where the logs stood of which nothing has come since.
    pub marks: Vec<Mark>,
    /// What is missing of the other logs.
    pub missing: u64,
}

/// The gaps of a file, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    listed: BTreeMap<u64, Gap>,
    unlisted: u64,
}

impl Ledger {
    /// Adds a gap, or what has become known of one since.
    pub fn record(&mut self, gap: Gap) {
        self.listed.insert(gap.at, gap);
        if self.listed.len() > MAX_LISTED {
            self.listed.pop_first();
            self.count_unlisted(1);
        }
    }

    /// Counts gaps that are not listed.
    pub const fn count_unlisted(&mut self, gaps: u64) {
        self.unlisted = self.unlisted.saturating_add(gaps);
    }

    /// The newest gaps, at most [`MAX_LISTED`].
    pub fn listed(&self) -> impl ExactSizeIterator<Item = &Gap> {
        self.listed.values()
    }

    /// How many there are, listed or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.unlisted.saturating_add(self.listed.len() as u64)
    }

    /// How many there are in which something is missing, as far as is known.
    #[must_use]
    pub fn open(&self) -> u64 {
        let open = self.listed().filter(|gap| gap.missing != Some(0)).count();
        self.unlisted.saturating_add(open as u64)
    }

    /// Adds another file's.
    pub fn extend(&mut self, other: &Self) {
        self.count_unlisted(other.unlisted);
        for gap in other.listed() {
            self.record(gap.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(at: u64, missing: Option<u64>) -> Gap {
        Gap { at, after: None, reason: "test".into(), missing, proof: None }
    }

    #[test]
    fn what_becomes_known_replaces_what_was_not() {
        let mut ledger = Ledger::default();
        ledger.record(gap(5, None));
        ledger.record(gap(7, Some(3)));
        assert_eq!((ledger.count(), ledger.open()), (2, 2));
        ledger.record(gap(5, Some(0)));
        assert_eq!((ledger.count(), ledger.open()), (2, 1));
        assert_eq!(ledger.listed().map(|gap| gap.missing).collect::<Vec<_>>(), [Some(0), Some(3)]);
    }

    #[test]
    fn old_ones_are_only_counted() {
        let mut ledger = Ledger::default();
        for at in 0..1_500 {
            ledger.record(gap(at, Some(1)));
        }
        assert_eq!((ledger.listed().len(), ledger.count()), (MAX_LISTED, 1_500));
        assert_eq!(ledger.listed().next().map(|gap| gap.at), Some(500));
    }

    #[test]
    fn json() {
        let gap = Gap { proof: Some(Proof::Indexes), ..gap(1, Some(2)) };
        let json = serde_json::to_string(&gap).unwrap();
        assert_eq!(json, r#"{"at":1,"reason":"test","missing":2,"proof":"indexes"}"#);
        assert_eq!(serde_json::from_str::<Gap>(&json).unwrap(), gap);
    }
}
