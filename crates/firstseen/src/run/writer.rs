//! Writing a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::storage::{File, Storage};

use super::{BLOCK, ENTRY, Entry, Header, PER_BLOCK, block};
use crate::error::Error;

/// Bytes of blocks that are written at a time.
const BUFFER: usize = 64 * BLOCK;

/// A run being written. It has its name, and is durable, once it is finished.
#[derive(Debug)]
pub(crate) struct Writer<'s> {
    storage: &'s dyn Storage,
    path: PathBuf,
    file: Arc<dyn File>,
    /// Whole blocks that are not written yet.
    buffer: Vec<u8>,
    block: Vec<u8>,
    /// The place of the buffer in the file.
    at: u64,
    entries: u64,
    fences: Vec<u8>,
}

impl<'s> Writer<'s> {
    /// Creates the file.
    pub(crate) fn create(storage: &'s dyn Storage, path: &Path) -> Result<Self, Error> {
        let file = storage.create(path).map_err(Error::io("create", path))?;
        Ok(Self {
            storage,
            path: path.to_owned(),
            file,
            buffer: Vec::new(),
            block: Vec::with_capacity(BLOCK),
            at: BLOCK as u64,
            entries: 0,
            fences: Vec::new(),
        })
    }

    /// Appends an entry. Its key is larger than that of the one before.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Error> {
        if self.block.is_empty() {
            self.fences.extend_from_slice(&entry.0.0.to_le_bytes());
        }
        block::push(entry, &mut self.block);
        self.entries = self.entries.saturating_add(1);
        if self.block.len() >= ENTRY.saturating_mul(PER_BLOCK as usize) {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), Error> {
        block::seal(&mut self.block);
        self.buffer.append(&mut self.block);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.buffer);
        self.write(&bytes, self.at)?;
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), Error> {
        self.file.write_at(bytes, at).map_err(Error::io("write", &self.path))
    }

    /// Completes the file with the facts in `header`, makes it durable, and gives it a name.
    pub(crate) fn finish(mut self, header: Header, path: &Path) -> Result<(), Error> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.flush()?;
        self.write(&self.fences, self.at)?;
        let fences_crc = crc_fast::crc32_iscsi(&self.fences);
        let header = Header { entries: self.entries, fences_crc, ..header };
        self.write(&header.to_block(), 0)?;
        self.file.sync().map_err(Error::io("sync", &self.path))?;
        self.storage.rename(&self.path, path).map_err(Error::io("rename", &self.path))?;
        let dir = path.parent().unwrap_or(path);
        self.storage.sync_dir(dir).map_err(Error::io("sync", dir))
    }
}
