//! Certificates of chains, each kept once.
//!
//! A page of entries refers to a few dozen distinct issuers, so chains cost next to nothing once
//! each certificate is shared. RFC 6962 logs repeat the bytes with every entry; static-ct logs name
//! them by SHA-256 and serve them under `issuer/` (c2sp.org/static-ct-api, "Issuers").

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ct::Hash;
use ct::tile::TileLeaf;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::client::Client;
use crate::entry::Issuer;

/// Certificates kept at most.
const ISSUERS: usize = 8192;
/// Bytes of certificates kept at most, by each of the two indexes.
const ISSUER_BYTES: u64 = 16 * 1024 * 1024;
/// A single issuer certificate larger than this is not one.
const LARGEST_ISSUER: usize = 256 * 1024;
/// How long one page may wait for issuers; what is not there by then is left out of the chains.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an issuer that could not be had is not asked for again.
const MISSING_FOR: Duration = Duration::from_secs(60);
/// Issuers fetched at once for one page.
const CONCURRENT: usize = 8;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Bytes, Arc<Issuer>> for Weight {
    fn weight(&self, _: &Bytes, issuer: &Arc<Issuer>) -> u64 {
        issuer.der.len() as u64
    }
}

impl Weighter<Hash, Arc<Issuer>> for Weight {
    fn weight(&self, _: &Hash, issuer: &Arc<Issuer>) -> u64 {
        issuer.der.len() as u64
    }
}

/// What a log has said it does not have.
type Missing = HashMap<(String, Hash), Instant>;

/// All issuers met so far, bounded in number and bytes; the least useful ones are forgotten.
#[derive(Debug)]
pub struct IssuerStore {
    by_bytes: Cache<Bytes, Arc<Issuer>, Weight>,
    by_fingerprint: Cache<Hash, Arc<Issuer>, Weight>,
    /// By log and fingerprint, until when not to ask again; another log may well have it.
    missing: Mutex<Missing>,
    counts: Mutex<IssuerCounts>,
}

/// What the store has done since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct IssuerCounts {
    /// Certificates fetched from `issuer/`.
    pub fetched: u64,
    /// Fetches that failed or gave other bytes than were named.
    pub failed: u64,
}

impl Default for IssuerStore {
    fn default() -> Self {
        Self {
            by_bytes: Cache::with_weighter(ISSUERS, ISSUER_BYTES, Weight),
            by_fingerprint: Cache::with_weighter(ISSUERS, ISSUER_BYTES, Weight),
            missing: Mutex::default(),
            counts: Mutex::default(),
        }
    }
}

impl IssuerStore {
    /// The shared copy of a chain certificate.
    #[must_use]
    pub fn intern(&self, der: &[u8]) -> Arc<Issuer> {
        if let Some(issuer) = self.by_bytes.get(der) {
            return issuer;
        }
        let der = Bytes::copy_from_slice(der);
        let issuer = Arc::new(Issuer { fingerprint: ct::sha256(&der), der: der.clone() });
        self.by_bytes.insert(der, Arc::clone(&issuer));
        issuer
    }

    /// Certificates held at the moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_bytes.len() + self.by_fingerprint.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been fetched and what could not be.
    #[must_use]
    pub fn counts(&self) -> IssuerCounts {
        *self.counts.lock()
    }

    /// An issuer named by its fingerprint, if it is held.
    pub(crate) fn get(&self, fingerprint: &Hash) -> Option<Arc<Issuer>> {
        self.by_fingerprint.get(fingerprint)
    }

    /// Fetches those of `wanted` that are neither held nor known to be missing, from
    /// `<base>/issuer/<hex>`. Gives up after a few seconds: an issuer never holds a page back for
    /// long.
    pub(crate) async fn fetch(&self, client: &Client, base: &str, wanted: &[Hash]) {
        let due: Vec<Hash> =
            wanted.iter().filter(|name| self.is_due(base, name)).copied().collect();
        if due.is_empty() {
            return;
        }
        let mut fetches = futures_util::stream::iter(due.iter().copied())
            .map(|fingerprint| self.fetch_one(client, base, fingerprint))
            .buffer_unordered(CONCURRENT);
        let all = async { while fetches.next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!(log = base, "issuers are slow to come, some chains stay incomplete");
            for fingerprint in due.iter().filter(|name| self.is_due(base, name)) {
                self.note_missing(base, *fingerprint);
            }
        }
    }

    fn is_due(&self, base: &str, fingerprint: &Hash) -> bool {
        let known_missing = |missing: &Missing| {
            let until = missing.get(&(base.to_owned(), *fingerprint));
            until.is_some_and(|until| *until > Instant::now())
        };
        self.get(fingerprint).is_none() && !known_missing(&self.missing.lock())
    }

    async fn fetch_one(&self, client: &Client, base: &str, fingerprint: Hash) {
        let url = format!("{base}/{}", TileLeaf::issuer_path(&fingerprint));
        let problem = match client.get(&url, LARGEST_ISSUER).await {
            Ok(der) if ct::sha256(&der) == fingerprint => {
                // A copy of its own: the answer's buffer may be larger.
                let der = Bytes::copy_from_slice(&der);
                self.by_fingerprint.insert(fingerprint, Arc::new(Issuer { der, fingerprint }));
                self.counts.lock().fetched += 1;
                return;
            }
            Ok(_) => format!("{url}: the certificate is not the one its name says"),
            Err(error) => error.to_string(),
        };
        tracing::warn!(log = base, problem, "issuer could not be had, it is left out of chains");
        self.note_missing(base, fingerprint);
    }

    fn note_missing(&self, base: &str, fingerprint: Hash) {
        self.counts.lock().failed += 1;
        let now = Instant::now();
        let mut missing = self.missing.lock();
        if missing.len() >= ISSUERS {
            missing.retain(|_, until| *until > now);
        }
        if missing.len() < ISSUERS {
            missing.insert((base.to_owned(), fingerprint), now + MISSING_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_certificates_are_kept_once() {
        let store = IssuerStore::default();
        let first = store.intern(b"certificate");
        assert!(Arc::ptr_eq(&first, &store.intern(b"certificate")));
        assert_eq!(first.fingerprint, ct::sha256(b"certificate"));
        assert!(!Arc::ptr_eq(&first, &store.intern(b"another")));
        assert_eq!(store.len(), 2);
    }
}
