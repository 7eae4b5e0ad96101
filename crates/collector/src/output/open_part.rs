//! The open part: a Feather file that readers do not see, which becomes a closed part in one step.

use std::fs;
use std::path::{Path, PathBuf};

use columns::Compression;
use columns::schema::Rows;

use super::error::OutputError;
use super::feather_file::FeatherFile;
use super::layout::{ClosedPart, Part};
use super::paths;
use crate::settings::Format;

/// A part that is written to.
#[derive(Debug)]
pub(super) struct OpenPart {
    pub(super) part: Part,
    pub(super) file: FeatherFile,
    #[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "for Parquet"))]
    compression: Compression,
}

impl OpenPart {
    /// Starts a part, or resumes one.
    pub(super) fn open(
        path: PathBuf,
        part: Part,
        rows: Rows,
        compression: Compression,
    ) -> Result<Self, OutputError> {
        Ok(Self { part, file: FeatherFile::open(path, rows, compression)?, compression })
    }

    /// Deletes the part.
    pub(super) fn discard(self) -> Result<(), OutputError> {
        Ok(fs::remove_file(self.file.path()).map_err(paths::at(self.file.path()))?)
    }

    /// Makes it a closed part below `folder`. Whatever happens meanwhile, either the open part or the
    /// whole closed one exists.
    pub(super) fn close(
        mut self,
        folder: &Path,
        format: Format,
    ) -> Result<ClosedPart, OutputError> {
        self.file.sync()?;
        paths::make_folder(folder)?;
        let names = self.part.folders();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let into = paths::make_folders(folder, &names)?;
        let path = into.join(self.part.name(format));
        match format {
            Format::Feather => {
                fs::rename(self.file.path(), &path).map_err(paths::at(&path))?;
                paths::sync_folder(&into)?;
            }
            Format::Parquet => {
                let temporary = self.file.path().with_file_name(self.part.temporary_name(format));
                self.write_parquet(&temporary)?;
                fs::rename(&temporary, &path).map_err(paths::at(&path))?;
                // The old file is deleted only when the new name is on the disk.
                paths::sync_folder(&into)?;
                fs::remove_file(self.file.path()).map_err(paths::at(self.file.path()))?;
            }
        }
        if let Some(open) = self.file.path().parent() {
            paths::sync_folder(open)?;
        }
        let bytes = fs::metadata(&path).map_err(paths::at(&path))?.len();
        tracing::info!(rows = self.file.state().rows, bytes, "closed {}", path.display());
        Ok(ClosedPart { part: self.part, format, path, bytes })
    }

    #[cfg(feature = "parquet")]
    fn write_parquet(&self, path: &Path) -> Result<(), OutputError> {
        super::parquet::write(path, &self.file, self.compression)
    }

    #[cfg(not(feature = "parquet"))]
    fn write_parquet(&self, path: &Path) -> Result<(), OutputError> {
        let reason = "this program was built without Parquet (cargo feature parquet)".to_owned();
        Err(OutputError::Parquet { path: path.to_owned(), reason })
    }
}
