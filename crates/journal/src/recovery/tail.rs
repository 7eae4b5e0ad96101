//! The end of the last segment: what of it is kept.

use std::io;
use std::ops::Range;

use super::is_batch;
use crate::damage::{Damage, DamageKind};
use crate::format::{Block, End, FrameHeader, FrameKind, SegmentHeader};
use crate::read::scan::{Found, Window};
use crate::segment::FIRST_FRAME;
use crate::storage::File;

/// The end of the last segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    /// Number of the last message kept.
    pub(crate) kept: u64,
    /// Number of the last message known to have been durable.
    pub(crate) synced: u64,
    /// The checkpoints of what is kept, and the begin of the segment.
    pub(crate) blocks: Vec<Block>,
    /// The frame that ends it.
    pub(crate) end: Option<End>,
    /// The largest next offset in any frame, those set aside included.
    pub(crate) highest: u64,
    pub(crate) damage: Vec<Damage>,
    /// The place of what is kept and not known to be durable.
    pub(crate) unsynced: Option<Range<u64>>,
    /// Nothing follows what is kept, but for an incomplete frame.
    is_clean_cut: bool,
}

/// Something in the file.
#[derive(Clone, Copy, Debug)]
struct Part {
    at: u64,
    end: u64,
    /// `None` if it is damaged.
    frame: Option<FrameHeader>,
}

impl Tail {
    /// Reads a segment. Bytes of another boot are only trusted as far as they were synced: of what was
    /// written after that, anything may be missing.
    pub(crate) fn examine(
        file: &dyn File,
        header: &SegmentHeader,
        is_same_boot: bool,
    ) -> io::Result<Self> {
        let mut tail = Self { synced: header.synced, ..Self::default() };
        let parts = tail.read(file, header)?;
        for frame in parts.iter().filter_map(|part| part.frame.as_ref()) {
            tail.synced = tail.synced.max(frame.synced);
            tail.highest = tail.highest.max(frame.next_offset());
        }
        tail.kept = header.name.first.saturating_sub(1);
        tail.blocks.push(Block { at: FIRST_FRAME, number: tail.kept, totals: header.totals });
        tail.is_clean_cut = true;
        tail.keep(&parts, header, is_same_boot);
        tail.unsynced = tail.find_unsynced(&parts);
        Ok(tail)
    }

    /// Reads all parts of a segment.
    fn read(&mut self, file: &dyn File, header: &SegmentHeader) -> io::Result<Vec<Part>> {
        let (mut window, mut at) = (Window::default(), FIRST_FRAME);
        let mut parts = Vec::new();
        loop {
            let (end, frame) = match window.frame(file, &header.marker, at)? {
                Found::Frame(frame) => (at.saturating_add(frame.frame_bytes()), Some(frame)),
                Found::Damaged { end, .. } => (end, None),
                Found::Incomplete | Found::End => return Ok(parts),
            };
            if let Some(frame) = frame.filter(|frame| frame.kind == FrameKind::End) {
                self.end = End::from_bytes(window.payload(file, at, &frame)?);
            }
            parts.push(Part { at, end, frame });
            at = end;
        }
    }

    /// Decides how much is kept.
    fn keep(&mut self, parts: &[Part], header: &SegmentHeader, is_same_boot: bool) {
        let file = || header.name.to_string();
        for (place, part) in parts.iter().enumerate() {
            match part.frame {
                Some(frame) if frame.kind == FrameKind::Checkpoint && part.at > FIRST_FRAME => {
                    let (number, totals) = (frame.number, frame.totals());
                    self.blocks.push(Block { at: part.at, number, totals });
                    self.kept = self.kept.max(number);
                }
                Some(frame) => self.kept = self.kept.max(frame.number),
                None => {
                    let next = parts.get(place.saturating_add(1)).and_then(|next| next.frame);
                    let lost = next.map_or(u64::MAX, |next| match next.is_numbered() {
                        true => next.number.saturating_sub(1),
                        false => next.number,
                    });
                    if lost > self.synced && lost > self.kept && !is_same_boot {
                        let end = parts.last().map_or(part.end, |last| last.end);
                        let kind = DamageKind::Unsynced;
                        self.damage.push(Damage { file: file(), at: part.at, end, kind });
                        self.is_clean_cut = false;
                        self.end = None;
                        return;
                    }
                    self.is_clean_cut &= next.is_some();
                    let (at, end) = (part.at, part.end);
                    // A checkpoint, without which what follows it can be decoded all the same.
                    let is_unsynced = !is_same_boot && self.kept >= self.synced;
                    let kind = if is_unsynced { DamageKind::Unsynced } else { DamageKind::Frame };
                    self.damage.push(Damage { file: file(), at, end, kind });
                }
            }
        }
    }

    /// Finds the place of what is kept and not known to be durable.
    fn find_unsynced(&self, parts: &[Part]) -> Option<Range<u64>> {
        let number = |part: &Part| part.frame.map(|frame| frame.number);
        let is_unsynced = |part: &&Part| number(part).is_some_and(|number| number > self.synced);
        let is_kept = |part: &&Part| number(part).is_some_and(|number| number <= self.kept);
        let first = parts.iter().find(is_unsynced)?.at;
        let end = parts.iter().rev().find(is_kept)?.end;
        (first < end).then_some(first..end)
    }

    /// Leaves out the last frame, which may still be taken back.
    pub(crate) fn leave_out_last(&mut self) {
        if self.end.is_none() && self.kept > self.synced {
            self.kept = self.kept.saturating_sub(1);
            self.blocks.retain(|block| block.number <= self.kept);
        }
    }

    /// Reports whether nothing that was shown can be missing at the end.
    pub(crate) fn is_complete(&self, header: &SegmentHeader, is_same_boot: bool) -> bool {
        let is_stop = self.end.as_ref().is_some_and(|end| end.is_clean);
        self.is_clean_cut
            && self.kept >= self.synced
            && (is_stop || is_same_boot || is_batch(header))
    }
}
