//! Errors of reading and writing a set.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The action of reading a file.
pub(crate) const READ: &str = "read";

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
    #[error("{path} has version {version} of the format, which this program does not know")]
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
    /// Reports whether the files are of no more use, so that the set has to begin anew.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Version { .. } => true,
            Self::Io { action, .. } => *action == READ,
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
