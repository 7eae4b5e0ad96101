//! The unit of committing: a batch, and the begin of a term.

use std::fmt;

use ct::Hash;

use crate::alarm::{Acknowledgement, Alarm};
use crate::entry::{Gap, LogNumber, Record, Sighting};
use crate::log::LogChange;
use crate::position::Advance;
use crate::stream_id::StreamId;

/// The place of a batch or a [`Begin`] in its stream. Only what follows the last one applied is
/// applied: the same stream, the number after it, and its hash in `prev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The stream.
    pub stream: StreamId,
    /// The term, begun by a start or a new leader.
    pub term: u64,
    /// The number: one more than that of the one before, also across terms.
    pub number: u64,
    /// Hash of the one before.
    pub prev: BatchHash,
}

/// The first 64 bits of the SHA-256 of an encoded batch or begin; chains each to the one before.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct BatchHash(pub u64);

impl BatchHash {
    /// The hash before the first batch, and of every batch in a commit log that encodes none.
    pub const NONE: Self = Self(0);

    /// Computes the hash of an encoded batch or begin.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Self {
        let digest = ct::sha256(encoded);
        Self(digest.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }
}

impl fmt::Debug for BatchHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchHash({:016x})", self.0)
    }
}

/// The unit of committing, showing and applying: whole pages of logs with the positions after them.
///
/// Records have the offsets from `first_offset` on, in their order. For each log with an [`Advance`],
/// its records, sightings and gaps cover the indexes of that advance, each once. Any further record or
/// sighting is of an index in a gap of its log, of which it closes that part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its place in the stream.
    pub header: Header,
    /// Offset of the first record, or of the next one if there is none here.
    pub first_offset: u64,
    /// Changes of the log table; they apply before anything else here.
    pub logs: Vec<LogChange>,
    /// Certificates that are published.
    pub records: Vec<Record>,
    /// Entries whose certificate was published before.
    pub sightings: Vec<Sighting>,
    /// Indexes that are missing.
    pub gaps: Vec<Gap>,
    /// Contradictions found.
    pub alarms: Vec<Alarm>,
    /// Acknowledgements; they apply before the alarms here.
    pub acknowledgements: Vec<Acknowledgement>,
    /// New positions, at most one for each log.
    pub advances: Vec<Advance>,
}

impl Batch {
    /// Creates an empty batch.
    #[must_use]
    pub const fn new(header: Header, first_offset: u64) -> Self {
        Self {
            header,
            first_offset,
            logs: Vec::new(),
            records: Vec::new(),
            sightings: Vec::new(),
            gaps: Vec::new(),
            alarms: Vec::new(),
            acknowledgements: Vec::new(),
            advances: Vec::new(),
        }
    }

    /// Reports whether an entry of this batch was missing when its log advanced over its index: one that
    /// no advance here covers.
    #[must_use]
    pub fn is_backfilled(&self, log: LogNumber, index: u64) -> bool {
        let advance = self.advances.iter().find(|advance| advance.log == log);
        advance.is_none_or(|advance| index < advance.first)
    }

    /// Returns the offset after the last record.
    #[must_use]
    pub const fn next_offset(&self) -> u64 {
        self.first_offset.saturating_add(self.records.len() as u64)
    }
}

/// The moment at which a commit log makes durable what it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncMode {
    /// Never: nothing outlives the process.
    Memory,
    /// At intervals; a loss of power takes back what came since the last one.
    Interval,
    /// Before a batch is shown.
    Batch,
    /// As soon as the servers of the commit log have it.
    Replicated,
}

/// Opens a term: a start, or a new leader. Only here may offsets jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Its place in the stream; the term is larger than the one before.
    pub header: Header,
    /// Offset of the next record.
    pub first_offset: u64,
    /// A random number, by which a leader recognises its own begin.
    pub nonce: [u8; 16],
    /// Identity of the machine's boot, all zero if unknown.
    pub boot: [u8; 16],
    /// The sync mode of the term.
    pub sync: SyncMode,
    /// SHA-256 of what of the configuration decides the contents of batches.
    pub configuration: Hash,
}
