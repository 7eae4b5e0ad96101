//! Reading one log, whichever protocol it speaks.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use ct::head::TreeHead;
use ct::merkle::CompactRange;

use crate::batch::Batch;
use crate::source::error::SourceError;
use crate::tree::contradiction::ServedHead;

/// The read operations of a log.
pub trait Source: Send + Sync + 'static {
    /// Returns the most entries that one request can return. No request crosses a multiple of it.
    fn page_size(&self) -> u64;

    /// Reports whether the newest entries are in a tile that is read again and again while it fills.
    fn has_partial_tiles(&self) -> bool {
        false
    }

    /// Fetches the log's newest signed head. The signature is not checked here.
    fn head(&self) -> impl Future<Output = Result<ServedHead, SourceError>> + Send;

    /// Fetches the entries from `range.start` on: at least one and at most the range, which must lie
    /// within one page. `tree_size` is that of a known head, at least `range.end`.
    fn entries(
        &self,
        range: Range<u64>,
        tree_size: u64,
    ) -> impl Future<Output = Result<Batch, SourceError>> + Send;

    /// Fetches the tree of the first `size` entries as the log itself hashes them, and proves it to
    /// be the beginning of the tree under `head`, which must not be smaller.
    fn frontier(
        &self,
        size: u64,
        head: &TreeHead,
    ) -> impl Future<Output = Result<CompactRange, SourceError>> + Send;

    /// Reports whether this tree is the beginning of the tree under `head`, which must not be
    /// smaller.
    fn extends(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> impl Future<Output = Result<bool, SourceError>> + Send;

    /// Returns the unavailable entries that begin with `index`, which was found
    /// [unreadable](SourceError::Unreadable); `None` while fewer or more may still be available.
    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>>;
}

impl<S: Source> Source for Arc<S> {
    fn page_size(&self) -> u64 {
        (**self).page_size()
    }

    fn has_partial_tiles(&self) -> bool {
        (**self).has_partial_tiles()
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        (**self).head().await
    }

    async fn entries(&self, range: Range<u64>, tree_size: u64) -> Result<Batch, SourceError> {
        (**self).entries(range, tree_size).await
    }

    async fn frontier(&self, size: u64, head: &TreeHead) -> Result<CompactRange, SourceError> {
        (**self).frontier(size, head).await
    }

    async fn extends(&self, range: &CompactRange, head: &TreeHead) -> Result<bool, SourceError> {
        (**self).extends(range, head).await
    }

    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>> {
        (**self).unreadable(index, tree_size)
    }
}
