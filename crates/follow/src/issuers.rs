//! Certificates of chains, each kept once.
//!
//! A page of entries refers to a few dozen distinct issuers, so chains cost next to nothing once
//! each certificate is shared. RFC 6962 logs repeat the bytes with every entry; static-ct logs name
//! them by SHA-256 and serve them under `issuer/` (c2sp.org/static-ct-api, "Issuers").

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ct::Hash;
use ct::tile::TileLeaf;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::client::{Client, FetchError};
use crate::counters::add;
use crate::entry::Issuer;
use crate::status::LogStatus;

/// Certificates kept at most.
const ISSUERS: usize = 8192;
/// Bytes of certificates kept at most, by each of the two indexes.
const ISSUER_BYTES: u64 = 16 * 1024 * 1024;
/// A single issuer certificate larger than this is not one.
const LARGEST_ISSUER: usize = 256 * 1024;
/// How long one page waits for the next issuer; what has not come by then is left out of the chains.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits for all of them. A host that limits requests is slow with the first page, which
/// names dozens of issuers; later ones name hardly any that are new.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);
/// How long an issuer that could not be had is not asked for again.
const MISSING_FOR: Duration = Duration::from_secs(60);
/// The same, where others came meanwhile: then the log or its host is only slow.
const SLOW_FOR: Duration = Duration::from_secs(5);
/// The wait after an answer that asks for fewer requests, besides the log's own pause.
const LIMITED_FOR: Duration = Duration::from_millis(250);
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
        let issuer = Arc::new(Issuer::new(der.clone()));
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
    /// `<log URL>/issuer/<hex>`. Gives up after some seconds in which none came: an issuer does not hold
    /// a page back for long.
    pub(crate) async fn fetch(&self, client: &Client, log: &LogStatus, wanted: &[Hash]) {
        let base = log.log.url.as_str();
        let due: Vec<Hash> =
            wanted.iter().filter(|name| self.is_due(base, name)).copied().collect();
        if due.is_empty() {
            return;
        }
        let starved = AtomicBool::new(false);
        let mut fetches = futures_util::stream::iter(due.iter().copied())
            .map(|fingerprint| self.fetch_one(client, log, fingerprint, &starved))
            .buffer_unordered(CONCURRENT);
        let deadline = Instant::now() + LONGEST;
        loop {
            let patience = deadline.min(Instant::now() + PATIENCE);
            match tokio::time::timeout_at(patience, fetches.next()).await {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(_) => break,
            }
        }
        let name = &log.log.name;
        tracing::warn!(log = name, "issuers are slow to come, some chains stay incomplete");
        let some_came = due.iter().any(|fingerprint| self.get(fingerprint).is_some());
        let is_slow = some_came || starved.load(Ordering::Relaxed);
        let how_long = if is_slow { SLOW_FOR } else { MISSING_FOR };
        for fingerprint in due.iter().filter(|name| self.is_due(base, name)) {
            self.note_missing(base, *fingerprint, how_long);
        }
    }

    fn is_due(&self, base: &str, fingerprint: &Hash) -> bool {
        let known_missing = |missing: &Missing| {
            let until = missing.get(&(base.to_owned(), *fingerprint));
            until.is_some_and(|until| *until > Instant::now())
        };
        self.get(fingerprint).is_none() && !known_missing(&self.missing.lock())
    }

    /// Fetches one issuer; notes in `starved` that other answers left no room for it.
    async fn fetch_one(
        &self,
        client: &Client,
        log: &LogStatus,
        fingerprint: Hash,
        starved: &AtomicBool,
    ) {
        let base = log.log.url.as_str();
        let url = format!("{base}/{}", TileLeaf::issuer_path(&fingerprint));
        let answer = loop {
            // Another log may have had it meanwhile.
            if self.get(&fingerprint).is_some() {
                return;
            }
            match client.get(&url, LARGEST_ISSUER).await {
                Err(FetchError::Limited { .. }) => tokio::time::sleep(LIMITED_FOR).await,
                Err(FetchError::NoRoom { .. }) => {
                    starved.store(true, Ordering::Relaxed);
                    tokio::time::sleep(LIMITED_FOR).await;
                }
                answer => break answer,
            }
        };
        let problem = match answer {
            Ok(der) if ct::sha256(&der) == fingerprint => {
                // A copy of its own: the answer's buffer may be larger.
                let der = Bytes::copy_from_slice(&der);
                self.by_fingerprint.insert(fingerprint, Arc::new(Issuer::new(der)));
                self.counts.lock().fetched += 1;
                return;
            }
            Ok(_) => {
                add(&log.counters.forged_issuers, 1);
                format!("{url}: the certificate is not the one its name says")
            }
            Err(error) => error.to_string(),
        };
        let name = &log.log.name;
        tracing::warn!(log = name, problem, "issuer could not be had, it is left out of chains");
        self.note_missing(base, fingerprint, MISSING_FOR);
    }

    fn note_missing(&self, base: &str, fingerprint: Hash, how_long: Duration) {
        self.counts.lock().failed += 1;
        let now = Instant::now();
        let mut missing = self.missing.lock();
        if missing.len() >= ISSUERS {
            missing.retain(|_, until| *until > now);
        }
        if missing.len() < ISSUERS {
            missing.insert((base.to_owned(), fingerprint), now + how_long);
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
