//! What followers emit.

use std::sync::Arc;

use bytes::Bytes;
use cert::precertificate::signs_precertificates;
use cert::tbs::subject_public_key_info;
use ct::Hash;
use ct::leaf::EntryType;

use crate::budget::Lease;
use crate::queue::Hold;
use crate::status::LogStatus;

/// A certificate of a chain, kept once however many entries refer to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The DER certificate.
    pub der: Bytes,
    /// SHA-256 of `der`.
    pub fingerprint: Hash,
    /// SHA-256 of the key it certifies (its `SubjectPublicKeyInfo`), which precertificates' leaves
    /// name their issuer by; `None` where it cannot be found.
    pub key_hash: Option<Hash>,
    /// Whether it is the certificate of a Precertificate Signing CA (RFC 6962 section 3.1): then the
    /// issuer is the next in the chain.
    pub signs_precertificates: bool,
}

impl Issuer {
    /// Reads what is needed of a chain certificate.
    #[must_use]
    pub fn new(der: Bytes) -> Self {
        Self {
            fingerprint: ct::sha256(&der),
            key_hash: subject_public_key_info(&der).map(ct::sha256),
            signs_precertificates: signs_precertificates(&der),
            der,
        }
    }
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

/// What one answer of a log held.
#[derive(Debug)]
pub struct Batch {
    /// Consecutive entries, in index order.
    pub entries: Vec<Entry>,
    /// The leaf hash of each, over the bytes as served; none where nothing is verified.
    pub leaf_hashes: Vec<Hash>,
    /// The answer.
    pub served: Option<Served>,
    /// What the answer holds of the budget of all answers.
    pub(crate) lease: Lease,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Served {
    /// What was asked for.
    pub url: String,
    /// The body.
    pub body: Bytes,
}

/// Consecutive entries of one log, in index order; at the end some may be left out.
#[derive(Debug)]
pub struct Page {
    /// The log they came from.
    pub log: Arc<LogStatus>,
    /// None where the log has entries that cannot be read.
    pub entries: Vec<Entry>,
    /// The index after the last entry that it stands for: the position once it is published.
    pub end: u64,
    /// What it holds of the budget of all answers, until it is dropped.
    pub(crate) held: Option<Hold>,
}
