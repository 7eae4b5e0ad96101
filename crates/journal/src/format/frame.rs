//! The header of a frame.

use super::MAX_MESSAGE;
use super::fields::{Fields, seal, unseal};

/// Bytes of the header.
pub(crate) const FRAME_HEADER: usize = 80;

/// Kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Batch,
    Begin,
    Checkpoint,
    /// The end of a segment.
    End,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    /// Bytes of the payload as stored.
    pub(crate) stored: u32,
    /// Bytes of the payload before compression.
    pub(crate) length: u32,
    pub(crate) is_compressed: bool,
    /// Checksum of the payload as stored.
    pub(crate) crc: u32,
    /// Number of the message; of a checkpoint or an end, that of the last message before it.
    pub(crate) number: u64,
    /// Records of a batch.
    pub(crate) records: u32,
    /// Issuers that the context of the message has.
    pub(crate) issuers: u16,
    /// Number of the last message known to be durable when the frame was written.
    pub(crate) synced: u64,
    /// First offset of a batch or a begin; otherwise the next offset.
    pub(crate) first_offset: u64,
    /// The offset after the last entry before it.
    pub(crate) from: u64,
    /// Entries before it since the stream began.
    pub(crate) before: u64,
    /// Newest time at which an entry was seen, up to the end of this frame.
    pub(crate) newest: u64,
}

impl FrameHeader {
    /// Appends the header.
    pub(crate) fn write(&self, marker: &[u8; 8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(marker);
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.push(match self.kind {
            FrameKind::Batch => 1,
            FrameKind::Begin => 2,
            FrameKind::Checkpoint => 3,
            FrameKind::End => 4,
        });
        out.push(u8::from(self.is_compressed));
        out.extend_from_slice(&self.issuers.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        for number in
            [self.number, self.first_offset, self.synced, self.from, self.before, self.newest]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.crc.to_le_bytes());
        seal(out, start);
        debug_assert_eq!(out.len().saturating_sub(start), FRAME_HEADER);
    }

    /// Reads a header that begins with the marker; `None` if it does not, or is damaged.
    pub(crate) fn read(marker: &[u8; 8], bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEADER)?;
        if !bytes.starts_with(marker) {
            return None;
        }
        let mut fields = Fields::new(unseal(bytes)?);
        let _marker: [u8; 8] = fields.array();
        let (stored, length) = (fields.u32(), fields.u32());
        let kind = match fields.u8() {
            1 => FrameKind::Batch,
            2 => FrameKind::Begin,
            3 => FrameKind::Checkpoint,
            4 => FrameKind::End,
            _ => return None,
        };
        let is_compressed = match fields.u8() {
            0 if stored == length => false,
            1 => true,
            _ => return None,
        };
        let header = Self {
            kind,
            stored,
            length,
            is_compressed,
            issuers: fields.u16(),
            records: fields.u32(),
            number: fields.u64(),
            first_offset: fields.u64(),
            synced: fields.u64(),
            from: fields.u64(),
            before: fields.u64(),
            newest: fields.u64(),
            crc: fields.u32(),
        };
        let most = stored.max(length) as usize;
        let is_sane = most <= MAX_MESSAGE
            && header.from <= header.first_offset
            && header.next_offset() <= record::MAX_OFFSET;
        is_sane.then_some(header)
    }

    /// Returns the offset after the last record.
    pub(crate) const fn next_offset(&self) -> u64 {
        self.first_offset.saturating_add(self.records as u64)
    }

    /// Returns the bytes of the whole frame.
    pub(crate) const fn frame_bytes(&self) -> u64 {
        (FRAME_HEADER as u64).saturating_add(self.stored as u64)
    }

    /// Reports whether the frame takes a number of its own.
    pub(crate) const fn is_numbered(&self) -> bool {
        matches!(self.kind, FrameKind::Batch | FrameKind::Begin)
    }

    /// Returns the totals after the frame.
    pub(crate) const fn totals(&self) -> super::Totals {
        let entries_end = if self.records > 0 { self.next_offset() } else { self.from };
        super::Totals {
            next_offset: self.next_offset(),
            entries_end,
            entries: self.before.saturating_add(self.records as u64),
            newest: self.newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Batch,
            stored: 100,
            length: 200,
            is_compressed: true,
            crc: 1,
            number: 2,
            records: 3,
            issuers: 4,
            synced: 5,
            first_offset: 7,
            from: 6,
            before: 8,
            newest: 9,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let kinds = [FrameKind::Batch, FrameKind::Begin, FrameKind::Checkpoint, FrameKind::End];
        for kind in kinds {
            let (mut out, header) = (Vec::new(), FrameHeader { kind, ..header() });
            header.write(b"12345678", &mut out);
            assert_eq!(out.len(), FRAME_HEADER);
            assert_eq!(FrameHeader::read(b"12345678", &out), Some(header));
        }
    }

    #[test]
    fn a_header_with_any_other_byte_is_none() {
        let mut out = Vec::new();
        header().write(b"12345678", &mut out);
        for at in 0..out.len() {
            let mut bytes = out.clone();
            bytes[at] ^= 0x40;
            assert_eq!(FrameHeader::read(b"12345678", &bytes), None, "byte {at}");
        }
        assert_eq!(FrameHeader::read(b"12345678", &out[1..]), None);
    }

    #[test]
    fn sizes_and_offsets_beyond_the_limits_are_refused() {
        let large = FrameHeader { length: u32::MAX, ..header() };
        let far = FrameHeader { first_offset: record::MAX_OFFSET, ..header() };
        for header in [large, far] {
            let mut out = Vec::new();
            header.write(b"12345678", &mut out);
            assert_eq!(FrameHeader::read(b"12345678", &out), None);
        }
    }
}
