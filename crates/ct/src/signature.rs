//! Signatures of logs and of log lists: ECDSA on P-256 and RSA PKCS#1 v1.5, both over SHA-256 (RFC 6962
//! section 2.1.4).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use thiserror::Error;

use crate::LogId;
use crate::encoding::from_base64;

/// A signature algorithm of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on the curve P-256; the signature is the DER of (r, s).
    EcdsaP256,
    /// RSA PKCS#1 v1.5, keys of 2048 to 8192 bits.
    RsaPkcs1,
}

/// A public key that can verify.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// An error in a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not a PEM block `PUBLIC KEY`.
    #[error("not a PEM public key (-----BEGIN PUBLIC KEY-----)")]
    Pem,
    /// Not a `SubjectPublicKeyInfo`, or a key of another algorithm.
    #[error("not a DER SubjectPublicKeyInfo of an ECDSA P-256 or an RSA key")]
    Unsupported,
    /// The algorithm is known but the key is malformed, off the curve, or of a length not allowed.
    #[error("malformed {0} public key, or of a length not allowed")]
    Malformed(Algorithm),
}

/// An error in a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Not a `DigitallySigned` structure, or with bytes after it.
    #[error("malformed DigitallySigned structure")]
    Malformed,
    /// The hash algorithm (RFC 5246 section 7.4.1.4.1) is not SHA-256, 4.
    #[error("hash algorithm {0} instead of SHA-256 (4)")]
    HashAlgorithm(u8),
    /// The signature algorithm (RFC 5246 section 7.4.1.4.1) is not that of the key.
    #[error("signature algorithm {found}, but the key's is {expected}")]
    Algorithm {
        /// The algorithm that the structure names.
        found: u8,
        /// The algorithm of the key: 1 for RSA, 3 for ECDSA.
        expected: u8,
    },
    /// The key did not make this signature over this message.
    #[error("the signature does not verify")]
    Mismatch,
}

const SHA256_CODE: u8 = 4;

/// `AlgorithmIdentifier` of id-ecPublicKey on prime256v1 (RFC 5480 section 2.1.1).
const EC_P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// `AlgorithmIdentifier` of rsaEncryption (RFC 3279 section 2.3.1).
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl Algorithm {
    /// `SignatureAlgorithm` of RFC 5246 section 7.4.1.4.1.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::RsaPkcs1 => 1,
            Self::EcdsaP256 => 3,
        }
    }

    fn of_spki(der: &[u8]) -> Option<Self> {
        let identifier = sequence_content(der)?;
        if identifier.starts_with(EC_P256) {
            Some(Self::EcdsaP256)
        } else if identifier.starts_with(RSA) {
            Some(Self::RsaPkcs1)
        } else {
            None
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Self::RsaPkcs1 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::RsaPkcs1 => "RSA",
        })
    }
}

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    ///
    /// # Errors
    /// If it is none, or the key is not ECDSA P-256 or RSA of 2048 to 8192 bits.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let algorithm = Algorithm::of_spki(der).ok_or(KeyError::Unsupported)?;
        let key = ParsedPublicKey::new(algorithm.verification(), der)
            .map_err(|_| KeyError::Malformed(algorithm))?;
        Ok(Self { spki: der.to_vec(), algorithm, key })
    }

    /// Reads the first PEM block `PUBLIC KEY` of a text (RFC 7468 section 13).
    ///
    /// # Errors
    /// If there is none, or its key cannot be used.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----").ok_or(KeyError::Pem)?;
        let (base64, _) = rest.split_once("-----END PUBLIC KEY-----").ok_or(KeyError::Pem)?;
        let base64: String = base64.split_ascii_whitespace().collect();
        Self::from_spki(&from_base64(&base64).ok_or(KeyError::Pem)?)
    }

    /// Returns the algorithm that the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The DER `SubjectPublicKeyInfo`, as given.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The id of the log that has this key.
    #[must_use]
    pub fn log_id(&self) -> LogId {
        LogId::of_key(&self.spki)
    }

    /// Verifies a `DigitallySigned` structure (RFC 5246 section 4.7) over `message`.
    ///
    /// # Errors
    /// If the structure is malformed, names other algorithms than SHA-256 and the key's, or the
    /// signature in it does not verify.
    pub fn verify_digitally_signed(
        &self,
        message: &[u8],
        digitally_signed: &[u8],
    ) -> Result<(), SignatureError> {
        let (hash, algorithm, signature) =
            split_digitally_signed(digitally_signed).ok_or(SignatureError::Malformed)?;
        if hash != SHA256_CODE {
            return Err(SignatureError::HashAlgorithm(hash));
        }
        if algorithm != self.algorithm.code() {
            let expected = self.algorithm.code();
            return Err(SignatureError::Algorithm { found: algorithm, expected });
        }
        self.verify_sha256(message, signature)
    }

    /// Verifies a bare signature over `message`, as that of Chrome's log list over the exact bytes of
    /// `log_list.json`.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] when it does not verify.
    pub fn verify_sha256(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.key.verify_sig(message, signature).map_err(|_| SignatureError::Mismatch)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm, self.log_id())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

/// Writes a `DigitallySigned` structure around a bare SHA-256 signature.
///
/// # Errors
/// [`SignatureError::Malformed`] when the signature is longer than 2^16-1 bytes.
pub fn digitally_signed(algorithm: Algorithm, signature: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let length = u16::try_from(signature.len()).map_err(|_| SignatureError::Malformed)?;
    let mut out = vec![SHA256_CODE, algorithm.code()];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(signature);
    Ok(out)
}

/// Hash algorithm, signature algorithm and signature of a `DigitallySigned` structure.
pub(crate) fn split_digitally_signed(bytes: &[u8]) -> Option<(u8, u8, &[u8])> {
    let ([hash, algorithm, a, b], signature) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([*a, *b]));
    (signature.len() == length).then_some((*hash, *algorithm, signature))
}

/// The content of a DER SEQUENCE with nothing after it: the key parser behind would take a key for
/// good whatever follows, and its id for another.
fn sequence_content(der: &[u8]) -> Option<&[u8]> {
    let (length, content) = match der {
        [0x30, 0x82, a, b, content @ ..] => (u16::from_be_bytes([*a, *b]), content),
        [0x30, 0x81, a, content @ ..] => (u16::from(*a), content),
        [0x30, a @ ..=0x7f, content @ ..] => (u16::from(*a), content),
        _ => return None,
    };
    (content.len() == usize::from(length)).then_some(content)
}

#[cfg(test)]
mod tests;
