//! The registrable domains that a stream has seen: each with the offset and time of its first
//! certificate, on disk, long after the journal has deleted that certificate.
//!
//! A [`Set`] is a folder of *runs*. A run is a file that never changes: the domains that were first
//! seen at certain offsets, as keyed 64-bit hashes ([`Key`]) in ascending order, 20 bytes for each. New
//! domains gather in memory; [`Set::write`] makes a run of them. [`Set::tidy`] merges neighbours, so
//! that each run is more than eight times as large as the one after it, and deletes the oldest run
//! when the files grow beyond their limit. A look-up reads one block of 4 KiB from each run, the newest
//! first, until it finds the domain. In memory are the first hash of each block, and the new domains.
//!
//! The runs cover contiguous ranges of offsets, which their names show. The set is complete below
//! [`Set::end`]; what comes after that is applied again from the stream ([`Set::note`]). So a crash
//! needs no log of its own: what was not written as a run is applied again.
//!
//! Invariants: a run has its name only once its bytes are durable; memory and files are bounded by
//! [`Settings`]; damage is an error, never a wrong answer. A file is deleted only if it was merged, is
//! beyond the limit, or cannot be used because another one is damaged; the damaged one stays, under
//! another name. This crate has no threads and no clock.
//! `docs/journal.md` documents the bytes.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod error;
mod key;
mod names;
mod run;
mod set;

pub use error::Error;
pub use key::{Key, Seed};
pub use names::MOST_DOMAINS;
pub use set::{Found, Set, Settings, Stats};

use record::Record;

/// The first certificate for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// Its offset.
    pub offset: u64,
    /// The time at which it was seen, seconds since 1970.
    pub time: u32,
}

impl First {
    /// Returns the place of a record at an offset.
    #[must_use]
    pub fn of(offset: u64, record: &Record) -> Self {
        Self { offset, time: u32::try_from(record.seen / 1000).unwrap_or(u32::MAX) }
    }
}
