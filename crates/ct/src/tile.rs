//! Tiles of static logs (c2sp.org/static-ct-api): where they lie, which are wanted, what is in them.

mod leaf;
mod path;
mod resync;

use std::ops::Range;

use thiserror::Error;

pub use self::leaf::{Delimited, TileLeaf, TileLeaves};
pub use self::path::ParseTileError;
pub use self::resync::{Resumption, Work, resume};
use crate::Hash;

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u64 = 256;

/// The highest level of hash tiles: 256^6 leaves are more than any log may hold.
pub const MAX_LEVEL: u8 = 5;

/// The name of a tile, full or partial. Its `Display` is the path below the monitoring prefix, such
/// as `tile/0/x001/x234/067` or `tile/data/003.p/17`; `FromStr` accepts exactly what `Display` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Entries, or hashes of one level.
    pub kind: TileKind,
    /// The tile's position in its row, from 0.
    pub index: u64,
    /// The number of entries or hashes: 256 in a full tile, 1 to 255 in a partial one.
    pub width: u16,
}

/// The contents of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Log entries, [`TileLeaf`] after [`TileLeaf`].
    Data,
    /// Hashes: number i of tile N at level L is the root of leaves (256·N+i)·256^L and the 256^L - 1
    /// after it. Level 0 holds leaf hashes; at most [`MAX_LEVEL`].
    Level(u8),
}

/// A hash tile's body has not the length its width demands.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{tile} should be {expected} bytes and is {actual}")]
pub struct TileLengthError {
    /// The path of the tile.
    pub tile: Tile,
    /// Its width times 32, in bytes.
    pub expected: usize,
    /// The length given, in bytes.
    pub actual: usize,
}

impl Tile {
    /// Tile number `index` of a tree of `size` leaves, as wide as that size makes it; `None` where
    /// the tree has no such tile.
    #[must_use]
    pub fn of_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let row = size.checked_shr(kind.shift())?;
        let width = row.saturating_sub(index.checked_mul(TILE_WIDTH)?).min(TILE_WIDTH);
        (width > 0).then(|| Self { kind, index, width: clamp(width) })
    }

    /// Reports whether the tile has all its 256 entries or hashes and so never changes.
    #[must_use]
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The full tile in the same place. A log may have dropped a partial tile once the full one is
    /// there; the partial one is its beginning.
    #[must_use]
    pub fn to_full(self) -> Self {
        Self { width: clamp(TILE_WIDTH), ..self }
    }

    /// The leaf indexes below the tile: of a data tile, those of its entries.
    #[must_use]
    pub fn leaves(&self) -> Range<u64> {
        let shift = self.kind.shift();
        let first = self.index.saturating_mul(TILE_WIDTH);
        let end = first.saturating_add(self.width.into());
        let leaves = |n: u64| n.saturating_mul(1_u64.checked_shl(shift).unwrap_or(u64::MAX));
        leaves(first)..leaves(end)
    }

    /// The data tiles which hold the entries `range` in a tree of `size` leaves, in order. What of
    /// `range` is not below `size` is left out; the last tile may be partial.
    pub fn data_covering(range: Range<u64>, size: u64) -> impl Iterator<Item = Self> {
        let end = range.end.min(size).div_ceil(TILE_WIDTH);
        let start = if range.is_empty() { end } else { range.start / TILE_WIDTH };
        (start..end).filter_map(move |index| Self::of_tree(TileKind::Data, index, size))
    }

    /// The hash tiles on the right edge of a tree of `size` leaves, highest level first: one partial
    /// tile per non-zero digit of `size` to the base 256. Together they hold exactly the frontier; see
    /// [`CompactRange::from_right_edge`](crate::merkle::CompactRange::from_right_edge).
    pub fn right_edge(size: u64) -> impl Iterator<Item = Self> {
        (0..=7).rev().map(TileKind::Level).filter_map(move |kind| {
            let row = size >> kind.shift();
            let width = row % TILE_WIDTH;
            (width > 0).then(|| Self { kind, index: row / TILE_WIDTH, width: clamp(width) })
        })
    }

    /// Reads the body of this hash tile.
    ///
    /// # Errors
    /// If the length is not 32 bytes for each hash.
    pub fn hashes<'a>(&self, body: &'a [u8]) -> Result<&'a [Hash], TileLengthError> {
        match body.as_chunks() {
            (hashes, []) if hashes.len() == usize::from(self.width) => Ok(hashes),
            _ => Err(TileLengthError {
                tile: *self,
                expected: usize::from(self.width).saturating_mul(32),
                actual: body.len(),
            }),
        }
    }
}

impl TileKind {
    /// Binary logarithm of how many leaves are below one entry or hash.
    fn shift(self) -> u32 {
        match self {
            Self::Data => 0,
            Self::Level(level) => u32::from(level).saturating_mul(8),
        }
    }
}

/// A width, which is at most 256.
fn clamp(width: u64) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
