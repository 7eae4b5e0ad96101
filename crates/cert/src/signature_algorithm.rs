//! Signature algorithms (RFC 3279, RFC 4055, RFC 5758, RFC 8410).

use std::fmt::{self, Write};

use crate::der::{Fault, Reader, tag};
use crate::oid::Oid;
use crate::text::Dialect;

/// The algorithm a certificate is signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5.
    Rsa(Digest),
    /// RSASSA-PSS, with the digest that its parameters name.
    RsaPss(Digest),
    /// ECDSA.
    Ecdsa(Digest),
    /// DSA.
    Dsa(Digest),
    /// Ed25519 or Ed448, which have their digest built in.
    EdDsa,
    /// Any other, or none that could be read.
    #[default]
    Unknown,
}

/// The digest that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it
pub enum Digest {
    Md2,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl SignatureAlgorithm {
    /// Reads the contents of an `AlgorithmIdentifier`.
    pub(crate) fn read(contents: &[u8]) -> Result<Self, Fault> {
        let mut fields = Reader::new(contents);
        let oid = Oid(fields.expect(tag::OBJECT_IDENTIFIER)?);
        Ok(match Self::of(oid) {
            Self::RsaPss(default) => {
                pss_digest(fields, default).map_or(Self::Unknown, Self::RsaPss)
            }
            other => other,
        })
    }

    /// The algorithm by its identifier. For RSASSA-PSS with the digest that stands for no
    /// parameters (RFC 4055 section 3.1).
    fn of(oid: Oid<'_>) -> Self {
        use Digest::{Md2, Md5, Sha1, Sha224, Sha256, Sha384, Sha512};
        match *oid.0 {
            // 1.2.840.113549.1.1: PKCS #1
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, algorithm] => match algorithm {
                2 => Self::Rsa(Md2),
                4 => Self::Rsa(Md5),
                5 => Self::Rsa(Sha1),
                10 => Self::RsaPss(Sha1),
                11 => Self::Rsa(Sha256),
                12 => Self::Rsa(Sha384),
                13 => Self::Rsa(Sha512),
                14 => Self::Rsa(Sha224),
                _ => Self::Unknown,
            },
            // 1.2.840.10045.4: ANSI X9.62
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => Self::Ecdsa(Sha1),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, digest @ 1..=4] => Self::Ecdsa(sha2(digest)),
            // 1.2.840.10040.4.3 and 2.16.840.1.101.3.4.3: DSA
            [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03] => Self::Dsa(Sha1),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, digest @ 1..=4] => {
                Self::Dsa(sha2(digest))
            }
            // 1.3.14.3.2: what OIW defined before PKCS #1 and ANSI did
            [0x2b, 0x0e, 0x03, 0x02, 27] => Self::Dsa(Sha1),
            [0x2b, 0x0e, 0x03, 0x02, 29] => Self::Rsa(Sha1),
            // 1.3.101.112 and 1.3.101.113
            [0x2b, 0x65, 0x70 | 0x71] => Self::EdDsa,
            _ => Self::Unknown,
        }
    }

    /// Writes the algorithm as certstream does: Calidog puts the digest first (`sha256, ecdsa`),
    /// the others put it first only for RSA (`ecdsa, sha256`). SHA-1 is `sha` in Calidog.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write<W: Write>(self, dialect: Dialect, out: &mut W) -> fmt::Result {
        let calidog = dialect == Dialect::Calidog;
        let mut write = |first: &str, second: &str| {
            out.write_str(first)?;
            out.write_str(", ")?;
            out.write_str(second)
        };
        match self {
            Self::Rsa(digest) => write(digest.label(dialect), "rsa"),
            Self::RsaPss(digest) => write(digest.label(dialect), "rsa-pss"),
            Self::Ecdsa(digest) if calidog => write(digest.label(dialect), "ecdsa"),
            Self::Ecdsa(digest) => write("ecdsa", digest.label(dialect)),
            Self::Dsa(digest) if calidog => write(digest.label(dialect), "dsa"),
            Self::Dsa(digest) => write("dsa", digest.label(dialect)),
            Self::EdDsa if calidog => write("none", "eddsa"),
            Self::EdDsa => out.write_str("ed25519"),
            Self::Unknown => out.write_str("unknown"),
        }
    }
}

impl Digest {
    const fn label(self, dialect: Dialect) -> &'static str {
        match self {
            Self::Md2 => "md2",
            Self::Md5 => "md5",
            Self::Sha1 => match dialect {
                Dialect::Calidog => "sha",
                Dialect::Go | Dialect::Rust => "sha1",
            },
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
}

/// The order in which ECDSA (RFC 5758) and DSA number the digests.
const fn sha2(number: u8) -> Digest {
    match number {
        1 => Digest::Sha224,
        2 => Digest::Sha256,
        3 => Digest::Sha384,
        _ => Digest::Sha512,
    }
}

/// The digest in `RSASSA-PSS-params` (RFC 4055 section 3.1): `[0] HashAlgorithm DEFAULT sha1`.
/// `None` is a digest not known here, or parameters that cannot be read.
fn pss_digest(mut after_oid: Reader<'_>, default: Digest) -> Option<Digest> {
    let Some(params) = after_oid.optional(tag::SEQUENCE).ok()? else { return Some(default) };
    let Some(hash) = Reader::new(params).optional(tag::constructed(0)).ok()? else {
        return Some(default);
    };
    let oid = Reader::new(hash).sequence().ok()?.expect(tag::OBJECT_IDENTIFIER).ok()?;
    match *oid {
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] => Some(Digest::Sha1),
        // 2.16.840.1.101.3.4.2: NIST's digests
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, digest] => match digest {
            1 => Some(Digest::Sha256),
            2 => Some(Digest::Sha384),
            3 => Some(Digest::Sha512),
            4 => Some(Digest::Sha224),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(contents: &[u8], dialect: Dialect) -> String {
        let mut out = String::new();
        SignatureAlgorithm::read(contents).unwrap().write(dialect, &mut out).unwrap();
        out
    }

    #[test]
    fn by_identifier() {
        let cases: [(&[u8], &str, &str); 20] = [
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "sha256, rsa", "sha256, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", "sha384, rsa", "sha384, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", "sha512, rsa", "sha512, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", "sha224, rsa", "sha224, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", "sha, rsa", "sha1, rsa"),
            (b"\x2b\x0e\x03\x02\x1d", "sha, rsa", "sha1, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", "md5, rsa", "md5, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02", "md2, rsa", "md2, rsa"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "sha, rsa-pss", "sha1, rsa-pss"),
            (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", "sha256, ecdsa", "ecdsa, sha256"),
            (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", "sha384, ecdsa", "ecdsa, sha384"),
            (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", "sha512, ecdsa", "ecdsa, sha512"),
            (b"\x2a\x86\x48\xce\x3d\x04\x01", "sha, ecdsa", "ecdsa, sha1"),
            (b"\x2a\x86\x48\xce\x38\x04\x03", "sha, dsa", "dsa, sha1"),
            (b"\x60\x86\x48\x01\x65\x03\x04\x03\x02", "sha256, dsa", "dsa, sha256"),
            (b"\x2b\x65\x70", "none, eddsa", "ed25519"),
            (b"\x2b\x65\x71", "none, eddsa", "ed25519"),
            (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x63", "unknown", "unknown"),
            (b"\x55\x04\x03", "unknown", "unknown"),
            (b"", "unknown", "unknown"),
        ];
        for (oid, calidog, peer) in cases {
            let mut contents = vec![tag::OBJECT_IDENTIFIER, u8::try_from(oid.len()).unwrap()];
            contents.extend(oid);
            assert_eq!(text(&contents, Dialect::Calidog), calidog, "{oid:02x?}");
            assert_eq!(text(&contents, Dialect::Go), peer, "{oid:02x?}");
            assert_eq!(text(&contents, Dialect::Rust), peer, "{oid:02x?}");
        }
    }

    const PSS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

    #[test]
    fn pss_by_its_parameters() {
        let sha = |number: u8| {
            let mut params =
                b"\x30\x11\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02".to_vec();
            params.extend([number, 0x05, 0x00]);
            [PSS, &params].concat()
        };
        assert_eq!(text(&sha(1), Dialect::Calidog), "sha256, rsa-pss");
        assert_eq!(text(&sha(2), Dialect::Go), "sha384, rsa-pss");
        assert_eq!(text(&sha(3), Dialect::Rust), "sha512, rsa-pss");
        assert_eq!(text(&sha(4), Dialect::Calidog), "sha224, rsa-pss");
        assert_eq!(text(&sha(9), Dialect::Calidog), "unknown");
        assert_eq!(text(&[PSS, b"\x30\x00"].concat(), Dialect::Calidog), "sha, rsa-pss");
        assert_eq!(text(&[PSS, b"\x30\x05\xa2"].concat(), Dialect::Calidog), "unknown");
        let salt_only = b"\x30\x05\xa2\x03\x02\x01\x20";
        assert_eq!(text(&[PSS, salt_only].concat(), Dialect::Go), "sha1, rsa-pss");
    }

    #[test]
    fn not_an_algorithm() {
        assert_eq!(SignatureAlgorithm::read(b"\x05\x00"), Err(Fault::Type));
        assert_eq!(SignatureAlgorithm::read(b""), Err(Fault::CutShort));
    }
}
