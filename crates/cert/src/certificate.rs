//! The certificate (RFC 5280 section 4.1).

use std::borrow::Cow;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::extension::{Extension, ExtensionKind, Value};
use crate::general_name::GeneralName;
use crate::name::{Name, Part};
use crate::salvage;
use crate::signature_algorithm::SignatureAlgorithm;
use crate::text::{self, Dialect};
use fields::Fields;

pub use fields::{MAX_EXTENSIONS, ParseError};

mod distinct;
pub(crate) mod fields;

/// The digests that identify a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-1 of its bytes.
    pub sha1: [u8; 20],
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl Digests {
    /// Returns the digests of these bytes.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self::with_sha256(digest(&SHA256, der), der)
    }

    /// Returns the digests of these bytes, whose SHA-256 is known.
    #[must_use]
    pub fn with_sha256(sha256: [u8; 32], der: &[u8]) -> Self {
        Self { sha1: digest(&SHA1_FOR_LEGACY_USE_ONLY, der), sha256 }
    }
}

/// A certificate, read as far as it can be.
///
/// # Example
///
/// ```
/// use cert::{Certificate, Dialect};
///
/// // A certificate for example.com, as a DER file.
/// let der = std::fs::read("../wire/src/sample/leaf.der")?;
/// let certificate = Certificate::read(&der);
/// assert_eq!(certificate.parse_error, None);
/// assert_eq!(certificate.common_name().as_deref(), Some("example.com"));
/// assert_eq!(certificate.not_before, 1_767_225_600); // 1 January 2026
/// let names: Vec<_> = certificate.all_domains(Dialect::Calidog).collect();
/// assert_eq!(names, ["example.com", "www.example.com", "*.shop.example.com"]);
///
/// // A file that is cut short keeps the fields before the cut.
/// let cut = Certificate::read(&der[..150]);
/// assert!(cut.parse_error.is_some());
/// assert_eq!(cut.not_before, certificate.not_before);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Certificate<'a> {
    /// The bytes it was read from.
    pub der: &'a [u8],
    /// SHA-1 of those bytes.
    pub sha1: [u8; 20],
    /// SHA-256 of those bytes.
    pub sha256: [u8; 32],
    /// The contents octets of the serial number's INTEGER: big-endian, a leading zero where a
    /// positive number would look negative. Empty if it could not be read.
    pub serial: &'a [u8],
    /// The subject it is issued to. Empty if it could not be read.
    pub subject: Name<'a>,
    /// The issuer. Empty if it could not be read.
    pub issuer: Name<'a>,
    /// Start of validity, Unix seconds; negative before 1970. 0 if it could not be read.
    pub not_before: i64,
    /// End of validity, Unix seconds, itself included. 0 if it could not be read.
    pub not_after: i64,
    /// The algorithm it is signed with.
    pub signature_algorithm: SignatureAlgorithm,
    /// True if basicConstraints says that this is a certificate authority.
    pub is_ca: bool,
    /// The extensions in order, at most [`MAX_EXTENSIONS`].
    pub extensions: Vec<Extension<'a>>,
    /// The first thing that kept a field from being read. A broken extension does not count: see
    /// [`Extension::unshown`].
    pub parse_error: Option<ParseError>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate or a precertificate. This never fails: fields that cannot be read are empty,
    /// and `parse_error` names the first of them.
    #[must_use]
    pub fn read(der: &'a [u8]) -> Self {
        Self::read_with_digests(der, &Digests::of(der))
    }

    /// Reads a certificate whose digests are known. Computing them costs more than all the rest.
    #[must_use]
    pub fn read_with_digests(der: &'a [u8], digests: &Digests) -> Self {
        let mut fields = Fields::default();
        if let Err(error) = fields.read(der) {
            fields.note(error);
            salvage::fill(&mut fields, der);
        }
        let (not_before, not_after) = fields.validity.unwrap_or_default();
        let extensions = fields.extensions.unwrap_or_default();
        Self {
            der,
            sha1: digests.sha1,
            sha256: digests.sha256,
            serial: fields.serial.unwrap_or_default(),
            subject: fields.subject.unwrap_or_default(),
            issuer: fields.issuer.unwrap_or_default(),
            not_before,
            not_after,
            signature_algorithm: fields.signature_algorithm.unwrap_or_default(),
            is_ca: extensions
                .iter()
                .any(|extension| matches!(extension.value, Value::BasicConstraints { ca: true })),
            extensions,
            parse_error: fields.error,
        }
    }

    /// Returns the first extension of this kind.
    #[must_use]
    pub fn extension(&self, kind: ExtensionKind) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.kind() == Some(kind))
    }

    /// Returns the subject's common name, if it may be a domain: it is not empty, and this is not a
    /// certificate authority.
    #[must_use]
    pub fn common_name(&self) -> Option<Cow<'a, str>> {
        let name = if self.is_ca { None } else { self.subject.get(Part::CommonName) };
        name.map(|name| name.to_text()).filter(|name| !name.is_empty())
    }

    /// Returns the names of subjectAltName, in order, without those that cannot be read.
    pub fn alternative_names(&self) -> impl Iterator<Item = GeneralName<'a>> + use<'a, '_> {
        let names = self.extensions.iter().filter_map(|extension| match extension.value {
            Value::SubjectAltName(names) => Some(names.flatten()),
            _ => None,
        });
        names.flatten()
    }

    /// Returns the dNSNames of subjectAltName, in order, with U+FFFD for what is not UTF-8.
    pub fn dns_names(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a, '_> {
        self.alternative_names().filter_map(|name| match name {
            GeneralName::Dns(name) => Some(text::utf8(name)),
            _ => None,
        })
    }

    /// Returns the names that messages list as `all_domains`: [`common_name`](Self::common_name), then
    /// [`dns_names`](Self::dns_names), each text once. In the Go dialect the common name comes
    /// last, and only if it is not among the others, which are not compared with each other.
    pub fn all_domains(
        &self,
        dialect: Dialect,
    ) -> impl Iterator<Item = Cow<'a, str>> + use<'a, '_> {
        let common_name = self.common_name();
        let (first, last, mut seen) = if dialect == Dialect::Go {
            let last = common_name.filter(|name| !self.dns_names().any(|other| other == *name));
            (None, last, None)
        } else {
            (common_name, None, Some(distinct::Distinct::default()))
        };
        let all = first.into_iter().chain(self.dns_names()).chain(last);
        all.filter(move |name| seen.as_mut().is_none_or(|seen| seen.insert(name)))
    }
}

fn digest<const N: usize>(algorithm: &'static digest::Algorithm, bytes: &[u8]) -> [u8; N] {
    let digest = digest::digest(algorithm, bytes);
    <[u8; N]>::try_from(digest.as_ref()).unwrap_or([0; N])
}
