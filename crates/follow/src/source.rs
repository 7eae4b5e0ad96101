//! A log as its follower sees it, whichever protocol it speaks.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::BodyError;
use ct::head::{CheckpointError, TreeHead};
use ct::merkle::CompactRange;
use ct::tile::TileLengthError;

use crate::budget::Lease;
use crate::client::{Client, FetchError};
use crate::entry::Batch;
use crate::evidence::ANSWER_BYTES;
use crate::heads::ServedHead;
use crate::hybrid::Hybrid;
use crate::issuers::IssuerStore;
use crate::log::Protocol;
use crate::options::{FollowOptions, Verification};
use crate::rfc6962::Rfc6962;
use crate::static_ct::StaticCt;
use crate::status::LogStatus;

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
    pub(crate) lease: Option<Lease>,
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
    pub(crate) fn is_no_room(&self) -> bool {
        self.fetch().is_some_and(FetchError::is_no_room)
    }

    pub(crate) fn fetch(&self) -> Option<&FetchError> {
        match self {
            Self::Fetch(error) => Some(error),
            _ => None,
        }
    }
}

/// The reads that following a log takes.
pub trait Source: Send + Sync + 'static {
    /// Entries that one request can be had for at most, and the boundary no request crosses.
    fn page_size(&self) -> u64;

    /// The log's newest signed head. The signature is not checked here.
    fn head(&self) -> impl Future<Output = Result<ServedHead, SourceError>> + Send;

    /// The entries from `range.start` on: at least one and at most the range, which must lie
    /// within one page. `tree_size` is that of a head already seen, at least `range.end`.
    fn entries(
        &self,
        range: Range<u64>,
        tree_size: u64,
    ) -> impl Future<Output = Result<Batch, SourceError>> + Send;

    /// The first `size` entries of the log's tree as the log itself hashes them, proved to be the
    /// beginning of the tree under `head`, which must not be smaller.
    fn frontier(
        &self,
        size: u64,
        head: &TreeHead,
    ) -> impl Future<Output = Result<CompactRange, SourceError>> + Send;

    /// Whether this tree is the beginning of the tree under `head`, which must not be smaller.
    fn extends(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> impl Future<Output = Result<bool, SourceError>> + Send;

    /// How far the entries cannot be had that begin with this one, which was found
    /// [unreadable](SourceError::Unreadable); `None` while less or more may still be had.
    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>>;
}

/// Both protocols, and their mixture, behind one type.
#[derive(Debug)]
pub(crate) enum AnySource {
    Rfc6962(Rfc6962),
    StaticCt(StaticCt),
    Hybrid(Box<Hybrid>),
}

/// What of entries is wanted besides the certificates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Their leaf hashes, and checks of what these do not cover.
    pub(crate) verification: bool,
    /// What links a precertificate with its final certificate.
    pub(crate) tbs_ids: bool,
}

impl AnySource {
    pub(crate) fn new(
        status: &Arc<LogStatus>,
        client: &Arc<Client>,
        issuers: &Arc<IssuerStore>,
        options: &FollowOptions,
    ) -> Self {
        let verification = options.verification != Verification::Off;
        let wanted = Wanted { verification, tbs_ids: options.tbs_ids };
        let batch_size = status.log.batch_size.unwrap_or(options.batch_size);
        let api = || {
            let (status, client, issuers) = (status.clone(), client.clone(), issuers.clone());
            Rfc6962::new(status, client, issuers, batch_size, wanted)
        };
        let tiles = || StaticCt::new(status.clone(), client.clone(), issuers.clone(), wanted);
        match (status.log.protocol, &status.log.api_url) {
            (Protocol::Rfc6962, _) => Self::Rfc6962(api()),
            (Protocol::StaticCt, None) => Self::StaticCt(tiles()),
            (Protocol::StaticCt, Some(_)) => {
                Self::Hybrid(Box::new(Hybrid { tiles: tiles(), api: api() }))
            }
        }
    }
}

impl Source for AnySource {
    fn page_size(&self) -> u64 {
        match self {
            Self::Rfc6962(source) => source.page_size(),
            Self::StaticCt(source) => source.page_size(),
            Self::Hybrid(source) => source.page_size(),
        }
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        match self {
            Self::Rfc6962(source) => source.head().await,
            Self::StaticCt(source) => source.head().await,
            Self::Hybrid(source) => source.head().await,
        }
    }

    async fn entries(&self, range: Range<u64>, size: u64) -> Result<Batch, SourceError> {
        match self {
            Self::Rfc6962(source) => source.entries(range, size).await,
            Self::StaticCt(source) => source.entries(range, size).await,
            Self::Hybrid(source) => source.entries(range, size).await,
        }
    }

    async fn frontier(&self, size: u64, head: &TreeHead) -> Result<CompactRange, SourceError> {
        match self {
            Self::Rfc6962(source) => source.frontier(size, head).await,
            Self::StaticCt(source) => source.frontier(size, head).await,
            Self::Hybrid(source) => source.frontier(size, head).await,
        }
    }

    async fn extends(&self, range: &CompactRange, head: &TreeHead) -> Result<bool, SourceError> {
        match self {
            Self::Rfc6962(source) => source.extends(range, head).await,
            Self::StaticCt(source) => source.extends(range, head).await,
            Self::Hybrid(source) => source.extends(range, head).await,
        }
    }

    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>> {
        match self {
            Self::Rfc6962(source) => source.unreadable(index, tree_size),
            Self::StaticCt(source) => source.unreadable(index, tree_size),
            Self::Hybrid(source) => source.unreadable(index, tree_size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

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
