//! A run: a file of domains in the order of their keys.
//!
//! A header block, blocks of entries, and the first key of each block. `docs/journal.md` documents the
//! bytes.

mod block;
mod header;
mod merge;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::storage::{File, Storage};

pub(crate) use self::header::Header;
pub(crate) use self::merge::Merge;
pub(crate) use self::writer::Writer;
use crate::error::Error;
use crate::key::Key;
use crate::{First, Seed};

/// Bytes of a block.
const BLOCK: usize = 4096;
/// Bytes of an entry: key, offset, time.
const ENTRY: usize = 20;
/// Entries of a block. Every one is full, except for the last.
const PER_BLOCK: u64 = 204;
/// Bytes of the key of a block, in the list at the end.
const FENCE: usize = 8;

/// A domain and its first certificate.
pub(crate) type Entry = (Key, First);

/// A run, open for reading.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    file: Arc<dyn File>,
    header: Header,
    /// The first key of each block.
    fences: Vec<Key>,
}

impl Run {
    /// Opens a run, and reads all but its entries.
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Self, Error> {
        let file = storage.open(path).map_err(Error::io("open", path))?;
        let mut bytes = vec![0; BLOCK];
        read_exactly(&*file, &mut bytes, 0, path)?;
        let header = Header::read(&bytes, path)?;
        if file.bytes().map_err(Error::io("read", path))? != header.file_bytes() {
            return Err(Error::damaged(path, "it has another length"));
        }
        let blocks = usize::try_from(header.blocks());
        let blocks = blocks.map_err(|_| Error::damaged(path, "it has too many entries"))?;
        let mut bytes = vec![0; blocks.saturating_mul(FENCE)];
        read_exactly(&*file, &mut bytes, header.fences_at(), path)?;
        if crc_fast::crc32_iscsi(&bytes) != header.fences_crc {
            return Err(Error::damaged(path, "the checksum of the list of blocks is wrong"));
        }
        let fences = bytes.as_chunks().0.iter().map(|key| Key(u64::from_le_bytes(*key))).collect();
        Ok(Self { path: path.to_owned(), file, header, fences })
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the secret of the keys.
    pub(crate) const fn seed(&self) -> Seed {
        self.header.seed
    }

    /// Returns the first certificate of a domain, if the domain is here.
    pub(crate) fn find(&self, key: Key) -> Result<Option<First>, Error> {
        let after = self.fences.partition_point(|first| *first <= key);
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        let mut bytes = [0; BLOCK];
        self.read_blocks(number as u64, &mut bytes)?;
        let count = self.entries_in(number as u64);
        Ok(block::find(&bytes, count, key))
    }

    /// Reads whole blocks, and checks them.
    fn read_blocks(&self, first: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let at = first.saturating_add(1).saturating_mul(BLOCK as u64);
        read_exactly(&*self.file, bytes, at, &self.path)?;
        if bytes.chunks_exact(BLOCK).all(block::is_intact) {
            return Ok(());
        }
        Err(Error::damaged(&self.path, "the checksum of a block is wrong"))
    }

    /// Returns the number of entries in a block.
    fn entries_in(&self, block: u64) -> usize {
        let before = block.saturating_mul(PER_BLOCK);
        let count = self.header.entries.saturating_sub(before).min(PER_BLOCK);
        usize::try_from(count).unwrap_or(0)
    }
}

fn read_exactly(file: &dyn File, bytes: &mut [u8], at: u64, path: &Path) -> Result<(), Error> {
    let read = file.read_at(bytes, at).map_err(Error::io("read", path))?;
    if read < bytes.len() { Err(Error::damaged(path, "it ends too early")) } else { Ok(()) }
}
