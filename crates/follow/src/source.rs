//! A log as its follower sees it, whichever protocol it speaks.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::BodyError;
use ct::Hash;
use ct::head::{CheckpointError, SignedHead};
use ct::leaf::{EntryType, Leaf, LeafError};

use crate::client::{Client, FetchError};
use crate::entry::{Entry, Issuer};
use crate::follower::FollowOptions;
use crate::issuers::IssuerStore;
use crate::link::tbs_id;
use crate::log::Protocol;
use crate::rfc6962::Rfc6962;
use crate::static_ct::StaticCt;
use crate::status::LogStatus;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A `get-sth` body could not be read.
    #[error("{url}: {source}")]
    Head {
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
    /// A `get-entries` body could not be read.
    #[error("{url}: {source}")]
    Entries {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        source: BodyError,
    },
    /// A data tile could not be read.
    #[error("{url}: entry {index}: {source}")]
    TileLeaf {
        /// What was asked for.
        url: String,
        /// The index of the leaf that does not parse.
        index: u64,
        /// What is wrong with it.
        source: LeafError,
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
    /// A leaf of a tiled log carries another index than its place.
    #[error("{url}: the entry at index {index} says that its index is {found}")]
    LeafIndex {
        /// What was asked for.
        url: String,
        /// Where it stands.
        index: u64,
        /// What it says.
        found: u64,
    },
}

impl SourceError {
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
    fn head(&self) -> impl Future<Output = Result<SignedHead, SourceError>> + Send;

    /// The entries from `range.start` on: at least one and at most the range, which must lie
    /// within one page. `tree_size` is that of a head already seen, at least `range.end`.
    fn entries(
        &self,
        range: Range<u64>,
        tree_size: u64,
    ) -> impl Future<Output = Result<Vec<Entry>, SourceError>> + Send;
}

/// Both protocols behind one type.
#[derive(Debug)]
pub(crate) enum AnySource {
    Rfc6962(Rfc6962),
    StaticCt(StaticCt),
}

impl AnySource {
    pub(crate) fn new(
        status: Arc<LogStatus>,
        client: Arc<Client>,
        issuers: Arc<IssuerStore>,
        options: &FollowOptions,
    ) -> Self {
        let tbs_ids = options.tbs_ids;
        match status.log.protocol {
            Protocol::Rfc6962 => {
                let batch_size = status.log.batch_size.unwrap_or(options.batch_size);
                Self::Rfc6962(Rfc6962::new(status, client, issuers, batch_size, tbs_ids))
            }
            Protocol::StaticCt => Self::StaticCt(StaticCt::new(status, client, issuers, tbs_ids)),
        }
    }
}

impl Source for AnySource {
    fn page_size(&self) -> u64 {
        match self {
            Self::Rfc6962(source) => source.page_size(),
            Self::StaticCt(source) => source.page_size(),
        }
    }

    async fn head(&self) -> Result<SignedHead, SourceError> {
        match self {
            Self::Rfc6962(source) => source.head().await,
            Self::StaticCt(source) => source.head().await,
        }
    }

    async fn entries(&self, range: Range<u64>, size: u64) -> Result<Vec<Entry>, SourceError> {
        match self {
            Self::Rfc6962(source) => source.entries(range, size).await,
            Self::StaticCt(source) => source.entries(range, size).await,
        }
    }
}

/// Certificates of a chain that are kept at most.
const LONGEST_CHAIN: usize = 32;
/// Bytes of them at most: real chains take some 5 kB.
const CHAIN_BYTES: usize = 256 * 1024;

/// How many certificates of a chain are kept. No tree hash covers chains, so a log could attach
/// anything.
pub(crate) fn honest_length(lengths: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0_usize;
    let fits = |length: &usize| {
        bytes = bytes.saturating_add(*length);
        bytes <= CHAIN_BYTES
    };
    lengths.take(LONGEST_CHAIN).take_while(fits).count()
}

/// Builds a page's entries with all their certificates in one buffer of exactly the size needed,
/// so that an entry kept for long keeps nothing of the answer it came in.
#[derive(Debug)]
pub(crate) struct PageBuilder<'a> {
    parts: Vec<Part<'a>>,
    tbs_ids: bool,
}

#[derive(Debug)]
struct Part<'a> {
    index: u64,
    timestamp: u64,
    entry_type: EntryType,
    certificate: &'a [u8],
    chain: Vec<Arc<Issuer>>,
    tbs_id: Option<Hash>,
}

impl<'a> PageBuilder<'a> {
    pub(crate) fn new(entries: usize, tbs_ids: bool) -> Self {
        Self { parts: Vec::with_capacity(entries), tbs_ids }
    }

    /// Adds an entry whose certificate as submitted is `certificate`.
    pub(crate) fn push(
        &mut self,
        index: u64,
        leaf: &Leaf<'_>,
        certificate: &'a [u8],
        chain: Vec<Arc<Issuer>>,
    ) {
        let issuer = chain.first().map(|issuer| &**issuer);
        let tbs_id = if self.tbs_ids { tbs_id(&leaf.entry, issuer) } else { None };
        let (timestamp, entry_type) = (leaf.timestamp, leaf.entry_type());
        self.parts.push(Part { index, timestamp, entry_type, certificate, chain, tbs_id });
    }

    /// Adds an entry that could not be decoded: its bytes take the certificate's place.
    pub(crate) fn push_undecoded(&mut self, index: u64, bytes: &'a [u8]) {
        let entry_type = EntryType::X509;
        let (chain, tbs_id) = (Vec::new(), None);
        let part = Part { index, timestamp: 0, entry_type, certificate: bytes, chain, tbs_id };
        self.parts.push(part);
    }

    pub(crate) fn finish(self) -> Vec<Entry> {
        let total = self.parts.iter().map(|part| part.certificate.len()).sum();
        let mut buffer = Vec::with_capacity(total);
        for part in &self.parts {
            buffer.extend_from_slice(part.certificate);
        }
        let mut rest = Bytes::from(buffer);
        let entry = |part: Part<'_>| Entry {
            index: part.index,
            timestamp: part.timestamp,
            entry_type: part.entry_type,
            certificate: rest.split_to(part.certificate.len()),
            chain: part.chain,
            tbs_id: part.tbs_id,
        };
        self.parts.into_iter().map(entry).collect()
    }
}
