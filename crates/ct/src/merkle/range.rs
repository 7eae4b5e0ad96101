//! The compact range: what must be kept of a tree so that leaves can be appended and the root told.

use thiserror::Error;

use super::{ProofError, empty_root, left_siblings, node_hash, verify_inclusion};
use crate::Hash;
use crate::tile::{MAX_LEVEL, TILE_WIDTH, Tile, TileKind};

/// The leaves `0..size` of a tree, as the roots of the fewest complete subtrees that cover them: one
/// hash per one-bit of `size`, largest subtree first, so at most 64.
///
/// Appending n leaves costs fewer than 2n hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    hashes: Vec<Hash>,
}

/// An error in making or extending a compact range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RangeError {
    /// Not one hash per one-bit of the size.
    #[error("a compact range of {size} leaves has {expected} hashes, not {actual}")]
    Hashes {
        /// The number of leaves.
        size: u64,
        /// The one-bits of `size`.
        expected: u32,
        /// The number of hashes given.
        actual: usize,
    },
    /// The audit path of the last leaf is not of the length that goes with the size.
    #[error("the audit path of the last of {size} leaves has {expected} hashes, not {actual}")]
    AuditPath {
        /// The number of leaves.
        size: u64,
        /// The one-bits of `size - 1`.
        expected: u32,
        /// The number of hashes given.
        actual: usize,
    },
    /// An empty tree has no last leaf.
    #[error("an empty tree has no last leaf and so no audit path")]
    Empty,
    /// Not one tile for each that [`Tile::right_edge`] names.
    #[error("the right edge of a tree of {size} leaves has {expected} tiles, not {actual}")]
    Tiles {
        /// The number of leaves.
        size: u64,
        /// The number of tiles needed.
        expected: usize,
        /// The number of tiles given.
        actual: usize,
    },
    /// A tile on the right edge holds too few hashes.
    #[error("{tile} has only {actual} hashes")]
    Width {
        /// The tile.
        tile: Tile,
        /// The number of hashes given.
        actual: usize,
    },
    /// The tree would have more than 2^63 leaves.
    #[error("a tree of {0} leaves is too large")]
    TooLarge(u64),
    /// The tile does not begin where the range ends; see [`CompactRange::next_tile`].
    #[error("{tile} does not continue a range of {size} leaves")]
    Elsewhere {
        /// The tile.
        tile: Tile,
        /// The number of leaves.
        size: u64,
    },
    /// A subtree begins where the range does not end at a multiple of its size, or the tree would
    /// have more than 2^63 leaves.
    #[error("a subtree of 2^{level} leaves cannot follow {size} leaves")]
    Unaligned {
        /// The number of leaves.
        size: u64,
        /// Binary logarithm of the subtree's leaves.
        level: u8,
    },
}

/// Larger trees are refused, so that no push can overflow the size. No log will get there.
const MAX_SIZE: u64 = 1 << 63;

impl CompactRange {
    /// The range of no leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The range with these hashes, as [`hashes`](Self::hashes) gave them.
    ///
    /// # Errors
    /// If there is not one hash per one-bit of `size`, or `size` is beyond 2^63. Whether they are the right ones shows only
    /// when the [`root`](Self::root) is compared.
    pub fn from_hashes(size: u64, hashes: Vec<Hash>) -> Result<Self, RangeError> {
        let expected = size.count_ones();
        match u32::try_from(hashes.len()) {
            _ if size > MAX_SIZE => Err(RangeError::TooLarge(size)),
            Ok(actual) if actual == expected => Ok(Self { size, hashes }),
            _ => Err(RangeError::Hashes { size, expected, actual: hashes.len() }),
        }
    }

    /// The range of all `size` leaves, from the last leaf's hash and its audit path, leaf to root (RFC
    /// 6962 section 2.1.1; get-entry-and-proof or get-proof-by-hash for leaf `size - 1`): read
    /// backwards, that path is the range of the leaves before.
    ///
    /// If the [`root`](Self::root) then equals that of a signed head, this also proves that the
    /// last leaf is in the tree.
    ///
    /// # Errors
    /// If `size` is 0 or beyond 2^63, or the path has not the length that goes with it.
    pub fn from_audit_path(
        size: u64,
        last_leaf: &Hash,
        audit_path: &[Hash],
    ) -> Result<Self, RangeError> {
        let before = size.checked_sub(1).ok_or(RangeError::Empty)?;
        let hashes = audit_path.iter().rev().copied().collect();
        let mut range = Self::from_hashes(before, hashes).map_err(|error| match error {
            RangeError::Hashes { expected, actual, .. } => {
                RangeError::AuditPath { size, expected, actual }
            }
            other => other,
        })?;
        range.push(*last_leaf);
        Ok(range)
    }

    /// The range of the leaves up to and including number `index` of a larger tree of `size` leaves, from
    /// the inclusion proof of that leaf: what stands left of the way to the root is the range of the
    /// leaves before. The proof is verified against `root`, so the range is that of the tree's own
    /// beginning.
    ///
    /// # Errors
    /// If the proof does not prove the leaf.
    pub fn from_inclusion_proof(
        last_leaf: &Hash,
        index: u64,
        size: u64,
        path: &[Hash],
        root: &Hash,
    ) -> Result<Self, ProofError> {
        verify_inclusion(last_leaf, index, size, path, root)?;
        let mut hashes = left_siblings(index, size, path);
        hashes.reverse();
        let mut range =
            Self::from_hashes(index, hashes).map_err(|_| ProofError::Length(path.len()))?;
        range.push(*last_leaf);
        Ok(range)
    }

    /// The range of `size` leaves, from the hashes of the tiles that [`Tile::right_edge`] names, in
    /// that order. Where a log no longer has a partial tile, the full one does as well: what of it lies
    /// beyond `size` is not looked at.
    ///
    /// # Errors
    /// If there are too few or too many tiles, one holds too few hashes, or `size` is beyond 2^63.
    pub fn from_right_edge<T: AsRef<[Hash]>>(size: u64, tiles: &[T]) -> Result<Self, RangeError> {
        if size > MAX_SIZE {
            return Err(RangeError::TooLarge(size));
        }
        let expected = Tile::right_edge(size).count();
        if tiles.len() != expected {
            return Err(RangeError::Tiles { size, expected, actual: tiles.len() });
        }
        let mut range = Self::new();
        for (tile, hashes) in Tile::right_edge(size).zip(tiles) {
            let hashes = hashes.as_ref();
            let edge = hashes
                .get(..usize::from(tile.width))
                .ok_or(RangeError::Width { tile, actual: hashes.len() })?;
            // Within a tile, hashes fold as if they were leaves; above it, there is nothing to fold
            // with, since the digits of the size are added from the highest down.
            let mut digit = Self::new();
            edge.iter().for_each(|hash| digit.push(*hash));
            range.hashes.append(&mut digit.hashes);
        }
        range.size = size;
        Ok(range)
    }

    /// Appends a leaf, given its hash.
    pub fn push(&mut self, leaf_hash: Hash) {
        self.append(leaf_hash, 0);
    }

    /// Appends 2^`level` leaves, given the root of their subtree: of a full level-0 tile its
    /// [`tree_hash`](super::tree_hash) at level 8.
    ///
    /// # Errors
    /// If the range does not end at a multiple of 2^`level`, or would grow beyond 2^63 leaves; it is
    /// then as before.
    pub fn push_subtree(&mut self, level: u8, root: Hash) -> Result<(), RangeError> {
        let unaligned = RangeError::Unaligned { size: self.size, level };
        let leaves = 1_u64.checked_shl(level.into()).ok_or(unaligned)?;
        let fits = self.size.checked_add(leaves).is_some_and(|size| size <= MAX_SIZE);
        if !fits || self.size & leaves.wrapping_sub(1) != 0 {
            return Err(unaligned);
        }
        self.append(root, level);
        Ok(())
    }

    /// The hash tile that leads furthest from this range towards that of `size` leaves, as wide as that
    /// size makes it; `None` once it is reached. From the empty range on these are the tiles of the right
    /// edge, and from any other at most two of each level.
    #[must_use]
    pub fn next_tile(&self, size: u64) -> Option<Tile> {
        let left = size.checked_sub(self.size)?;
        (0..=MAX_LEVEL).rev().find_map(|level| {
            let leaves = leaves_below(level);
            if !self.size.is_multiple_of(leaves) || left < leaves {
                return None;
            }
            let index = self.size.checked_div(leaves)? / TILE_WIDTH;
            Tile::of_tree(TileKind::Level(level), index, size)
        })
    }

    /// Appends what of the tile that [`next_tile`](Self::next_tile) named lies beyond this range. Of
    /// more `hashes` than the tile is wide - of the full tile in place of a partial one - the rest is
    /// not looked at.
    ///
    /// # Errors
    /// If the tile does not begin where the range ends, or there are too few hashes. The range is then
    /// as before.
    pub fn push_tile(&mut self, tile: &Tile, hashes: &[Hash]) -> Result<(), RangeError> {
        let elsewhere = RangeError::Elsewhere { tile: *tile, size: self.size };
        let TileKind::Level(level) = tile.kind else { return Err(elsewhere) };
        let leaves = leaves_below(level);
        let is_aligned = self.size.is_multiple_of(leaves);
        let done = if is_aligned { self.size.checked_div(leaves) } else { None };
        let first = tile.index.checked_mul(TILE_WIDTH);
        let skipped = done
            .zip(first)
            .and_then(|(done, first)| done.checked_sub(first))
            .and_then(|skipped| usize::try_from(skipped).ok())
            .filter(|skipped| *skipped < usize::from(tile.width))
            .ok_or(elsewhere)?;
        let hashes = hashes
            .get(..usize::from(tile.width))
            .ok_or(RangeError::Width { tile: *tile, actual: hashes.len() })?;
        let level = level.saturating_mul(8);
        hashes.iter().skip(skipped).try_for_each(|hash| self.push_subtree(level, *hash))
    }

    /// Returns the number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the subtrees, largest first: with the size, all there is to save.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut from_right = self.hashes.iter().rev();
        let Some(last) = from_right.next() else { return empty_root() };
        from_right.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Appends a subtree; the size is a multiple of its leaves.
    fn append(&mut self, mut hash: Hash, level: u8) {
        let leaves = 1_u64.checked_shl(level.into()).unwrap_or_default();
        // Each one-bit from `level` up, until the first zero, is a subtree as large as what has been
        // folded so far.
        let equals = self.size.checked_shr(level.into()).unwrap_or_default().trailing_ones();
        for _ in 0..equals {
            if let Some(left) = self.hashes.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size = self.size.saturating_add(leaves);
    }
}

/// Returns the number of leaves below one hash of a tile's level; 0 if it exceeds a `u64`.
fn leaves_below(level: u8) -> u64 {
    1_u64.checked_shl(u32::from(level).saturating_mul(8)).unwrap_or(0)
}
