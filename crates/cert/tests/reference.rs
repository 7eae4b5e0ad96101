//! Real certificates, read by `x509-parser` too. Whatever it accepts we must read alike.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use cert::extension::Value;
use cert::{Certificate, GeneralName, Name};
use x509_parser::extensions::{GeneralName as TheirGeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

mod support;

#[test]
fn agrees_with_x509_parser() {
    let Some(data) = support::shared_data() else { return };
    let mut compared = 0;
    let mut only_ours = Vec::new();
    for (file, der) in support::all_certificates(&data) {
        let ours = Certificate::read(&der);
        match X509Certificate::from_der(&der) {
            Ok((_, theirs)) => {
                compare(&file, &ours, &theirs);
                compared += 1;
            }
            Err(_) if ours.parse_error.is_none() => only_ours.push(file),
            Err(_) => {}
        }
    }
    assert!(compared > 8000, "{compared}");
    assert_eq!(only_ours, ["certs/zlint/generalizedNotZulu.pem"]);
}

fn compare(file: &str, ours: &Certificate<'_>, theirs: &X509Certificate<'_>) {
    assert_eq!(ours.parse_error, None, "{file}");
    assert_eq!(ours.serial, theirs.raw_serial(), "{file}");
    assert_eq!(ours.not_before, theirs.validity().not_before.timestamp(), "{file}");
    assert_eq!(ours.not_after, theirs.validity().not_after.timestamp(), "{file}");
    compare_names(file, &ours.issuer, theirs.issuer());
    compare_names(file, &ours.subject, theirs.subject());
    assert_eq!(ours.extensions.len(), theirs.extensions().len(), "{file}");
    for (ours, theirs) in ours.extensions.iter().zip(theirs.extensions()) {
        assert_eq!(ours.oid.0, theirs.oid.as_bytes(), "{file}");
        assert_eq!(ours.critical, theirs.critical, "{file}");
        compare_values(file, ours.value, theirs.parsed_extension());
    }
}

fn compare_names(file: &str, ours: &Name<'_>, theirs: &X509Name<'_>) {
    let attributes: Vec<_> = ours.attributes().map(Result::unwrap).collect();
    assert_eq!(attributes.len(), theirs.iter_attributes().count(), "{file}");
    for (ours, theirs) in attributes.iter().zip(theirs.iter_attributes()) {
        assert_eq!(ours.oid.0, theirs.attr_type().as_bytes(), "{file}");
        // A value that is no character string is none here.
        if let Some(value) = ours.value {
            assert_eq!(value.as_bytes(), theirs.attr_value().data, "{file}");
        }
    }
}

fn compare_values(file: &str, ours: Value<'_>, theirs: &ParsedExtension<'_>) {
    match (ours, theirs) {
        (Value::BasicConstraints { ca }, ParsedExtension::BasicConstraints(theirs)) => {
            assert_eq!(ca, theirs.ca, "{file}");
        }
        (Value::SubjectKeyIdentifier(id), ParsedExtension::SubjectKeyIdentifier(theirs)) => {
            assert_eq!(id, theirs.0, "{file}");
        }
        (Value::AuthorityKeyIdentifier(id), ParsedExtension::AuthorityKeyIdentifier(theirs)) => {
            assert_eq!(id, theirs.key_identifier.as_ref().map(|id| id.0), "{file}");
        }
        (Value::KeyUsage(bits), ParsedExtension::KeyUsage(theirs)) => {
            assert_eq!(bits.reverse_bits(), theirs.flags, "{file}");
        }
        (Value::SubjectAltName(names), ParsedExtension::SubjectAlternativeName(theirs)) => {
            let names: Vec<_> = names.collect();
            assert_eq!(names.len(), theirs.general_names.len(), "{file}");
            for (ours, theirs) in names.iter().zip(&theirs.general_names) {
                compare_general_names(file, ours.ok(), theirs);
            }
        }
        (_, ParsedExtension::BasicConstraints(_) | ParsedExtension::SubjectAlternativeName(_)) => {
            panic!("{file}: {ours:?} where there is {theirs:?}")
        }
        _ => {}
    }
}

fn compare_general_names(file: &str, ours: Option<GeneralName<'_>>, theirs: &TheirGeneralName<'_>) {
    match (ours, theirs) {
        (Some(GeneralName::Dns(name)), TheirGeneralName::DNSName(theirs))
        | (Some(GeneralName::Email(name)), TheirGeneralName::RFC822Name(theirs))
        | (Some(GeneralName::Uri(name)), TheirGeneralName::URI(theirs)) => {
            assert_eq!(name, theirs.as_bytes(), "{file}");
        }
        (_, TheirGeneralName::DNSName(_)) => panic!("{file}: {ours:?} where there is {theirs:?}"),
        _ => {}
    }
}
