//! The offsets of entries that a segment lacks, because a part of it is damaged.

use std::ops::Range;

use crate::format::FrameHeader;
use crate::index::varint;

/// Ranges that are told apart; those after them become one.
const MOST_RANGES: usize = 256;

/// The offsets of entries that a segment lacks, because a part of it is damaged.
///
/// Each frame names the offset after the last entry before it. Where that is beyond the last entry that
/// was passed, entries are lost; where offsets continue after a hole, it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The offset after the last entry that was passed, or is known to be lost.
    end: u64,
    /// In ascending order. The first one may begin before the segment.
    ranges: Vec<Range<u64>>,
}

impl Lost {
    /// Passes a message, which is the next one that can be read.
    pub(crate) fn pass(&mut self, header: &FrameHeader) {
        let Range { start, end } = self.end..header.from;
        if start < end {
            let is_full = self.ranges.len() >= MOST_RANGES;
            match self.ranges.last_mut() {
                Some(last) if is_full => last.end = end,
                _ => self.ranges.push(start..end),
            }
        }
        self.end = self.end.max(header.totals().entries_end);
    }

    /// Forgets what follows an offset, because another segment has it.
    pub(crate) fn truncate(&mut self, end: u64) {
        self.end = self.end.min(end);
        self.ranges.retain(|lost| lost.start < end);
        if let Some(last) = self.ranges.last_mut() {
            last.end = last.end.min(end);
        }
    }

    /// Returns the first lost offset at `from` or after it. What follows the last message up to `next` is
    /// lost too.
    pub(crate) fn first(&self, from: u64, next: u64) -> Option<u64> {
        let tail = self.end..next;
        let mut ranges = self.ranges.iter().chain([&tail]);
        let found = ranges.find(|lost| !lost.is_empty() && lost.end > from);
        found.map(|lost| lost.start.max(from))
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        varint::put(self.end, out);
        varint::put(self.ranges.len() as u64, out);
        for Range { start, end } in &self.ranges {
            varint::put(*start, out);
            varint::put(*end, out);
        }
    }

    pub(super) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let end = varint::take(bytes)?;
        let count = varint::take(bytes).filter(|count| *count <= MOST_RANGES as u64)?;
        let mut ranges = Vec::new();
        for _ in 0..count {
            ranges.push(varint::take(bytes)?..varint::take(bytes)?);
        }
        Some(Self { end, ranges })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FrameKind;

    /// Returns the header of a batch.
    fn batch(from: u64, first_offset: u64, records: u32) -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Batch,
            stored: 0,
            length: 0,
            is_compressed: false,
            crc: 0,
            number: 0,
            records,
            issuers: 0,
            synced: 0,
            first_offset,
            from,
            before: 0,
            newest: 0,
        }
    }

    #[test]
    fn entries_between_two_messages_are_lost_and_holes_are_not() {
        let mut lost = Lost::default();
        for header in [
            batch(100, 100, 0),
            batch(100, 100, 5),
            // Offsets continue after a hole.
            batch(105, 300, 10),
            // Five entries are missing.
            batch(315, 315, 2),
            // Another hole, within which nothing is lost.
            batch(317, 400, 0),
        ] {
            lost.pass(&header);
        }
        assert_eq!(lost.first(100, 317), Some(310));
        assert_eq!(lost.first(312, 317), Some(312));
        assert_eq!(lost.first(315, 317), None);
        assert_eq!(lost.first(315, 320), Some(317), "the end is missing");
        assert_eq!(lost.first(319, 320), Some(319));
        assert_eq!(lost.first(320, 320), None);
        let mut bytes = Vec::new();
        lost.put(&mut bytes);
        assert_eq!(Lost::take(&mut bytes.as_slice()), Some(lost.clone()));
        lost.truncate(312);
        assert_eq!((lost.first(100, 312), lost.first(312, 312)), (Some(310), None));
        lost.truncate(310);
        assert_eq!(lost.first(100, 310), None);
    }

    #[test]
    fn more_ranges_than_are_told_apart_become_one() {
        let mut lost = Lost::default();
        for at in 1..=300 {
            lost.pass(&batch(10 * at, 10 * at, 5));
        }
        assert_eq!(lost.first(2_005, 0), Some(2_005));
        assert_eq!(lost.first(2_001, 0), Some(2_005));
        assert_eq!(lost.first(2_992, 0), Some(2_992), "among those that became one");
        assert_eq!(lost.first(3_000, 3_005), None);
        let mut bytes = Vec::new();
        lost.put(&mut bytes);
        assert_eq!(Lost::take(&mut bytes.as_slice()), Some(lost));
    }
}
