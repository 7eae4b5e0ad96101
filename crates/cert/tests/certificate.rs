//! Certificates of every kind, read through the public interface.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use cert::certificate::MAX_EXTENSIONS;
use cert::{Certificate, Dialect, ExtensionKind, Fault, ParseError, Part, SignatureAlgorithm};
use support::{
    C, CN, O, OU, POISON, SUBJECT_ALT_NAME, Template, ca, dns_names, element, extension, rdn,
    sequence, typed_rdn,
};

mod support;

fn domains(certificate: &Certificate<'_>, dialect: Dialect) -> Vec<String> {
    certificate.all_domains(dialect).map(String::from).collect()
}

fn error(field: &'static str, fault: Fault) -> Option<ParseError> {
    Some(ParseError { field, fault })
}

fn cn(certificate: &Certificate<'_>) -> Option<String> {
    certificate.subject.get(Part::CommonName).map(|name| name.to_text().into_owned())
}

#[test]
fn every_field() {
    let der = Template {
        extensions: vec![dns_names(["a.example", "*.a.example"]), extension(POISON, b"\x05\x00")],
        ..Template::default()
    }
    .encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, None);
    assert_eq!(certificate.der, der);
    assert_eq!(certificate.serial, b"\x0f\xdb");
    assert_eq!(certificate.not_before, 1_767_225_600);
    assert_eq!(certificate.not_after, 1_775_001_600);
    assert_eq!(cn(&certificate).as_deref(), Some("a.example"));
    assert_eq!(certificate.issuer.get(Part::Country).unwrap().to_text(), "US");
    assert!(matches!(certificate.signature_algorithm, SignatureAlgorithm::Rsa(_)));
    assert!(!certificate.is_ca);
    assert_eq!(certificate.extensions.len(), 2);
    assert!(certificate.extension(ExtensionKind::Poison).is_some());
    assert!(certificate.extension(ExtensionKind::KeyUsage).is_none());
}

#[test]
fn digests_of_all_bytes() {
    let certificate = Certificate::read(b"abc");
    assert_eq!(certificate.sha1[..4], [0xa9, 0x99, 0x3e, 0x36]);
    assert_eq!(certificate.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
}

#[test]
fn no_extensions_and_no_version() {
    let der = Template { version: Vec::new(), ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, None);
    assert!(certificate.extensions.is_empty());
    assert_eq!(domains(&certificate, Dialect::Calidog), ["a.example"]);
}

#[test]
fn domains_in_each_dialect() {
    let names = ["z.example", "a.example", "*.z.example", "z.example", "A.example"];
    let der = Template { extensions: vec![dns_names(names)], ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let expected = ["a.example", "z.example", "*.z.example", "A.example"];
    assert_eq!(domains(&certificate, Dialect::Calidog), expected);
    assert_eq!(domains(&certificate, Dialect::Rust), expected);
    assert_eq!(domains(&certificate, Dialect::Go), names);
}

#[test]
fn a_common_name_that_is_not_among_the_names() {
    let der =
        Template { extensions: vec![dns_names(["b.example"])], ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(domains(&certificate, Dialect::Calidog), ["a.example", "b.example"]);
    assert_eq!(domains(&certificate, Dialect::Go), ["b.example", "a.example"]);
}

#[test]
fn the_name_of_an_authority_is_no_domain() {
    let der = Template { extensions: vec![ca(), dns_names(["ca.example"])], ..Template::default() }
        .encode();
    let certificate = Certificate::read(&der);
    assert!(certificate.is_ca);
    for dialect in [Dialect::Calidog, Dialect::Go, Dialect::Rust] {
        assert_eq!(domains(&certificate, dialect), ["ca.example"]);
    }
}

#[test]
fn an_empty_common_name_is_no_domain() {
    for subject in [sequence(&[]), sequence(&[rdn(CN, "")]), sequence(&[rdn(O, "Org")])] {
        let der = Template { subject, ..Template::default() }.encode();
        assert!(domains(&Certificate::read(&der), Dialect::Calidog).is_empty());
        assert!(domains(&Certificate::read(&der), Dialect::Go).is_empty());
    }
}

#[test]
fn names_are_compared_as_text() {
    // The same name as BMPString in the subject and as IA5String in subjectAltName.
    let subject = sequence(&[typed_rdn(CN, 0x1e, b"\x00a\x00.\x00b")]);
    let der =
        Template { subject, extensions: vec![dns_names(["a.b"])], ..Template::default() }.encode();
    assert_eq!(domains(&Certificate::read(&der), Dialect::Calidog), ["a.b"]);
    assert_eq!(domains(&Certificate::read(&der), Dialect::Go), ["a.b"]);
}

#[test]
fn thousands_of_names() {
    let names: Vec<String> = (0..4000).map(|number| format!("{}.example", number % 3000)).collect();
    let extensions = vec![dns_names(names.iter().map(String::as_str))];
    let der = Template { extensions, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let found = domains(&certificate, Dialect::Calidog);
    assert_eq!(found.len(), 3001);
    assert_eq!(found[1..], names[..3000]);
    assert_eq!(domains(&certificate, Dialect::Go).len(), 4001);
}

#[test]
fn a_repeated_extension_loses_no_name() {
    let extensions = vec![dns_names(["b.example"]), dns_names(["c.example"])];
    let der = Template { extensions, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(domains(&certificate, Dialect::Calidog), ["a.example", "b.example", "c.example"]);
    let unshown: Vec<bool> = certificate.extensions.iter().map(|each| each.unshown).collect();
    assert_eq!(unshown, [false, true]);
}

#[test]
fn a_broken_extension_costs_only_itself() {
    let broken = extension(SUBJECT_ALT_NAME, b"\xff\xff\xff");
    let extensions = vec![ca(), broken, extension(POISON, b"\x05\x00")];
    let der = Template { extensions, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, None);
    assert!(certificate.is_ca);
    assert!(certificate.extension(ExtensionKind::Poison).is_some());
    assert!(certificate.extension(ExtensionKind::SubjectAltName).is_none());
    assert!(certificate.extensions[1].unshown);
}

#[test]
fn an_extension_without_identifier_is_noted() {
    let extensions = vec![sequence(&[element(0x04, b"\x05\x00")]), dns_names(["b.example"])];
    let der = Template { extensions, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, error("extensions", Fault::Type));
    assert_eq!(domains(&certificate, Dialect::Calidog), ["a.example", "b.example"]);
}

#[test]
fn extensions_beyond_the_limit_are_not_read() {
    let extensions = vec![extension(b"\x2a\x03", b""); MAX_EXTENSIONS];
    let template = Template { extensions, ..Template::default() };
    assert_eq!(Certificate::read(&template.encode()).parse_error, None);
    let mut one_more = template;
    one_more.extensions.push(dns_names(["late.example"]));
    let der = one_more.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, error("extensions", Fault::Number));
    assert_eq!(certificate.extensions.len(), MAX_EXTENSIONS);
}

#[test]
fn invalid_dates_are_noted() {
    let not_after = element(0x17, b"260230000000Z");
    let der = Template { not_after, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!((certificate.not_before, certificate.not_after), (1_767_225_600, 0));
    assert_eq!(certificate.parse_error, error("notAfter", Fault::Time));
    assert_eq!(certificate.parse_error.unwrap().to_string(), "notAfter: not a time");
}

#[test]
fn odd_dates() {
    let der = Template {
        not_before: element(0x18, b"19500101000000Z"),
        not_after: element(0x18, b"99991231235959Z"),
        ..Template::default()
    }
    .encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.not_before, -631_152_000);
    assert_eq!(certificate.not_after, cert::time::NO_EXPIRATION);
    assert_eq!(certificate.parse_error, None);
}

#[test]
fn a_broken_subject_is_noted_and_read_as_far_as_possible() {
    let subject = sequence(&[rdn(CN, "a.example"), element(0x31, &element(0x05, b""))]);
    let der = Template { subject, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, error("subject", Fault::Type));
    assert_eq!(cn(&certificate).as_deref(), Some("a.example"));
}

#[test]
fn bytes_without_any_field_give_an_empty_certificate() {
    for bytes in [b"".as_slice(), b"\x00", b"not a certificate", b"\x30\x82\xff\xff", &[0x30; 99]] {
        let certificate = Certificate::read(bytes);
        assert!(certificate.parse_error.is_some());
        assert_eq!(certificate.serial, b"");
        assert_eq!((certificate.subject.size(), certificate.issuer.size()), (0, 0));
        assert_eq!((certificate.not_before, certificate.not_after), (0, 0));
        assert_eq!(certificate.signature_algorithm, SignatureAlgorithm::Unknown);
        assert!(certificate.extensions.is_empty());
        assert!(domains(&certificate, Dialect::Calidog).is_empty());
    }
}

/// A certificate with something in every field that salvage looks for.
fn rich() -> Vec<u8> {
    let names = dns_names(["a.example", "b.example", "c.example"]);
    Template { extensions: vec![ca(), names], ..Template::default() }.encode()
}

#[test]
fn a_file_cut_short_keeps_what_is_there() {
    let der = rich();
    let name = der.windows(9).position(|window| window == b"b.example").unwrap();
    let certificate = Certificate::read(&der[..name + 9]);
    assert_eq!(certificate.parse_error, error("certificate", Fault::CutShort));
    assert_eq!(certificate.serial, b"\x0f\xdb");
    assert_eq!(certificate.not_after, 1_775_001_600);
    assert_eq!(cn(&certificate).as_deref(), Some("a.example"));
    assert_eq!(certificate.issuer.get(Part::CommonName).unwrap().to_text(), "Test CA");
    assert!(certificate.is_ca);
    assert!(matches!(certificate.signature_algorithm, SignatureAlgorithm::Rsa(_)));
    assert_eq!(domains(&certificate, Dialect::Calidog), ["a.example", "b.example"]);
    assert!(certificate.extension(ExtensionKind::SubjectAltName).unwrap().unshown);
}

#[test]
fn every_cut_is_survived_and_finds_no_less_than_a_shorter_one() {
    let der = rich();
    let mut before = 0;
    for length in 0..der.len() {
        let certificate = Certificate::read(&der[..length]);
        assert_eq!(certificate.parse_error, error("certificate", Fault::CutShort), "{length}");
        let found = certificate.dns_names().count();
        assert!(found >= before, "{length}");
        before = found;
    }
    assert_eq!(before, 3);
}

#[test]
fn indefinite_lengths() {
    let template =
        Template { extensions: vec![ca(), dns_names(["b.example"])], ..Template::default() };
    let der = template.encode();
    // Certificate and TBSCertificate as BER would write them: 80 … 00 00.
    let tbs = &cert_contents(cert_contents(&der));
    let mut ber = b"\x30\x80\x30\x80".to_vec();
    ber.extend_from_slice(tbs);
    ber.extend(b"\x00\x00");
    ber.extend(template.algorithm);
    ber.extend(b"\x03\x02\x00\x01\x00\x00");
    let certificate = Certificate::read(&ber);
    assert_eq!(certificate.parse_error, error("certificate", Fault::Length));
    assert_eq!(cn(&certificate).as_deref(), Some("a.example"));
    assert_eq!(certificate.serial, b"\x0f\xdb");
    assert!(certificate.is_ca);
    assert_eq!(certificate.dns_names().collect::<Vec<_>>(), ["b.example"]);
}

/// Returns the contents of the first element of `bytes`.
fn cert_contents(bytes: &[u8]) -> &[u8] {
    let header = if bytes[1] < 0x80 { 2 } else { 2 + usize::from(bytes[1] & 0x7f) };
    let length = bytes[2..header].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let length = if header == 2 { usize::from(bytes[1]) } else { length };
    &bytes[header..header + length]
}

#[test]
fn a_field_too_many_or_of_another_type() {
    let template = Template { extensions: vec![dns_names(["b.example"])], ..Template::default() };
    let cases = [
        (Template { serial: element(0x04, b"\x05"), ..template.clone() }, "serialNumber"),
        (Template { issuer: element(0x31, b""), ..template.clone() }, "issuer"),
        (Template { key: Vec::new(), ..template.clone() }, "subjectPublicKeyInfo"),
        (Template { algorithm: sequence(&[]), ..template.clone() }, "signatureAlgorithm"),
        (Template { version: element(0x05, b""), ..template }, "serialNumber"),
    ];
    for (template, field) in cases {
        let der = template.encode();
        let certificate = Certificate::read(&der);
        assert_eq!(certificate.parse_error.unwrap().field, field);
        assert_eq!(certificate.not_before, 1_767_225_600, "{field}");
        assert_eq!(certificate.dns_names().collect::<Vec<_>>(), ["b.example"], "{field}");
    }
}

#[test]
fn several_organizational_units() {
    let subject = sequence(&[rdn(C, "DE"), rdn(OU, "one"), rdn(OU, "two")]);
    let der = Template { subject, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let part = certificate.subject.get(Part::OrganizationalUnit).unwrap();
    assert_eq!(part.to_text(), "two");
    assert_eq!(certificate.subject.attributes().count(), 3);
}

#[test]
fn a_teletex_string_that_holds_utf8_is_utf8() {
    let Some(data) = support::shared_data() else { return };
    let Ok(der) = std::fs::read(data.join("reports/t61-holding-utf8.der")) else {
        println!("skipped: ../shared/data/reports is not here");
        return;
    };
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, None);
    for name in [certificate.subject, certificate.issuer] {
        assert_eq!(name.get(Part::Organization).unwrap().to_text(), "Młyn Żółw ® S.A.");
    }
}
