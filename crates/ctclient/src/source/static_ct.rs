//! Reading a log over static-ct-api (c2sp.org/static-ct-api): a checkpoint, tiles, issuers.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::{MAX_CHECKPOINT_BYTES, SignedHead, TreeHead};
use ct::leaf::Leaf;
use ct::merkle::{CompactRange, ProofError, verify_consistency};
use ct::tile::{TILE_WIDTH, Tile, TileKind, TileLeaf};
use quick_cache::sync::Cache;
use record::Issuer;
use tokio::sync::Mutex;

use crate::batch::{Batch, Served, own_leaves};
use crate::findings::Findings;
use crate::http::budget::Lease;
use crate::http::client::Client;
use crate::http::remembered::Remembered;
use crate::log::Log;
use crate::options::ReadOptions;
use crate::source::error::{Rejected, SourceError};
use crate::source::integrity::LeafMismatch;
use crate::source::issuers::{IssuerStore, LONGEST};
use crate::source::page::{PageBuilder, bounded_chain_len, submitted};
use crate::source::proofs;
use crate::source::reader::Source;
use crate::source::tile_entries::{Piece, Split, unproved};
use crate::tree::contradiction::ServedHead;

/// Bound of a data tile. An ordinary one is under 1 MB.
const LARGEST_TILE: usize = 64 * 1024 * 1024;
/// Bound of a hash tile: 256 hashes.
const LARGEST_HASH_TILE: usize = 8192;
/// The most hash tiles that are kept: 512 kB. Proofs of a range's parts share all but a few.
const KEPT_HASH_TILES: usize = 64;
/// The most hash tiles that lead from one tree to another: two of each level.
const MOST_HASH_TILES: usize = 12;

/// A static-ct log.
#[derive(Debug)]
pub(super) struct StaticCt {
    log: Arc<Log>,
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    options: ReadOptions,
    /// Locked while issuers are fetched.
    issuing: Mutex<()>,
    /// The newest checkpoint, for conditional requests.
    checkpoint: Mutex<Option<Remembered>>,
    /// Hash tiles of earlier proofs, if they are kept; forgotten when a proof fails.
    hash_tiles: Cache<Tile, Arc<[Hash]>>,
}

impl StaticCt {
    pub(super) fn new(
        log: Arc<Log>,
        client: Arc<Client>,
        issuers: Arc<IssuerStore>,
        options: ReadOptions,
    ) -> Self {
        Self {
            log,
            client,
            issuers,
            options,
            issuing: Mutex::const_new(()),
            checkpoint: Mutex::const_new(None),
            hash_tiles: Cache::new(KEPT_HASH_TILES),
        }
    }

    fn url(&self) -> &str {
        &self.log.url
    }

    /// Returns a leaf's chain up to the first unavailable certificate: one after a hole would pass for
    /// the issuer. Omitted certificates are counted.
    fn chain(&self, index: u64, leaf: &TileLeaf<'_>, findings: &mut Findings) -> Vec<Arc<Issuer>> {
        let mut chain: Vec<_> =
            leaf.fingerprints.iter().map_while(|name| self.issuers.get(name)).collect();
        let kept = bounded_chain_len(chain.iter().map(|issuer| issuer.der.len()));
        let missing = leaf.fingerprints.len() - chain.len();
        findings.missing_issuers += missing as u64;
        if kept < chain.len() {
            findings.cut_chains.add(index, chain.len());
            chain.truncate(kept);
        }
        chain
    }

    /// Fetches a tile. A log may delete a partial tile once the full one exists, so if the partial one
    /// is gone, the full one is fetched.
    async fn tile(&self, tile: Tile, limit: usize) -> Result<(Tile, Served, Lease), SourceError> {
        let url = format!("{}/{tile}", self.url());
        match self.client.get_page(&url, limit).await {
            Ok((body, lease)) => Ok((tile, Served { url, body }, lease)),
            Err(error) if error.is_missing() && !tile.is_full() => {
                let full = tile.to_full();
                let url = format!("{}/{full}", self.url());
                let answer = self.client.get_page(&url, limit).await;
                // The error names the partial tile, not the full one.
                let (body, lease) =
                    answer.map_err(|second| if second.is_missing() { error } else { second })?;
                Ok((full, Served { url, body }, lease))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches the hashes of a tile, or takes those that are kept.
    async fn hash_tile(&self, wanted: Tile) -> Result<Arc<[Hash]>, SourceError> {
        if let Some(kept) = self.hash_tiles.get(&wanted) {
            return Ok(kept);
        }
        let (got, Served { url, body }, _lease) = self.tile(wanted, LARGEST_HASH_TILE).await?;
        let hashes: Arc<[Hash]> = match got.hashes(&body) {
            Ok(hashes) => hashes.into(),
            Err(source) => return Err(SourceError::HashTile { url, source }),
        };
        if self.options.keeps_hash_tiles {
            self.hash_tiles.insert(wanted, Arc::clone(&hashes));
        }
        Ok(hashes)
    }

    /// Builds the consistency proof of `range` with the tree under `head` from the log's hash tiles.
    pub(super) async fn consistency(
        &self,
        range: &CompactRange,
        head: &TreeHead,
    ) -> Result<Vec<Hash>, SourceError> {
        let (first, second) = (range.size(), head.size);
        let failed = |error: ProofError| {
            self.hash_tiles.clear();
            SourceError::Proof { url: self.url().to_owned(), reason: error.to_string() }
        };
        let mut tiles = HashMap::new();
        for tile in proofs::tiles_of_consistency(first, second).map_err(failed)? {
            tiles.insert((tile.kind, tile.index), self.hash_tile(tile).await?);
        }
        let proof = proofs::consistency_of_tiles(first, second, &tiles).map_err(failed)?;
        verify_consistency(first, &range.root(), second, &head.root, &proof).map_err(failed)?;
        Ok(proof)
    }

    /// Extends a range to the tree of `to` entries by the log's hash tiles, which are as wide as the
    /// published tree of `published` entries makes them.
    async fn lead(
        &self,
        mut range: CompactRange,
        to: u64,
        published: u64,
    ) -> Result<CompactRange, SourceError> {
        for _ in 0..MOST_HASH_TILES {
            let Some(tile) = range.next_tile(to) else { return Ok(range) };
            let wanted = Tile::of_tree(tile.kind, tile.index, published).unwrap_or(tile);
            let hashes = self.hash_tile(wanted).await?;
            range.push_tile(&tile, &hashes).map_err(|error| {
                let url = format!("{}/{wanted}", self.url());
                SourceError::Proof { url, reason: error.to_string() }
            })?;
        }
        let reason = format!("a tree of {published} entries is larger than any log");
        Err(SourceError::Proof { url: self.url().to_owned(), reason })
    }

    /// Adds one entry to the page, and checks its index.
    fn push<'a>(
        &self,
        page: &mut PageBuilder<'a>,
        index: u64,
        piece: &Piece<'a>,
        findings: &mut Findings,
    ) {
        let leaf = match piece {
            Piece::Leaf(leaf) => leaf,
            Piece::Malformed(leaf, _, error) => {
                self.check_index(index, leaf, findings);
                findings.malformed.add(index, error.clone());
                page.push(index, leaf, submitted(&leaf.entry, None), Vec::new());
                return;
            }
            Piece::Undecodable(entry, error) => {
                findings.undecodable.add(index, error.clone());
                page.push_undecoded(index, entry.whole);
                return;
            }
            Piece::Unproved(..) => return,
        };
        self.check_index(index, &leaf.leaf, findings);
        let certificate = submitted(&leaf.leaf.entry, leaf.precertificate);
        let chain = self.chain(index, leaf, findings);
        if self.options.verification {
            let mismatch = LeafMismatch::check(&leaf.leaf.entry, leaf.precertificate, &chain);
            findings.add_mismatch(index, mismatch);
        }
        page.push(index, &leaf.leaf, certificate, chain);
    }

    /// Counts a leaf whose index is not its place.
    fn check_index(&self, index: u64, leaf: &Leaf<'_>, findings: &mut Findings) {
        match leaf.leaf_index() {
            Ok(Some(found)) if found == index => {}
            // The entries of an RFC 6962 log that serves tiles as well carry none, nor do those of one
            // that was made into tiles.
            Ok(None) if self.log.api_url.is_some() || self.log.is_converted => {}
            other => findings.wrong_leaf_indexes.add(index, other),
        }
    }

    /// Fetches the leaf hashes of a data tile's entries from the log's hash tile; returns none if the log
    /// has no such tile, or one of the wrong length.
    ///
    /// # Errors
    /// If the tile may be available later: without it more entries would be skipped than necessary.
    async fn leaf_hashes(&self, data: Tile) -> Result<Vec<Hash>, SourceError> {
        let tile = Tile { kind: TileKind::Level(0), ..data };
        let hashes = async {
            let (got, Served { url, body }, _lease) = self.tile(tile, LARGEST_HASH_TILE).await?;
            let hashes = got.hashes(&body);
            hashes.map(<[Hash]>::to_vec).map_err(|source| SourceError::HashTile { url, source })
        };
        match hashes.await {
            Err(SourceError::Fetch(error)) if !error.is_missing() && !error.is_too_much() => {
                Err(error.into())
            }
            Err(error) => {
                let log = &self.log.name;
                tracing::debug!(log, %error, "no leaf hashes to find the next entry by");
                Ok(Vec::new())
            }
            hashes => hashes,
        }
    }

    /// Fetches the issuers that these entries name: for one page at a time, since pages that are
    /// downloaded together name the same ones. Returns the number of forged ones.
    async fn fetch_issuers(&self, pieces: &[(u64, Piece<'_>)]) -> u64 {
        let leaves = pieces.iter().filter_map(|(_, piece)| match piece {
            Piece::Leaf(leaf) => Some(leaf),
            _ => None,
        });
        let names: HashSet<Hash> =
            leaves.flat_map(|leaf| leaf.fingerprints.iter().take(32)).copied().collect();
        let names: Vec<Hash> = names.into_iter().collect();
        match tokio::time::timeout(LONGEST, self.issuing.lock()).await {
            Ok(_turn) => self.issuers.fetch(&self.client, &self.log, &names).await,
            Err(_) => 0,
        }
    }
}

/// Returns the leaf of a piece in two parts, both empty if it is not known.
fn leaf_parts<'a>(piece: &Piece<'a>) -> [&'a [u8]; 2] {
    match piece.timestamped_entry() {
        [] => [&[], &[]],
        entry => [&[0, 0], entry],
    }
}

fn first_line(text: &[u8]) -> &str {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).unwrap_or_default()
}

impl Source for StaticCt {
    fn page_size(&self) -> u64 {
        TILE_WIDTH
    }

    fn has_partial_tiles(&self) -> bool {
        true
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        let url = format!("{}/checkpoint", self.url());
        let mut known = self.checkpoint.lock().await;
        let body = self.client.get_again(&url, MAX_CHECKPOINT_BYTES, &mut known).await?;
        let log = &self.log;
        // A configured log may have no origin; then the checkpoint's own is used, as it is where
        // nothing is verified.
        let (origin, id) = match &log.origin {
            Some(origin) if self.options.verification => (origin.as_str(), log.id.as_ref()),
            Some(_) => (first_line(&body), None),
            None => (first_line(&body), log.id.as_ref()),
        };
        let signed = SignedHead::from_checkpoint(&body, origin, id)
            .map_err(|source| SourceError::Checkpoint { url, source })?;
        Ok(ServedHead { signed, body: Bytes::copy_from_slice(&body) })
    }

    async fn entries(&self, range: Range<u64>, size: u64) -> Result<Batch, SourceError> {
        let index = range.start / TILE_WIDTH;
        let first = index * TILE_WIDTH;
        let Some(tile) = Tile::of_tree(TileKind::Data, index, size.max(range.end)) else {
            return Err(SourceError::Count { url: self.url().to_owned(), got: 0, expected: 0 });
        };
        let (got, served, lease) = self.tile(tile, LARGEST_TILE).await?;
        let body = served.body.clone();
        let mut split = Split::of(&body);
        // The entries before the fault come first.
        let reached = first + split.pieces.len() as u64;
        if split.rest.is_some() && reached <= range.start {
            split.resume(&self.leaf_hashes(got).await?, got.is_full());
        }
        let (count, expected) = (split.pieces.len() as u64, u64::from(got.width));
        let skipped = usize::try_from(range.start - first).unwrap_or(usize::MAX);
        let mut pieces = split.pieces;
        let pieces = pieces.split_off(skipped.min(pieces.len()));
        if let Some((end, bytes, reason)) = unproved(range.start, &pieces) {
            let Served { url, body } = served;
            let answer = Rejected::new(body, Some((end, bytes)), lease);
            return Err(SourceError::Unreadable { url, index: range.start, reason, answer });
        }
        let wanted = pieces.into_iter().take_while(|piece| !piece.is_unproved());
        let pieces: Vec<_> = range.clone().zip(wanted).collect();
        // The entries after a fault are requested again.
        if count > expected || pieces.is_empty() {
            let Served { url, body } = served;
            let rest = if count <= expected { split.rest } else { None };
            let reason = match rest {
                Some((_, error)) => error.to_string(),
                // A full tile never changes: that its lengths do not give its entries will not pass.
                None if got.is_full() => format!("{count} entries instead of {expected}"),
                None => return Err(SourceError::Count { url, got: count, expected }),
            };
            let answer = Rejected::new(body, None, lease);
            return Err(SourceError::Unreadable { url, index: range.start, reason, answer });
        }
        let forged_issuers = self.fetch_issuers(&pieces).await;
        let mut findings = Findings { forged_issuers, ..Findings::default() };
        // Over the bytes as served, whether or not they can be parsed.
        let leaf_hashes = match self.options.verification {
            true => pieces.iter().map(|(_, piece)| piece.leaf_hash()).collect(),
            false => Vec::new(),
        };
        let leaves = match self.options.leaves {
            true => own_leaves(pieces.iter().map(|(_, piece)| leaf_parts(piece))),
            false => Vec::new(),
        };
        let mut page = PageBuilder::new(pieces.len(), self.options.tbs_ids);
        for (index, piece) in &pieces {
            self.push(&mut page, *index, piece, &mut findings);
        }
        let served = Some(served);
        Ok(Batch { entries: page.finish(), leaf_hashes, leaves, findings, served, lease })
    }

    /// Builds the tree of `size` entries from the tiles on its right edge, and extends it to the head's
    /// root as the proof.
    async fn frontier(&self, size: u64, head: &TreeHead) -> Result<CompactRange, SourceError> {
        let range = self.lead(CompactRange::new(), size, head.size).await?;
        if size == 0 || self.extends(&range, head).await? {
            return Ok(range);
        }
        let reason = "the hash tiles do not lead to the root in the checkpoint".to_owned();
        Err(SourceError::Proof { url: self.url().to_owned(), reason })
    }

    async fn extends(&self, range: &CompactRange, head: &TreeHead) -> Result<bool, SourceError> {
        let whole = self.lead(range.clone(), head.size, head.size).await?;
        let leads = whole.size() == head.size && whole.root() == head.root;
        if !leads {
            self.hash_tiles.clear();
        }
        Ok(leads)
    }

    /// Returns the rest of the tile: the end of the entry is unknown, even by the hash tile. `None` while
    /// the tile is not full.
    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>> {
        let end = (index / TILE_WIDTH).saturating_add(1).saturating_mul(TILE_WIDTH);
        (end <= tree_size).then_some(index..end)
    }
}
