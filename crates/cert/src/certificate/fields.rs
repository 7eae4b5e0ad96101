//! The fields of a certificate, read in the order of RFC 5280 section 4.1.

use crate::der::{Fault, Reader, tag};
use crate::extension::Extension;
use crate::name::Name;
use crate::signature_algorithm::SignatureAlgorithm;
use crate::time;

/// The number of extensions read at most. Real certificates have about ten; the bound keeps hostile
/// ones from taking more memory than their own size.
pub const MAX_EXTENSIONS: usize = 256;

/// The error of a field that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct ParseError {
    /// The field, as RFC 5280 names it.
    pub field: &'static str,
    /// The error in its encoding.
    pub fault: Fault,
}

/// The fields found so far; `None` for each other one.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) serial: Option<&'a [u8]>,
    pub(crate) signature_algorithm: Option<SignatureAlgorithm>,
    pub(crate) issuer: Option<Name<'a>>,
    pub(crate) validity: Option<(i64, i64)>,
    pub(crate) subject: Option<Name<'a>>,
    pub(crate) extensions: Option<Vec<Extension<'a>>>,
    pub(super) error: Option<ParseError>,
}

impl<'a> Fields<'a> {
    /// Reads the fields in their prescribed order, up to the first one that breaks it.
    pub(super) fn read(&mut self, der: &'a [u8]) -> Result<(), ParseError> {
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
    pub(super) fn note(&mut self, error: ParseError) {
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
