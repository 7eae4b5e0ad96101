//! The frames of a file, one after another, and the damage between them.

use std::io;

use crate::format::{FRAME_HEADER, FrameHeader};
use crate::storage::File;

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// Bytes read at a time where only one frame is wanted: its header, and if it is small its payload.
const PAGE: usize = 4 << 10;

/// A window of a file.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: u64,
    /// Bytes read at a time, at least.
    least: usize,
}

/// Something at a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame whose checksums are right.
    Frame(FrameHeader),
    /// Bytes up to `end` that are none. The header is that of the frame, if it is right and only the
    /// payload is damaged.
    Damaged { end: u64, header: Option<FrameHeader> },
    /// The file ends within a frame.
    Incomplete,
    /// The file ends.
    End,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, least: CHUNK }
    }
}

impl Window {
    /// Creates a window for a single frame.
    pub(crate) fn of_one_frame() -> Self {
        Self { least: PAGE, ..Self::default() }
    }

    /// Forgets what was read, and its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes = Vec::new();
    }

    /// Returns so many bytes at a place, fewer only at the end of the file.
    pub(crate) fn get(&mut self, file: &dyn File, at: u64, length: usize) -> io::Result<&[u8]> {
        let inside = |window: &Self| {
            let first = usize::try_from(at.checked_sub(window.start)?).ok()?;
            let end = first.checked_add(length)?;
            (end <= window.bytes.len()).then_some(first..end)
        };
        let range = match inside(self) {
            Some(range) => range,
            None => {
                let left = usize::try_from(file.bytes()?.saturating_sub(at)).unwrap_or(usize::MAX);
                self.bytes.clear();
                self.bytes.resize(left.min(length.max(self.least)), 0);
                let count = self.fill(file, at, length).inspect_err(|_| self.bytes.clear())?;
                self.bytes.truncate(count);
                self.start = at;
                0..length.min(count)
            }
        };
        Ok(self.bytes.get(range).unwrap_or_default())
    }

    /// Reads from a place on; where that fails, only what is wanted: what follows may be unreadable.
    fn fill(&mut self, file: &dyn File, at: u64, length: usize) -> io::Result<usize> {
        match file.read_at(&mut self.bytes, at) {
            Err(_) if self.bytes.len() > length => {
                self.bytes.truncate(length);
                file.read_at(&mut self.bytes, at)
            }
            read => read,
        }
    }

    /// Finds what is at a place at which a frame should be.
    pub(crate) fn frame(
        &mut self,
        file: &dyn File,
        marker: &[u8; 8],
        at: u64,
    ) -> io::Result<Found> {
        let head = self.get(file, at, FRAME_HEADER)?;
        if head.is_empty() {
            return Ok(Found::End);
        }
        if head.len() < FRAME_HEADER && marker.starts_with(head.get(..8).unwrap_or(head)) {
            return Ok(Found::Incomplete);
        }
        let Some(header) = FrameHeader::read(marker, head) else {
            let end = self.next_frame(file, marker, at.saturating_add(1))?;
            return Ok(Found::Damaged { end, header: None });
        };
        let length = header.stored as usize;
        let payload = self.get(file, payload_at(at), length)?;
        if payload.len() < length {
            return Ok(Found::Incomplete);
        }
        if crc_fast::crc32_iscsi(payload) != header.crc {
            let end = at.saturating_add(header.frame_bytes());
            return Ok(Found::Damaged { end, header: Some(header) });
        }
        Ok(Found::Frame(header))
    }

    /// Returns the payload of a frame that was found at a place.
    pub(crate) fn payload(
        &mut self,
        file: &dyn File,
        at: u64,
        header: &FrameHeader,
    ) -> io::Result<&[u8]> {
        self.get(file, payload_at(at), header.stored as usize)
    }

    /// Finds the next place at or after `from` with the header of a frame, or the end of the file.
    fn next_frame(&mut self, file: &dyn File, marker: &[u8; 8], from: u64) -> io::Result<u64> {
        let mut at = from;
        loop {
            let bytes = self.get(file, at, CHUNK)?;
            let is_last = bytes.len() < CHUNK;
            let mut candidates =
                bytes.windows(marker.len()).enumerate().filter(|(_, window)| *window == marker);
            let found = candidates.find(|(place, _)| {
                let header = bytes.get(*place..).unwrap_or_default();
                FrameHeader::read(marker, header).is_some()
            });
            if let Some((place, _)) = found {
                return Ok(at.saturating_add(place as u64));
            }
            let length = bytes.len() as u64;
            if is_last {
                return Ok(at.saturating_add(length));
            }
            // A header may begin here and end beyond.
            at = at.saturating_add(length).saturating_sub(FRAME_HEADER as u64);
        }
    }
}

const fn payload_at(frame: u64) -> u64 {
    frame.saturating_add(FRAME_HEADER as u64)
}
