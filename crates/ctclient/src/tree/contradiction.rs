//! The kinds of contradictions of a log, and the parts of one.

use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::{SignedHead, TreeHead};
use ct::merkle::CompactRange;
pub use record::AlarmKind;

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
