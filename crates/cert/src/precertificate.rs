//! Comparison of a precertificate with the leaf that a log made of it (RFC 6962 section 3.2).

use crate::der::{Element, Reader, tag};
use crate::oid::Oid;
use crate::tbs::{CtExtension, next};

/// `extKeyUsage` (RFC 5280 section 4.2.1.12).
const EXTENDED_KEY_USAGE: Oid<'static> = Oid(&[0x55, 0x1d, 0x25]);
/// `authorityKeyIdentifier` (RFC 5280 section 4.2.1.1).
const AUTHORITY_KEY_IDENTIFIER: Oid<'static> = Oid(&[0x55, 0x1d, 0x23]);
/// The key purpose of a Precertificate Signing Certificate, 1.3.6.1.4.1.11129.2.4.4.
const PRECERTIFICATE_SIGNING: Oid<'static> = Oid(&[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 4]);

/// Reports whether this is the certificate of a Precertificate Signing CA: precertificates it signs
/// stand for final certificates of the CA above it.
#[must_use]
pub fn signs_precertificates(certificate: &[u8]) -> bool {
    let has_purpose = |usage: Element<'_>| {
        let purposes = Reader::new(usage.contents).sequence().ok()?;
        let is_it = |purpose: Element<'_>| {
            purpose.tag == tag::OBJECT_IDENTIFIER && Oid(purpose.contents) == PRECERTIFICATE_SIGNING
        };
        Some(purposes.filter_map(Result::ok).any(is_it))
    };
    let usage = Fields::of(certificate).and_then(|fields| fields.extension(EXTENDED_KEY_USAGE));
    usage.and_then(|(usage, _)| has_purpose(usage)).unwrap_or(false)
}

/// Reports whether `tbs`, of a log's leaf, is what a log makes of `precertificate`: its
/// `TBSCertificate` without the poison extension. `signer` is the certificate that issued it if
/// that is one of a [Precertificate Signing CA](signs_precertificates); then issuer and authority
/// key identifier are that certificate's own.
///
/// `None` when it cannot be told, because `tbs` is not built as RFC 5280 prescribes. A precertificate
/// which is not goes with no other `tbs`.
#[must_use]
pub fn goes_with(precertificate: &[u8], tbs: &[u8], signer: Option<&[u8]>) -> Option<bool> {
    let logged = Fields::of_tbs(tbs)?;
    Some(compare(precertificate, &logged, signer).unwrap_or(false))
}

fn compare(precertificate: &[u8], logged: &Fields<'_>, signer: Option<&[u8]>) -> Option<bool> {
    let submitted = Fields::of(precertificate)?;
    let signer = match signer {
        Some(certificate) => Some(Fields::of(certificate)?),
        None => None,
    };
    let issuer = signer.as_ref().map_or(submitted.issuer, |signer| signer.issuer);
    Some(
        submitted.before_issuer == logged.before_issuer
            && issuer == logged.issuer
            && submitted.after_issuer == logged.after_issuer
            && extensions_agree(&submitted, logged, signer.as_ref())?,
    )
}

/// All extensions in their order, but for the poison, which the leaf has not.
fn extensions_agree(
    submitted: &Fields<'_>,
    logged: &Fields<'_>,
    signer: Option<&Fields<'_>>,
) -> Option<bool> {
    let mut logged = logged.extensions;
    let mut submitted = submitted.extensions;
    let mut poisoned = false;
    while let Some((element, bytes)) = next(&mut submitted)? {
        let oid = oid_of(element)?;
        if oid == CtExtension::Poison.oid() {
            poisoned = true;
            continue;
        }
        let expected = match signer {
            // Where the signer has none, neither has the final certificate.
            Some(signer) if oid == AUTHORITY_KEY_IDENTIFIER => {
                match signer.extension(AUTHORITY_KEY_IDENTIFIER) {
                    Some((_, bytes)) => bytes,
                    None => continue,
                }
            }
            _ => bytes,
        };
        if next(&mut logged)?.map(|(_, bytes)| bytes) != Some(expected) {
            return Some(false);
        }
    }
    Some(poisoned && logged.is_empty())
}

/// The parts of a `TBSCertificate` in which the two may differ, and those in which they must not.
#[derive(Debug)]
struct Fields<'a> {
    /// Version, serial number and signature algorithm.
    before_issuer: &'a [u8],
    issuer: &'a [u8],
    /// From validity up to the extensions.
    after_issuer: &'a [u8],
    extensions: Reader<'a>,
}

impl<'a> Fields<'a> {
    fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(certificate).sequence().ok()?;
        Self::read(fields.sequence().ok()?)
    }

    fn of_tbs(tbs: &'a [u8]) -> Option<Self> {
        let mut whole = Reader::new(tbs);
        let fields = whole.sequence().ok()?;
        if whole.is_empty() { Self::read(fields) } else { None }
    }

    fn read(mut fields: Reader<'a>) -> Option<Self> {
        let (start, mut issuer_at) = (fields.rest(), 0_usize);
        let mut length = 0_usize;
        let mut issuer: &[u8] = &[];
        let mut extensions = Reader::default();
        // Without the optional version the issuer is the third field, with it the fourth.
        let place = if start.first() == Some(&tag::constructed(0)) { 3 } else { 2 };
        let mut number = 0_u8;
        while let Some((element, bytes)) = next(&mut fields)? {
            if element.tag == tag::constructed(3) {
                extensions = Reader::new(element.contents).sequence().ok()?;
                break;
            }
            if number == place {
                (issuer, issuer_at) = (bytes, length);
            }
            number = number.saturating_add(1);
            length = length.saturating_add(bytes.len());
        }
        if !fields.is_empty() || issuer.is_empty() {
            return None;
        }
        let after = issuer_at.checked_add(issuer.len())?;
        Some(Self {
            before_issuer: start.get(..issuer_at)?,
            issuer,
            after_issuer: start.get(after..length)?,
            extensions,
        })
    }

    /// The value of an extension (the contents of its OCTET STRING), and all its bytes.
    fn extension(&self, wanted: Oid<'_>) -> Option<(Element<'a>, &'a [u8])> {
        let mut list = self.extensions;
        while let Some((element, bytes)) = next(&mut list)? {
            let mut parts = element.sequence().ok()?;
            if Oid(parts.expect(tag::OBJECT_IDENTIFIER).ok()?) == wanted {
                parts.optional(tag::BOOLEAN).ok()?;
                return Some((parts.element().ok()?, bytes));
            }
        }
        None
    }
}

fn oid_of(extension: Element<'_>) -> Option<Oid<'_>> {
    extension.sequence().ok()?.expect(tag::OBJECT_IDENTIFIER).ok().map(Oid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tbs::encode;

    const POISON: &[u8] = CtExtension::Poison.oid().0;
    const OTHER: &[u8] = &[0x55, 0x1d, 0x0f];

    fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
        let oid = encode(tag::OBJECT_IDENTIFIER, oid);
        encode(tag::SEQUENCE, &[oid, encode(tag::OCTET_STRING, value)].concat())
    }

    fn tbs(version: bool, issuer: u8, extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut fields = Vec::new();
        if version {
            fields.push(encode(tag::constructed(0), &encode(tag::INTEGER, &[2])));
        }
        fields.push(encode(tag::INTEGER, &[7]));
        for field in [1, issuer, 3, 4, 5] {
            fields.push(encode(tag::SEQUENCE, &[tag::INTEGER, 1, field]));
        }
        if !extensions.is_empty() {
            fields.push(encode(tag::constructed(3), &encode(tag::SEQUENCE, &extensions.concat())));
        }
        encode(tag::SEQUENCE, &fields.concat())
    }

    fn certificate(tbs: &[u8]) -> Vec<u8> {
        encode(tag::SEQUENCE, &[tbs, &encode(tag::SEQUENCE, &[])].concat())
    }

    #[test]
    fn the_leaf_is_the_precertificate_without_poison() {
        let (poison, other) = (extension(POISON, &[5, 0]), extension(OTHER, &[0; 200]));
        for version in [true, false] {
            let submitted = certificate(&tbs(version, 2, &[other.clone(), poison.clone()]));
            let leaf = tbs(version, 2, std::slice::from_ref(&other));
            assert_eq!(goes_with(&submitted, &leaf, None), Some(true));
            assert_eq!(crate::tbs::without(&submitted, CtExtension::Poison), Some(leaf.clone()));
            for unlike in [
                tbs(version, 9, std::slice::from_ref(&other)),
                tbs(!version, 2, std::slice::from_ref(&other)),
                tbs(version, 2, &[other.clone(), other.clone()]),
                tbs(version, 2, &[other.clone(), poison.clone()]),
                tbs(version, 2, &[]),
            ] {
                assert_eq!(goes_with(&submitted, &unlike, None), Some(false), "{unlike:02x?}");
            }
            for unreadable in [[leaf.clone(), vec![0]].concat(), Vec::new()] {
                assert_eq!(goes_with(&submitted, &unreadable, None), None);
            }
            let clean = certificate(&leaf);
            assert_eq!(goes_with(&clean, &leaf, None), Some(false), "there is no poison");
        }
        let only_poison = certificate(&tbs(true, 2, &[poison]));
        assert_eq!(goes_with(&only_poison, &tbs(true, 2, &[]), None), Some(true));
    }

    #[test]
    fn a_signing_certificate_lends_its_issuer_and_key_identifier() {
        let usage =
            encode(tag::SEQUENCE, &encode(tag::OBJECT_IDENTIFIER, PRECERTIFICATE_SIGNING.0));
        let usage = extension(EXTENDED_KEY_USAGE.0, &usage);
        let identifier = |id| extension(AUTHORITY_KEY_IDENTIFIER.0, &[0x30, 1, id]);
        let poison = extension(POISON, &[5, 0]);
        let signer = certificate(&tbs(true, 8, &[usage.clone(), identifier(8)]));
        assert!(signs_precertificates(&signer));
        assert!(!signs_precertificates(&certificate(&tbs(true, 8, &[identifier(8)]))));

        let submitted = certificate(&tbs(true, 2, &[identifier(2), poison]));
        let leaf = tbs(true, 8, &[identifier(8)]);
        assert_eq!(goes_with(&submitted, &leaf, Some(&signer)), Some(true));
        assert_eq!(goes_with(&submitted, &leaf, None), Some(false));
        for unlike in [tbs(true, 8, &[identifier(2)]), tbs(true, 2, &[identifier(8)])] {
            assert_eq!(goes_with(&submitted, &unlike, Some(&signer)), Some(false));
        }
        let without = certificate(&tbs(true, 8, &[usage]));
        assert_eq!(goes_with(&submitted, &tbs(true, 8, &[]), Some(&without)), Some(true));
    }

    #[test]
    fn nothing_cut_short_agrees() {
        let submitted = certificate(&tbs(true, 2, &[extension(POISON, &[5, 0])]));
        let leaf = tbs(true, 2, &[]);
        for cut in 0..submitted.len() {
            let cut = submitted.get(..cut).unwrap();
            assert_eq!(goes_with(cut, &leaf, None), Some(false));
            assert_eq!(goes_with(&submitted, &leaf, Some(cut)), Some(false));
            assert!(!signs_precertificates(cut));
        }
        for cut in 0..leaf.len() {
            assert_eq!(goes_with(&submitted, leaf.get(..cut).unwrap(), None), None);
        }
    }
}
