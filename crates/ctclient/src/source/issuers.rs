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
use record::Issuer;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::failure::{LONGEST_AT_FIRST, is_beginning};
use crate::http::client::Client;
use crate::http::error::FetchError;
use crate::log::Log;

/// The number of certificates that each of the two indexes is prepared for, and the most issuers noted
/// as missing.
const ISSUERS: usize = 8192;
/// The bytes that a certificate takes beside its own: a log can serve very many that are very short.
const BESIDE: u64 = 400;
/// The most bytes of memory of each of the two indexes.
const ISSUER_BYTES: u64 = 16 * 1024 * 1024;
/// A single issuer certificate larger than this is not one.
const LARGEST_ISSUER: usize = 256 * 1024;
/// The longest wait of a page for the next issuer; issuers that do not arrive by then are omitted from
/// the chains.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest wait of a page for all of them. A host that limits requests is slow with the first page, which
/// names dozens of issuers; later ones name hardly any that are new.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);
/// The time before an issuer is requested again that the log does not have, or has other bytes for; or
/// that has failed to arrive for longer than the beginning of a failure.
const MISSING_FOR: Duration = Duration::from_secs(60);
/// The wait after an answer that asks for fewer requests, besides the log's own pause.
const LIMITED_FOR: Duration = Duration::from_millis(250);
/// Concurrent fetches for one page.
const CONCURRENT: usize = 8;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Bytes, Arc<Issuer>> for Weight {
    fn weight(&self, _: &Bytes, issuer: &Arc<Issuer>) -> u64 {
        issuer.der.len() as u64 + BESIDE
    }
}

impl Weighter<Hash, Arc<Issuer>> for Weight {
    fn weight(&self, _: &Hash, issuer: &Arc<Issuer>) -> u64 {
        issuer.der.len() as u64 + BESIDE
    }
}

/// Issuers that did not arrive, by log and fingerprint.
type Missing = HashMap<(String, Hash), Absence>;

/// The absence of an issuer.
#[derive(Debug, Clone, Copy)]
struct Absence {
    /// The first failure.
    since: Instant,
    /// The time before which it is not requested again.
    until: Instant,
}

/// The reason why an issuer did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The log does not have it.
    Missing,
    /// The log or the way to it failed; that may pass soon.
    Failed,
    /// Other responses left no room for it; that passes soon.
    Starved,
}

impl Cause {
    const fn of(error: &FetchError) -> Self {
        match error {
            FetchError::NoRoom { .. } => Self::Starved,
            error if error.is_missing() => Self::Missing,
            _ => Self::Failed,
        }
    }
}

/// All issuers seen so far, bounded in number and bytes; the least useful ones are forgotten.
#[derive(Debug)]
pub struct IssuerStore {
    by_bytes: Cache<Bytes, Arc<Issuer>, Weight>,
    by_fingerprint: Cache<Hash, Arc<Issuer>, Weight>,
    /// By log and fingerprint; another log may well have it.
    missing: Mutex<Missing>,
    counts: Mutex<IssuerCounts>,
}

/// Counts of the store since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Returns the shared copy of a chain certificate.
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

    /// Returns the number of certificates in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_bytes.len() + self.by_fingerprint.len()
    }

    /// Reports whether no certificate is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the counts of fetches since the start.
    #[must_use]
    pub fn counts(&self) -> IssuerCounts {
        *self.counts.lock()
    }

    /// Returns the issuer with this fingerprint, if it is in memory.
    pub(crate) fn get(&self, fingerprint: &Hash) -> Option<Arc<Issuer>> {
        self.by_fingerprint.get(fingerprint)
    }

    /// Fetches those of `wanted` that are neither in memory nor known to be missing, from
    /// `<log URL>/issuer/<hex>`. Gives up after a few seconds without a response: an issuer does not
    /// delay a page for long. Returns the number of those for which the log has other bytes.
    pub(crate) async fn fetch(&self, client: &Client, log: &Log, wanted: &[Hash]) -> u64 {
        let base = log.url.as_str();
        let mut forged = 0;
        let due: Vec<Hash> =
            wanted.iter().filter(|name| self.is_due(base, name)).copied().collect();
        if due.is_empty() {
            return forged;
        }
        let starved = AtomicBool::new(false);
        let mut fetches = futures_util::stream::iter(due.iter().copied())
            .map(|fingerprint| self.fetch_one(client, log, fingerprint, &starved))
            .buffer_unordered(CONCURRENT);
        let deadline = Instant::now() + LONGEST;
        loop {
            let patience = deadline.min(Instant::now() + PATIENCE);
            match tokio::time::timeout_at(patience, fetches.next()).await {
                Ok(Some(is_forged)) => forged += u64::from(is_forged),
                Ok(None) => return forged,
                Err(_) => break,
            }
        }
        tracing::warn!(
            log = log.name,
            "issuers are fetched too slowly: some chains are incomplete"
        );
        let cause = match starved.load(Ordering::Relaxed) {
            true => Cause::Starved,
            false => Cause::Failed,
        };
        for fingerprint in due.iter().filter(|name| self.is_due(base, name)) {
            self.note_absent(base, *fingerprint, cause);
        }
        forged
    }

    fn is_due(&self, base: &str, fingerprint: &Hash) -> bool {
        let known_missing = |missing: &Missing| {
            let absence = missing.get(&(base.to_owned(), *fingerprint));
            absence.is_some_and(|absence| absence.until > Instant::now())
        };
        self.get(fingerprint).is_none() && !known_missing(&self.missing.lock())
    }

    /// Fetches one issuer; notes in `starved` that other responses left no room for it. Returns
    /// whether the log has other bytes than the name promises.
    async fn fetch_one(
        &self,
        client: &Client,
        log: &Log,
        fingerprint: Hash,
        starved: &AtomicBool,
    ) -> bool {
        let base = log.url.as_str();
        let url = format!("{base}/{}", TileLeaf::issuer_path(&fingerprint));
        let answer = loop {
            // Another log may have had it meanwhile.
            if self.get(&fingerprint).is_some() {
                return false;
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
        let (problem, cause, is_forged) = match answer {
            Ok(der) if ct::sha256(&der) == fingerprint => {
                // A copy of its own: the answer's buffer may be larger.
                let der = Bytes::copy_from_slice(&der);
                self.by_fingerprint.insert(fingerprint, Arc::new(Issuer::new(der)));
                self.counts.lock().fetched += 1;
                self.missing.lock().remove(&(base.to_owned(), fingerprint));
                return false;
            }
            Ok(_) => {
                let problem = format!("{url}: the certificate does not match the hash in its URL");
                (problem, Cause::Missing, true)
            }
            Err(error) => (error.to_string(), Cause::of(&error), false),
        };
        tracing::warn!(log = log.name, problem, "cannot fetch an issuer; chains omit it");
        self.note_absent(base, fingerprint, cause);
        is_forged
    }

    /// Notes that an issuer did not arrive. At the beginning of a failure it is requested again after
    /// seconds: until then chains stay incomplete.
    fn note_absent(&self, base: &str, fingerprint: Hash, cause: Cause) {
        self.counts.lock().failed += 1;
        let now = Instant::now();
        let mut missing = self.missing.lock();
        let name = (base.to_owned(), fingerprint);
        // Long after the last request for it, this is another failure.
        let before = missing.get(&name).filter(|absence| now < absence.until + MISSING_FOR);
        let since = before.map_or(now, |absence| absence.since);
        let how_long = match cause {
            Cause::Starved => LONGEST_AT_FIRST,
            Cause::Failed if is_beginning(Some(since), now) => LONGEST_AT_FIRST,
            Cause::Failed | Cause::Missing => MISSING_FOR,
        };
        if missing.len() >= ISSUERS {
            missing.retain(|_, absence| absence.until > now);
        }
        if missing.len() < ISSUERS {
            missing.insert(name, Absence { since, until: now + how_long });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::BEGINNING;

    #[test]
    fn equal_certificates_share_memory() {
        let store = IssuerStore::default();
        let first = store.intern(b"certificate");
        assert!(Arc::ptr_eq(&first, &store.intern(b"certificate")));
        assert_eq!(first.fingerprint, ct::sha256(b"certificate"));
        assert!(!Arc::ptr_eq(&first, &store.intern(b"another")));
        assert_eq!(store.len(), 2);
    }

    const LOG: &str = "https://a.example/log";

    fn status(code: u16) -> FetchError {
        FetchError::Status { url: LOG.to_owned(), status: code }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_issuer_is_requested_again_within_seconds() {
        let url = || LOG.to_owned();
        let failures = [
            status(500),
            FetchError::Transport { url: url(), reason: "refused".to_owned() },
            FetchError::Unanswered { url: url(), waited: LONGEST_AT_FIRST },
            FetchError::Timeout { url: url() },
        ];
        for (number, error) in (0..).zip(failures) {
            let store = IssuerStore::default();
            let issuer = [number; 32];
            let start = Instant::now();
            while (Instant::now() - start) < BEGINNING {
                store.note_absent(LOG, issuer, Cause::of(&error));
                assert!(!store.is_due(LOG, &issuer), "{error}: not at once");
                assert!(store.is_due("https://b.example/log", &issuer), "another log may have it");
                tokio::time::advance(LONGEST_AT_FIRST).await;
                assert!(store.is_due(LOG, &issuer), "{error}");
            }
            store.note_absent(LOG, issuer, Cause::of(&error));
            tokio::time::advance(MISSING_FOR - Duration::from_secs(1)).await;
            assert!(!store.is_due(LOG, &issuer), "{error}: it lasts");
            tokio::time::advance(2 * MISSING_FOR).await;
            store.note_absent(LOG, issuer, Cause::of(&error));
            tokio::time::advance(LONGEST_AT_FIRST).await;
            assert!(store.is_due(LOG, &issuer), "{error}: much later it is another failure");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_without_room_is_requested_again_within_seconds() {
        let store = IssuerStore::default();
        for _ in 0..100 {
            let cause = Cause::of(&FetchError::NoRoom { url: LOG.to_owned() });
            store.note_absent(LOG, [1; 32], cause);
            assert!(!store.is_due(LOG, &[1; 32]), "not at once");
            tokio::time::advance(LONGEST_AT_FIRST).await;
            assert!(store.is_due(LOG, &[1; 32]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_issuer_is_requested_again_after_a_minute() {
        for code in [404, 410] {
            let store = IssuerStore::default();
            store.note_absent(LOG, [1; 32], Cause::of(&status(code)));
            tokio::time::advance(MISSING_FOR - Duration::from_secs(1)).await;
            assert!(!store.is_due(LOG, &[1; 32]));
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(store.is_due(LOG, &[1; 32]));
        }
    }
}
