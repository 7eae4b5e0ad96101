//! A Feather (Arrow IPC) file that is valid after every append.
//!
//! ```text
//! magic · schema · batch · batch · … · end of stream · footer
//! ```
//!
//! An append writes the new batch, a new end of the stream and a new footer over the old end and
//! footer; batches never move. What lies beyond the old end of the file is written first, so that a
//! full disk is noticed while the old footer still stands. The eight bytes that make the old end of
//! the stream into the beginning of the batch are written last. So at whatever point the program is
//! killed, walking over the batches finds either all of the new one or nothing of it.
//!
//! What a batch brings besides its rows (the offset it reaches, gaps) is in its own metadata, so
//! that nothing depends on the footer.

mod footer;
pub(crate) mod guard;
mod message;
mod walk;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::writer::FileWriter;
use arrow_ipc::{Block, MetadataVersion};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use crate::note::{Note, State};
use crate::table::schema::SchemaError;
pub use message::Compression;
use message::Encoder;
pub use walk::{Walked, walk};

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FeatherError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not an Arrow file.
    #[error("this is no feather (arrow ipc) file")]
    NotArrow,
    /// An Arrow file of something else.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Something in it cannot be read or encoded.
    #[error("arrow: {0}")]
    Arrow(#[from] ArrowError),
    /// Metadata that are no flatbuffer.
    #[error("the metadata of a batch cannot be read: {0}")]
    Metadata(#[from] flatbuffers::InvalidFlatbuffer),
    /// A note that is no JSON.
    #[error("the note of a batch cannot be written: {0}")]
    Note(#[from] serde_json::Error),
    /// A message that is not a record batch.
    #[error("a message of the file is not a record batch")]
    NoBatch,
    /// Metadata that do not describe what is there.
    #[error(
        "the file is damaged: the metadata of a batch do not fit its contents; move it away, or give another --output"
    )]
    Damaged,
    /// The footer would be too large.
    #[error("the file has too many batches; begin another one (--rotate)")]
    TooManyBatches,
    /// A batch is too large to be read back.
    #[error("a batch of {0} bytes is larger than any that this program writes")]
    TooLarge(u64),
}

/// An open file.
#[derive(Debug)]
pub struct Feather {
    file: File,
    schema: SchemaRef,
    encoder: Encoder,
    blocks: Vec<Block>,
    rows: Vec<u64>,
    state: State,
    /// Where the end of the stream stands.
    end: u64,
    length: u64,
    is_synced: bool,
    /// Whether the last batch only says how far the stream was read: the next one takes its place.
    ends_in_mark: bool,
}

/// What had to be done to a file before it could be appended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Whether the end of the file was not as it should be.
    pub was_torn: bool,
    /// Bytes behind the last whole batch that were written over.
    pub dropped: u64,
}

impl Feather {
    /// Begins a file that is empty, or has only a part of what this writes.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn create(
        file: File,
        schema: &SchemaRef,
        compression: Compression,
    ) -> Result<Self, FeatherError> {
        let mut head = header(schema)?;
        let end = head.len() as u64;
        let state = State::default();
        footer::write(schema, &[], &state, &mut head)?;
        file.write_all_at(&head, 0)?;
        file.sync_all()?;
        Ok(Self {
            file,
            schema: SchemaRef::clone(schema),
            encoder: Encoder::new(compression)?,
            blocks: Vec::new(),
            rows: Vec::new(),
            state,
            end,
            length: head.len() as u64,
            is_synced: true,
            ends_in_mark: false,
        })
    }

    /// Opens a file that was [walked](walk) over to append to it, after dropping what is no whole
    /// batch at its end.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn open(
        file: File,
        walked: Walked,
        compression: Compression,
    ) -> Result<(Self, Repair), FeatherError> {
        let Walked { schema, blocks, rows, state, end, length, is_whole, ends_in_mark } = walked;
        let encoder = Encoder::new(compression)?;
        let is_synced = true;
        let mut feather = Self {
            file,
            schema,
            encoder,
            blocks,
            rows,
            state,
            end,
            length,
            is_synced,
            ends_in_mark,
        };
        let mut repair = Repair::default();
        if !is_whole {
            feather.write_tail()?;
            repair = Repair { was_torn: true, dropped: length - end };
        }
        Ok((feather, repair))
    }

    /// Whether a file holds nothing but a part of the beginning of one with this schema: what is
    /// left when a program is killed while it begins a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn is_begun(file: &File, schema: &SchemaRef) -> Result<bool, FeatherError> {
        let mut head = header(schema)?;
        footer::write(schema, &[], &State::default(), &mut head)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let Some(expected) = head.get(..length) else { return Ok(false) };
        let mut there = vec![0; length];
        file.read_exact_at(&mut there, 0)?;
        Ok(there == expected)
    }

    /// Appends a batch of the file's columns, and what is to be known with it. A batch without rows
    /// that only says how far the stream was read gives way to the next one, so that a quiet stream
    /// does not make the file grow.
    ///
    /// # Errors
    ///
    /// When it cannot be written. The file is then as it was before.
    pub fn append(&mut self, batch: &RecordBatch, note: &Note) -> Result<(), FeatherError> {
        let kept = self.blocks.len() - usize::from(self.ends_in_mark && note.offset.is_some());
        let start = self.blocks.get(kept).map_or(self.end, |mark| mark.offset().unsigned_abs());
        let mut bytes = Vec::new();
        let block = self.encoder.encode(batch, note, start, &mut bytes)?;
        let end = start + bytes.len() as u64;
        let rows = batch.num_rows() as u64;
        let mut state = self.state.clone();
        state.add(rows, note);
        let mut blocks = self.blocks.split_off(kept);
        let marks = std::mem::replace(&mut blocks, vec![block]);
        self.blocks.append(&mut blocks);
        let written = footer::write(&self.schema, &self.blocks, &state, &mut bytes)
            .and_then(|()| self.replace_tail(start, &bytes));
        if let Err(error) = written {
            self.blocks.truncate(kept);
            self.blocks.extend(marks);
            return Err(error);
        }
        self.rows.truncate(kept);
        self.rows.push(rows);
        (self.state, self.end) = (state, end);
        self.ends_in_mark = rows == 0 && note.is_superseded();
        Ok(())
    }

    /// Writes over everything from a place on, in the order that the module's description gives.
    fn replace_tail(&mut self, start: u64, bytes: &[u8]) -> Result<(), FeatherError> {
        let old = usize::try_from(self.length - start).unwrap_or(usize::MAX);
        let (over, beyond) = bytes.split_at_checked(old).unwrap_or((bytes, &[]));
        self.is_synced = false;
        if let Err(error) = self.file.write_all_at(beyond, self.length) {
            self.file.set_len(self.length)?;
            return Err(error.into());
        }
        let (first, rest) = over.split_at_checked(message::END.len()).unwrap_or((over, &[]));
        // Where a mark stands, the stream ends before it from now on.
        self.file.write_all_at(&message::END, start)?;
        self.file.write_all_at(rest, start + first.len() as u64)?;
        self.file.write_all_at(first, start)?;
        self.length = start + bytes.len() as u64;
        self.file.set_len(self.length)?;
        Ok(())
    }

    /// Writes the footer that belongs to what is there.
    fn write_tail(&mut self) -> Result<(), FeatherError> {
        let mut tail = Vec::new();
        footer::write(&self.schema, &self.blocks, &self.state, &mut tail)?;
        self.file.write_all_at(&tail, self.end)?;
        self.length = self.end + tail.len() as u64;
        self.file.set_len(self.length)?;
        self.is_synced = false;
        self.sync()
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn sync(&mut self) -> Result<(), FeatherError> {
        if !self.is_synced {
            self.file.sync_data()?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// The file itself.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// The columns.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the file knows of itself.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// How long the file is.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// How many batches there are.
    #[must_use]
    pub const fn batches(&self) -> usize {
        self.blocks.len()
    }

    /// A way to read the batches.
    #[must_use]
    pub fn reader(&self) -> BatchReader<'_> {
        BatchReader {
            file: &self.file,
            schema: SchemaRef::clone(&self.schema),
            blocks: &self.blocks,
            rows: &self.rows,
        }
    }
}

impl Walked {
    /// A way to read the batches of the file that was walked over.
    #[must_use]
    pub fn reader<'a>(&'a self, file: &'a File) -> BatchReader<'a> {
        let schema = SchemaRef::clone(&self.schema);
        BatchReader { file, schema, blocks: &self.blocks, rows: &self.rows }
    }
}

/// Reads batches of a file.
#[derive(Debug)]
pub struct BatchReader<'a> {
    file: &'a File,
    schema: SchemaRef,
    blocks: &'a [Block],
    rows: &'a [u64],
}

impl BatchReader<'_> {
    /// The number of the first batch with which the rest of the file has at least so many rows.
    #[must_use]
    pub fn last_rows(&self, wanted: u64) -> usize {
        let mut left = wanted;
        let later = self.rows.iter().rev().take_while(|rows| {
            let is_wanted = left > 0;
            left = left.saturating_sub(**rows);
            is_wanted
        });
        self.rows.len() - later.count()
    }

    /// Some columns, by name, of the batches from one of them on, in order.
    pub fn columns<'a>(
        &'a self,
        names: &[&str],
        from: usize,
    ) -> impl Iterator<Item = Result<RecordBatch, FeatherError>> + use<'a> {
        let fields = self.schema.fields().iter().enumerate();
        let wanted = fields.filter(|(_, field)| names.contains(&field.name().as_str()));
        let projection = wanted.map(|(place, _)| place).collect();
        let schema = SchemaRef::clone(&self.schema);
        let decoder = FileDecoder::new(schema, MetadataVersion::V5).with_projection(projection);
        self.read_with(decoder, from)
    }

    /// All batches in order.
    pub fn all(&self) -> impl Iterator<Item = Result<RecordBatch, FeatherError>> + '_ {
        self.read_with(FileDecoder::new(SchemaRef::clone(&self.schema), MetadataVersion::V5), 0)
    }

    fn read_with<'a>(
        &'a self,
        decoder: FileDecoder,
        from: usize,
    ) -> impl Iterator<Item = Result<RecordBatch, FeatherError>> + use<'a> {
        let blocks = self.blocks.get(from..).unwrap_or_default();
        blocks.iter().map(move |block| {
            let (at, meta) = (block.offset().unsigned_abs(), block.metaDataLength().unsigned_abs());
            let length = u64::from(meta) + block.bodyLength().unsigned_abs();
            if length > guard::MAX_BODY {
                return Err(FeatherError::TooLarge(length));
            }
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            self.file.read_exact_at(&mut bytes, at)?;
            let (head, body) =
                bytes.split_at_checked(meta as usize).ok_or(FeatherError::NoBatch)?;
            let metadata = head.get(message::PREFIX as usize..).ok_or(FeatherError::NoBatch)?;
            guard::check(metadata, body)?;
            let bytes = Buffer::from_vec(bytes);
            let batch = guard::guarded(|| decoder.read_record_batch(block, &bytes))??;
            batch.ok_or(FeatherError::NoBatch)
        })
    }
}

/// The bytes before the first batch.
fn header(schema: &Schema) -> Result<Vec<u8>, FeatherError> {
    let mut head = Vec::new();
    // The writer puts them out at once, and a footer only when it is told to.
    drop(FileWriter::try_new_with_options(&mut head, schema, Compression::None.options()?)?);
    Ok(head)
}

#[cfg(test)]
mod tests;
