//! The Merkle tree of a log, of which leaf hashes are kept only for the newest entries.
//!
//! Kept are the hashes that stand in hash tiles of level 1 and up: one for 256 leaves, 12.5 MB for 100
//! million. A repeated history needs not even those: all its blocks have the same hashes.

use std::collections::VecDeque;

use ct::Hash;
use ct::merkle::{CompactRange, RangeError, tree_hash};

/// Hashes in a tile, and leaves below a hash of level 1.
pub(crate) const WIDTH: usize = 256;

#[derive(Debug)]
pub(crate) struct Tree {
    /// The hashes of tile levels 1, 2, ...
    rows: Vec<Row>,
    /// The newest leaf hashes; the last is that of leaf `size - 1`.
    recent: VecDeque<Hash>,
    /// The number of leaf hashes to keep.
    keep: usize,
    range: CompactRange,
}

/// The hashes of one tile level.
#[derive(Debug, Default)]
struct Row {
    /// The number of hashes at the beginning that are repetitions of `pattern`.
    repeated: u64,
    pattern: Vec<Hash>,
    /// The hashes after them.
    rest: Vec<Hash>,
}

impl Tree {
    /// The empty tree. It will keep the hashes of the `keep` newest leaves, and at least of 256.
    pub(crate) fn new(keep: usize) -> Self {
        let keep = keep.max(WIDTH);
        Self { rows: Vec::new(), recent: VecDeque::new(), keep, range: CompactRange::default() }
    }

    /// The tree whose leaves are the 65,536 of `block`, `times` over.
    pub(crate) fn of_repeated_block(
        block: &[Hash],
        times: u64,
        keep: usize,
    ) -> Result<Self, RangeError> {
        let mut tree = Self::new(keep);
        let mut pattern: Vec<_> = block.chunks(WIDTH).map(tree_hash).collect();
        let mut repeated = times * WIDTH as u64;
        while repeated > 0 {
            let above =
                if pattern.len() > 1 { tree_hash(&pattern) } else { same_children(pattern[0]) };
            tree.rows.push(Row { repeated, pattern, rest: Vec::new() });
            repeated /= WIDTH as u64;
            pattern = vec![above];
        }
        tree.recent.extend(&block[block.len().saturating_sub(tree.keep)..]);
        tree.set_size(times * block.len() as u64)?;
        Ok(tree)
    }

    /// The tree with these hashes of level 1, each of 256 leaves.
    pub(crate) fn of_level_1(hashes: &[Hash], keep: usize) -> Result<Self, RangeError> {
        let mut tree = Self::new(keep);
        hashes.iter().for_each(|hash| tree.push_row(0, *hash));
        tree.set_size((hashes.len() * WIDTH) as u64)?;
        Ok(tree)
    }

    /// Makes the frontier out of the rows, which hold all of `size` leaves.
    fn set_size(&mut self, size: u64) -> Result<(), RangeError> {
        let mut end = 0;
        let levels = (8..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        let hashes = levels.map(|level| {
            end += 1 << level;
            self.inner_node(level, (end >> level) - 1)
        });
        self.range = CompactRange::from_hashes(size, hashes.collect())?;
        Ok(())
    }

    pub(crate) fn size(&self) -> u64 {
        self.range.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.range.root()
    }

    /// The root once these leaves have come.
    pub(crate) fn root_with(&self, leaf_hashes: Vec<Hash>) -> Hash {
        let mut range = self.range.clone();
        leaf_hashes.into_iter().for_each(|hash| range.push(hash));
        range.root()
    }

    pub(crate) fn push(&mut self, leaf_hash: Hash) {
        if self.recent.len() >= self.keep {
            self.recent.pop_front();
        }
        self.recent.push_back(leaf_hash);
        self.range.push(leaf_hash);
        if self.size().is_multiple_of(WIDTH as u64) {
            let from = self.recent.len() - WIDTH;
            let tile: Vec<_> = self.recent.range(from..).copied().collect();
            self.push_row(0, tree_hash(&tile));
        }
    }

    fn push_row(&mut self, row: usize, hash: Hash) {
        if self.rows.len() == row {
            self.rows.push(Row::default());
        }
        self.rows[row].rest.push(hash);
        let length = self.rows[row].len();
        if length.is_multiple_of(WIDTH as u64) {
            let tile: Vec<_> = self.rows[row].range(length - WIDTH as u64, WIDTH).collect();
            self.push_row(row + 1, tree_hash(&tile));
        }
    }

    /// `count` leaf hashes from `first` on, where they are kept.
    pub(crate) fn leaves(&self, first: u64, count: usize) -> Option<Vec<Hash>> {
        let start = self.size() - self.recent.len() as u64;
        let from = usize::try_from(first.checked_sub(start)?).ok()?;
        let end = from.checked_add(count).filter(|end| *end <= self.recent.len())?;
        Some(self.recent.range(from..end).copied().collect())
    }

    /// `count` hashes of a hash tile's level, which is 1 or more, from `first` on; all complete.
    pub(crate) fn row(&self, level: u8, first: u64, count: usize) -> Vec<Hash> {
        self.rows[usize::from(level) - 1].range(first, count).collect()
    }

    /// The root of leaves `index * 2^level ..` and the 2^level - 1 after it; `level` is 8 or more.
    pub(crate) fn inner_node(&self, level: u32, index: u64) -> Hash {
        let below = level % 8;
        tree_hash(&self.row((level / 8) as u8, index << below, 1 << below))
    }

    /// The index of the newest leaf with this hash, if among those kept.
    pub(crate) fn find(&self, leaf_hash: &Hash, size: u64) -> Option<u64> {
        let start = self.size() - self.recent.len() as u64;
        let count = usize::try_from(size.checked_sub(start)?).ok()?.min(self.recent.len());
        let position = self.recent.range(..count).rposition(|hash| hash == leaf_hash)?;
        Some(start + position as u64)
    }
}

impl Row {
    fn len(&self) -> u64 {
        self.repeated + self.rest.len() as u64
    }

    fn range(&self, first: u64, count: usize) -> impl Iterator<Item = Hash> {
        (first..).take(count).map(|index| match index.checked_sub(self.repeated) {
            Some(position) => self.rest[position as usize],
            None => self.pattern[(index % self.pattern.len() as u64) as usize],
        })
    }
}

/// The root of 256 hashes which are all this one.
fn same_children(hash: Hash) -> Hash {
    tree_hash(&[hash; WIDTH])
}

#[cfg(test)]
mod tests;
