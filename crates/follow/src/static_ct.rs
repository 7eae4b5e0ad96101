//! Reading a log over static-ct-api (c2sp.org/static-ct-api): a checkpoint, data tiles, issuers.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::head::{MAX_CHECKPOINT_BYTES, SignedHead};
use ct::leaf::LeafEntry;
use ct::tile::{TILE_WIDTH, Tile, TileKind, TileLeaf};

use crate::client::Client;
use crate::entry::{Entry, Issuer};
use crate::issuers::IssuerStore;
use crate::source::{PageBuilder, Source, SourceError, honest_length};
use crate::status::{LogStatus, add};

/// Bound of a data tile. An ordinary one is under 1 MB.
const LARGEST_TILE: usize = 64 * 1024 * 1024;

/// A static-ct log.
#[derive(Debug)]
pub(crate) struct StaticCt {
    status: Arc<LogStatus>,
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
    tbs_ids: bool,
}

impl StaticCt {
    pub(crate) const fn new(
        status: Arc<LogStatus>,
        client: Arc<Client>,
        issuers: Arc<IssuerStore>,
        tbs_ids: bool,
    ) -> Self {
        Self { status, client, issuers, tbs_ids }
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

    /// The data tile with at least `width` entries. A log may delete a partial tile once the full
    /// one exists, so where the partial is gone the full one is asked for.
    async fn data_tile(&self, tile: Tile) -> Result<(String, Bytes), SourceError> {
        let url = format!("{}/{tile}", self.url());
        match self.client.get(&url, LARGEST_TILE).await {
            Ok(body) => Ok((url, body)),
            Err(error) if error.is_missing() && !tile.is_full() => {
                let url = format!("{}/{}", self.url(), tile.to_full());
                let answer = self.client.get(&url, LARGEST_TILE).await;
                // The partial's absence is what the operator should hear about, not the full's.
                let body =
                    answer.map_err(|second| if second.is_missing() { error } else { second })?;
                Ok((url, body))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn first_line(text: &[u8]) -> &str {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).unwrap_or_default()
}

/// Splits a tile into its leaves and checks that each is where it says it is.
fn split<'a>(url: &str, body: &'a [u8], first: u64) -> Result<Vec<TileLeaf<'a>>, SourceError> {
    let mut leaves = Vec::with_capacity(256);
    let mut rest = body;
    while !rest.is_empty() {
        let index = first + leaves.len() as u64;
        let leaf_error = |source| SourceError::TileLeaf { url: url.to_owned(), index, source };
        let (leaf, after) = TileLeaf::parse(rest).map_err(leaf_error)?;
        if let Some(found) = leaf.leaf.leaf_index().map_err(leaf_error)?
            && found != index
        {
            return Err(SourceError::LeafIndex { url: url.to_owned(), index, found });
        }
        leaves.push(leaf);
        rest = after;
        if leaves.len() as u64 > TILE_WIDTH {
            break;
        }
    }
    Ok(leaves)
}

impl Source for StaticCt {
    fn page_size(&self) -> u64 {
        TILE_WIDTH
    }

    async fn head(&self) -> Result<SignedHead, SourceError> {
        let url = format!("{}/checkpoint", self.url());
        let body = self.client.get(&url, MAX_CHECKPOINT_BYTES).await?;
        let log = &self.status.log;
        // Of a log named by hand without its origin, the checkpoint's own must do.
        let origin = log.origin.as_deref().unwrap_or_else(|| first_line(&body));
        SignedHead::from_checkpoint(&body, origin, log.id.as_ref())
            .map_err(|source| SourceError::Checkpoint { url, source })
    }

    async fn entries(&self, range: Range<u64>, size: u64) -> Result<Vec<Entry>, SourceError> {
        let index = range.start / TILE_WIDTH;
        let first = index * TILE_WIDTH;
        let Some(tile) = Tile::of_tree(TileKind::Data, index, size.max(range.end)) else {
            return Ok(Vec::new());
        };
        let width = u64::from(tile.width);
        let (url, body) = self.data_tile(tile).await?;
        let leaves = split(&url, &body, first)?;
        let got = leaves.len() as u64;
        if got != width && got != TILE_WIDTH {
            return Err(SourceError::Count { url, got, expected: width });
        }
        let wanted = leaves
            .iter()
            .zip(first..)
            .filter(|(_, index)| range.contains(index))
            .collect::<Vec<_>>();
        let fingerprints: HashSet<Hash> = wanted
            .iter()
            .flat_map(|(leaf, _)| leaf.fingerprints.iter().take(32))
            .copied()
            .collect();
        let fingerprints: Vec<Hash> = fingerprints.into_iter().collect();
        self.issuers.fetch(&self.client, self.url(), &fingerprints).await;

        let mut page = PageBuilder::new(wanted.len(), self.tbs_ids);
        for (tile_leaf, index) in wanted {
            let certificate = match tile_leaf.leaf.entry {
                LeafEntry::X509 { certificate } => certificate,
                LeafEntry::Precert { tbs, .. } => tile_leaf.precertificate.unwrap_or(tbs),
            };
            let chain = self.chain(tile_leaf);
            page.push(index, &tile_leaf.leaf, certificate, chain);
        }
        Ok(page.finish())
    }
}
