//! Domains as the set keeps them.

/// A secret of the set, so that nobody can register a domain whose hash is that of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 16]);

/// The first 64 bits of the SHA-256 of the seed and a domain. Among a billion domains, a new one has
/// the hash of another with a probability of 1 to 18 billion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

impl Seed {
    /// Returns the key of a registrable domain, which is in lower case.
    #[must_use]
    pub fn key(&self, domain: &str) -> Key {
        let digest = ct::sha256(&[&self.0, domain.as_bytes()].concat());
        Key(digest.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }
}
