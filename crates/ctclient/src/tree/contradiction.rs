//! The kinds of contradictions of a log, and the parts of one.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::{SignedHead, TreeHead};
use ct::merkle::CompactRange;
use serde::{Deserialize, Serialize};

/// The kind of a contradiction, and of the alarm that it raises.
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

/// A signed head, parsed, together with the response that it came in.
#[derive(Debug, Clone)]
pub struct ServedHead {
    /// The parsed head and its signature.
    pub signed: SignedHead,
    /// The whole response.
    pub body: Bytes,
}

/// A tree of a log, named by its size and root hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Point {
    /// Leaves in the tree.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
}

impl Point {
    /// Returns the tree of the entries in `range`, which begins at entry 0.
    #[must_use]
    pub fn of_range(range: &CompactRange) -> Self {
        Self { size: range.size(), root: range.root() }
    }

    /// Returns the tree that a head signs.
    #[must_use]
    pub const fn of_head(head: &TreeHead) -> Self {
        Self { size: head.size, root: head.root }
    }
}

/// A signed head, and another tree of the same log that it does not agree with.
#[derive(Debug, Clone)]
pub struct Contradiction {
    /// The kind of disagreement.
    pub kind: AlarmKind,
    /// The head that does not fit.
    pub head: Arc<ServedHead>,
    /// The other head, where the disagreement is between two heads.
    pub other: Option<Arc<ServedHead>>,
    /// The tree that was expected instead of the head's.
    pub expected: Point,
}
