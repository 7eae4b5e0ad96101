//! The output: one file, or parts below a folder.

mod copier;
mod error;
mod feather_file;
mod layout;
mod open_part;
mod opened;
#[cfg(feature = "parquet")]
pub mod parquet;
mod parts;
pub mod paths;
mod recent_entries;
mod single_file;
mod staging;
#[cfg(feature = "s3")]
pub mod store;

use arrow_array::RecordBatch;
use client::Progress;
use columns::schema::Rows;

use crate::settings::{OutputSettings, Target};
pub(crate) use copier::Copier;
pub use copier::CopyError;
pub use error::OutputError;
pub(crate) use feather_file::footer_pairs;
pub use feather_file::state_of;
pub(crate) use layout::{Found, find};
pub use opened::{Opened, Size};
pub use parts::Closed;
use parts::Parts;
use single_file::SingleFile;
pub(crate) use staging::StagingFolder;

/// An output that is open for appending.
#[derive(Debug)]
pub struct Output(Kind);

#[derive(Debug)]
enum Kind {
    File(Box<SingleFile>),
    Parts(Box<Parts>),
}

impl Output {
    /// Opens an output, creates it if it is missing, and locks it against others.
    ///
    /// # Errors
    ///
    /// If it is refused, not ours, locked by another program, or the system refuses.
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

    /// Appends rows, with the progress that they reach. Readers find them from now on, or once the
    /// part is closed.
    ///
    /// # Errors
    ///
    /// If they cannot be written. Everything written before can still be read.
    pub fn append(
        &mut self,
        batch: &RecordBatch,
        progress: &Progress,
    ) -> Result<Size, OutputError> {
        match &mut self.0 {
            Kind::File(file) => file.append(batch, progress),
            Kind::Parts(parts) => parts.append(batch, progress),
        }
    }

    /// Does what is due without rows: closes a part whose time is over, deletes old parts, and waits
    /// until everything is on the disk.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn maintain(&mut self) -> Result<(), OutputError> {
        match &mut self.0 {
            Kind::File(file) => file.sync(),
            Kind::Parts(parts) => parts.maintain(),
        }
    }

    /// Takes the parts that were closed since the last call; the first call returns those from before
    /// the start too.
    pub fn take_closed(&mut self) -> Vec<Closed> {
        match &mut self.0 {
            Kind::File(_) => Vec::new(),
            Kind::Parts(parts) => parts.take_closed(),
        }
    }

    /// Waits until everything is on the disk, and closes the part.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        match &mut self.0 {
            Kind::File(file) => file.sync(),
            Kind::Parts(parts) => parts.finish(),
        }
    }
}
