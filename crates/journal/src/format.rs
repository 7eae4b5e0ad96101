//! The bytes of a segment: its header, the headers of its frames, and its end. `docs/journal.md`
//! describes them.

mod end;
mod fields;
mod frame;
mod payload;
mod segment;

pub(crate) use self::end::{Block, End};
pub(crate) use self::frame::{FRAME_HEADER, FrameHeader, FrameKind};
pub(crate) use self::payload::{Codec, Payload};
pub(crate) use self::segment::{HeaderError, SEGMENT_HEADER, SegmentHeader, SegmentName};

/// The version written, and the newest one read.
pub(crate) const VERSION: u32 = 1;

/// Bytes of a message, before compression and after. Larger ones are neither written nor read.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

/// The sums of a stream at some place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Offset of the next entry. A begin may have moved it.
    pub(crate) next_offset: u64,
    /// The offset after the last entry.
    pub(crate) entries_end: u64,
    /// Entries since the stream began.
    pub(crate) entries: u64,
    /// Newest time at which one of them was seen, milliseconds since 1970.
    pub(crate) newest: u64,
}
