//! Finding the next entry of a data tile behind one whose end cannot be told.
//!
//! A data tile has no marks between its entries, but the level-0 hash tile beside it has the leaf
//! hash of each. Where the bytes at some place hash to one of the leaf hashes to come, that entry
//! starts there.

use std::ops::Range;

use super::TileLeaf;
use crate::Hash;
use crate::merkle::leaf_hash_parts;

/// The most fingerprints that an entry's chain is taken to have when its form is not known.
const LONGEST_CHAIN: usize = 64;

/// The hashing and searching that may still be done for one tile. The bytes are a log's, who could have any number
/// of places look like the start of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    hashes: u32,
    bytes: usize,
}

impl Work {
    /// Enough for a tile of a sound log with some entries of an unknown kind: 1,024 hashes over
    /// 16 MiB in all, of which the bytes searched for the start of a submission count as well.
    #[must_use]
    pub const fn for_tile() -> Self {
        Self { hashes: 1024, bytes: 16 << 20 }
    }

    /// Pays for reading so many bytes; `None` when too many have been read, and from then on.
    fn take(&mut self, bytes: usize) -> Option<()> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(0);
        left.map(|_| ())
    }

    /// The leaf hash of a `TimestampedEntry`; `None` when too much has been hashed.
    fn leaf_hash(&mut self, timestamped_entry: &[u8]) -> Option<Hash> {
        self.hashes = self.hashes.checked_sub(1)?;
        self.take(timestamped_entry.len())?;
        Some(leaf_hash_parts(&[&[0, 0], timestamped_entry]))
    }
}

/// The place at which a data tile can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Bytes up to the next entry that can be read, or to the end.
    pub length: usize,
    /// The number of entries in these bytes, at least one.
    pub entries: usize,
    /// If the bytes are one entry, as the log has hashed it: the length of its `TimestampedEntry`, a
    /// beginning of them that has the first leaf hash and is followed by what can be a chain.
    pub hashed: Option<usize>,
}

/// Looks for the next entry in `rest`, which begins with one whose end cannot be told and goes to the
/// end of its tile. `hashes` are the leaf hashes from that entry to the last of the tile, `times` those
/// an entry may have, in ms since the Unix epoch.
///
/// `None` when there is none, or it would take too much work.
#[must_use]
pub fn resume(
    rest: &[u8],
    hashes: &[Hash],
    times: &Range<u64>,
    work: &mut Work,
) -> Option<Resumption> {
    let (first, later) = hashes.split_first()?;
    let (length, entries) = if later.is_empty() {
        // The last entry ends with the tile.
        (rest.len(), 1)
    } else {
        next_entry(rest, later, times, work)?
    };
    let bytes = rest.get(..length)?;
    let hashed = if entries == 1 { hashed(bytes, first, work) } else { None };
    Some(Resumption { length, entries, hashed })
}

/// Returns the start of the first entry that has one of these hashes, and the number of entries
/// before it.
fn next_entry(
    rest: &[u8],
    later: &[Hash],
    times: &Range<u64>,
    work: &mut Work,
) -> Option<(usize, usize)> {
    for start in 1..rest.len() {
        let Some(bytes) = rest.get(start..) else { break };
        if !may_start(bytes, times) {
            continue;
        }
        let Ok((entry, _)) = TileLeaf::delimit(bytes) else { continue };
        let hash = work.leaf_hash(entry.timestamped_entry)?;
        if let Some(position) = later.iter().position(|expected| *expected == hash) {
            return Some((start, position.saturating_add(1)));
        }
    }
    None
}

/// Reports whether an entry of a known type and with a plausible time may start here.
fn may_start(bytes: &[u8], times: &Range<u64>) -> bool {
    let Some((time, rest)) = bytes.split_first_chunk() else { return false };
    matches!(rest, [0, 0 | 1, ..]) && times.contains(&u64::from_be_bytes(*time))
}

/// If these bytes are an entry with this leaf hash, returns the length of its `TimestampedEntry`, which
/// may have any form. Perhaps a precertificate follows, then fingerprints.
fn hashed(bytes: &[u8], hash: &Hash, work: &mut Work) -> Option<usize> {
    (0..=LONGEST_CHAIN).find_map(|fingerprints| {
        let before = before_chain(bytes, fingerprints)?;
        // Of a form like that of a certificate, and like that of a precertificate.
        if is_hashed(before, hash, work) {
            return Some(before.len());
        }
        work.take(before.len())?;
        submissions(before).find(|entry| is_hashed(entry, hash, work)).map(<[u8]>::len)
    })
}

fn is_hashed(timestamped_entry: &[u8], hash: &Hash, work: &mut Work) -> bool {
    work.leaf_hash(timestamped_entry).is_some_and(|found| found == *hash)
}

/// Returns the bytes before so many fingerprints at the end, if the length of these precedes them.
fn before_chain(bytes: &[u8], fingerprints: usize) -> Option<&[u8]> {
    let length = fingerprints.checked_mul(32)?;
    let rest = bytes.get(..bytes.len().checked_sub(length)?)?;
    let (before, field) = rest.split_last_chunk::<2>()?;
    (usize::from(u16::from_be_bytes(*field)) == length).then_some(before)
}

/// Returns each beginning of the bytes whose rest is preceded by its length in three bytes.
fn submissions(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let fields = bytes.windows(3).enumerate();
    fields.filter_map(|(start, field)| {
        let [a, b, c] = field else { return None };
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let left = bytes.len().checked_sub(start)?.checked_sub(3)?;
        if u32::try_from(left) != Ok(length) || length == 0 {
            return None;
        }
        bytes.get(..start)
    })
}
