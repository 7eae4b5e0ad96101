//! The journal: committed batches on disk, so that nothing that was shown is forgotten.
//!
//! A stream is a directory of append-only *segments*. A segment is a header, a checkpoint of the fold,
//! and *frames*: one for each batch. `docs/journal.md` documents the bytes.
//!
//! * [`Journal::open`] recovers what an earlier process left, whatever happened to it, and reports
//!   what is damaged.
//! * A [`Writer`] appends batches; [`Journal::sync`], from any thread, makes them durable.
//! * A [`Journal`] is a handle for readers: [`Journal::read`], [`Journal::reader`],
//!   [`Journal::at_time`], [`Journal::stats`].
//! * [`Directory`] reads a stopped or running journal from outside, for tools.
//!
//! Invariants: a segment is written by one process, in one go; after a failed write or sync it is never
//! written again, and recovery changes no segment. A new segment appears under its name only when its
//! first bytes are durable. What was shown is never replaced under its offset.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod damage;
mod error;
mod format;
mod host;
mod index;
mod journal;
mod read;
mod recovery;
mod segment;
mod settings;
mod shared;
mod stats;
pub mod storage;
mod write;

pub use damage::{Damage, DamageKind};
pub use error::{OpenError, ReadError, WriteError};
pub use host::{Host, System};
pub use index::{
    Digest, Finder, Found, Indexes, Kept, Next, Order, Paused, Searchable, Term, Wanted,
};
pub use journal::{Head, Journal, Opened};
pub use read::{Contents, Directory, Item, LogTable, Reader, StoredBatch};
pub use settings::Settings;
pub use stats::{SegmentStats, Stats};
pub use write::{Start, Writer};
