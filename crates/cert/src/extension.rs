//! Certificate extensions (RFC 5280 section 4.2, RFC 6962 sections 3.1 and 3.3).
//!
//! Each extension is read on its own, and a broken one costs only itself: what of it can be read
//! is kept, and [`Extension::unshown`] says that there was more.

use crate::der::{Element, Fault, Reader, tag};
use crate::general_name::GeneralNames;
use crate::oid::Oid;

mod list;
mod text;

pub use list::{
    AccessDescription, AccessDescriptions, DistributionPointItem, DistributionPoints, Policies,
    PolicyItem, Purposes,
};

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The identifier of its kind.
    pub oid: Oid<'a>,
    /// True if a program that does not know it must reject the certificate.
    pub critical: bool,
    /// Its value.
    pub value: Value<'a>,
    /// True if `value` is incomplete: the extension is of a kind not known here, repeats an earlier
    /// one, or could not be read to its end. Messages name such an extension in `extra`.
    pub unshown: bool,
}

/// The contents of an extension, as far as they can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The addresses of the issuer and its revocation service (RFC 5280 section 4.2.2.1).
    AuthorityInfoAccess(AccessDescriptions<'a>),
    /// The keyIdentifier of the key this is signed with, if given (section 4.2.1.1).
    AuthorityKeyIdentifier(Option<&'a [u8]>),
    /// The marker of certificate authorities (section 4.2.1.9).
    BasicConstraints {
        /// The `cA` field.
        ca: bool,
    },
    /// The policies it was issued under (section 4.2.1.4).
    CertificatePolicies(Policies<'a>),
    /// The addresses of revocation lists (section 4.2.1.13).
    CrlDistributionPoints(DistributionPoints<'a>),
    /// The purposes of the key (section 4.2.1.12).
    ExtendedKeyUsage(Purposes<'a>),
    /// Other names of the issuer (section 4.2.1.7).
    IssuerAltName(GeneralNames<'a>),
    /// The purposes of the key (section 4.2.1.3). Bit 0 of the BIT STRING, digitalSignature, is the
    /// highest bit here.
    KeyUsage(u16),
    /// This is a precertificate (RFC 6962 section 3.1).
    Poison,
    /// The SCTs embedded (RFC 6962 section 3.3): all of `extnValue`, undecoded.
    SctList(&'a [u8]),
    /// The names this is issued to (RFC 5280 section 4.2.1.6).
    SubjectAltName(GeneralNames<'a>),
    /// The identifier of the certified key (section 4.2.1.2).
    SubjectKeyIdentifier(&'a [u8]),
    /// Not known here, or not readable at all.
    Other,
}

/// The kinds of extension that are known here, without their contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // as in `Value`
pub enum ExtensionKind {
    AuthorityInfoAccess,
    AuthorityKeyIdentifier,
    BasicConstraints,
    CertificatePolicies,
    CrlDistributionPoints,
    ExtendedKeyUsage,
    IssuerAltName,
    KeyUsage,
    Poison,
    SctList,
    SubjectAltName,
    SubjectKeyIdentifier,
}

impl<'a> Extension<'a> {
    /// Reads an `Extension`. `Err` is what does not even have an identifier.
    pub(crate) fn read(element: Element<'a>) -> Result<Self, Fault> {
        let mut fields = element.sequence()?;
        let oid = Oid(fields.expect(tag::OBJECT_IDENTIFIER)?);
        let critical = matches!(fields.optional(tag::BOOLEAN), Ok(Some(flag)) if is_true(flag));
        let (value, whole) = match fields.clipped() {
            Ok((Element { tag: tag::OCTET_STRING, contents }, complete)) => {
                let (value, whole) = Value::read(oid, contents).unwrap_or((Value::Other, false));
                (value, whole && complete)
            }
            _ => (Value::Other, false),
        };
        Ok(Self { oid, critical, value, unshown: !whole })
    }

    /// The kind, if it is known here and could be read.
    #[must_use]
    pub const fn kind(&self) -> Option<ExtensionKind> {
        Some(match self.value {
            Value::AuthorityInfoAccess(_) => ExtensionKind::AuthorityInfoAccess,
            Value::AuthorityKeyIdentifier(_) => ExtensionKind::AuthorityKeyIdentifier,
            Value::BasicConstraints { .. } => ExtensionKind::BasicConstraints,
            Value::CertificatePolicies(_) => ExtensionKind::CertificatePolicies,
            Value::CrlDistributionPoints(_) => ExtensionKind::CrlDistributionPoints,
            Value::ExtendedKeyUsage(_) => ExtensionKind::ExtendedKeyUsage,
            Value::IssuerAltName(_) => ExtensionKind::IssuerAltName,
            Value::KeyUsage(_) => ExtensionKind::KeyUsage,
            Value::Poison => ExtensionKind::Poison,
            Value::SctList(_) => ExtensionKind::SctList,
            Value::SubjectAltName(_) => ExtensionKind::SubjectAltName,
            Value::SubjectKeyIdentifier(_) => ExtensionKind::SubjectKeyIdentifier,
            Value::Other => return None,
        })
    }
}

/// A value, and whether it is all that the bytes hold. `None` is what cannot be read at all.
type Reading<'a> = Option<(Value<'a>, bool)>;

impl<'a> Value<'a> {
    fn read(oid: Oid<'_>, bytes: &'a [u8]) -> Reading<'a> {
        match *oid.0 {
            // 2.5.29
            [0x55, 0x1d, number] => match number {
                14 => subject_key_identifier(bytes),
                15 => key_usage(bytes),
                17 => list(bytes, GeneralNames, Self::SubjectAltName),
                18 => list(bytes, GeneralNames, Self::IssuerAltName),
                19 => basic_constraints(bytes),
                31 => list(bytes, DistributionPoints::new, Self::CrlDistributionPoints),
                32 => list(bytes, Policies::new, Self::CertificatePolicies),
                35 => authority_key_identifier(bytes),
                37 => list(bytes, Purposes, Self::ExtendedKeyUsage),
                _ => None,
            },
            // 1.3.6.1.5.5.7.1.1
            [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01] => {
                list(bytes, AccessDescriptions, Self::AuthorityInfoAccess)
            }
            // 1.3.6.1.4.1.11129.2.4.2 and 3
            [0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, number] => match number {
                2 => Some((Self::SctList(bytes), true)),
                3 => Some((Self::Poison, true)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A SEQUENCE OF, as far as it can be read.
fn list<'a, L, T>(
    bytes: &'a [u8],
    new: fn(Reader<'a>) -> L,
    value: fn(L) -> Value<'a>,
) -> Reading<'a>
where
    L: Iterator<Item = Result<T, Fault>> + Copy,
{
    let (members, whole) = sequence(bytes)?;
    let list = new(members);
    Some((value(list), whole && { list }.all(|member| member.is_ok())))
}

fn basic_constraints(bytes: &[u8]) -> Reading<'_> {
    let (mut fields, whole) = sequence(bytes)?;
    let ca = fields.optional(tag::BOOLEAN).ok()?.is_some_and(is_true);
    Some((Value::BasicConstraints { ca }, whole && fields.all(|field| field.is_ok())))
}

fn authority_key_identifier(bytes: &[u8]) -> Reading<'_> {
    let (mut fields, whole) = sequence(bytes)?;
    let id = fields.optional(tag::context(0)).ok()?;
    Some((Value::AuthorityKeyIdentifier(id), whole && fields.all(|field| field.is_ok())))
}

fn subject_key_identifier(bytes: &[u8]) -> Reading<'_> {
    let mut fields = Reader::new(bytes);
    let id = fields.expect(tag::OCTET_STRING).ok()?;
    Some((Value::SubjectKeyIdentifier(id), fields.is_empty()))
}

fn key_usage(bytes: &[u8]) -> Reading<'_> {
    let mut fields = Reader::new(bytes);
    // X.690 section 8.6.2: the first octet counts the bits that are not used.
    let [_, bits @ ..] = fields.expect(tag::BIT_STRING).ok()? else { return None };
    let octet = |index| bits.get(index).copied().unwrap_or_default();
    Some((Value::KeyUsage(u16::from_be_bytes([octet(0), octet(1)])), fields.is_empty()))
}

/// The members of a SEQUENCE, and whether it is all there and alone.
fn sequence(bytes: &[u8]) -> Option<(Reader<'_>, bool)> {
    let mut outside = Reader::new(bytes);
    let (element, whole) = outside.clipped().ok()?;
    Some((element.sequence().ok()?, whole && outside.is_empty()))
}

/// A BOOLEAN: DER writes true as 0xff, BER as anything but zero.
fn is_true(contents: &[u8]) -> bool {
    contents.iter().any(|octet| *octet != 0)
}

#[cfg(test)]
mod tests;
