//! The signed part of a certificate in the form that makes a precertificate and its final
//! certificate equal (RFC 6962 section 3.2), and the key that names an issuer in it.

use crate::der::{Element, Fault, Reader, tag};
use crate::oid::Oid;

/// The extension in which the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtExtension {
    /// The poison of a precertificate, 1.3.6.1.4.1.11129.2.4.3.
    Poison,
    /// The list of SCTs embedded in a final certificate, 1.3.6.1.4.1.11129.2.4.2.
    SctList,
}

impl CtExtension {
    pub(crate) const fn oid(self) -> Oid<'static> {
        match self {
            Self::Poison => Oid(&[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 3]),
            Self::SctList => Oid(&[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2]),
        }
    }
}

/// The `TBSCertificate` of `certificate` without one extension, encoded anew: what the log hashes
/// into a precertificate's leaf. All else is copied byte for byte.
///
/// `None` if the certificate has no such extension, or is not built as RFC 5280 prescribes.
#[must_use]
pub fn without(certificate: &[u8], extension: CtExtension) -> Option<Vec<u8>> {
    let mut fields = Reader::new(certificate).sequence().ok()?.sequence().ok()?;
    let mut contents = Vec::with_capacity(certificate.len());
    let mut found = false;
    while let Some((element, bytes)) = next(&mut fields)? {
        if element.tag == tag::constructed(3) {
            let list = Reader::new(element.contents).sequence().ok()?;
            let kept = kept(list, extension.oid())?;
            found = kept.found;
            if !kept.bytes.is_empty() {
                let list = encode(tag::SEQUENCE, &kept.bytes);
                contents.extend_from_slice(&encode(tag::constructed(3), &list));
            }
        } else {
            contents.extend_from_slice(bytes);
        }
    }
    found.then(|| encode(tag::SEQUENCE, &contents))
}

/// The `SubjectPublicKeyInfo` of a certificate, whole, as `issuer_key_hash` (RFC 6962 section 3.2)
/// hashes that of the issuer. `None` if it is not built as RFC 5280 prescribes.
#[must_use]
pub fn subject_public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    let mut fields = Reader::new(certificate).sequence().ok()?.sequence().ok()?;
    fields.optional(tag::constructed(0)).ok()?;
    // serialNumber, signature, issuer, validity, subject
    for _ in 0..5 {
        fields.element().ok()?;
    }
    let (element, bytes) = next(&mut fields)??;
    (element.tag == tag::SEQUENCE).then_some(bytes)
}

struct Kept {
    bytes: Vec<u8>,
    found: bool,
}

/// All extensions but one.
fn kept(mut list: Reader<'_>, unwanted: Oid<'_>) -> Option<Kept> {
    let mut kept = Kept { bytes: Vec::new(), found: false };
    while let Some((element, bytes)) = next(&mut list)? {
        let oid = element.sequence().ok()?.expect(tag::OBJECT_IDENTIFIER).ok()?;
        if Oid(oid) == unwanted {
            kept.found = true;
        } else {
            kept.bytes.extend_from_slice(bytes);
        }
    }
    Some(kept)
}

/// The next element with its bytes, header included; the inner `None` is the end.
#[expect(clippy::option_option, reason = "a fault and the end are different things")]
pub(crate) fn next<'a>(reader: &mut Reader<'a>) -> Option<Option<(Element<'a>, &'a [u8])>> {
    if reader.is_empty() {
        return Some(None);
    }
    let whole: Result<_, Fault> = reader.element_with_bytes();
    whole.ok().map(Some)
}

/// An element in DER (X.690 sections 8.1.3 and 10.1).
pub(crate) fn encode(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let length = length.get(length.iter().take_while(|byte| **byte == 0).count()..);
    let mut out = Vec::with_capacity(contents.len().saturating_add(10));
    out.push(tag);
    match (contents.len(), length.unwrap_or_default()) {
        (short @ 0..=0x7f, _) => out.push(short.to_le_bytes()[0]),
        (_, length) => {
            out.push(0x80 | length.len().to_le_bytes()[0]);
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(contents);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const POISON: &[u8] = &[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 3];
    const OTHER: &[u8] = &[0x55, 0x1d, 0x0f];

    fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
        let oid = encode(tag::OBJECT_IDENTIFIER, oid);
        let value = encode(tag::OCTET_STRING, value);
        encode(tag::SEQUENCE, &[oid, value].concat())
    }

    fn tbs(extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut fields = vec![encode(tag::constructed(0), &encode(tag::INTEGER, &[2]))];
        fields.push(encode(tag::INTEGER, &[7]));
        for field in 0..5 {
            fields.push(encode(tag::SEQUENCE, &[tag::INTEGER, 1, field]));
        }
        if !extensions.is_empty() {
            let list = encode(tag::SEQUENCE, &extensions.concat());
            fields.push(encode(tag::constructed(3), &list));
        }
        encode(tag::SEQUENCE, &fields.concat())
    }

    fn certificate(tbs: &[u8]) -> Vec<u8> {
        encode(tag::SEQUENCE, &[tbs, &encode(tag::SEQUENCE, &[])].concat())
    }

    #[test]
    fn only_the_given_extension_is_removed() {
        let (poison, other) = (extension(POISON, &[5, 0]), extension(OTHER, &[0; 300]));
        let poisoned = certificate(&tbs(&[other.clone(), poison.clone(), other.clone()]));
        let clean = tbs(&[other.clone(), other]);
        assert_eq!(without(&poisoned, CtExtension::Poison), Some(clean.clone()));
        assert_eq!(without(&poisoned, CtExtension::SctList), None);
        assert_eq!(without(&certificate(&clean), CtExtension::Poison), None);
        assert_eq!(without(&certificate(&tbs(&[poison])), CtExtension::Poison), Some(tbs(&[])));
    }

    #[test]
    fn the_key_is_the_seventh_field() {
        let certificate = certificate(&tbs(&[]));
        assert_eq!(subject_public_key_info(&certificate), Some(&[0x30, 3, 2, 1, 4][..]));
        for cut in 0..certificate.len() {
            let cut = certificate.get(..cut).unwrap();
            assert_eq!(subject_public_key_info(cut), None);
            assert_eq!(without(cut, CtExtension::Poison), None);
        }
    }

    #[test]
    fn lengths_are_minimal() {
        for (length, header) in [
            (0, &[0x30, 0][..]),
            (127, &[0x30, 0x7f]),
            (128, &[0x30, 0x81, 0x80]),
            (256, &[0x30, 0x82, 1, 0]),
            (65_536, &[0x30, 0x83, 1, 0, 0]),
        ] {
            assert_eq!(encode(tag::SEQUENCE, &vec![0; length]).get(..header.len()), Some(header));
        }
    }
}
