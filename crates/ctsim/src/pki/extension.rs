//! X.509 extensions (RFC 5280 section 4.2) and names, appended to a buffer.

use crate::pki::{der, oid};

/// `keyUsage` bits, and how many of the byte are unused.
pub(crate) const DIGITAL_SIGNATURE: [u8; 2] = [7, 0x80];
pub(crate) const DIGITAL_SIGNATURE_KEY_ENCIPHERMENT: [u8; 2] = [5, 0xa0];
const CERT_SIGN_CRL_SIGN: [u8; 2] = [1, 0x06];

/// Appends an extension whose DER value `write` appends.
pub(crate) fn put(out: &mut Vec<u8>, id: &[u8], critical: bool, write: impl FnOnce(&mut Vec<u8>)) {
    der::nest(out, der::SEQUENCE, |out| {
        der::value(out, der::OID, id);
        if critical {
            der::value(out, der::BOOLEAN, &[0xff]);
        }
        der::nest(out, der::OCTET_STRING, write);
    });
}

pub(crate) fn key_usage(out: &mut Vec<u8>, bits: [u8; 2]) {
    put(out, oid::KEY_USAGE, true, |out| der::value(out, der::BIT_STRING, &bits));
}

pub(crate) fn extended_key_usage(out: &mut Vec<u8>, purposes: &[&[u8]]) {
    put(out, oid::EXTENDED_KEY_USAGE, false, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            for purpose in purposes {
                der::value(out, der::OID, purpose);
            }
        });
    });
}

/// Appends the basicConstraints of a certificate that is not a CA's.
pub(crate) fn not_a_ca(out: &mut Vec<u8>) {
    put(out, oid::BASIC_CONSTRAINTS, true, |out| der::value(out, der::SEQUENCE, &[]));
}

/// Appends the basicConstraints and keyUsage of a CA. `path_length` is `None` for a root.
pub(crate) fn ca(out: &mut Vec<u8>, path_length: Option<u8>) {
    key_usage(out, CERT_SIGN_CRL_SIGN);
    put(out, oid::BASIC_CONSTRAINTS, true, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            der::value(out, der::BOOLEAN, &[0xff]);
            if let Some(length) = path_length {
                der::value(out, der::INTEGER, &[length]);
            }
        });
    });
}

pub(crate) fn subject_key_id(out: &mut Vec<u8>, key_id: &[u8]) {
    put(out, oid::SUBJECT_KEY_ID, false, |out| der::value(out, der::OCTET_STRING, key_id));
}

pub(crate) fn authority_key_id(out: &mut Vec<u8>, key_id: &[u8]) {
    put(out, oid::AUTHORITY_KEY_ID, false, |out| {
        der::nest(out, der::SEQUENCE, |out| der::value(out, der::context(0), key_id));
    });
}

/// Appends authorityInfoAccess: the URL of the issuer's certificate, and of its OCSP responder, if
/// any.
pub(crate) fn authority_info(out: &mut Vec<u8>, ocsp: Option<&str>, issuers: &str) {
    put(out, oid::AUTHORITY_INFO, false, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            for (method, url) in
                ocsp.map(|url| (oid::OCSP, url)).into_iter().chain([(oid::CA_ISSUERS, issuers)])
            {
                der::nest(out, der::SEQUENCE, |out| {
                    der::value(out, der::OID, method);
                    der::value(out, der::context(6), url.as_bytes());
                });
            }
        });
    });
}

pub(crate) fn policy(out: &mut Vec<u8>, policy: &[u8]) {
    put(out, oid::CERTIFICATE_POLICIES, false, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            der::nest(out, der::SEQUENCE, |out| der::value(out, der::OID, policy));
        });
    });
}

pub(crate) fn crl_distribution(out: &mut Vec<u8>, url: &str) {
    put(out, oid::CRL_DISTRIBUTION, false, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            der::nest(out, der::SEQUENCE, |out| {
                der::nest(out, der::context_constructed(0), |out| {
                    der::nest(out, der::context_constructed(0), |out| {
                        der::value(out, der::context(6), url.as_bytes());
                    });
                });
            });
        });
    });
}

/// Appends one `RelativeDistinguishedName` of a single attribute.
pub(crate) fn attribute(out: &mut Vec<u8>, kind: &[u8], text: &[u8]) {
    let tag = if kind == oid::COUNTRY { der::PRINTABLE_STRING } else { der::UTF8_STRING };
    der::nest(out, der::SET, |out| {
        der::nest(out, der::SEQUENCE, |out| {
            der::value(out, der::OID, kind);
            der::value(out, tag, text);
        });
    });
}
