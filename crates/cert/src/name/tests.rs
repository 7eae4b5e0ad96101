//! Tests of distinguished names in each dialect.

use super::*;

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut element = vec![tag, u8::try_from(contents.len()).unwrap()];
    element.extend(contents);
    element
}

fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    let fields = [element(tag::OBJECT_IDENTIFIER, oid), element(tag, value)].concat();
    element(tag::SEQUENCE, &fields)
}

fn rdn(oid: &[u8], value: &str) -> Vec<u8> {
    element(tag::SET, &attribute(oid, tag::UTF8_STRING, value.as_bytes()))
}

const C: &[u8] = b"\x55\x04\x06";
const CN: &[u8] = b"\x55\x04\x03";
const OU: &[u8] = b"\x55\x04\x0b";
const STREET: &[u8] = b"\x55\x04\x09";
const EMAIL: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01";

fn aggregated(contents: &[u8], dialect: Dialect) -> String {
    let mut out = String::new();
    Name::read(contents).0.write_aggregated(dialect, &mut out).unwrap();
    out
}

fn part(contents: &[u8], part: Part, dialect: Dialect) -> String {
    let mut out = String::new();
    Name::read(contents).0.write_part(part, dialect, &mut out).unwrap();
    out
}

#[test]
fn the_three_dialects() {
    let name = [
        rdn(EMAIL, "a@b.example"),
        rdn(OU, "one"),
        rdn(STREET, "Street 1"),
        rdn(OU, "two"),
        rdn(CN, "first"),
        rdn(C, "DE"),
        rdn(CN, "last"),
    ]
    .concat();
    assert_eq!(
        aggregated(&name, Dialect::Calidog),
        "/C=DE/CN=last/OU=two/emailAddress=a@b.example"
    );
    assert_eq!(aggregated(&name, Dialect::Go), "/C=DE/CN=last/OU=one,two");
    assert_eq!(aggregated(&name, Dialect::Rust), "/C=DE/CN=last/OU=two");
    assert_eq!(part(&name, Part::OrganizationalUnit, Dialect::Calidog), "two");
    assert_eq!(part(&name, Part::OrganizationalUnit, Dialect::Go), "one,two");
    assert_eq!(part(&name, Part::CommonName, Dialect::Go), "last");
    assert_eq!(part(&name, Part::State, Dialect::Go), "");
}

#[test]
fn an_empty_name_has_no_text() {
    assert_eq!(aggregated(b"", Dialect::Calidog), "/");
    assert_eq!(aggregated(b"", Dialect::Go), "/CN=");
    assert_eq!(aggregated(b"", Dialect::Rust), "");
    let street = rdn(STREET, "Street 1");
    assert_eq!(aggregated(&street, Dialect::Calidog), "/");
}

#[test]
fn a_multi_valued_rdn() {
    let both = [
        attribute(CN, tag::PRINTABLE_STRING, b"a.example"),
        attribute(OU, tag::PRINTABLE_STRING, b"unit"),
    ]
    .concat();
    assert_eq!(aggregated(&element(tag::SET, &both), Dialect::Calidog), "/CN=a.example/OU=unit");
}

#[test]
fn a_broken_attribute_costs_only_itself() {
    let broken = element(tag::SET, &element(tag::SEQUENCE, b"\x0c\x01x"));
    let other_type = element(tag::INTEGER, b"\x01");
    let name = [rdn(C, "DE"), broken, other_type, rdn(CN, "a.example")].concat();
    let (name, outcome) = Name::read(&name);
    assert_eq!(outcome, Err(Fault::Type));
    assert_eq!(name.get(Part::Country).unwrap().to_text(), "DE");
    assert_eq!(name.get(Part::CommonName).unwrap().to_text(), "a.example");
}

#[test]
fn a_name_cut_short_keeps_what_came_before() {
    let name = [rdn(CN, "a.example"), rdn(OU, "unit")].concat();
    let (name, outcome) = Name::read(&name[..name.len() - 2]);
    assert_eq!(outcome, Err(Fault::CutShort));
    assert_eq!(name.get(Part::CommonName).unwrap().to_text(), "a.example");
    assert_eq!(name.get(Part::OrganizationalUnit), None);
}

#[test]
fn a_value_of_another_type_than_string_has_no_text() {
    let name = element(tag::SET, &attribute(CN, tag::INTEGER, b"\x05"));
    let (name, outcome) = Name::read(&name);
    assert_eq!(outcome, Ok(()));
    assert_eq!(name.get(Part::CommonName), None);
    assert_eq!(name.attributes().count(), 1);
}

#[test]
fn string_types() {
    let cases: [(u8, &[u8], &str); 16] = [
        (tag::UTF8_STRING, "München".as_bytes(), "München"),
        (tag::UTF8_STRING, b"M\xfcnchen", "M\u{fffd}nchen"),
        (tag::PRINTABLE_STRING, b"a*b", "a*b"),
        (tag::VISIBLE_STRING, "Ω".as_bytes(), "Ω"),
        (tag::IA5_STRING, b"a@b\xff", "a@b\u{fffd}"),
        (tag::T61_STRING, b"M\xfcnchen", "München"),
        (tag::T61_STRING, "Młyn Żółw ® S.A.".as_bytes(), "Młyn Żółw ® S.A."),
        (tag::T61_STRING, b"caf\xc3\xa9 \xe9", "cafÃ© é"),
        (tag::BMP_STRING, b"\x00M\x00\xfc\x03\xa9", "MüΩ"),
        (tag::BMP_STRING, b"\xd8\x3d\xde\x00", "😀"),
        (tag::BMP_STRING, b"\xd8\x3d\x00a", "\u{fffd}a"),
        (tag::BMP_STRING, b"\x00a\x00", "a\u{fffd}"),
        (tag::UNIVERSAL_STRING, b"\x00\x00\x00a\x00\x01\xf6\x00", "a😀"),
        (tag::UNIVERSAL_STRING, b"\x00\x11\x00\x00\x00\x00\x00a\x01", "\u{fffd}a\u{fffd}"),
        (tag::NUMERIC_STRING, b"12 3", "12 3"),
        (tag::UTF8_STRING, b"", ""),
    ];
    for (tag, bytes, expected) in cases {
        let string = DirectoryString::new(tag, bytes).unwrap();
        let mut written = String::new();
        string.write(&mut written).unwrap();
        assert_eq!(written, expected, "{tag:#x} {bytes:02x?}");
        assert_eq!(string.to_text(), expected, "{tag:#x} {bytes:02x?}");
    }
    assert_eq!(DirectoryString::new(tag::BIT_STRING, b"\x00"), None);
}
