//! Contradictions of logs, and their acknowledgement.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry::LogNumber;

/// The kind of a contradiction, and of the alarm that it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// The log has signed two heads of one size with two roots.
    Equivocation,
    /// A signed head does not continue the tree that an earlier one proved.
    Fork,
    /// The entries served are not those under the signed head.
    Mismatch,
    /// The tree is not the one the log was to end with (`final_tree_head` of the log list).
    FinalHead,
    /// Entries are skipped because the log serves bytes that cannot be parsed.
    Gap,
}

impl AlarmKind {
    /// Returns the word used in JSON, logs and the names of evidence folders.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equivocation => "equivocation",
            Self::Fork => "fork",
            Self::Mismatch => "mismatch",
            Self::FinalHead => "final_head",
            Self::Gap => "gap",
        }
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A contradiction of a log. It stays until it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The log.
    pub log: LogNumber,
    /// Kind of contradiction.
    pub kind: AlarmKind,
    /// Time of the finding, seconds since 1970.
    pub at: u64,
    /// Description in words.
    pub text: String,
    /// First index that is not proved.
    pub first: u64,
    /// Index after the last one that is not proved.
    pub end: u64,
    /// Folder with the evidence, if it was saved.
    pub evidence: Option<String>,
}

/// An operator's acknowledgement of all alarms of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The log.
    pub log: LogNumber,
}
