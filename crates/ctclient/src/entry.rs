//! One entry of a log, as read.

use std::sync::Arc;

use bytes::Bytes;
use cert::precertificate::signs_precertificates;
use cert::tbs::subject_public_key_info;
use ct::Hash;
use ct::leaf::EntryType;

/// A certificate of a chain, stored once however many entries refer to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The DER certificate.
    pub der: Bytes,
    /// SHA-256 of `der`.
    pub fingerprint: Hash,
    /// SHA-256 of the key it certifies (its `SubjectPublicKeyInfo`), by which the leaves of
    /// precertificates name their issuer; `None` if the certificate has no readable key.
    pub key_hash: Option<Hash>,
    /// True for the certificate of a Precertificate Signing CA (RFC 6962 section 3.1); the issuer is
    /// then the next certificate in the chain.
    pub signs_precertificates: bool,
}

impl Issuer {
    /// Hashes a chain certificate and reads its key.
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
    /// Index in the log.
    pub index: u64,
    /// Time of the SCT, at which the log promised to include the entry, in milliseconds since 1970.
    pub timestamp: u64,
    /// Kind of `certificate`: a final certificate or a precertificate.
    pub entry_type: EntryType,
    /// The DER certificate as submitted; for a precertificate the one with the poison extension.
    pub certificate: Bytes,
    /// The chain as the log stores it: issuer first, without the certificate itself.
    pub chain: Vec<Arc<Issuer>>,
    /// The key that a precertificate and its final certificate share (SHA-256 of the issuer's key
    /// hash and the TBS); `None` unless [`ReadOptions::tbs_ids`](crate::ReadOptions::tbs_ids) is set,
    /// or if it cannot be computed.
    pub tbs_id: Option<Hash>,
}

impl Entry {
    /// Returns the bytes that this entry keeps in memory by itself; issuers are shared and not
    /// counted.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.certificate.len() + self.chain.len() * size_of::<Arc<Issuer>>()
    }
}
