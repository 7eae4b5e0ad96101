//! Files of archives: written once, with a text (the proof) in their metadata, and read back to be
//! verified.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use crate::NOTE_KEY;
use crate::compression::Compression;
use crate::feather::{Feather, FeatherError, scan};
#[cfg(feature = "parquet")]
use crate::parquet::{self, ParquetError};
use crate::schema;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A Feather file.
    #[error(transparent)]
    Feather(#[from] FeatherError),
    /// A Parquet file.
    #[cfg(feature = "parquet")]
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// A Parquet file, and a program without Parquet.
    #[cfg(not(feature = "parquet"))]
    #[error("this program was built without Parquet (cargo feature parquet)")]
    NoParquet,
}

impl From<std::io::Error> for ArchiveError {
    fn from(error: std::io::Error) -> Self {
        Self::Feather(error.into())
    }
}

impl From<ArrowError> for ArchiveError {
    fn from(error: ArrowError) -> Self {
        Self::Feather(error.into())
    }
}

impl ArchiveError {
    /// Returns the error of the system that caused this one, if any.
    #[must_use]
    pub fn system_error(&self) -> Option<&std::io::Error> {
        match self {
            Self::Feather(FeatherError::Io(error)) => Some(error),
            Self::Feather(_) => None,
            #[cfg(feature = "parquet")]
            Self::Parquet(error) => error.system_error(),
            #[cfg(not(feature = "parquet"))]
            Self::NoParquet => None,
        }
    }
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Arrow IPC.
    Feather,
    /// Parquet.
    Parquet,
}

/// A file that is being written. Without [`finish`](Self::finish) it is not a file of either format.
#[derive(Debug)]
pub struct Writer(Kind);

#[derive(Debug)]
enum Kind {
    Feather(Box<Feather>),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::StreamWriter>),
}

impl Writer {
    /// Begins an empty file. Row groups of a Parquet file have at most `group` rows.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or this program was built without its format.
    pub fn create(
        file: File,
        format: Format,
        schema: &SchemaRef,
        compression: Compression,
        group: usize,
    ) -> Result<Self, ArchiveError> {
        Ok(Self(match format {
            Format::Feather => {
                Kind::Feather(Box::new(Feather::create(file, schema, compression, &[])?))
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let writer = parquet::StreamWriter::new(file, schema, compression, group)?;
                Kind::Parquet(Box::new(writer))
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => {
                let _unused = group;
                return Err(ArchiveError::NoParquet);
            }
        }))
    }

    /// Appends rows.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<(), ArchiveError> {
        match &mut self.0 {
            Kind::Feather(feather) => Ok(feather.append(batch, "", &[])?),
            #[cfg(feature = "parquet")]
            Kind::Parquet(writer) => Ok(writer.append(batch)?),
        }
    }

    /// Ends the file with a text, and waits until it is on the disk. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(self, text: &str) -> Result<u64, ArchiveError> {
        match self.0 {
            Kind::Feather(mut feather) => {
                let none = RecordBatch::new_empty(SchemaRef::clone(feather.schema()));
                feather.append(&none, text, &[(NOTE_KEY, text.to_owned())])?;
                feather.sync()?;
                Ok(feather.length())
            }
            #[cfg(feature = "parquet")]
            Kind::Parquet(writer) => Ok(writer.finish(text)?),
        }
    }
}

/// A file that is open for reading.
#[derive(Debug)]
pub struct Archive {
    file: File,
    format: Format,
    schema: SchemaRef,
    rows: u64,
    text: Option<String>,
}

impl Archive {
    /// Opens a file of either format.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or was not written by this crate.
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        let mut magic = [0; 4];
        let is_parquet = file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"PAR1";
        if is_parquet { Self::open_parquet(file) } else { Self::open_feather(file) }
    }

    fn open_feather(file: File) -> Result<Self, ArchiveError> {
        let scanned = scan(&file)?;
        schema::check(&scanned.schema).map_err(FeatherError::from)?;
        let text = scanned.last_text().map(str::to_owned);
        let schema = SchemaRef::clone(&scanned.schema);
        let rows = scanned.rows.iter().sum();
        Ok(Self { file, format: Format::Feather, schema, rows, text })
    }

    #[cfg(feature = "parquet")]
    fn open_parquet(file: File) -> Result<Self, ArchiveError> {
        let reader = parquet::Reader::open(file.try_clone()?)?;
        let text = reader.text().map(str::to_owned);
        let (schema, rows) = (reader.schema(), reader.rows());
        Ok(Self { file, format: Format::Parquet, schema, rows, text })
    }

    #[cfg(not(feature = "parquet"))]
    fn open_parquet(_: File) -> Result<Self, ArchiveError> {
        Err(ArchiveError::NoParquet)
    }

    /// Returns the text that the file was finished with.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Returns the columns.
    #[must_use]
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads all columns and passes them on batch by batch, until one is refused.
    ///
    /// # Errors
    ///
    /// If a batch cannot be read, or `each` returns an error.
    pub fn each<E: From<ArchiveError>>(
        &self,
        mut each: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.format {
            Format::Feather => {
                let scanned = scan(&self.file).map_err(ArchiveError::from)?;
                for batch in scanned.reader(&self.file).all() {
                    each(batch.map_err(ArchiveError::from)?)?;
                }
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let file = self.file.try_clone().map_err(ArchiveError::from)?;
                let reader = parquet::Reader::open(file).map_err(ArchiveError::from)?;
                let names: Vec<_> =
                    self.schema.fields().iter().map(|it| it.name().as_str()).collect();
                for batch in reader.batches(&names).map_err(ArchiveError::from)? {
                    each(batch.map_err(ArchiveError::from)?)?;
                }
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(ArchiveError::NoParquet.into()),
        }
        Ok(())
    }
}
