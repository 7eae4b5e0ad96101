//! The certificate (RFC 5280 section 4.1).

use std::borrow::Cow;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::der::{Fault, Reader, tag};
use crate::extension::{Extension, ExtensionKind, Value};
use crate::general_name::GeneralName;
use crate::name::{Name, Part};
use crate::signature_algorithm::SignatureAlgorithm;
use crate::text::{self, Dialect};
use crate::{salvage, time};

mod distinct;

/// The most extensions that are read. Real certificates have about ten; the bound keeps hostile
/// ones from taking more memory than their own size.
pub const MAX_EXTENSIONS: usize = 256;

/// What a certificate is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-1 of its bytes.
    pub sha1: [u8; 20],
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

impl Digests {
    /// Those of these bytes.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self::with_sha256(digest(&SHA256, der), der)
    }

    /// Those of these bytes, the SHA-256 of which is known already.
    #[must_use]
    pub fn with_sha256(sha256: [u8; 32], der: &[u8]) -> Self {
        Self { sha1: digest(&SHA1_FOR_LEGACY_USE_ONLY, der), sha256 }
    }
}

/// A certificate, read as far as it can be.
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
    /// Who it is issued to. Empty if it could not be read.
    pub subject: Name<'a>,
    /// Who issued it. Empty if it could not be read.
    pub issuer: Name<'a>,
    /// Start of validity, Unix seconds; negative before 1970. 0 if it could not be read.
    pub not_before: i64,
    /// End of validity, Unix seconds, itself included. 0 if it could not be read.
    pub not_after: i64,
    /// The algorithm it is signed with.
    pub signature_algorithm: SignatureAlgorithm,
    /// Whether basicConstraints says that this is a certificate authority.
    pub is_ca: bool,
    /// The extensions in order, at most [`MAX_EXTENSIONS`].
    pub extensions: Vec<Extension<'a>>,
    /// The first thing that kept a field from being read. A broken extension does not count: see
    /// [`Extension::unshown`].
    pub parse_error: Option<ParseError>,
}

/// What kept a field of a certificate from being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct ParseError {
    /// The field, as RFC 5280 names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate or a precertificate. There is always an answer: fields that cannot be
    /// read are empty, and `parse_error` names the first of them.
    #[must_use]
    pub fn read(der: &'a [u8]) -> Self {
        Self::read_known(der, &Digests::of(der))
    }

    /// Reads a certificate whose digests are known already: they cost more than all the rest.
    #[must_use]
    pub fn read_known(der: &'a [u8], digests: &Digests) -> Self {
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

    /// The first extension of this kind.
    #[must_use]
    pub fn extension(&self, kind: ExtensionKind) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.kind() == Some(kind))
    }

    /// The subject's common name, where it may be a domain: it is not empty and this is not a
    /// certificate authority.
    #[must_use]
    pub fn common_name(&self) -> Option<Cow<'a, str>> {
        let name = if self.is_ca { None } else { self.subject.get(Part::CommonName) };
        name.map(|name| name.to_text()).filter(|name| !name.is_empty())
    }

    /// The names of subjectAltName, in order, without those that cannot be read.
    pub fn alternative_names(&self) -> impl Iterator<Item = GeneralName<'a>> + use<'a, '_> {
        let names = self.extensions.iter().filter_map(|extension| match extension.value {
            Value::SubjectAltName(names) => Some(names.flatten()),
            _ => None,
        });
        names.flatten()
    }

    /// The dNSNames of subjectAltName, in order, with U+FFFD for what is not UTF-8.
    pub fn dns_names(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a, '_> {
        self.alternative_names().filter_map(|name| match name {
            GeneralName::Dns(name) => Some(text::utf8(name)),
            _ => None,
        })
    }

    /// The names that messages list as `all_domains`: [`common_name`](Self::common_name), then
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

/// The fields as they are found. `None` is what is not found yet.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) serial: Option<&'a [u8]>,
    pub(crate) signature_algorithm: Option<SignatureAlgorithm>,
    pub(crate) issuer: Option<Name<'a>>,
    pub(crate) validity: Option<(i64, i64)>,
    pub(crate) subject: Option<Name<'a>>,
    pub(crate) extensions: Option<Vec<Extension<'a>>>,
    error: Option<ParseError>,
}

impl<'a> Fields<'a> {
    /// Reads the fields in their prescribed order. `Err` is where that order broke.
    fn read(&mut self, der: &'a [u8]) -> Result<(), ParseError> {
        let mut certificate = Reader::new(der).sequence().map_err(at("certificate"))?;
        let mut tbs = certificate.sequence().map_err(at("tbsCertificate"))?;
        tbs.optional(tag::constructed(0)).map_err(at("version"))?;
        self.serial = Some(tbs.expect(tag::INTEGER).map_err(at("serialNumber"))?);
        let signature = tbs.expect(tag::SEQUENCE).map_err(at("signature"))?;
        let issuer = tbs.expect(tag::SEQUENCE).map_err(at("issuer"))?;
        self.issuer = Some(self.name(issuer, "issuer"));
        let validity = tbs.expect(tag::SEQUENCE).map_err(at("validity"))?;
        self.validity = Some(self.validity(validity));
        let subject = tbs.expect(tag::SEQUENCE).map_err(at("subject"))?;
        self.subject = Some(self.name(subject, "subject"));
        tbs.expect(tag::SEQUENCE).map_err(at("subjectPublicKeyInfo"))?;
        tbs.optional(tag::context(1)).map_err(at("issuerUniqueID"))?;
        tbs.optional(tag::context(2)).map_err(at("subjectUniqueID"))?;
        if let Some(list) = tbs.optional(tag::constructed(3)).map_err(at("extensions"))? {
            let list = Reader::new(list).sequence().map_err(at("extensions"))?;
            self.extensions = Some(self.extensions(list)?);
        }
        let algorithm = certificate.expect(tag::SEQUENCE).map_err(at("signatureAlgorithm"));
        let algorithm = algorithm.unwrap_or_else(|error| {
            self.note(error);
            signature
        });
        let algorithm = SignatureAlgorithm::read(algorithm).map_err(at("signatureAlgorithm"))?;
        self.signature_algorithm = Some(algorithm);
        Ok(())
    }

    fn name(&mut self, contents: &'a [u8], field: &'static str) -> Name<'a> {
        let (name, outcome) = Name::read(contents);
        if let Err(fault) = outcome {
            self.note(ParseError { field, fault });
        }
        name
    }

    fn validity(&mut self, contents: &[u8]) -> (i64, i64) {
        let mut times = Reader::new(contents);
        (self.time(&mut times, "notBefore"), self.time(&mut times, "notAfter"))
    }

    fn time(&mut self, times: &mut Reader<'_>, field: &'static str) -> i64 {
        let time =
            times.element().and_then(|time| time::read(time.tag, time.contents).ok_or(Fault::Time));
        time.unwrap_or_else(|fault| {
            self.note(ParseError { field, fault });
            0
        })
    }

    fn extensions(&mut self, mut list: Reader<'a>) -> Result<Vec<Extension<'a>>, ParseError> {
        let mut extensions = Vec::with_capacity(12);
        while !list.is_empty() {
            let element = list.element().map_err(at("extensions"))?;
            match Extension::read(element) {
                _ if extensions.len() == MAX_EXTENSIONS => {
                    self.note(ParseError { field: "extensions", fault: Fault::Number });
                    break;
                }
                Ok(extension) => push(&mut extensions, extension),
                Err(fault) => self.note(ParseError { field: "extensions", fault }),
            }
        }
        Ok(extensions)
    }

    /// Keeps the first error.
    fn note(&mut self, error: ParseError) {
        self.error.get_or_insert(error);
    }
}

/// Adds an extension. A second one of a kind is marked as not shown, because messages have room
/// for one.
pub(crate) fn push<'a>(extensions: &mut Vec<Extension<'a>>, mut extension: Extension<'a>) {
    let kind = extension.kind();
    let repeated = kind.is_some() && extensions.iter().any(|earlier| earlier.kind() == kind);
    extension.unshown |= repeated;
    extensions.push(extension);
}

fn at(field: &'static str) -> impl Fn(Fault) -> ParseError {
    move |fault| ParseError { field, fault }
}
