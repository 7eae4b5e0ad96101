//! The header of a run.

use std::path::Path;

use super::{BLOCK, FENCE, PER_BLOCK};
use crate::error::Error;
use crate::key::Seed;

const MAGIC: &[u8; 8] = b"ctfirsts";
const VERSION: u32 = 1;
/// Bytes of the header before its checksum; the rest of its block is zero.
const BYTES: usize = 68;

/// The facts about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The secret of the keys.
    pub(crate) seed: Seed,
    /// The first offset that it covers.
    pub(crate) from: u64,
    /// The offset after the last one that it covers.
    pub(crate) end: u64,
    /// Domains in it.
    pub(crate) entries: u64,
    /// The time of the first certificate that it covers, seconds since 1970.
    pub(crate) since: u32,
    /// The checksum of the first keys.
    pub(crate) fences_crc: u32,
}

impl Header {
    /// Returns the number of blocks with entries.
    pub(crate) const fn blocks(&self) -> u64 {
        self.entries.div_ceil(PER_BLOCK)
    }

    /// Returns the place of the first keys.
    pub(crate) const fn fences_at(&self) -> u64 {
        self.blocks().saturating_add(1).saturating_mul(BLOCK as u64)
    }

    /// Returns the size of the file.
    pub(crate) const fn file_bytes(&self) -> u64 {
        self.fences_at().saturating_add(self.blocks().saturating_mul(FENCE as u64))
    }

    /// Returns the block that the file begins with.
    pub(super) fn to_block(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.seed.0);
        for number in [self.from, self.end, self.entries] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.since, 0, self.fences_crc] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        debug_assert_eq!(out.len(), BYTES);
        out.extend_from_slice(&crc_fast::crc32_iscsi(&out).to_le_bytes());
        out.resize(BLOCK, 0);
        out
    }

    /// Reads the header from the first block of a file.
    pub(super) fn read(block: &[u8], path: &Path) -> Result<Self, Error> {
        let damaged = |what| Error::damaged(path, what);
        let (Some(fields), Some(rest)) = (block.get(..BYTES), block.get(BYTES..)) else {
            return Err(damaged("it has no header"));
        };
        if !fields.starts_with(MAGIC) {
            return Err(damaged("it is no run of domains"));
        }
        let u32_at = |at| number(fields, at).map_or(0, u32::from_le_bytes);
        let u64_at = |at| number(fields, at).map_or(0, u64::from_le_bytes);
        let version = u32_at(8);
        // Before the checksum, whose place a newer version may have changed.
        if version != VERSION {
            return Err(Error::Version { path: path.to_owned(), version });
        }
        let crc = rest.first_chunk().copied().map_or(0, u32::from_le_bytes);
        if crc_fast::crc32_iscsi(fields) != crc {
            return Err(damaged("the checksum of the header is wrong"));
        }
        let header = Self {
            seed: Seed(number(fields, 16).unwrap_or_default()),
            from: u64_at(32),
            end: u64_at(40),
            entries: u64_at(48),
            since: u32_at(56),
            fences_crc: u32_at(64),
        };
        if header.from > header.end { Err(damaged("its offsets contradict")) } else { Ok(header) }
    }
}

fn number<const N: usize>(fields: &[u8], at: usize) -> Option<[u8; N]> {
    fields.get(at..)?.first_chunk().copied()
}
