//! The entries of one response of a log.

use bytes::Bytes;
use ct::Hash;
use record::Record;

use crate::findings::Findings;
use crate::http::budget::Lease;

/// The entries of one response of a log.
#[derive(Debug)]
pub struct Batch {
    /// Consecutive entries, in index order. They have no log number and no time of sight yet; their
    /// certificates share one buffer.
    pub entries: Vec<Record>,
    /// The leaf hash of each entry, over the bytes as served; empty if nothing is verified.
    pub leaf_hashes: Vec<Hash>,
    /// The `MerkleTreeLeaf` of each entry as served, in one buffer; none unless requested.
    pub leaves: Vec<Bytes>,
    /// Defects of the entries.
    pub findings: Findings,
    /// The response.
    pub served: Option<Served>,
    /// The response's bytes in the budget of all responses.
    pub lease: Lease,
}

/// Copies leaves into one buffer of exactly their size, so that they do not keep a response. Each comes
/// in two parts.
pub(crate) fn own_leaves<'a>(leaves: impl Iterator<Item = [&'a [u8]; 2]> + Clone) -> Vec<Bytes> {
    let length = |[one, two]: [&[u8]; 2]| one.len() + two.len();
    let mut buffer = Vec::with_capacity(leaves.clone().map(length).sum());
    leaves.clone().flatten().for_each(|part| buffer.extend_from_slice(part));
    let mut rest = Bytes::from(buffer);
    leaves.map(|leaf| rest.split_to(length(leaf))).collect()
}

/// A response, unchanged.
#[derive(Debug, Clone)]
pub struct Served {
    /// The requested URL.
    pub url: String,
    /// The body.
    pub body: Bytes,
}
