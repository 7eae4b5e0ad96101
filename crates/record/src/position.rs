//! The position of a log, and the tree of what was read.

use ct::Hash;
use ct::merkle::CompactRange;

use crate::entry::LogNumber;

/// The position up to which a log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The next index to read.
    pub next: u64,
    /// The largest tree size that a head of the log named.
    pub largest_head: u64,
    /// The tree of the entries below `next`; `None` if nothing is being proved.
    pub tree: Option<Tree>,
}

/// The tree of a log's entries as far as they were read. Its size is the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The entries read, those below `from` included.
    pub read: CompactRange,
    /// Entries below this index were not read: the tree only commits to them.
    pub from: u64,
    /// The largest part of it that a signed head proves.
    pub proved: Proved,
}

/// The size and root of a tree that a signed head proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proved {
    /// Entries in the tree.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Tree {
    /// Reports whether the sizes agree with each other and with the position `next`.
    #[must_use]
    pub fn is_consistent(&self, next: u64) -> bool {
        self.read.size() == next && self.from <= next && self.proved.size <= next
    }
}

/// A move of the position of one log by a batch. Its entries are those from `first` up to the new
/// position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The log.
    pub log: LogNumber,
    /// The position before the batch; for a log without a position the index at which it begins.
    pub first: u64,
    /// The position after the batch.
    pub position: Position,
}
