//! Splitting a data tile into its entries, as far as they can be told apart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ct::Hash;
use ct::leaf::{Leaf, LeafError};
use ct::tile::{Delimited, TILE_WIDTH, TileLeaf, Work, resume};

/// The earliest time of an entry, in milliseconds since 1970: 2012-01-01, before Certificate
/// Transparency began.
const FIRST_TIME: u64 = 1_325_376_000_000;
/// The most by which an entry's time may lie in the future: clocks differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(86_400);

/// An entry of a data tile that cannot be parsed.
pub(super) struct Unparsed<'a> {
    /// All its bytes.
    pub(super) whole: &'a [u8],
    /// The part of them that the log has hashed, without the first two bytes of the leaf.
    timestamped_entry: &'a [u8],
    leaf_hash: Hash,
}

/// One entry of a data tile.
pub(super) enum Piece<'a> {
    Leaf(TileLeaf<'a>),
    /// The leaf can be parsed, the rest of the entry cannot.
    Malformed(Leaf<'a>, Delimited<'a>, LeafError),
    /// The entry cannot be parsed, but its bytes are those that the log has hashed.
    Undecodable(Unparsed<'a>, LeafError),
    /// The entry has no known bounds. The first of several has the bytes up to the next readable entry.
    Unproved(&'a [u8], LeafError),
}

impl<'a> Piece<'a> {
    /// Makes a piece of an entry whose bounds are known.
    fn of(entry: Delimited<'a>, error: LeafError) -> Self {
        match Leaf::parse_timestamped_entry(entry.timestamped_entry) {
            Ok(leaf) => Self::Malformed(leaf, entry, error),
            Err(_) => {
                let (whole, timestamped_entry) = (entry.whole, entry.timestamped_entry);
                let leaf_hash = entry.leaf_hash();
                Self::Undecodable(Unparsed { whole, timestamped_entry, leaf_hash }, error)
            }
        }
    }

    pub(super) fn leaf_hash(&self) -> Hash {
        match self {
            Self::Leaf(leaf) => leaf.leaf_hash(),
            Self::Malformed(_, entry, _) => entry.leaf_hash(),
            Self::Undecodable(entry, _) => entry.leaf_hash,
            Self::Unproved(..) => Hash::default(),
        }
    }

    /// Returns the part of the entry that the tree covers: the leaf without its first two bytes `00 00`.
    /// Empty if its bounds are not known.
    pub(super) fn timestamped_entry(&self) -> &'a [u8] {
        match self {
            Self::Leaf(leaf) => leaf.timestamped_entry,
            Self::Malformed(_, entry, _) => entry.timestamped_entry,
            Self::Undecodable(entry, _) => entry.timestamped_entry,
            Self::Unproved(..) => &[],
        }
    }

    pub(super) const fn is_unproved(&self) -> bool {
        matches!(self, Self::Unproved(..))
    }
}

/// A data tile, split into entries.
pub(super) struct Split<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// The bytes that follow, if they cannot be parsed, and the reason.
    pub(super) rest: Option<(&'a [u8], LeafError)>,
}

impl<'a> Split<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        let mut split = Self { pieces: Vec::with_capacity(256), rest: None };
        split.read(body);
        split
    }

    fn read(&mut self, mut rest: &'a [u8]) {
        while !rest.is_empty() && self.pieces.len() as u64 <= TILE_WIDTH {
            match TileLeaf::parse(rest) {
                Ok((leaf, after)) => {
                    self.pieces.push(Piece::Leaf(leaf));
                    rest = after;
                }
                Err(error) => match TileLeaf::delimit(rest) {
                    Ok((entry, after)) => {
                        self.pieces.push(Piece::of(entry, error));
                        rest = after;
                    }
                    Err(error) => {
                        self.rest = Some((rest, error));
                        return;
                    }
                },
            }
        }
    }

    /// Continues behind bytes that cannot be parsed, where the leaf hashes of the tile's entries show
    /// that the next entry starts. At the end of a partial tile it does not: the tile is served again
    /// when it has grown.
    pub(super) fn resume(&mut self, hashes: &[Hash], is_full: bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let latest = u64::try_from((now + CLOCKS_DIFFER).as_millis()).unwrap_or(u64::MAX);
        let mut work = Work::for_tile();
        while let Some((rest, error)) = self.rest.take() {
            let to_come = hashes.get(self.pieces.len()..).unwrap_or_default();
            let found = resume(rest, to_come, &(FIRST_TIME..latest), &mut work);
            let (Some(found), Some(hash)) = (found, to_come.first()) else {
                self.rest = Some((rest, error));
                return;
            };
            let (bytes, after) = rest.split_at(found.length);
            if after.is_empty() && found.hashed.is_none() && !is_full {
                self.rest = Some((rest, error));
                return;
            }
            if let Some(timestamped_entry) = found.hashed.and_then(|length| bytes.get(..length)) {
                let (whole, leaf_hash) = (bytes, *hash);
                let entry = Unparsed { whole, timestamped_entry, leaf_hash };
                self.pieces.push(Piece::Undecodable(entry, error));
            } else {
                self.pieces.push(Piece::Unproved(bytes, error.clone()));
                for _ in 1..found.entries {
                    self.pieces.push(Piece::Unproved(&[], error.clone()));
                }
            }
            self.read(after);
        }
    }
}

/// Returns the entries without known bounds at the beginning of `pieces`, which begins at `index`:
/// their end, their bytes, and the reason.
pub(super) fn unproved<'a>(index: u64, pieces: &[Piece<'a>]) -> Option<(u64, &'a [u8], String)> {
    let Some(Piece::Unproved(bytes, error)) = pieces.first() else { return None };
    let count = pieces.iter().take_while(|piece| piece.is_unproved()).count() as u64;
    Some((index.saturating_add(count), bytes, error.to_string()))
}
