//! The object identifiers of a web certificate, as DER writes their content.

pub(crate) const EC_PUBLIC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
pub(crate) const PRIME256V1: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";
pub(crate) const SECP384R1: &[u8] = b"\x2b\x81\x04\x00\x22";
pub(crate) const ECDSA_WITH_SHA256: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x02";
pub(crate) const ECDSA_WITH_SHA384: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x03";
pub(crate) const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
pub(crate) const SHA256_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";

pub(crate) const COMMON_NAME: &[u8] = b"\x55\x04\x03";
pub(crate) const COUNTRY: &[u8] = b"\x55\x04\x06";
pub(crate) const LOCALITY: &[u8] = b"\x55\x04\x07";
pub(crate) const STATE: &[u8] = b"\x55\x04\x08";
pub(crate) const ORGANIZATION: &[u8] = b"\x55\x04\x0a";

pub(crate) const SUBJECT_KEY_ID: &[u8] = b"\x55\x1d\x0e";
pub(crate) const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
pub(crate) const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";
pub(crate) const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
pub(crate) const CRL_DISTRIBUTION: &[u8] = b"\x55\x1d\x1f";
pub(crate) const CERTIFICATE_POLICIES: &[u8] = b"\x55\x1d\x20";
pub(crate) const AUTHORITY_KEY_ID: &[u8] = b"\x55\x1d\x23";
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
pub(crate) const AUTHORITY_INFO: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x01\x01";
/// RFC 6962 section 3.3.
pub(crate) const SCT_LIST: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02";
/// RFC 6962 section 3.1.
pub(crate) const POISON: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03";

pub(crate) const OCSP: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01";
pub(crate) const CA_ISSUERS: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x02";
pub(crate) const SERVER_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x01";
pub(crate) const CLIENT_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x02";
/// CA/Browser Forum: domain validated.
pub(crate) const DOMAIN_VALIDATED: &[u8] = b"\x67\x81\x0c\x01\x02\x01";
/// CA/Browser Forum: organisation validated.
pub(crate) const ORGANIZATION_VALIDATED: &[u8] = b"\x67\x81\x0c\x01\x02\x02";
