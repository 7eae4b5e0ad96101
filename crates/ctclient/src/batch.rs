//! The entries of one response of a log.

use bytes::Bytes;
use ct::Hash;

use crate::entry::Entry;
use crate::findings::Findings;
use crate::http::budget::Lease;

/// The entries of one response of a log.
#[derive(Debug)]
pub struct Batch {
    /// Consecutive entries, in index order.
    pub entries: Vec<Entry>,
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
