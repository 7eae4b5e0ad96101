//! Reading a log over static-ct-api (c2sp.org/static-ct-api): a checkpoint, tiles, issuers.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::{MAX_CHECKPOINT_BYTES, SignedHead, TreeHead};
use ct::leaf::{LeafEntry, LeafError};
use ct::merkle::CompactRange;
use ct::tile::{Delimited, TILE_WIDTH, Tile, TileKind, TileLeaf};
use tokio::sync::Mutex;

use crate::client::{Client, Remembered};
use crate::counters::add;
use crate::entry::{Batch, Issuer, Served};
use crate::heads::ServedHead;
use crate::integrity::Foreign;
use crate::issuers::{IssuerStore, LONGEST};
use crate::page::{PageBuilder, honest_length};
use crate::source::{Source, SourceError, Wanted};
use crate::status::LogStatus;

/// Bound of a data tile. An ordinary one is under 1 MB.
const LARGEST_TILE: usize = 64 * 1024 * 1024;
/// Bound of a hash tile: 256 hashes.
const LARGEST_HASH_TILE: usize = 8192;
/// Hash tiles that lead from one tree to another at most: two of each level.
const MOST_HASH_TILES: usize = 12;

/// A static-ct log.
#[derive(Debug)]
pub(crate) struct StaticCt {
    status: Arc<LogStatus>,
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    wanted: Wanted,
    /// Held while issuers are fetched.
    issuing: Mutex<()>,
    /// The newest checkpoint, which is asked for again and again.
    checkpoint: Mutex<Option<Remembered>>,
}

impl StaticCt {
    pub(crate) const fn new(
        status: Arc<LogStatus>,
        client: Arc<Client>,
        issuers: Arc<IssuerStore>,
        wanted: Wanted,
    ) -> Self {
        Self {
            status,
            client,
            issuers,
            wanted,
            issuing: Mutex::const_new(()),
            checkpoint: Mutex::const_new(None),
        }
    }

    fn url(&self) -> &str {
        &self.status.log.url
    }

    /// A leaf's chain up to the first certificate that could not be had: what follows a hole would
    /// pass for the issuer. What is left out is counted.
    fn chain(&self, leaf: &TileLeaf<'_>) -> Vec<Arc<Issuer>> {
        let mut chain: Vec<_> =
            leaf.fingerprints.iter().map_while(|name| self.issuers.get(name)).collect();
        let kept = honest_length(chain.iter().map(|issuer| issuer.der.len()));
        let missing = leaf.fingerprints.len() - chain.len();
        add(&self.status.counters.missing_issuers, missing as u64);
        if kept < chain.len() {
            add(&self.status.counters.cut_chains, 1);
            tracing::warn!(log = self.status.log.name, length = chain.len(), "chain cut");
            chain.truncate(kept);
        }
        chain
    }

    /// A tile. A log may delete a partial tile once the full one exists, so where the partial is gone
    /// the full one is asked for.
    async fn tile(&self, tile: Tile, limit: usize) -> Result<(Tile, Served), SourceError> {
        let url = format!("{}/{tile}", self.url());
        match self.client.get(&url, limit).await {
            Ok(body) => Ok((tile, Served { url, body })),
            Err(error) if error.is_missing() && !tile.is_full() => {
                let full = tile.to_full();
                let url = format!("{}/{full}", self.url());
                let answer = self.client.get(&url, limit).await;
                // The partial's absence is what the operator should hear about, not the full's.
                let body =
                    answer.map_err(|second| if second.is_missing() { error } else { second })?;
                Ok((full, Served { url, body }))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Leads a range on to the tree of `to` entries by the log's hash tiles, which are as wide as the
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
            let (got, Served { url, body }) = self.tile(wanted, LARGEST_HASH_TILE).await?;
            let hashes = match got.hashes(&body) {
                Ok(hashes) => hashes,
                Err(source) => return Err(SourceError::HashTile { url, source }),
            };
            range
                .push_tile(&tile, hashes)
                .map_err(|error| SourceError::Proof { url, reason: error.to_string() })?;
        }
        let reason = format!("a tree of {published} entries is larger than any log");
        Err(SourceError::Proof { url: self.url().to_owned(), reason })
    }

    /// Adds one entry to the page, and checks that it is where it says it is.
    fn push<'a>(&self, page: &mut PageBuilder<'a>, index: u64, piece: &Piece<'a>) {
        let leaf = match piece {
            Piece::Leaf(leaf) => leaf,
            Piece::Undecodable(entry, error) => {
                self.status.note_undecodable(index, error);
                page.push_undecoded(index, entry.whole);
                return;
            }
        };
        match leaf.leaf.leaf_index() {
            Ok(Some(found)) if found == index => {}
            // The entries of an RFC 6962 log that serves tiles as well carry none.
            Ok(None) if self.status.log.api_url.is_some() => {}
            other => self.status.note_leaf_index(index, other),
        }
        let certificate = match leaf.leaf.entry {
            LeafEntry::X509 { certificate } => certificate,
            LeafEntry::Precert { tbs, .. } => leaf.precertificate.unwrap_or(tbs),
        };
        let chain = self.chain(leaf);
        if self.wanted.verification {
            let foreign = Foreign::check(&leaf.leaf.entry, leaf.precertificate, &chain);
            self.status.note_foreign(index, foreign);
        }
        page.push(index, &leaf.leaf, certificate, chain);
    }

    /// Fetches the issuers that these entries name: for one page at a time, since pages that are
    /// downloaded together name the same ones.
    async fn fetch_issuers(&self, pieces: &[(u64, Piece<'_>)]) {
        let leaves = pieces.iter().filter_map(|(_, piece)| match piece {
            Piece::Leaf(leaf) => Some(leaf),
            Piece::Undecodable(..) => None,
        });
        let names: HashSet<Hash> =
            leaves.flat_map(|leaf| leaf.fingerprints.iter().take(32)).copied().collect();
        let names: Vec<Hash> = names.into_iter().collect();
        let turn = tokio::time::timeout(LONGEST, self.issuing.lock()).await;
        if turn.is_ok() {
            self.issuers.fetch(&self.client, &self.status, &names).await;
        }
    }
}

fn first_line(text: &[u8]) -> &str {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).unwrap_or_default()
}

/// One entry of a data tile.
enum Piece<'a> {
    Leaf(TileLeaf<'a>),
    /// It can be told from its neighbours, but not read.
    Undecodable(Delimited<'a>, LeafError),
}

impl Piece<'_> {
    fn leaf_hash(&self) -> Hash {
        match self {
            Self::Leaf(leaf) => leaf.leaf_hash(),
            Self::Undecodable(entry, _) => entry.leaf_hash(),
        }
    }
}

/// Splits a tile into its entries; an error says why there is no telling what follows the last.
fn split(body: &[u8]) -> (Vec<Piece<'_>>, Option<LeafError>) {
    let mut pieces = Vec::with_capacity(256);
    let mut rest = body;
    while !rest.is_empty() && pieces.len() as u64 <= TILE_WIDTH {
        match TileLeaf::parse(rest) {
            Ok((leaf, after)) => {
                pieces.push(Piece::Leaf(leaf));
                rest = after;
            }
            Err(error) => match TileLeaf::delimit(rest) {
                Ok((entry, after)) => {
                    pieces.push(Piece::Undecodable(entry, error));
                    rest = after;
                }
                Err(error) => return (pieces, Some(error)),
            },
        }
    }
    (pieces, None)
}

impl Source for StaticCt {
    fn page_size(&self) -> u64 {
        TILE_WIDTH
    }

    async fn head(&self) -> Result<ServedHead, SourceError> {
        let url = format!("{}/checkpoint", self.url());
        let mut known = self.checkpoint.lock().await;
        let body = self.client.get_again(&url, MAX_CHECKPOINT_BYTES, &mut known).await?;
        let log = &self.status.log;
        // Of a log named by hand without its origin, the checkpoint's own must do; so it must where
        // nothing is to be verified.
        let (origin, id) = match &log.origin {
            Some(origin) if self.wanted.verification => (origin.as_str(), log.id.as_ref()),
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
        let (got, Served { url, body }) = self.tile(tile, LARGEST_TILE).await?;
        let (pieces, error) = split(&body);
        let (count, expected) = (pieces.len() as u64, u64::from(got.width));
        let pieces: Vec<_> =
            (first..).zip(pieces).filter(|(index, _)| range.contains(index)).collect();
        // What there is before the fault is taken; what follows it is asked for again.
        if count > expected || pieces.is_empty() {
            let reason = error.filter(|_| count <= expected).map(|error| error.to_string());
            return Err(match reason {
                Some(reason) => {
                    let (index, body) = (first + count, Bytes::copy_from_slice(&body));
                    SourceError::Unreadable { url, index, reason, body }
                }
                None => SourceError::Count { url, got: count, expected },
            });
        }
        self.fetch_issuers(&pieces).await;
        // Over the bytes as served, whether or not they can be parsed.
        let hashed = pieces.iter().filter(|_| self.wanted.verification);
        let leaf_hashes = hashed.map(|(_, piece)| piece.leaf_hash()).collect();
        let mut page = PageBuilder::new(pieces.len(), self.wanted.tbs_ids);
        for (index, piece) in &pieces {
            self.push(&mut page, *index, piece);
        }
        Ok(Batch { entries: page.finish(), leaf_hashes, served: Some(Served { url, body }) })
    }

    /// From nothing to `size`, by the tiles on its right edge, and on to the head's root as the proof.
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
        Ok(whole.size() == head.size && whole.root() == head.root)
    }

    /// Where an entry ends cannot be told, so all that follows in its tile is lost. While the tile is
    /// not full, nothing else is.
    fn unreadable(&self, index: u64, tree_size: u64) -> Option<Range<u64>> {
        let end = (index / TILE_WIDTH).saturating_add(1).saturating_mul(TILE_WIDTH);
        (end <= tree_size).then_some(index..end)
    }
}
