//! The open part: a Feather file where no reader looks, which becomes a closed part in one step.

use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::layout::{ClosedPart, Part};
use super::{OutputError, check_there, file, paths};
use crate::feather::{Compression, Feather};
use crate::note::{Note, State};
use crate::settings::Format;
use crate::table::schema::Rows;

/// A part that grows.
#[derive(Debug)]
pub(super) struct OpenPart {
    pub(super) part: Part,
    path: PathBuf,
    feather: Feather,
    #[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "for Parquet"))]
    compression: Compression,
}

impl OpenPart {
    /// Begins it, or goes on with it.
    pub(super) fn open(
        path: PathBuf,
        part: Part,
        rows: Rows,
        compression: Compression,
    ) -> Result<Self, OutputError> {
        let feather = file::open_feather(&path, rows, compression)?;
        Ok(Self { part, path, feather, compression })
    }

    pub(super) fn append(&mut self, batch: &RecordBatch, note: &Note) -> Result<(), OutputError> {
        check_there(&self.path, &self.feather)?;
        self.feather.append(batch, note).map_err(|error| OutputError::file(&self.path, error))
    }

    pub(super) fn sync(&mut self) -> Result<(), OutputError> {
        check_there(&self.path, &self.feather)?;
        self.feather.sync().map_err(|error| OutputError::file(&self.path, error))
    }

    pub(super) const fn feather(&self) -> &Feather {
        &self.feather
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn state(&self) -> &State {
        self.feather.state()
    }

    pub(super) const fn schema(&self) -> &SchemaRef {
        self.feather.schema()
    }

    /// Deletes it.
    pub(super) fn discard(self) -> Result<(), OutputError> {
        Ok(fs::remove_file(&self.path).map_err(paths::at(&self.path))?)
    }

    /// Makes it a closed part below `folder`. Whatever happens meanwhile, there is either the open
    /// part or the whole closed one.
    pub(super) fn close(
        mut self,
        folder: &Path,
        format: Format,
    ) -> Result<ClosedPart, OutputError> {
        self.sync()?;
        paths::make_folder(folder)?;
        let names = self.part.folders();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let into = paths::make_folders(folder, &names)?;
        let path = into.join(self.part.name(format));
        match format {
            Format::Feather => {
                fs::rename(&self.path, &path).map_err(paths::at(&path))?;
                paths::sync_folder(&into)?;
            }
            Format::Parquet => {
                let temporary = self.path.with_file_name(self.part.temporary_name(format));
                self.write_parquet(&temporary)?;
                fs::rename(&temporary, &path).map_err(paths::at(&path))?;
                // Only when the new name is on the disk may the old file go.
                paths::sync_folder(&into)?;
                fs::remove_file(&self.path).map_err(paths::at(&self.path))?;
            }
        }
        if let Some(open) = self.path.parent() {
            paths::sync_folder(open)?;
        }
        let bytes = fs::metadata(&path).map_err(paths::at(&path))?.len();
        tracing::info!(rows = self.state().rows, bytes, "closed {}", path.display());
        Ok(ClosedPart { part: self.part, format, path, bytes })
    }

    #[cfg(feature = "parquet")]
    fn write_parquet(&self, path: &Path) -> Result<(), OutputError> {
        super::parquet::write(path, &self.feather, self.compression)
    }

    #[cfg(not(feature = "parquet"))]
    fn write_parquet(&self, path: &Path) -> Result<(), OutputError> {
        let reason = "this program was built without Parquet (cargo feature parquet)".to_owned();
        Err(OutputError::Parquet { path: path.to_owned(), reason })
    }
}
