//! Certificates of chains, which many records share.

use bytes::Bytes;
use cert::precertificate::signs_precertificates;
use cert::tbs::subject_public_key_info;
use ct::Hash;

/// A certificate of a chain, stored once for all entries that refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The DER certificate.
    pub der: Bytes,
    /// SHA-256 of `der`.
    pub fingerprint: Hash,
    /// SHA-256 of the key it certifies (its `SubjectPublicKeyInfo`), by which the leaves of
    /// precertificates name their issuer; `None` if the key cannot be found.
    pub key_hash: Option<Hash>,
    /// Tells the certificate of a Precertificate Signing CA (RFC 6962 section 3.1), whose issuer, the
    /// next in the chain, is the issuer of the final certificate.
    pub signs_precertificates: bool,
}

impl Issuer {
    /// Reads a chain certificate, as far as it can be read.
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
