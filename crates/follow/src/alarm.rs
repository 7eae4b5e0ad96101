//! What a log has said that cannot be true, kept until somebody has looked at it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Alarms of one log that are kept; of more the number is known.
pub(crate) const MOST_ALARMS: usize = 16;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Entries had to be left out because the log serves bytes that nobody can take apart.
    Gap,
}

impl AlarmKind {
    /// The word used in JSON, logs and the names of evidence folders.
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

/// Something a log has to explain. It stays, across restarts too, until it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What was found.
    pub kind: AlarmKind,
    /// When, Unix seconds.
    pub at: u64,
    /// In words.
    pub text: String,
    /// The entries from this index on are not proved, ...
    pub first: u64,
    /// ... up to this one, which is not among them.
    pub end: u64,
    /// The folder with the evidence, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// The time, Unix seconds.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
