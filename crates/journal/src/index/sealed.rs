//! The index of a sealed segment: a file.

mod lost;

use std::io;
use std::sync::Arc;

use record::{BatchHash, LogNumber};

use crate::storage::File;

pub(crate) use self::lost::Lost;

use super::blocks::{damaged, read_checked};
use super::pairs::Pairs;
use super::rows::{Row, Rows};
use super::terms::Terms;
use super::{Index, Texts, Visit, keys};

/// The version written, and the only one read: an index of another one is made again.
const VERSION: u32 = 4;
const MAGIC: [u8; 8] = *b"ctindex\0";
/// Bytes of the header.
const HEADER: usize = 72;

/// The segment that an index belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Its marker, a random number.
    pub(crate) marker: [u8; 8],
    /// Number of its first message.
    pub(crate) first: u64,
    /// Bytes of the segment.
    pub(crate) bytes: u64,
    /// Hash of its last message; none if it is not known.
    pub(crate) last: BatchHash,
}

impl Binding {
    /// Reports whether the last message may have this hash.
    fn has_last(&self, hash: BatchHash) -> bool {
        hash == self.last || hash == BatchHash::NONE || self.last == BatchHash::NONE
    }
}

/// The directories of all tables, and what the segment lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directories {
    pub(super) rows: Rows,
    pub(super) certificates: Pairs,
    pub(super) entries: Pairs,
    pub(super) sightings: Pairs,
    pub(super) serials: Pairs,
    pub(super) names: Terms,
    pub(super) addresses: Terms,
    pub(super) issuers: Terms,
    pub(super) lost: Lost,
}

/// The index of a sealed segment.
#[derive(Debug)]
pub(crate) struct SealedIndex {
    file: Arc<dyn File>,
    tables: Directories,
}

impl Directories {
    fn put(&self, out: &mut Vec<u8>) {
        self.rows.0.put(out);
        for pairs in [&self.certificates, &self.entries, &self.sightings, &self.serials] {
            pairs.0.put(out);
        }
        for terms in [&self.names, &self.addresses, &self.issuers] {
            terms.0.put(out);
        }
        self.lost.put(out);
    }

    fn take(mut bytes: &[u8]) -> Option<Self> {
        use super::blocks::Directory;
        let bytes = &mut bytes;
        let directories = Self {
            rows: Rows(Directory::take(bytes)?),
            certificates: Pairs(Directory::take(bytes)?),
            entries: Pairs(Directory::take(bytes)?),
            sightings: Pairs(Directory::take(bytes)?),
            serials: Pairs(Directory::take(bytes)?),
            names: Terms(Directory::take(bytes)?),
            addresses: Terms(Directory::take(bytes)?),
            issuers: Terms(Directory::take(bytes)?),
            lost: Lost::take(bytes)?,
        };
        bytes.is_empty().then_some(directories)
    }
}

/// Makes a file of the blocks that `write` appends.
pub(super) fn assemble(
    binding: &Binding,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<Directories>,
) -> io::Result<Vec<u8>> {
    let mut out = vec![0; HEADER];
    let directories = write(&mut out)?;
    let at = out.len();
    directories.put(&mut out);
    let directory = out.get(at..).unwrap_or_default();
    let length = u32::try_from(directory.len()).map_err(io::Error::other)?;
    let crc = crc_fast::crc32_iscsi(directory);
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&binding.marker);
    for number in [binding.first, binding.bytes, binding.last.0, at as u64] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    for number in [length, crc, 0] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    let crc = crc_fast::crc32_iscsi(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    if let Some(place) = out.get_mut(..HEADER) {
        place.copy_from_slice(&header);
    }
    Ok(out)
}

impl SealedIndex {
    /// Opens the index of a segment.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, of another version, or of another segment.
    pub(crate) fn open(file: Arc<dyn File>, binding: &Binding) -> io::Result<Self> {
        let mut header = [0; HEADER];
        let count = file.read_at(&mut header, 0)?;
        let Some((fields, crc)) = header.split_last_chunk() else { return Err(damaged()) };
        if count < HEADER || crc_fast::crc32_iscsi(fields) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        let u64_at = |at: usize| {
            fields.get(at..).and_then(|field| field.first_chunk()).copied().map(u64::from_le_bytes)
        };
        let u32_at = |at: usize| {
            fields.get(at..).and_then(|field| field.first_chunk()).copied().map(u32::from_le_bytes)
        };
        let is_ours = fields.starts_with(&MAGIC)
            && u32_at(8) == Some(VERSION)
            && fields.get(16..24) == Some(&binding.marker)
            && u64_at(24) == Some(binding.first)
            && u64_at(32) == Some(binding.bytes)
            && u64_at(40).is_some_and(|last| binding.has_last(BatchHash(last)));
        let (Some(at), Some(length), Some(crc)) = (u64_at(48), u32_at(56), u32_at(60)) else {
            return Err(damaged());
        };
        if !is_ours {
            let other = "the index is of another segment or version";
            return Err(io::Error::new(io::ErrorKind::InvalidData, other));
        }
        let directory = read_checked(&*file, at, length, crc)?;
        let tables = Directories::take(&directory).ok_or_else(damaged)?;
        Ok(Self { file, tables })
    }
}

impl Index for SealedIndex {
    fn certificates(&self, key: u64) -> io::Result<Vec<u32>> {
        self.tables.certificates.get(&*self.file, key)
    }

    fn entry(&self, log: LogNumber, index: u64) -> io::Result<Option<u32>> {
        let Some(key) = keys::of_entry(log, index) else { return Ok(None) };
        let found = self.tables.entries.last_up_to(&*self.file, key)?;
        Ok(found.filter(|(key, _)| keys::log_of(*key) == u64::from(log.0)).map(|(_, batch)| batch))
    }

    fn sightings(&self, offset: u64) -> io::Result<Vec<u32>> {
        self.tables.sightings.get(&*self.file, offset)
    }

    fn serials(&self, key: u64) -> io::Result<Vec<u32>> {
        self.tables.serials.get(&*self.file, key)
    }

    fn row(&self, ordinal: u32) -> io::Result<Option<Row>> {
        self.tables.rows.get(&*self.file, ordinal)
    }

    fn row_at(&self, offset: u64) -> io::Result<Option<Row>> {
        self.tables.rows.at_offset(&*self.file, offset)
    }

    fn lost(&self, from: u64, next: u64) -> Option<u64> {
        self.tables.lost.first(from, next)
    }

    fn rows(&self, visit: &mut dyn FnMut(&Row)) -> io::Result<()> {
        self.tables.rows.visit(&*self.file, visit)
    }

    fn visit(&self, texts: Texts, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        let table = match texts {
            Texts::Names => &self.tables.names,
            Texts::Addresses => &self.tables.addresses,
            Texts::Issuers => &self.tables.issuers,
        };
        table.visit(&*self.file, from, to, &mut |term, batches| visit(term, batches))
    }
}
