//! The path of a tile: `tile/<level or "data">/<index in groups of three digits>[.p/<width>]`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{MAX_LEVEL, TILE_WIDTH, Tile, TileKind};

/// An error in the path of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseTileError {
    /// It does not begin with `tile/`.
    #[error("the path of a tile begins with tile/")]
    Prefix,
    /// The level is not `data` or a number from 0 to [`MAX_LEVEL`].
    #[error("the level of a tile is data or a number from 0 to {MAX_LEVEL}")]
    Level,
    /// The index is not written in groups of three digits, all but the last after an `x`, or is too big.
    #[error("the index of a tile is groups of three digits, all but the last after an x: x001/234")]
    Index,
    /// The part after the index is not `.p/` and a number from 1 to 255.
    #[error("the width of a partial tile is a number from 1 to 255 after .p/")]
    Width,
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Data => write!(f, "tile/data/")?,
            TileKind::Level(level) => write!(f, "tile/{level}/")?,
        }
        write_high_groups(f, self.index / 1000)?;
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// All groups of an index but the last; a u64 has at most six of these.
fn write_high_groups(f: &mut fmt::Formatter<'_>, thousands: u64) -> fmt::Result {
    if thousands == 0 {
        return Ok(());
    }
    write_high_groups(f, thousands / 1000)?;
    write!(f, "x{:03}/", thousands % 1000)
}

impl FromStr for Tile {
    type Err = ParseTileError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let rest = path.strip_prefix("tile/").ok_or(ParseTileError::Prefix)?;
        let (kind, rest) = rest.split_once('/').ok_or(ParseTileError::Level)?;
        let kind = match kind {
            "data" => TileKind::Data,
            level => TileKind::Level(parse_level(level).ok_or(ParseTileError::Level)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((index, width)) => (index, partial_width(width).ok_or(ParseTileError::Width)?),
        };
        let index = parse_index(index).ok_or(ParseTileError::Index)?;
        Ok(Self { kind, index, width: super::clamp(width) })
    }
}

fn parse_level(text: &str) -> Option<u8> {
    canonical(text)?.try_into().ok().filter(|level| *level <= MAX_LEVEL)
}

fn partial_width(text: &str) -> Option<u64> {
    canonical(text).filter(|width| (1..TILE_WIDTH).contains(width))
}

fn parse_index(text: &str) -> Option<u64> {
    let (high, last) = match text.rsplit_once('/') {
        Some((high, last)) => (Some(high), last),
        None => (None, text),
    };
    let mut index = 0_u64;
    for group in high.into_iter().flat_map(|high| high.split('/')) {
        index = index.checked_mul(1000)?.checked_add(three_digits(group.strip_prefix('x')?)?)?;
        // Only the canonical form: no leading group of zeros.
        if index == 0 {
            return None;
        }
    }
    index.checked_mul(1000)?.checked_add(three_digits(last)?)
}

fn three_digits(text: &str) -> Option<u64> {
    (text.len() == 3).then(|| digits(text))?
}

/// A decimal number without leading zeros.
fn canonical(text: &str) -> Option<u64> {
    if text.len() > 1 && text.starts_with('0') { None } else { digits(text) }
}

fn digits(text: &str) -> Option<u64> {
    // `u64::from_str` alone would let a leading `+` through.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
