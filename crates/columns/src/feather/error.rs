//! Errors of reading and writing Feather files.

use std::io;

use arrow_schema::ArrowError;

use crate::schema::SchemaError;
use crate::validate::Damaged;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FeatherError {
    /// An error of the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not an Arrow file.
    #[error("this is not a Feather (Arrow IPC) file")]
    NotArrow,
    /// An Arrow file with other columns.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Something in it cannot be decoded or encoded.
    #[error("arrow: {0}")]
    Arrow(ArrowError),
    /// Metadata that are not a flatbuffer.
    #[error("the metadata of a batch cannot be read: {0}")]
    Metadata(#[from] flatbuffers::InvalidFlatbuffer),
    /// A message that is not a record batch.
    #[error("a message of the file is not a record batch")]
    NoBatch,
    /// Metadata that do not describe the contents.
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

impl From<ArrowError> for FeatherError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Io(error),
            error => Self::Arrow(error),
        }
    }
}

impl From<Damaged> for FeatherError {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged
    }
}
