//! The three forms in which an index of a log is accounted for: record, sighting and gap.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::leaf::EntryType;

use crate::issuer::Issuer;

/// The number of a log in the log table of its stream. Numbers are given in order, from 0, and never
/// reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogNumber(pub u32);

/// A certificate as it is published: one entry of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The log it was read from.
    pub log: LogNumber,
    /// Its index there.
    pub index: u64,
    /// Time of its SCT (when the log promised to include it), milliseconds since 1970.
    pub submitted: u64,
    /// Time at which it was taken for publication, milliseconds since 1970.
    pub seen: u64,
    /// Kind of entry: final certificate or precertificate.
    pub kind: EntryType,
    /// The DER certificate as submitted; for a precertificate the one with the poison extension.
    /// Once published, an allocation of its own, so that a record keeps no page in memory.
    pub certificate: Bytes,
    /// SHA-256 of `certificate`, computed once. Not encoded: a decoder computes it.
    pub fingerprint: Hash,
    /// The chain as the log stores it: issuer first, without the certificate itself.
    pub chain: Vec<Arc<Issuer>>,
    /// Hash that a precertificate and its final certificate share (SHA-256 of the issuer's key hash
    /// and the TBS), if it was asked for and can be computed. Boxed, because few streams ask for it.
    pub link: Option<Box<Hash>>,
    /// One of its names has a registrable domain that no record before it had, as far as the stream
    /// remembers. Decided before it is committed; false in a stream that does not decide it.
    pub is_new: bool,
    /// It was missing when its log advanced over its index, and came later: streams leave it out unless
    /// they are asked for it.
    pub is_backfilled: bool,
}

impl Record {
    /// Creates the record of an entry that was read, and hashes its certificate. The sequencer gives it
    /// a log number and the time at which it was seen.
    #[must_use]
    pub fn as_read(
        index: u64,
        submitted: u64,
        kind: EntryType,
        certificate: Bytes,
        chain: Vec<Arc<Issuer>>,
    ) -> Self {
        let fingerprint = ct::sha256(&certificate);
        let (log, seen, link) = (LogNumber::default(), 0, None);
        Self {
            log,
            index,
            submitted,
            seen,
            kind,
            certificate,
            fingerprint,
            chain,
            link,
            is_new: false,
            is_backfilled: false,
        }
    }

    /// Returns the bytes of memory that the record takes by itself. Issuers are shared and not counted.
    #[must_use]
    pub const fn weight(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.certificate.len())
            .saturating_add(self.chain.len().saturating_mul(size_of::<Arc<Issuer>>()))
    }

    /// Returns the key under which duplicates are found: the link if known, else the fingerprint.
    #[must_use]
    pub fn dedup_key(&self) -> &Hash {
        self.link.as_deref().unwrap_or(&self.fingerprint)
    }
}

/// An entry whose certificate was published before, from another log or another index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The log it was read from.
    pub log: LogNumber,
    /// Its index there.
    pub index: u64,
    /// Time of its SCT, milliseconds since 1970.
    pub submitted: u64,
    /// Offset of the record that it repeats.
    pub offset: u64,
    /// SHA-256 of its own certificate, if that is only linked to the record's (precertificate and
    /// final certificate) and so may be another one.
    pub fingerprint: Option<Hash>,
}

/// Indexes of a log that are neither published nor seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The log.
    pub log: LogNumber,
    /// The indexes; never empty.
    pub range: Range<u64>,
    /// Reason for the gap.
    pub reason: GapReason,
}

/// Reason for a [`Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The log was further behind than catching up is allowed to go.
    Skipped,
    /// The log serves bytes that cannot be taken apart.
    Unreadable,
    /// The record is larger than the commit log accepts.
    TooLarge,
    /// The bytes were damaged after they had been committed.
    Damaged,
}
