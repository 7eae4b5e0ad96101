//! A block of entries: 204 of them at most, zeros, and a checksum.

use super::{BLOCK, ENTRY, Entry};
use crate::First;
use crate::key::Key;

/// Bytes of a block that the checksum covers.
const COVERED: usize = BLOCK - 4;

/// Appends entries to a block. They are at most as many as it has room for.
pub(super) fn push((Key(key), First { offset, time }): Entry, block: &mut Vec<u8>) {
    block.extend_from_slice(&key.to_le_bytes());
    block.extend_from_slice(&offset.to_le_bytes());
    block.extend_from_slice(&time.to_le_bytes());
}

/// Completes a block with its checksum.
pub(super) fn seal(block: &mut Vec<u8>) {
    block.resize(COVERED, 0);
    block.extend_from_slice(&crc_fast::crc32_iscsi(block).to_le_bytes());
}

/// Reports whether the checksum of a block is right.
pub(super) fn is_intact(block: &[u8]) -> bool {
    let Some((bytes, crc)) = block.split_last_chunk() else { return false };
    crc_fast::crc32_iscsi(bytes) == u32::from_le_bytes(*crc)
}

/// Returns the entry at a place of a block, which has it.
pub(super) fn entry(block: &[u8], place: usize) -> Option<Entry> {
    let bytes: &[u8; ENTRY] = block.get(place.checked_mul(ENTRY)?..)?.first_chunk()?;
    let (key, rest) = bytes.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let time = rest.first_chunk()?;
    let offset = u64::from_le_bytes(*offset);
    Some((Key(u64::from_le_bytes(*key)), First { offset, time: u32::from_le_bytes(*time) }))
}

/// Returns the first certificate of a domain in a block of so many entries.
pub(super) fn find(block: &[u8], count: usize, key: Key) -> Option<First> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        let (found, first) = entry(block, middle)?;
        match found.cmp(&key) {
            std::cmp::Ordering::Equal => return Some(first),
            std::cmp::Ordering::Less => low = middle.saturating_add(1),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}
