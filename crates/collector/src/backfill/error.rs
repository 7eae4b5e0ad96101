//! Reasons why a backfill ends early, and their exit statuses.

use std::path::PathBuf;

use crate::archive::place::PlaceError;
use crate::archive::proof::ProofError;
use crate::cli::EXIT_STATUS;
use crate::output::OutputError;

/// A backfill that is not complete.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// An option cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// The log list cannot be used.
    #[error("the log list {list} cannot be used: {reason}")]
    List {
        /// Its URL or path.
        list: String,
        /// The reason.
        reason: String,
    },
    /// HTTP cannot be set up.
    #[error("HTTP cannot be set up: {0}")]
    Client(String),
    /// The output cannot be written or read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A log did not answer for too long, or not as it should.
    #[error("{log}: {reason}; complete parts are kept, and the same command continues")]
    Log {
        /// The log.
        log: String,
        /// The last error.
        reason: String,
    },
    /// A log contradicts itself.
    #[error("{log} contradicts itself: {reason}{}", evidence_text(.evidence.as_ref()))]
    Contradiction {
        /// The log.
        log: String,
        /// The contradiction.
        reason: String,
        /// The folder of the evidence, if it could be written.
        evidence: Option<PathBuf>,
    },
    /// A part that is there does not fit.
    #[error("{part}: {reason}; give another --output, or move it away")]
    Part {
        /// The part.
        part: String,
        /// The reason.
        reason: String,
    },
    /// Several logs failed.
    #[error("{count} logs are not complete; the gravest error: {gravest}")]
    Several {
        /// The number of logs.
        count: usize,
        /// The gravest error.
        gravest: Box<Self>,
    },
    /// It was stopped.
    #[error("stopped before everything was read; the same command continues")]
    Stopped,
    /// A defect of this program.
    #[error("a defect of this program: {0}")]
    Defect(String),
}

fn evidence_text(folder: Option<&PathBuf>) -> String {
    folder.map_or_else(String::new, |it| format!("; the evidence is in {}", it.display()))
}

impl From<OutputError> for BackfillError {
    fn from(error: OutputError) -> Self {
        Self::Place(error.into())
    }
}

impl BackfillError {
    /// Returns an error of a part that is there.
    pub(super) fn proof(part: &str, error: &ProofError) -> Self {
        Self::Part { part: part.to_owned(), reason: error.to_string() }
    }

    /// Returns a number that is larger for graver errors.
    #[must_use]
    pub fn gravity(&self) -> u8 {
        match self {
            Self::Contradiction { .. } => 2,
            Self::Several { gravest, .. } => gravest.gravity(),
            Self::Usage(_) => 0,
            _ => 1,
        }
    }

    /// Returns the exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Part { .. } => EXIT_STATUS,
            Self::Contradiction { .. } => 2,
            Self::Several { gravest, .. } => gravest.status(),
            Self::Place(PlaceError::Output(error)) if error.is_refusal() => EXIT_STATUS,
            _ => 1,
        }
    }
}
