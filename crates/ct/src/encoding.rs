//! The encodings everything here is built of: SHA-256, standard base64, and the TLS presentation
//! language (RFC 8446 section 3), big-endian, with lengths before opaque vectors.

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};
use base64_simd::STANDARD;

use crate::Hash;
use crate::leaf_error::LeafError;

/// SHA-256.
pub(crate) fn sha256(data: &[u8]) -> Hash {
    to_hash(digest(&SHA256, data))
}

/// SHA-256 of `prefix` and the concatenation of `parts`.
pub(crate) fn sha256_parts(prefix: &[u8], parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(prefix);
    for part in parts {
        context.update(part);
    }
    to_hash(context.finish())
}

fn to_hash(digest: Digest) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Standard base64 with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode_to_string(bytes)
}

/// Strict standard base64 with padding.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode_to_vec(text).ok()
}

/// Base64 of exactly 32 bytes.
pub(crate) fn hash_from_base64(text: &str) -> Option<Hash> {
    // 32 bytes are 44 characters: anything else need not be decoded at all.
    if text.len() != 44 {
        return None;
    }
    from_base64(text)?.try_into().ok()
}

/// Reads structures from the front of a slice. `what` names the field in the error.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<&'a [u8; N], LeafError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(LeafError::Truncated {
            what,
            needed: N,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, LeafError> {
        Ok(u8::from_be_bytes(*self.array(what)?))
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, LeafError> {
        Ok(u16::from_be_bytes(*self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, LeafError> {
        Ok(u64::from_be_bytes(*self.array(what)?))
    }

    /// `opaque<0..2^16-1>`
    pub(crate) fn opaque16(&mut self, what: &'static str) -> Result<&'a [u8], LeafError> {
        let length = self.u16(what)?;
        self.take(usize::from(length), what)
    }

    /// `opaque<0..2^24-1>`
    pub(crate) fn opaque24(&mut self, what: &'static str) -> Result<&'a [u8], LeafError> {
        let [a, b, c] = *self.array(what)?;
        // At most 2^24-1, which fits a usize on every target with an allocator worth the name.
        let length = u32::from_be_bytes([0, a, b, c]);
        self.take(usize::try_from(length).unwrap_or(usize::MAX), what)
    }

    /// Fails unless everything has been read.
    pub(crate) fn end(&self, what: &'static str) -> Result<(), LeafError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(LeafError::TrailingBytes { what, count }),
        }
    }

    fn take(&mut self, needed: usize, what: &'static str) -> Result<&'a [u8], LeafError> {
        let (head, rest) = self.rest.split_at_checked(needed).ok_or(LeafError::Truncated {
            what,
            needed,
            left: self.rest.len(),
        })?;
        self.rest = rest;
        Ok(head)
    }
}

/// Appends `bytes` as `opaque<0..2^16-1>`.
pub(crate) fn put_opaque16(
    out: &mut Vec<u8>,
    bytes: &[u8],
    what: &'static str,
) -> Result<(), LeafError> {
    let length =
        u16::try_from(bytes.len()).map_err(|_| LeafError::TooLong { what, length: bytes.len() })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends `bytes` as `opaque<0..2^24-1>`.
pub(crate) fn put_opaque24(
    out: &mut Vec<u8>,
    bytes: &[u8],
    what: &'static str,
) -> Result<(), LeafError> {
    put_length24(out, bytes.len(), what)?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends `length` as a `uint24`.
pub(crate) fn put_length24(
    out: &mut Vec<u8>,
    length: usize,
    what: &'static str,
) -> Result<(), LeafError> {
    let too_long = LeafError::TooLong { what, length };
    let Ok(length) = u32::try_from(length) else { return Err(too_long) };
    let [0, a, b, c] = length.to_be_bytes() else { return Err(too_long) };
    out.extend_from_slice(&[a, b, c]);
    Ok(())
}
