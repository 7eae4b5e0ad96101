//! Reading a log that serves full tiles but no checkpoint, and RFC 6962 besides: heads, proofs and
//! entries that are not yet in a full tile are read there, all others from the tiles, which take a
//! quarter of the bytes.

use std::ops::Range;

use ct::Hash;
use ct::head::TreeHead;
use ct::merkle::CompactRange;
use ct::tile::TILE_WIDTH;

use crate::batch::Batch;
use crate::source::error::SourceError;
use crate::source::paging::first_page;
use crate::source::reader::Source;
use crate::source::rfc6962::Rfc6962;
use crate::source::static_ct::StaticCt;
use crate::tree::contradiction::ServedHead;

/// A log of both protocols.
#[derive(Debug)]
pub(super) struct Hybrid {
    pub(super) tiles: StaticCt,
    pub(super) api: Rfc6962,
}

/// Reports whether the tile with `index` is full in a tree of this size.
const fn is_whole(index: u64, tree_size: u64) -> bool {
    index / TILE_WIDTH < tree_size / TILE_WIDTH
}

impl Hybrid {
    /// Fetches the consistency proof of `range` with the tree under `head`.
    pub(super) async fn consistency(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> Result<Vec<Hash>, SourceError> {
        self.api.consistency(range, head).await
    }
}

impl Source for Hybrid {
    fn page_size(&self) -> u64 {
        self.tiles.page_size()
    }

    fn has_partial_tiles(&self) -> bool {
        true
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        self.api.head().await
    }

    async fn entries(&self, range: Range<u64>, tree_size: u64) -> Result<Batch, SourceError> {
        if !is_whole(range.start, tree_size) {
            return self.api.entries(range, tree_size).await;
        }
        // What cannot be read is dropped at once, for the other side's answer needs room.
        match self.tiles.entries(range.clone(), tree_size).await {
            Err(SourceError::Unreadable { .. }) => {}
            answer => return answer,
        }
        let part = first_page(range.clone(), self.api.page_size());
        match self.api.entries(part, tree_size).await {
            Ok(batch) => Ok(batch),
            // It may come another time.
            Err(SourceError::Fetch(error)) if !error.is_missing() => Err(error.into()),
            Err(_) => self.tiles.entries(range, tree_size).await,
        }
    }

    async fn frontier(&self, size: u64, head: &TreeHead) -> Result<CompactRange, SourceError> {
        self.api.frontier(size, head).await
    }

    async fn extends(&self, range: &CompactRange, head: &TreeHead) -> Result<bool, SourceError> {
        self.api.extends(range, head).await
    }

    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>> {
        if is_whole(index, tree_size) {
            self.tiles.unreadable(index, tree_size)
        } else {
            self.api.unreadable(index, tree_size)
        }
    }
}
