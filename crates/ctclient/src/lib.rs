//! Reading one Certificate Transparency log over HTTP, and proving what it serves.
//!
//! A [`Source`] reads heads, entries and proofs of a [`Log`] in its protocol (RFC 6962 or
//! static-ct-api) by a [`Client`], which paces requests per host and bounds their bytes. [`Heads`]
//! compares signed heads with each other, and [`Frontier`] recomputes the log's tree from the entries
//! as served. What does not agree is a [`Contradiction`], and [`Evidence`] is written of it.
//! [`VerifiedRange`] does all this for a range of entries.
//!
//! This crate does not know which logs are read, when, or for what.
//!
//! Invariants:
//! * A response never takes more memory than its limit, and counts in a [`Budget`] until it is dropped.
//! * Defects of entries and failures of requests are results ([`Findings`], [`SourceError`]); this
//!   crate keeps no status of a log.
//! * Data from logs is untrusted: no input makes this crate panic.

mod backoff;
mod batch;
pub mod failure;
mod findings;
mod http;
mod log;
mod options;
mod read;
mod source;
mod tree;

pub use backoff::{Backoff, jitter};
pub use batch::{Batch, Served};
pub use findings::{Defects, Findings};
pub use http::addresses::{Addresses, PrivateAddress, Resolver, host_of};
pub use http::budget::{Budget, Lease, Share};
pub use http::client::Client;
pub use http::disk::read_stored;
pub use http::error::FetchError;
pub use http::intervals::{Intervals, plain};
pub use http::pace::HostSnapshot;
pub use http::retry_after::retry_after;
pub use log::{Log, LogError};
pub use options::{ReadOptions, Retries};
pub use read::ahead::Ahead;
pub use read::fetch::{FailureCounts, Fetched, Fetcher, RequestFailures};
pub use read::range::{ProvedPage, RangeError, RangeOptions, VerifiedRange};
pub use record::Protocol;
pub use source::AnySource;
pub use source::error::{Bounds, Rejected, SourceError};
pub use source::integrity::LeafMismatch;
pub use source::issuers::{IssuerCounts, IssuerStore};
pub use source::paging::pages;
pub use source::reader::Source;
pub use tree::contradiction::{AlarmKind, Contradiction, Point, ServedHead};
pub use tree::evidence::Evidence;
pub use tree::explain::explain;
pub use tree::frontier::Frontier;
pub use tree::heads::{Accepted, HeadError, Heads, Reached};
