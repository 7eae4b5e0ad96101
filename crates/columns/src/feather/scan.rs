//! The scan of a file from its beginning, batch by batch, which does not trust its end.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use arrow_ipc::Block;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_schema::SchemaRef;

use super::error::FeatherError;
use super::footer::{self, MAGIC};
use super::message::{CONTINUATION, Head, PREFIX};
use crate::schema;
use crate::validate::catch_panic;

/// The possible places of the first message: after the magic, padded to an alignment.
const STARTS: [u64; 4] = [8, 16, 32, 64];
/// The longest metadata of a message that are read. They usually have a few kilobytes, and about two
/// hundred if the text lists a thousand gaps.
const MAX_METADATA: u64 = 4 << 20;
/// The longest footer that is checked for completeness; it has 24 bytes per batch.
const MAX_FOOTER: u64 = 1 << 30;
/// The number of bytes before the end of the stream that are compared with their checksums. Earlier
/// bytes have been on the disk for long.
const CHECKED: u64 = 64 << 20;
/// The number of bytes read at once while checksums are compared.
const CHUNK: usize = 256 << 10;

/// The contents of a file.
#[derive(Debug)]
pub struct Scanned {
    /// The columns.
    pub schema: SchemaRef,
    /// The places of the batches.
    pub blocks: Vec<Block>,
    /// The number of rows of each.
    pub rows: Vec<u64>,
    /// The text stored with each, if there is one.
    pub texts: Vec<Option<String>>,
    /// The end of the last whole batch.
    pub end: u64,
    /// The length of the file.
    pub length: u64,
    /// True if the end of the file is complete, so that readers find every batch.
    pub is_whole: bool,
}

/// Scans a file.
///
/// # Errors
///
/// If it cannot be read, or was not written by this crate.
pub fn scan(file: &File) -> Result<Scanned, FeatherError> {
    let length = file.metadata()?.len();
    let (schema, start) = read_schema(file, length)?;
    schema::check(&schema)?;
    let mut scan = Scan { file, length, at: start, batches: Vec::new() };
    while scan.step()? {}
    scan.drop_damaged()?;
    scan.finish(schema)
}

struct Batch {
    block: Block,
    at: u64,
    head: Head,
}

struct Scan<'f> {
    file: &'f File,
    length: u64,
    at: u64,
    batches: Vec<Batch>,
}

impl Scan<'_> {
    /// Reads the next batch, and reports whether there is a whole one.
    fn step(&mut self) -> Result<bool, FeatherError> {
        let Some(metadata) = read_metadata(self.file, self.at, self.length)? else {
            return Ok(false);
        };
        let Some(head) = Head::read(&metadata) else { return Ok(false) };
        let meta = PREFIX + metadata.len() as u64;
        let Some(end) = self.at.checked_add(meta).and_then(|at| at.checked_add(head.body)) else {
            return Ok(false);
        };
        if end > self.length {
            return Ok(false);
        }
        let (offset, body) = (self.at.cast_signed(), head.body.cast_signed());
        let block = Block::new(offset, i32::try_from(meta).unwrap_or(i32::MAX), body);
        self.batches.push(Batch { block, at: self.at, head });
        self.at = end;
        Ok(true)
    }

    /// Drops the first batch near the end whose checksum does not match, and all later ones.
    fn drop_damaged(&mut self) -> Result<(), FeatherError> {
        let from = self.at.saturating_sub(CHECKED);
        for (place, batch) in self.batches.iter().enumerate() {
            let body = batch.at + u64::from(batch.block.metaDataLength().unsigned_abs());
            if body < from || self.has_valid_checksum(body, &batch.head)? {
                continue;
            }
            let dropped = self.batches.len() - place;
            tracing::warn!(dropped, "batches at the end of the file are damaged");
            self.at = batch.at;
            self.batches.truncate(place);
            return Ok(());
        }
        Ok(())
    }

    fn has_valid_checksum(&self, body: u64, head: &Head) -> Result<bool, FeatherError> {
        let Some(expected) = head.crc else { return Ok(true) };
        let mut hasher = crc32fast::Hasher::new();
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        while done < head.body {
            let left = usize::try_from(head.body - done).unwrap_or(CHUNK).min(CHUNK);
            let part = chunk.get_mut(..left).unwrap_or_default();
            self.file.read_exact_at(part, body + done)?;
            hasher.update(part);
            done += left as u64;
        }
        Ok(hasher.finalize() == expected)
    }

    fn finish(self, schema: SchemaRef) -> Result<Scanned, FeatherError> {
        let rows = self.batches.iter().map(|batch| batch.head.rows).collect();
        let blocks: Vec<_> = self.batches.iter().map(|batch| batch.block).collect();
        let tail = self.length - self.at;
        let is_whole = tail <= MAX_FOOTER && {
            let mut bytes = vec![0; usize::try_from(tail).unwrap_or_default()];
            self.file.read_exact_at(&mut bytes, self.at)?;
            footer::lists(&bytes, &blocks)
        };
        let (end, length) = (self.at, self.length);
        let texts = self.batches.into_iter().map(|batch| batch.head.text).collect();
        Ok(Scanned { schema, blocks, rows, texts, end, length, is_whole })
    }
}

/// Reads the metadata of the message at a place; returns none if they are incomplete.
fn read_metadata(file: &File, at: u64, length: u64) -> Result<Option<Vec<u8>>, FeatherError> {
    let mut prefix = [0; PREFIX as usize];
    if length.saturating_sub(at) < PREFIX {
        return Ok(None);
    }
    file.read_exact_at(&mut prefix, at)?;
    let [a, b, c, d, size @ ..] = prefix;
    let size = u64::from(u32::from_le_bytes(size));
    let is_there = size > 0 && size <= MAX_METADATA && length - at - PREFIX >= size;
    if [a, b, c, d] != CONTINUATION || !is_there {
        return Ok(None);
    }
    let mut metadata = vec![0; usize::try_from(size).unwrap_or_default()];
    file.read_exact_at(&mut metadata, at + PREFIX)?;
    Ok(Some(metadata))
}

/// Reads the schema; returns it with the place of the first batch.
fn read_schema(file: &File, length: u64) -> Result<(SchemaRef, u64), FeatherError> {
    let mut magic = [0; MAGIC.len()];
    if length < MAGIC.len() as u64 {
        return Err(FeatherError::NotArrow);
    }
    file.read_exact_at(&mut magic, 0)?;
    if magic != MAGIC {
        return Err(FeatherError::NotArrow);
    }
    for start in STARTS {
        let Some(metadata) = read_metadata(file, start, length)? else { continue };
        let mut message = Vec::with_capacity(metadata.len() + 8);
        message.extend(CONTINUATION);
        message.extend(u32::try_from(metadata.len()).unwrap_or_default().to_le_bytes());
        message.extend_from_slice(&metadata);
        let schema = catch_panic(|| try_schema_from_ipc_buffer(&message))??;
        return Ok((Arc::new(schema), start + PREFIX + metadata.len() as u64));
    }
    Err(FeatherError::NotArrow)
}
