//! Errors of opening, writing and reading.

use std::io;
use std::path::PathBuf;

use record::Refused;
use record::encoding::EncodeError;
use thiserror::Error;

/// Reason why a journal cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The path is not a directory.
    #[error("{0} is not a directory: name a directory in `data_dir`")]
    NotADirectory(PathBuf),
    /// The directory cannot be written.
    #[error("{0} cannot be written ({1}): name a directory in `data_dir` that this user can write")]
    ReadOnly(PathBuf, io::Error),
    /// The disk is full.
    #[error("the disk of {0} is full: make room, or delete the oldest segments")]
    Full(PathBuf),
    /// A newer program wrote the journal.
    #[error(
        "{path} has version {version} of the format, this program reads up to version {known}: start \
         the version that wrote it, or name another `data_dir`"
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// Another process has the journal open.
    #[error("{path} is in use by {}: stop that, or name another `data_dir`", process(.pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// There is more than one stream.
    #[error("{path} contains several streams ({}): move all but one away", .streams.join(", "))]
    SeveralStreams {
        /// The directory.
        path: PathBuf,
        /// The streams.
        streams: Vec<String>,
    },
    /// There is nothing to read.
    #[error("there is no journal in {0}")]
    NoJournal(PathBuf),
    /// The settings contradict each other.
    #[error(
        "max_bytes is {max_bytes}, but must be at least four segments of {segment_bytes} bytes"
    )]
    MaxBytes {
        /// The setting.
        max_bytes: u64,
        /// Bytes of a segment.
        segment_bytes: u64,
    },
    /// Anything else.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The action, a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

fn process(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Reason why a batch is not appended, or not synced.
#[derive(Clone, Debug, Error)]
pub enum WriteError {
    /// The disk is full and no old segment is left to delete. Nothing is lost: append the same batch
    /// again later.
    #[error("paused: the disk of the journal is full")]
    Full,
    /// A write or sync has failed, and so has a new segment. Nothing is lost: append the same batch
    /// again later.
    #[error("paused: cannot {0}")]
    Io(String),
    /// Another process writes to the journal. Nothing may be written any more.
    #[error("another process writes to the journal in {0}")]
    Foreign(PathBuf),
    /// The batch does not fit the batches before it.
    #[error("the batch does not fit: {0}")]
    Refused(#[from] Refused),
    /// The batch is beyond the limits of the encoding.
    #[error("the batch cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The batch is larger than a frame may be.
    #[error("the batch has {0} bytes, more than a frame may have")]
    TooLarge(usize),
    /// The term has not begun, or the journal is closed.
    #[error("the journal is not open for writing")]
    Closed,
}

impl WriteError {
    /// Reports whether the same call may succeed later.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Full | Self::Io(_))
    }
}

/// Reason why a journal cannot be read. Damage is no error: it is skipped, counted and reported.
#[derive(Debug, Error)]
#[error("cannot read {path}: {source}")]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// The error.
    pub source: io::Error,
}
