//! The payload of the frame that ends a segment.

use super::Totals;
use super::fields::Fields;
use super::frame::FRAME_HEADER;

/// Bytes of the payload without blocks.
const FIXED: usize = 17;
/// Bytes of a block.
const BLOCK: usize = 48;

/// The end of a segment: nothing follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// The process stopped cleanly: everything before it is durable, and nothing was shown that is not
    /// before it.
    pub(crate) is_clean: bool,
    /// Time at which it was written, milliseconds since 1970.
    pub(crate) time: u64,
    /// The blocks of the segment.
    pub(crate) blocks: Vec<Block>,
}

/// A place in a segment at which reading can begin: a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its place in the file.
    pub(crate) at: u64,
    /// Number of the last message before it.
    pub(crate) number: u64,
    /// The totals before it.
    pub(crate) totals: Totals,
}

impl End {
    /// Returns the payload. Its last four bytes are the length of the whole frame, so that it is found
    /// from the end of the file; it is therefore never compressed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.is_clean)];
        out.extend_from_slice(&self.time.to_le_bytes());
        let count = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for Block { at, number, totals } in &self.blocks {
            let Totals { next_offset, entries_end, entries, newest } = totals;
            for number in [at, number, next_offset, entries_end, entries, newest] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        let frame = out.len().saturating_add(4).saturating_add(FRAME_HEADER);
        out.extend_from_slice(&u32::try_from(frame).unwrap_or(u32::MAX).to_le_bytes());
        out
    }

    /// Reads the payload; `None` if it is none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let is_clean = fields.u8() == 1;
        let (time, count) = (fields.u64(), fields.u32() as usize);
        if bytes.len() < FIXED || count.checked_mul(BLOCK)?.checked_add(4)? != fields.left() {
            return None;
        }
        let mut block = |_| Block {
            at: fields.u64(),
            number: fields.u64(),
            totals: Totals {
                next_offset: fields.u64(),
                entries_end: fields.u64(),
                entries: fields.u64(),
                newest: fields.u64(),
            },
        };
        Some(Self { is_clean, time, blocks: (0..count).map(&mut block).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_as_it_was_written() {
        let totals = Totals { next_offset: 3, entries_end: 4, entries: 5, newest: 6 };
        let block = Block { at: 1, number: 2, totals };
        for blocks in [vec![], vec![block], vec![block, block]] {
            let end = End { is_clean: true, time: 9, blocks };
            let bytes = end.to_bytes();
            assert_eq!(End::from_bytes(&bytes), Some(end));
            assert_eq!(End::from_bytes(&bytes[1..]), None);
        }
    }
}
