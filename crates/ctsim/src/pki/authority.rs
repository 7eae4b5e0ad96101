//! The simulator's certification authorities: invented organisations, built like real ones.
//!
//! Roots and intermediates have RSA keys that lie in the crate, because RSA signatures (PKCS #1 v1.5)
//! are the same in every run and so are then the chains and their fingerprints. The keys are public
//! and worth nothing. The issuing CAs below them are really signed too, but have no private key:
//! certificates at 50,000 a second cannot be signed, so theirs is a signature in form only.

mod organization;

use std::collections::HashMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ct::Hash;

use self::organization::ORGANIZATIONS;
use crate::pki::key::{self, Curve, KeyError};
use crate::pki::random::Random;
use crate::pki::{der, extension, oid};

/// The keys of CAs and subscribers are the same whatever the simulator's seed.
const SEED: u64 = 0;
const SUBSCRIBER_KEYS: usize = 256;
/// 2021-01-01 to 2046-01-01.
const CA_VALIDITY: [i64; 2] = [1_609_459_200, 2_398_377_600];
const DAY: i64 = 86_400;

/// Every CA there is.
#[derive(Debug)]
pub(crate) struct Authorities {
    pub(crate) issuers: Vec<Issuer>,
    /// The root certificates, DER.
    pub(crate) roots: Vec<Vec<u8>>,
    /// Every CA certificate by its SHA-256.
    pub(crate) certificates: HashMap<Hash, Vec<u8>>,
    /// Elliptic curve keys for subscribers, each really on the curve: `SubjectPublicKeyInfo` and key
    /// identifier.
    pub(crate) subscriber_keys: Vec<(Vec<u8>, Hash)>,
}

/// A CA that issues to subscribers, with all that is the same in each certificate it issues.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// Its share of all certificates, in thousandths.
    weight: usize,
    /// Its `Name`, DER.
    pub(crate) name: Vec<u8>,
    /// Itself, intermediates, root.
    pub(crate) chain: Vec<Vec<u8>>,
    /// SHA-256 of each of `chain`.
    pub(crate) fingerprints: Vec<Hash>,
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub(crate) key_hash: Hash,
    pub(crate) signature: SignatureKind,
    /// The validity of its certificates, in seconds.
    pub(crate) lifetime: i64,
    /// True if its certificates name the subject's organisation.
    pub(crate) names_organization: bool,
    /// Authority key identifier and authority information access.
    pub(crate) authority: Vec<u8>,
    /// Certificate policies and CRL distribution points.
    pub(crate) policies: Vec<u8>,
}

/// The signature algorithm of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureKind {
    Ecdsa(Curve),
    Rsa2048,
}

struct Subject {
    country: &'static str,
    organization: &'static str,
    common_name: &'static str,
}

/// A CA whose private key we have.
struct SigningCa {
    name: Vec<u8>,
    host: &'static str,
    pair: RsaKeyPair,
    key_id: Hash,
    /// Its own certificate first.
    chain: Vec<Vec<u8>>,
}

impl Authorities {
    pub(crate) fn new() -> Result<Self, KeyError> {
        let mut issuers = Vec::new();
        let mut roots = Vec::new();
        for organization in &ORGANIZATIONS {
            let root = organization.root()?;
            roots.extend(root.chain.first().cloned());
            let parent = organization.intermediate(root)?;
            for plan in organization.issuers {
                issuers.push(organization.issuer(plan, &parent)?);
            }
        }
        let certificates = issuers
            .iter()
            .flat_map(|issuer: &Issuer| issuer.fingerprints.iter().zip(&issuer.chain))
            .map(|(fingerprint, der)| (*fingerprint, der.clone()))
            .collect();
        let subscriber_keys = (0..SUBSCRIBER_KEYS)
            .map(|number| {
                let point = key::point(Curve::P256, SEED, &format!("subscriber {number}"))?;
                Ok((key::ec_spki(Curve::P256, &point), ct::sha256(&point)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { issuers, roots, certificates, subscriber_keys })
    }

    /// An issuer, as often as its share.
    pub(crate) fn pick(&self, random: &mut Random) -> &Issuer {
        let mut ticket = random.below(self.issuers.iter().map(|issuer| issuer.weight).sum());
        let drawn = self.issuers.iter().position(|issuer| {
            let hit = ticket < issuer.weight;
            ticket = ticket.saturating_sub(issuer.weight);
            hit
        });
        &self.issuers[drawn.unwrap_or_default()]
    }
}

impl Subject {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        der::nest(&mut out, der::SEQUENCE, |out| {
            extension::attribute(out, oid::COUNTRY, self.country.as_bytes());
            extension::attribute(out, oid::ORGANIZATION, self.organization.as_bytes());
            extension::attribute(out, oid::COMMON_NAME, self.common_name.as_bytes());
        });
        out
    }
}

/// A key identifier is 160 bits of a SHA-256 (RFC 7093 section 2, method 1).
pub(crate) const KEY_ID_LENGTH: usize = 20;

impl SigningCa {
    fn new(subject: &Subject, host: &'static str, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|source| KeyError::Rejected {
            name: subject.common_name.to_owned(),
            source,
        })?;
        let key_id = ct::sha256(pair.public_key().as_ref());
        Ok(Self { name: subject.encode(), host, pair, key_id, chain: Vec::new() })
    }

    fn spki(&self) -> Vec<u8> {
        let mut out = Vec::new();
        key::rsa_spki(&mut out, |out| out.extend_from_slice(self.pair.public_key().as_ref()));
        out
    }

    /// A CA certificate, really signed.
    fn issue(
        &self,
        subject: &[u8],
        spki: &[u8],
        key_id: &Hash,
        path_length: Option<u8>,
    ) -> Result<Vec<u8>, KeyError> {
        let mut tbs = Vec::new();
        der::nest(&mut tbs, der::SEQUENCE, |out| {
            version_3(out);
            der::value(out, der::INTEGER, &serial(subject));
            SignatureKind::Rsa2048.put_algorithm(out);
            out.extend_from_slice(&self.name);
            validity(out, CA_VALIDITY);
            out.extend_from_slice(subject);
            out.extend_from_slice(spki);
            der::nest(out, der::context_constructed(3), |out| {
                der::nest(out, der::SEQUENCE, |out| {
                    extension::ca(out, path_length);
                    extension::subject_key_id(out, &key_id[..KEY_ID_LENGTH]);
                    extension::authority_key_id(out, &self.key_id[..KEY_ID_LENGTH]);
                    if path_length.is_some() {
                        self.put_subordinate_extensions(out);
                    }
                });
            });
        });
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &tbs, &mut signature)
            .map_err(|_| KeyError::Failed("sign a CA certificate"))?;
        let mut out = Vec::new();
        der::nest(&mut out, der::SEQUENCE, |out| {
            out.extend_from_slice(&tbs);
            SignatureKind::Rsa2048.put_algorithm(out);
            der::bit_string(out, |out| out.extend_from_slice(&signature));
        });
        Ok(out)
    }

    /// Appends the extensions of an intermediate CA.
    fn put_subordinate_extensions(&self, out: &mut Vec<u8>) {
        extension::extended_key_usage(out, &[oid::SERVER_AUTH, oid::CLIENT_AUTH]);
        extension::authority_info(out, None, &format!("http://i.{}/root.crt", self.host));
        extension::policy(out, oid::DOMAIN_VALIDATED);
        extension::crl_distribution(out, &format!("http://crl.{}/root.crl", self.host));
    }
}

impl SignatureKind {
    /// Appends the `AlgorithmIdentifier`.
    pub(crate) fn put_algorithm(self, out: &mut Vec<u8>) {
        der::nest(out, der::SEQUENCE, |out| match self {
            Self::Ecdsa(Curve::P256) => der::value(out, der::OID, oid::ECDSA_WITH_SHA256),
            Self::Ecdsa(Curve::P384) => der::value(out, der::OID, oid::ECDSA_WITH_SHA384),
            Self::Rsa2048 => {
                der::value(out, der::OID, oid::SHA256_WITH_RSA);
                out.extend_from_slice(&[0x05, 0x00]);
            }
        });
    }
}

pub(crate) fn version_3(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xa0, 3, der::INTEGER, 1, 2]);
}

pub(crate) fn validity(out: &mut Vec<u8>, unix_seconds: [i64; 2]) {
    der::nest(out, der::SEQUENCE, |out| {
        unix_seconds.into_iter().for_each(|time| der::utc_time(out, time));
    });
}

/// A positive serial number of 16 bytes.
fn serial(subject: &[u8]) -> [u8; 16] {
    let mut serial = [0; 16];
    serial.copy_from_slice(&ct::sha256(subject)[..16]);
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

/// 2,048 random bits in the form of an RSA modulus: the highest and the lowest are set.
pub(crate) fn rsa_modulus(random: &mut Random) -> Vec<u8> {
    let mut modulus = Vec::with_capacity(256);
    random.append(256, &mut modulus);
    modulus[0] |= 0x80;
    modulus[255] |= 1;
    modulus
}

#[cfg(test)]
mod tests;
