//! Failures of reading a log, and what is kept of a response that cannot be parsed.

use bytes::Bytes;
use ct::BodyError;
use ct::head::CheckpointError;
use ct::tile::TileLengthError;

use crate::http::budget::Lease;
use crate::http::error::FetchError;
use crate::tree::evidence::ANSWER_BYTES;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The body is not the JSON expected.
    #[error("{url}: {source}")]
    Body {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        source: BodyError,
    },
    /// A checkpoint could not be read, or is not the log's.
    #[error("{url}: {source}")]
    Checkpoint {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// Entries came that cannot be told apart or taken apart.
    #[error("{url}: entry {index}: {reason}")]
    Unreadable {
        /// What was asked for.
        url: String,
        /// The first entry that cannot be had.
        index: u64,
        /// What is wrong with it.
        reason: String,
        /// What is kept of the answer.
        answer: Box<Rejected>,
    },
    /// A hash tile has another length than its width demands.
    #[error("{url}: {source}")]
    HashTile {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        source: TileLengthError,
    },
    /// The proof is of another entry, as it may be when the same leaf was logged twice.
    #[error("{url}: the proof is of entry {found} instead of {index}")]
    OtherLeaf {
        /// What was asked for.
        url: String,
        /// The entry that is proved.
        found: u64,
        /// The entry that should be.
        index: u64,
    },
    /// The log's proof does not lead to the head it is meant for.
    #[error("{url}: {reason}")]
    Proof {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer has another number of entries than the protocol allows.
    #[error("{url}: {got} entries where {expected} were asked for")]
    Count {
        /// What was asked for.
        url: String,
        /// Entries in the answer.
        got: u64,
        /// Entries asked for: a maximum with RFC 6962, exact with tiles.
        expected: u64,
    },
}

/// The most bytes of entries that cannot be taken apart which are passed on: a leaf's certificate can
/// have as many.
const MOST_RAW_BYTES: usize = 16 << 20;

/// Entries that cannot be taken apart, between others that can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The first entry after them.
    pub end: u64,
    /// Their bytes; none where they are too many to be passed on.
    pub bytes: Bytes,
}

/// What is kept of an answer that cannot be taken apart.
#[derive(Debug, Default)]
pub struct Rejected {
    /// Its beginning, as evidence.
    pub body: Bytes,
    /// The entries that cannot be taken apart, where that can be told.
    pub bounds: Option<Bounds>,
    /// What both hold of the budget.
    pub lease: Option<Lease>,
}

impl Rejected {
    /// Keeps what may be needed of `body`, and of `entries` in it up to the index given with them. The
    /// rest of the budget goes back.
    pub(crate) fn new(body: Bytes, entries: Option<(u64, &[u8])>, mut lease: Lease) -> Box<Self> {
        let bounds = entries.map(|(end, bytes)| {
            let bytes = if bytes.len() <= MOST_RAW_BYTES { bytes } else { &[] };
            Bounds { end, bytes: Bytes::copy_from_slice(bytes) }
        });
        let kept = body.get(..ANSWER_BYTES).map(Bytes::copy_from_slice);
        let body = kept.unwrap_or(body);
        lease.set(body.len() + bounds.as_ref().map_or(0, |bounds| bounds.bytes.len()));
        Box::new(Self { body, bounds, lease: Some(lease) })
    }
}

impl SourceError {
    /// Whether other answers left no room for this one, which says nothing of the log.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        self.fetch().is_some_and(FetchError::is_no_room)
    }

    /// Returns the error of the request, if that is what failed.
    #[must_use]
    pub fn fetch(&self) -> Option<&FetchError> {
        match self {
            Self::Fetch(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::budget::Budget;

    #[tokio::test]
    async fn little_is_kept_of_an_answer_that_cannot_be_taken_apart() {
        let budget = Budget::new(64 << 20);
        let body = Bytes::from(vec![1; MOST_RAW_BYTES + 5]);
        for (length, passed) in [(MOST_RAW_BYTES, MOST_RAW_BYTES), (MOST_RAW_BYTES + 1, 0)] {
            let lease = budget.reserve(body.len(), None).await;
            let rejected = Rejected::new(body.clone(), body.get(..length).map(|b| (7, b)), lease);
            assert_eq!(rejected.body.len(), ANSWER_BYTES);
            let bounds = rejected.bounds.as_ref().expect("known");
            assert_eq!((bounds.end, bounds.bytes.len()), (7, passed));
            assert_eq!(budget.used(), ANSWER_BYTES + passed, "and counted");
            drop(rejected);
            assert_eq!(budget.used(), 0);
        }
    }
}
