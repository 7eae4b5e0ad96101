//! A Feather (Arrow IPC) file that is valid after every append.
//!
//! ```text
//! magic · schema · batch · batch · … · end of stream · footer
//! ```
//!
//! An append writes the new batch, a new end of the stream and a new footer over the old end and
//! footer; batches never move. Bytes beyond the old end of the file are written first, so that a
//! full disk is noticed while the old footer is still intact. The eight bytes that make the old end of
//! the stream into the beginning of the batch are written last. So at whatever point the program is
//! killed, a scan over the batches finds either all of the new one or nothing of it.
//!
//! The caller can store a text with each batch, and key-value pairs in the footer. The text of a
//! batch is in the batch's own metadata, so that nothing depends on the footer.

mod error;
mod footer;
mod message;
mod reader;
mod scan;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use arrow_array::RecordBatch;
use arrow_ipc::Block;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{Schema, SchemaRef};

use crate::compression::Compression;
pub use error::FeatherError;
use message::Encoder;
pub use reader::BatchReader;
pub use scan::{Scanned, scan};

/// The key-value pairs of a footer, in order.
pub type FooterPairs = [(&'static str, String)];

/// A file that is open for appending.
#[derive(Debug)]
pub struct Feather {
    file: File,
    schema: SchemaRef,
    encoder: Encoder,
    blocks: Vec<Block>,
    rows: Vec<u64>,
    /// The place of the end of the stream.
    end: u64,
    length: u64,
    is_synced: bool,
}

/// The repair of a file before it could be appended to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// True if the end of the file was incomplete.
    pub was_torn: bool,
    /// Bytes after the last whole batch that were overwritten.
    pub dropped: u64,
}

impl Feather {
    /// Starts a file that is empty, or contains only a part of what this writes.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(
        file: File,
        schema: &SchemaRef,
        compression: Compression,
        pairs: &FooterPairs,
    ) -> Result<Self, FeatherError> {
        let mut head = header(schema)?;
        let end = head.len() as u64;
        footer::write(schema, &[], pairs, &mut head)?;
        file.write_all_at(&head, 0)?;
        file.sync_all()?;
        Ok(Self {
            file,
            schema: SchemaRef::clone(schema),
            encoder: Encoder::new(compression)?,
            blocks: Vec::new(),
            rows: Vec::new(),
            end,
            length: head.len() as u64,
            is_synced: true,
        })
    }

    /// Opens a file that was [scanned](scan) for appending. Drops an incomplete batch at its end, and
    /// then writes a footer with these pairs.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn open(
        file: File,
        scanned: Scanned,
        compression: Compression,
        pairs: &FooterPairs,
    ) -> Result<(Self, Repair), FeatherError> {
        let Scanned { schema, blocks, rows, end, length, is_whole, texts: _ } = scanned;
        let encoder = Encoder::new(compression)?;
        let mut feather =
            Self { file, schema, encoder, blocks, rows, end, length, is_synced: true };
        let mut repair = Repair::default();
        if !is_whole {
            feather.write_tail(pairs)?;
            repair = Repair { was_torn: true, dropped: length - end };
        }
        Ok((feather, repair))
    }

    /// Reports whether a file contains only a part of what [`create`](Self::create) writes: the
    /// program was killed while it started the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn is_begun(
        file: &File,
        schema: &SchemaRef,
        pairs: &FooterPairs,
    ) -> Result<bool, FeatherError> {
        let mut head = header(schema)?;
        footer::write(schema, &[], pairs, &mut head)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let Some(expected) = head.get(..length) else { return Ok(false) };
        let mut actual = vec![0; length];
        file.read_exact_at(&mut actual, 0)?;
        Ok(actual == expected)
    }

    /// Appends a batch of the file's columns, with a text that is stored in its metadata, and writes
    /// a footer with these pairs.
    ///
    /// # Errors
    ///
    /// If it cannot be written. The file is then unchanged.
    pub fn append(
        &mut self,
        batch: &RecordBatch,
        text: &str,
        pairs: &FooterPairs,
    ) -> Result<(), FeatherError> {
        self.append_after(self.blocks.len(), batch, text, pairs)
    }

    /// Appends a batch in place of the last one, if there is one. A reader, or a scan after a kill,
    /// finds the old batch, or the new one, or neither.
    ///
    /// # Errors
    ///
    /// If it cannot be written. The file is then unchanged.
    pub fn replace_last(
        &mut self,
        batch: &RecordBatch,
        text: &str,
        pairs: &FooterPairs,
    ) -> Result<(), FeatherError> {
        self.append_after(self.blocks.len().saturating_sub(1), batch, text, pairs)
    }

    /// Appends a batch after the first `kept` ones.
    fn append_after(
        &mut self,
        kept: usize,
        batch: &RecordBatch,
        text: &str,
        pairs: &FooterPairs,
    ) -> Result<(), FeatherError> {
        let start = self.blocks.get(kept).map_or(self.end, |block| block.offset().unsigned_abs());
        let mut bytes = Vec::new();
        let block = self.encoder.encode(batch, text, start, &mut bytes)?;
        let end = start + bytes.len() as u64;
        let replaced = self.blocks.split_off(kept);
        self.blocks.push(block);
        let written = footer::write(&self.schema, &self.blocks, pairs, &mut bytes)
            .and_then(|()| self.replace_tail(start, &bytes));
        if let Err(error) = written {
            self.blocks.truncate(kept);
            self.blocks.extend(replaced);
            return Err(error);
        }
        self.rows.truncate(kept);
        self.rows.push(batch.num_rows() as u64);
        self.end = end;
        Ok(())
    }

    /// Overwrites everything from a place on, in the order that the module's description gives.
    fn replace_tail(&mut self, start: u64, bytes: &[u8]) -> Result<(), FeatherError> {
        let old = usize::try_from(self.length - start).unwrap_or(usize::MAX);
        let (over, beyond) = bytes.split_at_checked(old).unwrap_or((bytes, &[]));
        self.is_synced = false;
        if let Err(error) = self.file.write_all_at(beyond, self.length) {
            self.file.set_len(self.length)?;
            return Err(error.into());
        }
        let (first, rest) = over.split_at_checked(message::END.len()).unwrap_or((over, &[]));
        // If a batch is replaced, the stream ends before it from now on.
        self.file.write_all_at(&message::END, start)?;
        self.file.write_all_at(rest, start + first.len() as u64)?;
        self.file.write_all_at(first, start)?;
        self.length = start + bytes.len() as u64;
        self.file.set_len(self.length)?;
        Ok(())
    }

    /// Writes the footer for the batches in the file.
    fn write_tail(&mut self, pairs: &FooterPairs) -> Result<(), FeatherError> {
        let mut tail = Vec::new();
        footer::write(&self.schema, &self.blocks, pairs, &mut tail)?;
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
    /// If the disk fails.
    pub fn sync(&mut self) -> Result<(), FeatherError> {
        if !self.is_synced {
            self.file.sync_data()?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// Returns the file itself.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Returns the columns.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.iter().fold(0, |sum, rows| sum.saturating_add(*rows))
    }

    /// Returns the length of the file in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Returns the number of batches.
    #[must_use]
    pub const fn batches(&self) -> usize {
        self.blocks.len()
    }

    /// Returns a reader of the batches.
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

impl Scanned {
    /// Returns the text of the last batch.
    #[must_use]
    pub fn last_text(&self) -> Option<&str> {
        self.texts.last()?.as_deref()
    }

    /// Returns a reader of the batches of the file that was scanned.
    #[must_use]
    pub fn reader<'a>(&'a self, file: &'a File) -> BatchReader<'a> {
        let schema = SchemaRef::clone(&self.schema);
        BatchReader { file, schema, blocks: &self.blocks, rows: &self.rows }
    }
}

/// Returns the bytes before the first batch.
fn header(schema: &Schema) -> Result<Vec<u8>, FeatherError> {
    let mut head = Vec::new();
    // The writer writes them at once, and a footer only on request.
    drop(FileWriter::try_new_with_options(
        &mut head,
        schema,
        message::options(Compression::None)?,
    )?);
    Ok(head)
}

#[cfg(test)]
mod tests;
