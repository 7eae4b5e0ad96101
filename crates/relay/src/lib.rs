//! A stream on NATS JetStream: committing batches, reading them, and leadership.
//!
//! * [`protocol`] decides everything, without IO.
//! * A [`Link`] is the connection to a stream, which it creates or checks.
//! * A [`Node`] reads the stream, and publishes if it leads.
//! * A [`Bucket`] has the lease of the leader, and a copy of the newest checkpoint.
//! * [`search::find`] finds the place of an offset, and a [`Replay`](replay::Replay) reads from there.
//!
//! Invariants: one publish is in flight; a batch is committed once this node has read it back; no offset
//! is shown twice, and offsets only grow, whatever the stream loses.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod bucket;
mod consumer;
mod error;
mod link;
mod node;
mod places;
pub mod protocol;
mod pull;
pub mod replay;
pub mod search;
mod settings;
mod tail;

pub use bucket::{Bucket, Candidate};
pub use error::{OpenError, UseError};
pub use link::{Bounds, Link, Outcome};
pub use node::{Counts, Node, Turn};
pub use settings::{Credentials, Settings};
