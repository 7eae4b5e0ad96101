//! The header and the name of a segment.

use std::fmt;

use record::{StreamId, SyncMode};
use thiserror::Error;

use super::fields::{Fields, seal, unseal};
use super::{Totals, VERSION};

/// Bytes of the header.
pub(crate) const SEGMENT_HEADER: usize = 128;
const MAGIC: [u8; 8] = *b"ctjournl";
const EXTENSION: &str = ".segment";
const ASIDE: &str = ".damaged";

/// The name of a segment. Segments follow each other in this order, and each covers the messages up to
/// the first one of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentName {
    /// Number of its first message.
    pub(crate) first: u64,
    /// Counts segments with the same first message: of an attempt that failed, and those after it.
    pub(crate) attempt: u32,
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) name: SegmentName,
    pub(crate) stream: StreamId,
    /// A random number that begins each of its frames.
    pub(crate) marker: [u8; 8],
    /// The totals before its first message.
    pub(crate) totals: Totals,
    /// Time of its creation, milliseconds since 1970.
    pub(crate) created: u64,
    /// The boot of the machine during which it was written; zero if unknown.
    pub(crate) boot: [u8; 16],
    /// Number of the last message that was durable when the file got its name.
    pub(crate) synced: u64,
    pub(crate) sync: SyncMode,
    /// The segment before it; zero for the first one.
    pub(crate) previous: SegmentName,
}

/// Reason why bytes are not the header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum HeaderError {
    #[error("the header is damaged")]
    Damaged,
    #[error("version {0} is not known")]
    Version(u32),
}

impl SegmentName {
    /// Reads the name of a file.
    pub(crate) fn parse(file: &str) -> Option<Self> {
        let (first, attempt) = file.strip_suffix(EXTENSION)?.split_once('-')?;
        let name = Self { first: first.parse().ok()?, attempt: attempt.parse().ok()? };
        (name.to_string() == file).then_some(name)
    }

    /// Returns the part that the names of a segment and of its sidecar files have in common.
    pub(crate) fn stem(self) -> String {
        format!("{:020}-{:04}", self.first, self.attempt)
    }

    /// Returns the name of the file once it is set aside, because it cannot be read.
    pub(crate) fn aside(self) -> String {
        format!("{self}{ASIDE}")
    }

    /// Reports whether a file is a segment that was set aside.
    pub(crate) fn is_aside(file: &str) -> bool {
        file.strip_suffix(ASIDE).and_then(Self::parse).is_some()
    }

    /// Reports whether this is the [`stem`](Self::stem) of a segment.
    pub(crate) fn is_stem(text: &str) -> bool {
        Self::parse(&format!("{text}{EXTENSION}")).is_some()
    }

    /// Returns the name of the file until it is complete.
    pub(crate) fn temporary(self) -> String {
        format!("{}.new", self.stem())
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{EXTENSION}", self.stem())
    }
}

impl SegmentHeader {
    /// Appends the header.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.name.attempt.to_le_bytes());
        out.extend_from_slice(self.stream.as_str().as_bytes());
        out.extend_from_slice(&self.marker);
        let Totals { next_offset, entries_end, entries, newest } = self.totals;
        for number in
            [self.name.first, next_offset, entries_end, entries, newest, self.created, self.synced]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.boot);
        out.extend_from_slice(&self.previous.first.to_le_bytes());
        out.extend_from_slice(&self.previous.attempt.to_le_bytes());
        let mode: u32 = match self.sync {
            SyncMode::Batch => 2,
            _ => 1,
        };
        out.extend_from_slice(&mode.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        seal(out, start);
        debug_assert_eq!(out.len().saturating_sub(start), SEGMENT_HEADER);
    }

    /// Reads a header.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header = bytes.get(..SEGMENT_HEADER).and_then(unseal).ok_or(HeaderError::Damaged)?;
        let mut fields = Fields::new(header);
        if fields.array() != MAGIC {
            return Err(HeaderError::Damaged);
        }
        let version = fields.u32();
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let attempt = fields.u32();
        let stream = StreamId::try_from(fields.array()).map_err(|_| HeaderError::Damaged)?;
        let marker = fields.array();
        let name = SegmentName { first: fields.u64(), attempt };
        let totals = Totals {
            next_offset: fields.u64(),
            entries_end: fields.u64(),
            entries: fields.u64(),
            newest: fields.u64(),
        };
        let (created, synced, boot) = (fields.u64(), fields.u64(), fields.array());
        let previous = SegmentName { first: fields.u64(), attempt: fields.u32() };
        let sync = if fields.u32() == 2 { SyncMode::Batch } else { SyncMode::Interval };
        Ok(Self { name, stream, marker, totals, created, boot, synced, sync, previous })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            name: SegmentName { first: 42, attempt: 1 },
            stream: "Abc12xyZ".parse().unwrap(),
            marker: *b"markmark",
            totals: Totals { next_offset: 10, entries_end: 9, entries: 8, newest: 7 },
            created: 6,
            boot: [5; 16],
            synced: 41,
            sync: SyncMode::Batch,
            previous: SegmentName { first: 40, attempt: 3 },
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut out = Vec::new();
        header().write(&mut out);
        assert_eq!(out.len(), SEGMENT_HEADER);
        assert_eq!(SegmentHeader::read(&out), Ok(header()));
    }

    #[test]
    fn a_header_with_any_other_byte_is_damaged() {
        let mut out = Vec::new();
        header().write(&mut out);
        for at in 0..out.len() {
            let mut bytes = out.clone();
            bytes[at] ^= 1;
            assert_eq!(SegmentHeader::read(&bytes), Err(HeaderError::Damaged), "byte {at}");
        }
    }

    #[test]
    fn a_later_version_is_recognised_by_its_number() {
        let mut out = Vec::new();
        header().write(&mut out);
        out.truncate(SEGMENT_HEADER - 4);
        out[8] = 2;
        seal(&mut out, 0);
        assert_eq!(SegmentHeader::read(&out), Err(HeaderError::Version(2)));
    }

    #[test]
    fn names_sort_in_the_order_of_segments_and_only_exact_ones_are_read() {
        let name = SegmentName { first: 42, attempt: 1 };
        assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        assert!(name.to_string() < SegmentName { first: 100, attempt: 0 }.to_string());
        for file in ["42-1.segment", "x.segment", "00000000000000000042-0001.new", ""] {
            assert_eq!(SegmentName::parse(file), None, "{file}");
        }
        assert!(SegmentName::is_aside(&name.aside()) && !SegmentName::is_aside(&name.to_string()));
        assert!(SegmentName::is_stem(&name.stem()) && !SegmentName::is_stem("42-1"));
    }
}
