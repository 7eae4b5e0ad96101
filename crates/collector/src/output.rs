//! Where rows end up: one file, or parts below a folder.

mod file;
mod known;
pub(crate) mod layout;
#[cfg(feature = "parquet")]
pub mod parquet;
mod part;
mod parts;
pub mod paths;
#[cfg(feature = "s3")]
pub mod store;
mod workshop;

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::dedup::Window;
use crate::feather::{Feather, FeatherError};
use crate::note::{Note, State};
use crate::settings::{OutputSettings, Target};
use crate::table::schema::{Rows, SchemaError};
use file::SingleFile;
pub use parts::Closed;
use parts::Parts;
use paths::PathError;

/// Why rows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A path that is refused, or that the system refuses.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FeatherError,
    },
    /// A file that is there and not ours.
    #[error("{0}: there is a file that was not written by certstream-arrow; give another --output")]
    NotOurs(PathBuf),
    /// A file whose columns are others.
    #[error("{path}: {source}")]
    Schema {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: SchemaError,
    },
    /// Another collector writes there.
    #[error("{0}: another certstream-arrow writes here; end it first, or give another --output")]
    Locked(PathBuf),
    /// A file that is no longer where it was.
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
        /// What the system says.
        source: std::io::Error,
    },
    /// A Parquet file that cannot be written or read.
    #[error("{path}: {reason}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl OutputError {
    /// What befell a file.
    fn file(path: &Path, source: FeatherError) -> Self {
        let path = path.to_owned();
        match source {
            FeatherError::NotArrow => Self::NotOurs(path),
            FeatherError::Schema(SchemaError::Foreign) => Self::NotOurs(path),
            FeatherError::Schema(source) => Self::Schema { path, source },
            FeatherError::Io(source) if is_full(&source) => Self::Full { path, source },
            source => Self::File { path, source },
        }
    }

    /// Whether it is for the user to give another path.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::NotOurs(_) | Self::Schema { .. })
            || matches!(self, Self::Path(error) if !matches!(error, PathError::Io { .. }))
    }
}

/// Refuses to write to a file that nobody can find.
fn check_there(path: &Path, feather: &Feather) -> Result<(), OutputError> {
    let is_there = paths::leads_to(path, feather.file())?;
    if is_there { Ok(()) } else { Err(OutputError::Gone(path.to_owned())) }
}

/// Whether there is no room left, be it by a quota or a limit of the process.
fn is_full(error: &std::io::Error) -> bool {
    let full = [libc::ENOSPC, libc::EDQUOT, libc::EFBIG];
    error.raw_os_error().is_some_and(|code| full.contains(&code))
}

/// Where rows go.
#[derive(Debug)]
pub struct Output(Kind);

#[derive(Debug)]
enum Kind {
    File(Box<SingleFile>),
    Parts(Box<Parts>),
}

/// What an output had when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The columns that rows must have.
    pub schema: SchemaRef,
    /// The offset, gaps and rows of what was there.
    pub state: State,
    /// The newest entries of what was there.
    pub window: Window,
}

/// How large things have become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the open file.
    pub bytes: u64,
    /// Batches of the open file.
    pub batches: usize,
}

impl Output {
    /// Opens it, makes it if it is not there, and keeps others from writing to it.
    ///
    /// # Errors
    ///
    /// When it is refused, not ours, written to by another, or the system refuses.
    pub fn open(settings: &OutputSettings, rows: Rows) -> Result<(Self, Opened), OutputError> {
        match &settings.target {
            Target::File(path) => {
                paths::check(path, &settings.allowed)?;
                let (file, opened) = SingleFile::open(path, rows, settings.compression)?;
                Ok((Self(Kind::File(Box::new(file))), opened))
            }
            Target::Parts(parts) => {
                paths::check(&parts.folder, &settings.allowed)?;
                let (parts, opened) =
                    Parts::open(parts, &settings.allowed, rows, settings.compression)?;
                Ok((Self(Kind::Parts(Box::new(parts))), opened))
            }
        }
    }

    /// Appends rows, and what is to be known with them. Readers find them from now on, or once the
    /// part is closed.
    ///
    /// # Errors
    ///
    /// When they cannot be written. What was written before can still be read.
    pub fn append(&mut self, batch: &RecordBatch, note: &Note) -> Result<Size, OutputError> {
        match &mut self.0 {
            Kind::File(file) => file.append(batch, note),
            Kind::Parts(parts) => parts.append(batch, note),
        }
    }

    /// What is due without rows: a part whose time is over is closed, old parts are deleted, and
    /// what was written is put on the disk.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn tend(&mut self) -> Result<(), OutputError> {
        match &mut self.0 {
            Kind::File(file) => file.sync(),
            Kind::Parts(parts) => parts.tend(),
        }
    }

    /// Parts that have been closed since the last call, and those that were there at the start.
    pub fn closed(&mut self) -> Vec<Closed> {
        match &mut self.0 {
            Kind::File(_) => Vec::new(),
            Kind::Parts(parts) => parts.take_closed(),
        }
    }

    /// Puts everything on the disk, and closes the part.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        match &mut self.0 {
            Kind::File(file) => file.sync(),
            Kind::Parts(parts) => parts.finish(),
        }
    }
}
