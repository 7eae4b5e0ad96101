//! Failures of reading a log, and what is kept of a response that cannot be parsed.

use bytes::Bytes;
use ct::BodyError;
use ct::head::CheckpointError;
use ct::tile::TileLengthError;

use crate::http::budget::Lease;
use crate::http::error::FetchError;
use crate::tree::evidence::ANSWER_BYTES;

/// The reason why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The body is not the JSON expected.
    #[error("{url}: {source}")]
    Body {
        /// The requested URL.
        url: String,
        /// The error.
        source: BodyError,
    },
    /// A checkpoint could not be read, or is not the log's.
    #[error("{url}: {source}")]
    Checkpoint {
        /// The requested URL.
        url: String,
        /// The error.
        source: CheckpointError,
    },
    /// Entries that cannot be parsed, or have no known bounds.
    #[error("{url}: entry {index}: {reason}")]
    Unreadable {
        /// The requested URL.
        url: String,
        /// The first unavailable entry.
        index: u64,
        /// The error.
        reason: String,
        /// The part of the response that is kept.
        answer: Box<Rejected>,
    },
    /// A hash tile has the wrong length for its width.
    #[error("{url}: {source}")]
    HashTile {
        /// The requested URL.
        url: String,
        /// The error.
        source: TileLengthError,
    },
    /// The proof is of another entry, as it may be if the same leaf was logged twice.
    #[error("{url}: the proof is for entry {found} instead of {index}")]
    OtherLeaf {
        /// The requested URL.
        url: String,
        /// The entry that is proved.
        found: u64,
        /// The requested entry.
        index: u64,
    },
    /// The log's proof does not lead to the head it is meant for.
    #[error("{url}: {reason}")]
    Proof {
        /// The requested URL.
        url: String,
        /// The error.
        reason: String,
    },
    /// The response has a number of entries that the protocol does not allow.
    #[error("{url}: {got} entries instead of the {expected} requested")]
    Count {
        /// The requested URL.
        url: String,
        /// Entries in the response.
        got: u64,
        /// Entries requested: a maximum with RFC 6962, exact with tiles.
        expected: u64,
    },
}

/// The most bytes of unparsable entries that are delivered: a leaf's certificate can have as many.
const MOST_RAW_BYTES: usize = 16 << 20;

/// Entries that cannot be parsed, between others that can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The first entry after them.
    pub end: u64,
    /// Their bytes; empty if there are too many to be delivered.
    pub bytes: Bytes,
}

/// The parts of an unparsable response that are kept.
#[derive(Debug, Default)]
pub struct Rejected {
    /// Its beginning, as evidence.
    pub body: Bytes,
    /// The entries that cannot be parsed, if their bounds are known.
    pub bounds: Option<Bounds>,
    /// Their bytes in the budget.
    pub lease: Option<Lease>,
}

impl Rejected {
    /// Keeps the beginning of `body`, and the bytes of the `entries` in it up to the index given with
    /// them. The rest of the budget is returned.
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
    /// Reports whether other responses left no room for this one, which says nothing about the log.
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
    async fn an_unparsable_response_keeps_few_bytes() {
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
