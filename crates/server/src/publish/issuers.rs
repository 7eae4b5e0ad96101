//! Chain certificates with their renderings, bounded in memory.

use std::sync::Arc;

use ct::Hash;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wire::Issuer;

/// The number of issuers that the cache is prepared for.
const ISSUERS: usize = 4096;
/// Bytes of memory that they take at most. Those of existing CAs, rendered under one profile, take a
/// tenth of what is counted: their names have no escapes.
const ISSUER_BYTES: u64 = 64 * 1024 * 1024;
/// Memory of an issuer with one rendering, in times its DER.
const WITH_RENDERING: usize = 4;

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Hash, Arc<Issuer>> for Weight {
    fn weight(&self, _: &Hash, issuer: &Arc<Issuer>) -> u64 {
        issuer.most_memory() as u64
    }
}

/// Chain certificates with their renderings, by SHA-256.
#[derive(Debug)]
pub struct Issuers(Cache<Hash, Arc<Issuer>, Weight>);

impl Default for Issuers {
    fn default() -> Self {
        Self(Cache::with_weighter(ISSUERS, ISSUER_BYTES, Weight))
    }
}

impl Issuers {
    /// Bytes that they take at most.
    pub const MOST_BYTES: u64 = ISSUER_BYTES;

    /// Returns an issuer with its renderings, and adds it if it is new. Then `new` grows by the memory
    /// that it takes once it is rendered for one profile.
    pub fn get_or_add(&self, issuer: &record::Issuer, new: &mut usize) -> Arc<Issuer> {
        if let Some(rendered) = self.0.get(&issuer.fingerprint) {
            return rendered;
        }
        let rendered = Arc::new(Issuer::new(issuer.der.clone()));
        *new += issuer.der.len() * WITH_RENDERING;
        self.0.insert(issuer.fingerprint, Arc::clone(&rendered));
        rendered
    }
}
