//! The segment that frames are appended to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::queue::Item;
use super::stage;
use crate::format::{Block, End, FrameKind, Totals};
use crate::segment::Segment;
use crate::storage::File;

/// The segment that frames are appended to.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) file: Arc<Appended>,
    pub(super) length: u64,
    /// Nothing is written to the file any more.
    pub(super) is_closed: bool,
    /// Length at the last checkpoint, and the time of the monotonic clock.
    block: (u64, Duration),
}

/// A file that is synced by several threads. Once a sync has failed, none succeeds: the system reports
/// a failure once, and then forgets what it could not write.
#[derive(Debug)]
pub(super) struct Appended {
    file: Arc<dyn File>,
    has_failed: Mutex<bool>,
}

impl Appended {
    pub(super) fn new(file: Arc<dyn File>) -> Arc<Self> {
        Arc::new(Self { file, has_failed: Mutex::new(false) })
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        let mut has_failed = self.has_failed.lock();
        if *has_failed {
            return Err(io::Error::other("a sync has failed before"));
        }
        let synced = self.file.sync();
        *has_failed = synced.is_err();
        synced
    }
}

/// Time after which a small block ends too, and the bytes that it needs to have.
const BLOCK_TIME: Duration = Duration::from_secs(5);
const BLOCK_PART: u64 = 4;

impl Active {
    pub(super) const fn new(
        segment: Arc<Segment>,
        file: Arc<Appended>,
        length: u64,
        now: Duration,
    ) -> Self {
        Self { segment, file, length, is_closed: false, block: (length, now) }
    }

    /// Appends frames. If that fails, nothing is written any more.
    pub(super) fn append<'i>(
        &mut self,
        items: impl Iterator<Item = &'i Item>,
        synced: u64,
        now: Duration,
    ) -> io::Result<()> {
        let (mut out, mut blocks) = (Vec::new(), Vec::new());
        for item in items {
            blocks.extend(item.write(&self.segment.header.marker, synced, self.length, &mut out));
        }
        self.write(&out)?;
        for block in blocks {
            self.segment.add_block(block);
            self.block = (self.length, now);
        }
        Ok(())
    }

    /// Writes the frame that ends the segment. Nothing may be written after it.
    pub(super) fn end(
        &mut self,
        is_clean: bool,
        time: u64,
        (number, synced): (u64, u64),
        totals: &Totals,
    ) -> io::Result<()> {
        let blocks: Vec<Block> = self.segment.known_blocks().unwrap_or_default().to_vec();
        let payload = End { is_clean, time, blocks }.to_bytes();
        let mut frame = stage::frame(FrameKind::End, number, totals);
        frame.stored = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        frame.length = frame.stored;
        frame.crc = crc_fast::crc32_iscsi(&payload);
        frame.synced = synced;
        let mut out = Vec::new();
        frame.write(&self.segment.header.marker, &mut out);
        out.extend_from_slice(&payload);
        self.write(&out)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.file.write_at(bytes, self.length) {
            self.is_closed = true;
            return Err(error);
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
        self.segment.set_bytes(self.length);
        Ok(())
    }

    /// Reports whether the file has another length than was written: somebody else writes it.
    pub(super) fn is_changed(&self) -> bool {
        self.file.file.bytes().is_ok_and(|bytes| bytes != self.length)
    }

    /// Reports whether a checkpoint should come next.
    pub(super) fn is_block_full(&self, block_bytes: u64, now: Duration) -> bool {
        let (start, since) = self.block;
        let bytes = self.length.saturating_sub(start);
        let is_part = bytes.saturating_mul(BLOCK_PART) >= block_bytes;
        bytes >= block_bytes || is_part && now.saturating_sub(since) >= BLOCK_TIME
    }
}
