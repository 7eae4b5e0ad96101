//! The reader that suits a log's protocol.

use std::ops::Range;
use std::sync::Arc;

use ct::Hash;
use ct::head::TreeHead;
use ct::merkle::CompactRange;
use record::Protocol;

use crate::batch::Batch;
use crate::http::client::Client;
use crate::log::Log;
use crate::options::ReadOptions;
use crate::source::error::SourceError;
use crate::source::hybrid::Hybrid;
use crate::source::issuers::IssuerStore;
use crate::source::reader::Source;
use crate::source::rfc6962::Rfc6962;
use crate::source::static_ct::StaticCt;
use crate::tree::contradiction::ServedHead;

/// A log of either protocol, or of both.
#[derive(Debug)]
pub struct AnySource(Reader);

#[derive(Debug)]
enum Reader {
    Rfc6962(Rfc6962),
    StaticCt(StaticCt),
    Hybrid(Box<Hybrid>),
}

impl AnySource {
    /// Makes a reader of `log`, which requests by `client` and shares chain certificates in
    /// `issuers`.
    #[must_use]
    pub fn new(
        log: &Arc<Log>,
        client: &Arc<Client>,
        issuers: &Arc<IssuerStore>,
        options: ReadOptions,
    ) -> Self {
        let batch_size = log.batch_size.unwrap_or(options.batch_size);
        let options = ReadOptions { batch_size, ..options };
        let api = || Rfc6962::new(log.clone(), client.clone(), issuers.clone(), options);
        let tiles = || StaticCt::new(log.clone(), client.clone(), issuers.clone(), options);
        Self(match (log.protocol, &log.api_url) {
            (Protocol::Rfc6962, _) => Reader::Rfc6962(api()),
            (Protocol::StaticCt, None) => Reader::StaticCt(tiles()),
            (Protocol::StaticCt, Some(_)) => {
                Reader::Hybrid(Box::new(Hybrid { tiles: tiles(), api: api() }))
            }
        })
    }
}

/// Evaluates a call of the reader, whichever it is.
macro_rules! each {
    ($any:expr, $source:ident => $call:expr) => {
        match &$any.0 {
            Reader::Rfc6962($source) => $call,
            Reader::StaticCt($source) => $call,
            Reader::Hybrid($source) => $call,
        }
    };
}

impl AnySource {
    /// Fetches the consistency proof (RFC 6962 section 2.1.2) of the tree of these entries with the one
    /// under `head`, and verifies it. There is nothing to prove of an empty tree, nor of the head's own.
    ///
    /// # Errors
    /// If the log does not answer, or the tree is not the beginning of the head's.
    pub async fn consistency(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> Result<Vec<Hash>, SourceError> {
        let is_same = range.size() == head.size && range.root() == head.root;
        if range.size() == 0 || is_same {
            return Ok(Vec::new());
        }
        each!(self, source => source.consistency(range, head).await)
    }
}

impl Source for AnySource {
    fn page_size(&self) -> u64 {
        each!(self, source => source.page_size())
    }

    fn has_partial_tiles(&self) -> bool {
        each!(self, source => source.has_partial_tiles())
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        each!(self, source => source.head().await)
    }

    async fn entries(&self, range: Range<u64>, size: u64) -> Result<Batch, SourceError> {
        each!(self, source => source.entries(range, size).await)
    }

    async fn frontier(&self, size: u64, head: &TreeHead) -> Result<CompactRange, SourceError> {
        each!(self, source => source.frontier(size, head).await)
    }

    async fn extends(&self, range: &CompactRange, head: &TreeHead) -> Result<bool, SourceError> {
        each!(self, source => source.extends(range, head).await)
    }

    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>> {
        each!(self, source => source.unreadable(index, tree_size))
    }
}
