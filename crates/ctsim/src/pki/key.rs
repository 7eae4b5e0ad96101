//! Keys that depend on the seed alone, so that a log has the same identity in every run.

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey};
use aws_lc_rs::digest::{SHA384, digest};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use ct::LogId;
use thiserror::Error;

use crate::pki::der;
use crate::pki::oid;

/// The cryptographic library refused a key, or to sign.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A key could not be made.
    #[error("cannot make the key {name}: {source}")]
    Rejected {
        /// The key's name inside the simulator.
        name: String,
        /// The message of the library.
        source: KeyRejected,
    },
    /// An operation failed, for which the library gives no reason.
    #[error("the cryptographic library failed to {0}")]
    Failed(&'static str),
}

/// The key of a log or of the log list: ECDSA over P-256.
#[derive(Debug)]
pub(crate) struct LogKey {
    pair: EcdsaKeyPair,
    pub(crate) spki: Vec<u8>,
    pub(crate) log_id: LogId,
}

/// The curves on which the simulator has keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl LogKey {
    /// The key named `name` of the simulator with this seed.
    pub(crate) fn derive(seed: u64, name: &str) -> Result<Self, KeyError> {
        let scalar = scalar(Curve::P256, seed, name);
        let point = point(Curve::P256, seed, name)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &scalar,
            &point,
        )
        .map_err(|source| KeyError::Rejected { name: name.to_owned(), source })?;
        let spki = ec_spki(Curve::P256, &point);
        let log_id = LogId::of_key(&spki);
        Ok(Self { pair, spki, log_id })
    }

    /// An ECDSA signature, as DER, of the SHA-256 of `message`. Another one each time.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self.pair.sign(&SystemRandom::new(), message) {
            Ok(signature) => Ok(signature.as_ref().to_vec()),
            Err(Unspecified) => Err(KeyError::Failed("sign")),
        }
    }

    /// The public key as PEM.
    pub(crate) fn pem(&self) -> String {
        let text = base64_simd::STANDARD.encode_to_string(&self.spki);
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

/// The public point, uncompressed, of the key named `name`.
pub(crate) fn point(curve: Curve, seed: u64, name: &str) -> Result<Vec<u8>, KeyError> {
    let algorithm: &agreement::Algorithm = match curve {
        Curve::P256 => &ECDH_P256,
        Curve::P384 => &ECDH_P384,
    };
    let private = PrivateKey::from_private_key(algorithm, &scalar(curve, seed, name))
        .map_err(|source| KeyError::Rejected { name: name.to_owned(), source })?;
    match private.compute_public_key() {
        Ok(public) => Ok(public.as_ref().to_vec()),
        Err(Unspecified) => Err(KeyError::Failed("compute a public key")),
    }
}

/// The secret scalar. That it is 0 or exceeds the order of the curve has a probability of 2^-32, and
/// is refused when the key is made.
fn scalar(curve: Curve, seed: u64, name: &str) -> Vec<u8> {
    let input = [b"ctsim key ".as_slice(), &seed.to_be_bytes(), name.as_bytes()].concat();
    match curve {
        Curve::P256 => ct::sha256(&input).to_vec(),
        Curve::P384 => digest(&SHA384, &input).as_ref().to_vec(),
    }
}

/// `SubjectPublicKeyInfo` of an elliptic curve key (RFC 5480).
pub(crate) fn ec_spki(curve: Curve, point: &[u8]) -> Vec<u8> {
    let curve = match curve {
        Curve::P256 => oid::PRIME256V1,
        Curve::P384 => oid::SECP384R1,
    };
    let mut out = Vec::new();
    der::nest(&mut out, der::SEQUENCE, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            der::value(out, der::OID, oid::EC_PUBLIC_KEY);
            der::value(out, der::OID, curve);
        });
        der::bit_string(out, |out| out.extend_from_slice(point));
    });
    out
}

/// Appends the `SubjectPublicKeyInfo` of an RSA key (RFC 3279 section 2.3.1); `key` appends the
/// `RSAPublicKey`.
pub(crate) fn rsa_spki(out: &mut Vec<u8>, key: impl FnOnce(&mut Vec<u8>)) {
    der::nest(out, der::SEQUENCE, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            der::value(out, der::OID, oid::RSA_ENCRYPTION);
            out.extend_from_slice(&[0x05, 0x00]);
        });
        der::bit_string(out, key);
    });
}

/// Appends an `RSAPublicKey` with this 2048-bit modulus and the exponent 65,537.
pub(crate) fn rsa_public_key(out: &mut Vec<u8>, modulus: &[u8]) {
    der::nest(out, der::SEQUENCE, |out| {
        der::nest(out, der::INTEGER, |out| {
            out.push(0);
            out.extend_from_slice(modulus);
        });
        der::value(out, der::INTEGER, &[1, 0, 1]);
    });
}
