//! Errors of reading and writing a set.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Reason why a set cannot be read or written.
#[derive(Debug, Error)]
pub enum Error {
    /// The contents of a file are not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part that is wrong.
        what: &'static str,
    },
    /// A newer program wrote a file.
    #[error(
        "{path} has version {version} of the format, which this program does not know: start the program that wrote it; or move the folder away, and the set is made again from what the journal keeps"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The disk failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The action, a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl Error {
    /// Returns the file whose contents are lost, if one is, so that the set has to begin anew. After any
    /// other error the files may be read again later, or by another program.
    #[must_use]
    pub fn damaged_file(&self) -> Option<&Path> {
        match self {
            Self::Damaged { path, .. } => Some(path),
            Self::Version { .. } | Self::Io { .. } => None,
        }
    }

    /// Returns a function that makes the error of an action on a path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, what: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), what }
    }
}
