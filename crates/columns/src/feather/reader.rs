//! Reading the batches of a file that was scanned or is being written.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, MetadataVersion};
use arrow_schema::SchemaRef;

use super::error::FeatherError;
use super::message;
use crate::validate::{self, MAX_BODY};

/// Reads batches of a file.
#[derive(Debug)]
pub struct BatchReader<'a> {
    pub(super) file: &'a File,
    pub(super) schema: SchemaRef,
    pub(super) blocks: &'a [Block],
    pub(super) rows: &'a [u64],
}

impl BatchReader<'_> {
    /// Returns the number of the first batch from which on the file has at least `wanted` rows.
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

    /// Reads some columns, by name, of the batches from number `from` on, in order.
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

    /// Reads all batches in order.
    pub fn all(&self) -> impl Iterator<Item = Result<RecordBatch, FeatherError>> + '_ {
        self.read_with(FileDecoder::new(SchemaRef::clone(&self.schema), MetadataVersion::V5), 0)
    }

    fn read_with<'a>(
        &'a self,
        decoder: FileDecoder,
        from: usize,
    ) -> impl Iterator<Item = Result<RecordBatch, FeatherError>> + use<'a> {
        let blocks = self.blocks.get(from..).unwrap_or_default();
        blocks.iter().map(move |block| self.read(&decoder, block))
    }

    fn read(&self, decoder: &FileDecoder, block: &Block) -> Result<RecordBatch, FeatherError> {
        let (at, meta) = (block.offset().unsigned_abs(), block.metaDataLength().unsigned_abs());
        let length = u64::from(meta) + block.bodyLength().unsigned_abs();
        if length > MAX_BODY {
            return Err(FeatherError::TooLarge(length));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, at)?;
        let (head, body) = bytes.split_at_checked(meta as usize).ok_or(FeatherError::NoBatch)?;
        let metadata = head.get(message::PREFIX as usize..).ok_or(FeatherError::NoBatch)?;
        if !validate::describes(metadata, body)?.ok_or(FeatherError::NoBatch)? {
            return Err(FeatherError::Damaged);
        }
        let bytes = Buffer::from_vec(bytes);
        let batch = validate::catch_panic(|| decoder.read_record_batch(block, &bytes))??;
        batch.ok_or(FeatherError::NoBatch)
    }
}
