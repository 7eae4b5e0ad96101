//! Certificate Transparency as data: log lists, tree heads, leaves, tiles, signatures and Merkle trees.
//!
//! Two protocols are read and written: RFC 6962 (`get-sth`, `get-entries`, proofs) and static-ct-api
//! (c2sp.org/static-ct-api: checkpoints and tiles). Both hash the same leaves into the same tree and
//! sign the same bytes, so one [`Leaf`](leaf::Leaf), one [`SignedHead`](head::SignedHead) and one
//! [`CompactRange`](merkle::CompactRange) serve both.
//!
//! Invariants: this crate does no IO and has no clock; no input, however hostile, makes it panic;
//! what it allocates is bounded by a small multiple of the input.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod body;
mod encoding;
mod leaf_error;
mod log_id;

pub mod entries;
pub mod head;
pub mod leaf;
pub mod log_list;
pub mod merkle;
pub mod proofs;
pub mod signature;
pub mod tile;

pub use body::BodyError;
pub use log_id::{LogId, ParseLogIdError};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// SHA-256 of `data`: what names a certificate in a static log's chain and in its `issuer/` path.
#[must_use]
pub fn sha256(data: &[u8]) -> Hash {
    encoding::sha256(data)
}
