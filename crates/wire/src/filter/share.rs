//! Shares of the stream, for clients that divide it among themselves.

/// The most shares that a stream is divided into.
pub const MAX_SHARES: u64 = 1024;

/// One of a number of shares: `2/8` in a request is the second of eight. Every certificate is in
/// exactly one of them, and always in the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// From 0.
    index: u64,
    count: u64,
}

impl Share {
    /// Reads `i/n` with 1 ≤ `i` ≤ `n` ≤ [`MAX_SHARES`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, count) = text.split_once('/')?;
        let (number, count) = (digits(number)?, digits(count)?);
        let is_share = (1..=count).contains(&number) && count <= MAX_SHARES;
        is_share.then(|| Self { index: number - 1, count })
    }

    /// Returns whether a certificate is in it, by the first 8 bytes of its SHA-256 as a number, the
    /// most significant byte first.
    pub(super) const fn has(self, digest: u64) -> bool {
        digest % self.count == self.index
    }
}

/// Reads a number written in digits alone, so without a sign.
fn digits(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}
