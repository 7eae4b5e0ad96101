//! The index of a segment: which of its batches may have a certificate, an entry, a name.
//!
//! Each sealed segment has a sidecar file with the extension `.index`; that of the open one is in
//! memory. An index only rules out: what it finds has to be compared with the batch itself. So one that
//! is missing or damaged costs time, and nothing else; it is made again.
//!
//! # File
//!
//! A header of 72 bytes, blocks, a directory. Numbers of the header are little-endian: `[8]` magic
//! `ctindex\0`, `u32` version, `u32` reserved, `[8]` marker of the segment, `u64` number of its first
//! message, `u64` bytes of the segment, `u64` hash of its last message (0 if unknown), `u64` place of the
//! directory, `u32` its length, `u32` its checksum, `[4]` reserved, `u32` checksum of the header. Checksums are CRC-32C, and checked before the
//! bytes are used. In the directory each block has its least key, its place, length and checksum. After it
//! come the offsets of entries that the segment lacked when the index was made: the offset after its last
//! entry, and first and end of up to 256 ranges.
//!
//! | table | key | value |
//! |---|---|---|
//! | rows | ordinal, place, first offset of a batch | its records, and for each log first index and count |
//! | certificates | first 8 bytes of SHA-256 or SHA-1; of an entry that was backfilled, of SHA-256(`backfilled`, log, index) | ordinal |
//! | entries | log and first index of its entries in a batch | ordinal |
//! | sightings | offset of the record that is repeated | ordinal |
//! | serials | first 8 bytes of the SHA-256 of the serial number | ordinal |
//! | names | labels in reversed order, in lower case | ordinals |
//! | addresses | version and bytes | ordinals |
//! | issuers | CN and O in lower case | ordinals |
//!
//! The ordinal of a batch is its number, counted from the first message of the segment. Tables of numbers
//! are differences in blocks of 4 KiB, tables of texts finite state transducers in blocks of 64 KiB. So a
//! look-up reads one block of a table, and only the directories are in memory.

mod blocks;
mod finder;
mod indexes;
pub(crate) mod keys;
mod lookup;
mod open;
mod pairs;
mod reach;
mod rows;
mod sealed;
mod search;
mod searchable;
mod terms;
#[cfg(test)]
mod tests;
mod varint;

use std::fmt::Debug;
use std::io;

use record::LogNumber;

pub use self::finder::{Finder, Next, Order, Paused, Wanted};
pub use self::indexes::Indexes;
pub use self::lookup::Term;
pub use self::search::{Digest, Found, Kept};
pub use self::searchable::Searchable;

pub(crate) use self::open::OpenIndex;
pub(crate) use self::rows::Row;
pub(crate) use self::sealed::{Binding, Lost, SealedIndex};
pub(crate) use self::searchable::{Files, Look, Source};

/// The texts that batches are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    Names,
    Addresses,
    Issuers,
}

/// A visitor of a text and the ordinals of the batches that have it; returns false to end the visit.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], &[u32]) -> bool + 'v;

/// The index of a segment. Results are ordinals of batches, ascending.
///
/// Errors are those of reading the file, and [`io::ErrorKind::InvalidData`] if it is damaged.
pub(crate) trait Index: Debug + Send + Sync {
    /// Returns the batches that may have a certificate with this key.
    fn certificates(&self, key: u64) -> io::Result<Vec<u32>>;

    /// Returns the batch that may account for an entry of a log.
    fn entry(&self, log: LogNumber, index: u64) -> io::Result<Option<u32>>;

    /// Returns the batches with sightings of the record at an offset.
    fn sightings(&self, offset: u64) -> io::Result<Vec<u32>>;

    /// Returns the batches that may have a certificate whose serial number has this key.
    fn serials(&self, key: u64) -> io::Result<Vec<u32>>;

    /// Returns a batch.
    fn row(&self, ordinal: u32) -> io::Result<Option<Row>>;

    /// Returns the batch with the record at an offset, or the next one that has records.
    fn row_at(&self, offset: u64) -> io::Result<Option<Row>>;

    /// Returns the first offset at `from` or after it whose entry the segment lacks: it is damaged, or
    /// does not reach up to `next`, where the entries of the next segment begin.
    fn lost(&self, from: u64, next: u64) -> Option<u64>;

    /// Visits all batches in their order.
    fn rows(&self, visit: &mut dyn FnMut(&Row)) -> io::Result<()>;

    /// Visits the texts from `from` up to but not `to`.
    fn visit(&self, texts: Texts, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()>;
}
