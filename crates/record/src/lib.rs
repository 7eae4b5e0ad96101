//! Published certificates as data: the records of a batch, their encoding, and the state that batches
//! fold into.
//!
//! A commit log is a sequence of [`Batch`]es, grouped into terms by [`Begin`]. Everything that is known
//! about a stream (its next offset, its logs with their positions, trees, gaps and alarms) is the fold
//! of that sequence: [`State::apply`] and [`State::begin`] are the only ways to change it, live and in
//! recovery. [`encoding`] documents the bytes.
//!
//! Invariants: this crate does no IO and has no clock; no input, however hostile, makes it panic; what
//! it allocates is bounded by a small multiple of the input; a batch is applied as a whole or not at
//! all.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod alarm;
mod batch;
pub mod encoding;
mod entry;
mod issuer;
mod log;
mod position;
mod state;
mod stream_id;

pub use alarm::{Acknowledgement, Alarm, AlarmKind};
pub use batch::{Batch, BatchHash, Begin, Header, SyncMode};
pub use entry::{Gap, GapReason, LogNumber, Record, Sighting};
pub use issuer::Issuer;
pub use log::{LogChange, LogIdentity, Protocol};
pub use position::{Advance, Position, Proved, Tree};
pub use state::{Checkpoint, LogState, Refused, State};
pub use stream_id::{StreamId, StreamIdError};

/// Offsets are below this number (2^53 − 2^40), so that every JSON reader keeps them whole and a
/// stream has room to continue. A larger one is damage.
pub const MAX_OFFSET: u64 = (1 << 53) - (1 << 40);
