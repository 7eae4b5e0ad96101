//! Errors of outputs.

use std::path::{Path, PathBuf};

use arrow_schema::ArrowError;
use columns::archive::ArchiveError;
use columns::feather::FeatherError;
#[cfg(feature = "parquet")]
use columns::parquet::ParquetError;
use columns::schema::SchemaError;

use super::paths::PathError;

/// An output that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A path that is refused, or an error of the system.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: FeatherError,
    },
    /// A file of another program.
    #[error("{0} was not written by certstream-arrow; give another --output")]
    NotOurs(PathBuf),
    /// A file with other columns.
    #[error("{path}: {source}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// The column that does not fit.
        source: SchemaError,
    },
    /// Another collector writes to it.
    #[error(
        "{0}: another certstream-arrow is writing here; stop it first, or give another --output"
    )]
    Locked(PathBuf),
    /// A file that is no longer at its path.
    #[error(
        "{0}: the file was deleted, moved or replaced while rows were written to it; start again to begin a new one"
    )]
    Gone(PathBuf),
    /// There is no room left.
    #[error(
        "{path}: the disk is full (or a limit is reached); everything up to the last write can be read. Make room and start again: {source}"
    )]
    Full {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// There is no room left for a part of an archive.
    #[error(
        "{path}: the disk is full (or a limit is reached); complete parts are kept. Make room and start the same command again: {source}"
    )]
    FullArchive {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A progress that cannot be encoded.
    #[error("{path}: the metadata of a batch cannot be written: {source}")]
    Progress {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// Rows that do not fit their columns.
    #[error("rows cannot be made: {0}")]
    Rows(ArrowError),
    /// A Parquet file that cannot be written or read.
    #[error("{path}: {reason}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

impl OutputError {
    /// Adds the path to an error of a Feather file.
    pub(super) fn feather(path: &Path, source: FeatherError) -> Self {
        let path = path.to_owned();
        match source {
            FeatherError::NotArrow => Self::NotOurs(path),
            FeatherError::Schema(SchemaError::Foreign) => Self::NotOurs(path),
            FeatherError::Schema(source) => Self::Schema { path, source },
            FeatherError::Io(source) if is_full(&source) => Self::Full { path, source },
            source => Self::File { path, source },
        }
    }

    /// Adds the path to an error of an archive's file.
    pub(crate) fn archive(path: &Path, source: ArchiveError) -> Self {
        let error = match source {
            ArchiveError::Feather(source) => Self::feather(path, source),
            #[cfg(feature = "parquet")]
            ArchiveError::Parquet(source) => Self::parquet(path, source),
            #[cfg(not(feature = "parquet"))]
            source => Self::Parquet { path: path.to_owned(), reason: source.to_string() },
        };
        match error {
            Self::Full { path, source } => Self::FullArchive { path, source },
            error => error,
        }
    }

    /// Adds the path to an error of a Parquet file.
    #[cfg(feature = "parquet")]
    pub(super) fn parquet(path: &Path, source: ParquetError) -> Self {
        if let Some(system) = source.system_error()
            && is_full(system)
        {
            let code = system.raw_os_error().unwrap_or_default();
            let source = std::io::Error::from_raw_os_error(code);
            return Self::Full { path: path.to_owned(), source };
        }
        match source {
            ParquetError::Io(source) => PathError::Io { path: path.to_owned(), source }.into(),
            ParquetError::Parquet(error) => {
                Self::Parquet { path: path.to_owned(), reason: error.to_string() }
            }
            ParquetError::Feather(source) => Self::feather(path, source),
            ParquetError::Schema(_) => Self::NotOurs(path.to_owned()),
        }
    }

    /// Reports whether the user must give another path.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::NotOurs(_) | Self::Schema { .. })
            || matches!(self, Self::Path(error) if !matches!(error, PathError::Io { .. }))
    }
}

/// Reports whether there is no room left, because of the disk, a quota, or a limit of the process.
fn is_full(error: &std::io::Error) -> bool {
    let full = [libc::ENOSPC, libc::EDQUOT, libc::EFBIG];
    error.raw_os_error().is_some_and(|code| full.contains(&code))
}
