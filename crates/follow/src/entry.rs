//! What followers emit.

use std::sync::Arc;

use bytes::Bytes;
use ct::Hash;
use ct::leaf::EntryType;

use crate::status::LogStatus;

/// A certificate of a chain, kept once however many entries refer to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The DER certificate.
    pub der: Bytes,
    /// SHA-256 of `der`.
    pub fingerprint: Hash,
}

/// One entry of a log, as read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Position in the log.
    pub index: u64,
    /// When the log promised to include it (the SCT's time), milliseconds since 1970.
    pub timestamp: u64,
    /// Whether `certificate` is a final certificate or a precertificate.
    pub entry_type: EntryType,
    /// The DER certificate as submitted; for a precertificate the one with the poison extension.
    pub certificate: Bytes,
    /// The chain as the log stores it: issuer first, without the certificate itself.
    pub chain: Vec<Arc<Issuer>>,
    /// What a precertificate and its final certificate have in common (SHA-256 of the issuer's key
    /// hash and the TBS), where [`FollowOptions::tbs_ids`](crate::FollowOptions::tbs_ids) asks for
    /// it and it can be told.
    pub tbs_id: Option<Hash>,
}

impl Entry {
    /// Bytes this entry keeps alive by itself; issuers are shared and not counted.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.certificate.len() + self.chain.len() * size_of::<Arc<Issuer>>()
    }
}

/// Consecutive entries of one log, in index order.
#[derive(Debug)]
pub struct Page {
    /// The log they came from.
    pub log: Arc<LogStatus>,
    /// At least one entry.
    pub entries: Vec<Entry>,
}
