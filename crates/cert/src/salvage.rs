//! Recognition of fields by their shape, for certificates whose fields are not in order: files cut
//! short, lengths that lie, indefinite lengths, fields left out or added.
//!
//! One walk over the elements in the order of the bytes. An element that claims more bytes than
//! there are, or an indefinite length, is taken to reach to the end of what it stands in.

use crate::certificate::fields::{Fields, MAX_EXTENSIONS, push};
use crate::der::{Element, Reader, tag};
use crate::extension::Extension;
use crate::name::Name;
use crate::signature_algorithm::SignatureAlgorithm;
use crate::time;

/// The depth of fields: Certificate, TBSCertificate, `[3]`, Extensions, and two to spare.
const MAX_DEPTH: u8 = 6;

/// Fills in the fields that have not been found.
pub(crate) fn fill<'a>(fields: &mut Fields<'a>, der: &'a [u8]) {
    let mut found = Fields::default();
    level(der, MAX_DEPTH, &mut found);
    fields.serial = fields.serial.or(found.serial);
    fields.signature_algorithm = fields.signature_algorithm.or(found.signature_algorithm);
    fields.issuer = fields.issuer.or(found.issuer);
    fields.validity = fields.validity.or(found.validity);
    fields.subject = fields.subject.or(found.subject);
    fields.extensions = fields.extensions.take().or(found.extensions);
}

/// Looks at elements that stand one after another, and into those that are no field themselves.
fn level<'a>(contents: &'a [u8], depth: u8, found: &mut Fields<'a>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut elements = Reader::new(contents);
    while let Some(element) = elements.salvaged() {
        match element.tag {
            tag::INTEGER => found.serial = found.serial.or(Some(element.contents)),
            tag::SEQUENCE if !field(element, found) => level(element.contents, depth, found),
            tag if tag == tag::constructed(3) => level(element.contents, depth, found),
            _ => {}
        }
    }
}

/// Records a SEQUENCE that has the shape of a field; reports whether it has.
fn field<'a>(sequence: Element<'a>, found: &mut Fields<'a>) -> bool {
    let mut inside = Reader::new(sequence.contents);
    let first = inside.salvaged().map(|element| element.tag);
    let second = inside.salvaged().map(|element| element.tag);
    match (first, second) {
        (Some(tag::SET), _) => name(sequence.contents, found),
        (Some(tag::UTC_TIME | tag::GENERALIZED_TIME), _) => validity(sequence.contents, found),
        (Some(tag::OBJECT_IDENTIFIER), Some(tag::BOOLEAN | tag::OCTET_STRING)) => {
            extension(sequence, found);
        }
        (Some(tag::OBJECT_IDENTIFIER), _) => signature_algorithm(sequence.contents, found),
        _ => return false,
    }
    true
}

/// The issuer comes before the subject.
fn name<'a>(contents: &'a [u8], found: &mut Fields<'a>) {
    let (name, _) = Name::read(contents);
    if found.issuer.is_none() {
        found.issuer = Some(name);
    } else if found.subject.is_none() {
        found.subject = Some(name);
    }
}

fn validity(contents: &[u8], found: &mut Fields<'_>) {
    let mut times = Reader::new(contents);
    let mut time = || times.salvaged().and_then(|time| time::read(time.tag, time.contents));
    let validity = (time().unwrap_or_default(), time().unwrap_or_default());
    found.validity.get_or_insert(validity);
}

fn extension<'a>(element: Element<'a>, found: &mut Fields<'a>) {
    let extensions = found.extensions.get_or_insert_default();
    if let Ok(extension) = Extension::read(element)
        && extensions.len() < MAX_EXTENSIONS
    {
        push(extensions, extension);
    }
}

/// The key's algorithm has the same shape, but none of its identifiers is that of a signature.
fn signature_algorithm(contents: &[u8], found: &mut Fields<'_>) {
    if let Ok(algorithm) = SignatureAlgorithm::read(contents)
        && algorithm != SignatureAlgorithm::Unknown
    {
        found.signature_algorithm.get_or_insert(algorithm);
    }
}
