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
    /// Defects of the entries.
    pub findings: Findings,
    /// The response.
    pub served: Option<Served>,
    /// The response's bytes in the budget of all responses.
    pub lease: Lease,
}

/// A response, unchanged.
#[derive(Debug, Clone)]
pub struct Served {
    /// The requested URL.
    pub url: String,
    /// The body.
    pub body: Bytes,
}
