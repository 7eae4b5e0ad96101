//! The answer to get-entries (RFC 6962 section 4.6).

use std::borrow::Cow;

use base64_simd::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use crate::body::{self, BodyError};

/// An entry as get-entries serves it, base64 undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// The `MerkleTreeLeaf`: read it with [`Leaf::parse`](crate::leaf::Leaf::parse).
    pub leaf_input: Bytes,
    /// The chain: read it with [`ExtraData::parse`](crate::leaf::ExtraData::parse).
    pub extra_data: Bytes,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, deserialize_with = "body::nullable")]
    entries: Vec<Encoded<'a>>,
}

/// Borrowed, unless the server escapes the `/` of base64.
#[derive(Deserialize)]
pub(crate) struct Encoded<'a> {
    #[serde(borrow)]
    leaf_input: Cow<'a, str>,
    #[serde(borrow)]
    extra_data: Cow<'a, str>,
}

/// Reads the body of a get-entries answer: any number of entries, none too.
///
/// All entries are slices of one buffer, about three quarters of `body` long, which exists as long as
/// any of them.
///
/// # Errors
/// If the body is an HTML page, not the JSON expected, or holds bad base64. One bad entry costs the
/// page: a log that cannot encode cannot be trusted to have counted.
pub fn parse_get_entries(body: &[u8]) -> Result<Vec<RawEntry>, BodyError> {
    let page: Page<'_> = body::parse(body)?;
    decode(&page.entries)
}

/// Decodes entries into one buffer and slices it.
pub(crate) fn decode(encoded: &[Encoded<'_>]) -> Result<Vec<RawEntry>, BodyError> {
    let fields = encoded
        .iter()
        .flat_map(|entry| [("leaf_input", &entry.leaf_input), ("extra_data", &entry.extra_data)]);
    let length = fields
        .clone()
        .fold(0_usize, |sum, (_, text)| sum.saturating_add((text.len() / 4).saturating_mul(3)));
    let mut buffer = Vec::with_capacity(length);
    let mut ends = Vec::with_capacity(encoded.len().saturating_mul(2));
    for (field, text) in fields {
        STANDARD
            .decode_append(text.as_bytes(), &mut buffer)
            .map_err(|_| BodyError::Base64 { field })?;
        ends.push(buffer.len());
    }
    let mut rest = Bytes::from(buffer);
    let mut start = 0_usize;
    let mut field = |end: usize| {
        let length = end.saturating_sub(start);
        start = end;
        rest.split_to(length.min(rest.len()))
    };
    let (pairs, _) = ends.as_chunks::<2>();
    Ok(pairs
        .iter()
        .map(|&[leaf_end, extra_end]| RawEntry {
            leaf_input: field(leaf_end),
            extra_data: field(extra_end),
        })
        .collect())
}

#[cfg(test)]
mod tests;
