//! The blocks of an index file, each of which is checked before its bytes are used.

use std::io;

use crate::storage::File;

use super::varint;

/// The place of a block in the file, and its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: u64,
    length: u32,
    crc: u32,
}

/// The directory of a table: its blocks, each with the least key that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory<K> {
    firsts: Vec<K>,
    places: Vec<Place>,
}

/// A key as the directory writes it.
pub(super) trait Key: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

impl Key for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self::from_le_bytes(*number))
    }
}

impl Key for Box<[u8]> {
    fn put(&self, out: &mut Vec<u8>) {
        varint::put(self.len() as u64, out);
        out.extend_from_slice(self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let length = usize::try_from(varint::take(bytes)?).ok()?;
        let (key, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        Some(key.into())
    }
}

impl<K> Default for Directory<K> {
    fn default() -> Self {
        Self { firsts: Vec::new(), places: Vec::new() }
    }
}

impl<K: Key> Directory<K> {
    /// Appends a block to the file, of which `out` is everything so far.
    pub(super) fn append(&mut self, first: K, block: &[u8], out: &mut Vec<u8>) {
        let crc = crc_fast::crc32_iscsi(block);
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        self.firsts.push(first);
        self.places.push(Place { at: out.len() as u64, length, crc });
        out.extend_from_slice(block);
    }

    /// Returns the number of blocks.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the number of the first block that may have a key for which `is_before` is false: the
    /// last one whose least key is before it.
    pub(super) fn block_of(&self, is_before: impl Fn(&K) -> bool) -> usize {
        self.firsts.partition_point(is_before).saturating_sub(1)
    }

    /// Returns the least key of a block.
    pub(super) fn first(&self, block: usize) -> Option<&K> {
        self.firsts.get(block)
    }

    /// Reads a block.
    ///
    /// # Errors
    /// If it cannot be read, or its bytes are not those that were written.
    pub(super) fn read(&self, file: &dyn File, block: usize) -> io::Result<Vec<u8>> {
        let Some(place) = self.places.get(block) else { return Err(damaged()) };
        read_checked(file, place.at, place.length, place.crc)
    }

    /// Appends the directory.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        varint::put(self.places.len() as u64, out);
        for (first, place) in self.firsts.iter().zip(&self.places) {
            first.put(out);
            varint::put(place.at, out);
            varint::put(place.length.into(), out);
            out.extend_from_slice(&place.crc.to_le_bytes());
        }
    }

    /// Takes a directory.
    pub(super) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let mut directory = Self::default();
        for _ in 0..varint::take(bytes)? {
            directory.firsts.push(K::take(bytes)?);
            let (at, length) = (varint::take(bytes)?, varint::take_u32(bytes)?);
            let (crc, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            directory.places.push(Place { at, length, crc: u32::from_le_bytes(*crc) });
        }
        Some(directory)
    }
}

/// Reads bytes that have this checksum.
pub(super) fn read_checked(file: &dyn File, at: u64, length: u32, crc: u32) -> io::Result<Vec<u8>> {
    let end = at.checked_add(length.into());
    // What the file does not have, nobody allocates memory for.
    if end.is_none_or(|end| file.bytes().is_ok_and(|bytes| end > bytes)) {
        return Err(damaged());
    }
    let mut bytes = vec![0; length as usize];
    let count = file.read_at(&mut bytes, at)?;
    if count == bytes.len() && crc_fast::crc32_iscsi(&bytes) == crc {
        Ok(bytes)
    } else {
        Err(damaged())
    }
}

/// Returns the error for an index that is not as it was written.
pub(super) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the index is damaged")
}
