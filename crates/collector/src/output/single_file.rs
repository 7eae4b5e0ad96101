//! An output of one growing Feather file.

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use client::Progress;
use client::dedup::Window;
use columns::Compression;
use columns::schema::Rows;

use super::error::OutputError;
use super::feather_file::FeatherFile;
use super::opened::{Opened, Size};
use super::recent_entries;

/// The number of batches at which the footer, which is written again with each batch, has a quarter of
/// a megabyte.
const MANY_BATCHES: usize = 10_000;

/// The file.
#[derive(Debug)]
pub(super) struct SingleFile(FeatherFile);

impl SingleFile {
    pub(super) fn open(
        path: &Path,
        rows: Rows,
        compression: Compression,
    ) -> Result<(Self, Opened), OutputError> {
        let file = FeatherFile::open(path.to_owned(), rows, compression)?;
        let mut window = Window::default();
        file.remember(recent_entries::ROWS, &mut window)?;
        let opened =
            Opened { schema: SchemaRef::clone(file.schema()), state: file.state().clone(), window };
        Ok((Self(file), opened))
    }

    pub(super) fn append(
        &mut self,
        batch: &RecordBatch,
        progress: &Progress,
    ) -> Result<Size, OutputError> {
        self.0.append(batch, progress)?;
        let size = Size::of(self.0.feather());
        if size.batches == MANY_BATCHES {
            tracing::warn!(
                "{} has {MANY_BATCHES} batches, and its footer grows with each; from now on more \
                 rows are written together. Parts (--rotate 1d) or a larger --buffer-size avoid it",
                self.0.path().display()
            );
        }
        Ok(size)
    }

    pub(super) fn sync(&mut self) -> Result<(), OutputError> {
        self.0.sync()
    }
}
