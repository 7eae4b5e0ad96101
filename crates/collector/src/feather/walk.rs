//! Reading a file from its beginning, batch by batch, without trusting its end.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use arrow_ipc::Block;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_schema::SchemaRef;

use super::FeatherError;
use super::footer::{self, MAGIC};
use super::guard::guarded;
use super::message::{CONTINUATION, Head, PREFIX};
use crate::note::State;
use crate::table::schema;

/// Where the first message may begin: the magic, padded to an alignment.
const STARTS: [u64; 4] = [8, 16, 32, 64];
/// The longest metadata of a message that are read. Ours are a few kilobytes, and with a thousand
/// gaps in one note some two hundred.
const MAX_METADATA: u64 = 4 << 20;
/// The longest footer that is looked at to tell whether it is whole; 24 bytes a batch.
const MAX_FOOTER: u64 = 1 << 30;
/// So many bytes before the end of the stream are compared with their checksums. What is further
/// back has been on the disk for long.
const CHECKED: u64 = 64 << 20;
/// Bytes read at once while bodies are compared.
const CHUNK: usize = 256 << 10;

/// What is in a file.
#[derive(Debug)]
pub struct Walked {
    /// The columns.
    pub schema: SchemaRef,
    /// Where the batches are.
    pub blocks: Vec<Block>,
    /// The rows of each.
    pub rows: Vec<u64>,
    /// What the notes of all batches say together.
    pub state: State,
    /// Where the last whole batch ends.
    pub end: u64,
    /// How long the file is.
    pub length: u64,
    /// Whether the file ends as it should, so that readers find every batch.
    pub is_whole: bool,
    /// Whether the last batch only says how far the stream was read.
    pub ends_in_mark: bool,
}

/// Walks over a file.
///
/// # Errors
///
/// When it cannot be read, or does not begin as a file of this program does.
pub fn walk(file: &File) -> Result<Walked, FeatherError> {
    let length = file.metadata()?.len();
    let (schema, start) = read_schema(file, length)?;
    schema::check(&schema)?;
    let mut walk = Walk { file, length, at: start, batches: Vec::new() };
    while walk.step()? {}
    walk.drop_broken()?;
    walk.finish(schema)
}

struct Batch {
    block: Block,
    at: u64,
    head: Head,
}

struct Walk<'f> {
    file: &'f File,
    length: u64,
    at: u64,
    batches: Vec<Batch>,
}

impl Walk<'_> {
    /// Takes one more batch, if there is a whole one.
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

    /// Drops the first batch near the end whose bytes are not those that were written, and all that
    /// follow it.
    fn drop_broken(&mut self) -> Result<(), FeatherError> {
        let from = self.at.saturating_sub(CHECKED);
        for (place, batch) in self.batches.iter().enumerate() {
            let body = batch.at + u64::from(batch.block.metaDataLength().unsigned_abs());
            if body < from || self.is_sound(body, &batch.head)? {
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

    fn is_sound(&self, body: u64, head: &Head) -> Result<bool, FeatherError> {
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

    fn finish(self, schema: SchemaRef) -> Result<Walked, FeatherError> {
        let mut state = State::default();
        for batch in &self.batches {
            state.add(batch.head.rows, &batch.head.note);
        }
        let rows = self.batches.iter().map(|batch| batch.head.rows).collect();
        let blocks: Vec<_> = self.batches.iter().map(|batch| batch.block).collect();
        let ends_in_mark = (self.batches.last())
            .is_some_and(|batch| batch.head.rows == 0 && batch.head.note.is_superseded());
        let tail = self.length - self.at;
        let is_whole = tail <= MAX_FOOTER && {
            let mut bytes = vec![0; usize::try_from(tail).unwrap_or_default()];
            self.file.read_exact_at(&mut bytes, self.at)?;
            footer::lists(&bytes, &blocks)
        };
        let (end, length) = (self.at, self.length);
        Ok(Walked { schema, blocks, rows, state, end, length, is_whole, ends_in_mark })
    }
}

/// The metadata of the message at a place, if they are all there.
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

/// The schema, and where the first batch begins.
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
        let schema = guarded(|| try_schema_from_ipc_buffer(&message))??;
        return Ok((Arc::new(schema), start + PREFIX + metadata.len() as u64));
    }
    Err(FeatherError::NotArrow)
}
