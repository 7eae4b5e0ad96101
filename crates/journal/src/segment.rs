//! Segments as they are known in memory, and the list of them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::error::ReadError;
use crate::format::{Block, SEGMENT_HEADER, SegmentHeader, SegmentName};
use crate::stats::SegmentStats;
use crate::storage::{File, Storage};

/// A segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    /// Bytes of the file, and of its sidecar files.
    bytes: AtomicU64,
    sidecars: AtomicU64,
    is_sealed: AtomicBool,
    /// The places at which reading can begin; `None` until they are known.
    blocks: Mutex<Option<Arc<Vec<Block>>>>,
}

/// The segments of a stream, and access to their files.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) storage: Arc<dyn Storage>,
    /// The directory of the stream.
    pub(crate) dir: PathBuf,
    /// In their order. Never without a lock held for longer than to look.
    list: RwLock<Vec<Arc<Segment>>>,
    /// Damaged segments that were set aside.
    aside: Mutex<Vec<AsideFile>>,
}

/// The file of a segment that cannot be read and is not used.
#[derive(Clone, Debug)]
pub(crate) struct AsideFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl Segment {
    pub(crate) fn new(header: SegmentHeader, bytes: u64, is_sealed: bool) -> Self {
        Self {
            header,
            bytes: AtomicU64::new(bytes),
            sidecars: AtomicU64::new(0),
            is_sealed: AtomicBool::new(is_sealed),
            blocks: Mutex::new(None),
        }
    }

    pub(crate) const fn name(&self) -> SegmentName {
        self.header.name
    }

    /// Returns the bytes of the file without sidecar files.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub(crate) fn all_bytes(&self) -> u64 {
        self.file_bytes().saturating_add(self.sidecars.load(Ordering::Relaxed))
    }

    pub(crate) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Release);
    }

    pub(crate) fn set_sidecars(&self, bytes: u64) {
        self.sidecars.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn seal(&self) {
        self.is_sealed.store(true, Ordering::Release);
    }

    pub(crate) fn known_blocks(&self) -> Option<Arc<Vec<Block>>> {
        self.blocks.lock().clone()
    }

    pub(crate) fn set_blocks(&self, blocks: Vec<Block>) -> Arc<Vec<Block>> {
        let blocks = Arc::new(blocks);
        *self.blocks.lock() = Some(Arc::clone(&blocks));
        blocks
    }

    /// Adds a block to those of the segment being written.
    pub(crate) fn add_block(&self, block: Block) {
        let mut blocks = self.blocks.lock();
        Arc::make_mut(blocks.get_or_insert_default()).push(block);
    }

    pub(crate) fn stats(&self) -> SegmentStats {
        let SegmentHeader { name, totals, .. } = &self.header;
        SegmentStats {
            name: name.to_string(),
            first: name.first,
            first_offset: totals.next_offset,
            before: totals.entries,
            newest_before: totals.newest,
            bytes: self.all_bytes(),
            is_sealed: self.is_sealed.load(Ordering::Acquire),
        }
    }
}

impl Store {
    pub(crate) const fn new(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        list: Vec<Arc<Segment>>,
        aside: Vec<AsideFile>,
    ) -> Self {
        Self { storage, dir, list: RwLock::new(list), aside: Mutex::new(aside) }
    }

    pub(crate) fn list(&self) -> Vec<Arc<Segment>> {
        self.list.read().clone()
    }

    pub(crate) fn first(&self) -> Option<Arc<Segment>> {
        self.list.read().first().cloned()
    }

    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.list.read().last().cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.list.read().len()
    }

    /// Returns the bytes of all files, those set aside included.
    pub(crate) fn bytes(&self) -> u64 {
        let aside: u64 = self.aside.lock().iter().map(|file| file.bytes).sum();
        aside.saturating_add(self.list.read().iter().map(|segment| segment.all_bytes()).sum())
    }

    /// Returns how many segments are set aside.
    pub(crate) fn count_aside(&self) -> usize {
        self.aside.lock().len()
    }

    /// Returns the oldest segment that is set aside.
    pub(crate) fn oldest_aside(&self) -> Option<AsideFile> {
        self.aside.lock().iter().min_by(|one, two| one.name.cmp(&two.name)).cloned()
    }

    pub(crate) fn add_aside(&self, file: AsideFile) {
        self.aside.lock().push(file);
    }

    pub(crate) fn remove_aside(&self, name: &str) {
        self.aside.lock().retain(|file| file.name != name);
    }

    /// Returns the last segment whose start is at or before some place, by a predicate that is true for
    /// the segments up to there; otherwise the first one.
    pub(crate) fn find(&self, is_before: impl Fn(&Segment) -> bool) -> Option<Arc<Segment>> {
        let list = self.list.read();
        let at = list.partition_point(|segment| is_before(segment)).saturating_sub(1);
        list.get(at).cloned()
    }

    /// Returns the segment of this name, or the one after it, and the one after that.
    pub(crate) fn at(&self, name: SegmentName) -> (Option<Arc<Segment>>, Option<Arc<Segment>>) {
        let list = self.list.read();
        let at = list.partition_point(|segment| segment.name() < name);
        (list.get(at).cloned(), list.get(at.saturating_add(1)).cloned())
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.list.write().push(segment);
    }

    /// Takes the oldest segment out of the list; never the last one.
    pub(crate) fn pop_oldest(&self) {
        let mut list = self.list.write();
        if list.len() > 1 {
            list.remove(0);
        }
    }

    /// Takes the segments out of the list that begin after a message.
    pub(crate) fn take_after(&self, number: u64) -> Vec<Arc<Segment>> {
        let mut list = self.list.write();
        let at = list.partition_point(|segment| segment.name().first <= number);
        list.split_off(at)
    }

    /// Returns the second segment, before which the oldest one ends.
    pub(crate) fn second(&self) -> Option<Arc<Segment>> {
        self.list.read().get(1).cloned()
    }

    pub(crate) fn path(&self, name: SegmentName) -> PathBuf {
        self.dir.join(name.to_string())
    }

    pub(crate) fn open(&self, name: SegmentName) -> Result<Arc<dyn File>, ReadError> {
        let path = self.path(name);
        self.storage.open(&path).map_err(|source| ReadError { path, source })
    }

    pub(crate) fn error(&self, name: SegmentName, source: io::Error) -> ReadError {
        ReadError { path: self.path(name), source }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The place of the first frame of a segment.
pub(crate) const FIRST_FRAME: u64 = SEGMENT_HEADER as u64;
