//! Tests of the text forms of extensions.

use super::*;
use crate::text::Dialect;

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut element = vec![tag, 0x82];
    element.extend(u16::try_from(contents.len()).unwrap().to_be_bytes());
    element.extend(contents);
    element
}

fn sequence(members: &[Vec<u8>]) -> Vec<u8> {
    element(tag::SEQUENCE, &members.concat())
}

fn oid(contents: &[u8]) -> Vec<u8> {
    element(tag::OBJECT_IDENTIFIER, contents)
}

fn uri(text: &str) -> Vec<u8> {
    element(tag::context(6), text.as_bytes())
}

fn dns(text: &str) -> Vec<u8> {
    element(tag::context(2), text.as_bytes())
}

const SAN: &[u8] = b"\x55\x1d\x11";
const POLICIES: &[u8] = b"\x55\x1d\x20";
const CRL_POINTS: &[u8] = b"\x55\x1d\x1f";
const EKU: &[u8] = b"\x55\x1d\x25";
const AKI: &[u8] = b"\x55\x1d\x23";
const SKI: &[u8] = b"\x55\x1d\x0e";
const USAGE: &[u8] = b"\x55\x1d\x0f";
const CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const AIA: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x01\x01";
const SCTS: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02";
const POISON: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03";

fn read<'a>(oid: &'a [u8], value: &'a [u8]) -> Extension<'a> {
    let (value, whole) = Value::read(Oid(oid), value).unwrap_or((Value::Other, false));
    Extension { oid: Oid(oid), critical: false, value, unshown: !whole }
}

fn text(oid: &[u8], value: &[u8], dialect: Dialect) -> String {
    let mut out = String::new();
    read(oid, value).value.write(dialect, &mut out).unwrap();
    out
}

/// The text in the three dialects: Calidog, Go, Rust.
fn texts(oid: &[u8], value: &[u8]) -> [String; 3] {
    assert!(!read(oid, value).unshown, "{value:02x?}");
    [Dialect::Calidog, Dialect::Go, Dialect::Rust].map(|dialect| text(oid, value, dialect))
}

#[test]
fn authority_info_access() {
    let place = |method: &[u8], location: Vec<u8>| sequence(&[oid(method), location]);
    let value = sequence(&[
        place(b"\x2b\x06\x01\x05\x05\x07\x30\x01", uri("http://ocsp.example")),
        place(b"\x2b\x06\x01\x05\x05\x07\x30\x03", uri("http://time.example")),
        place(b"\x2b\x06\x01\x05\x05\x07\x30\x02", uri("http://ca.example")),
        place(b"\x2b\x06\x01\x05\x05\x07\x30\x02", dns("ca.example")),
    ]);
    let [calidog, go, rust] = texts(AIA, &value);
    assert_eq!(calidog, "CA Issuers - URI:http://ca.example\nOCSP - URI:http://ocsp.example\n");
    assert_eq!(go, "URI:http://ca.example, URI:http://ocsp.example");
    assert_eq!(rust, "URI:http://ocsp.example, URI:http://time.example, URI:http://ca.example");
    assert_eq!(texts(AIA, &sequence(&[])), [""; 3]);
}

#[test]
fn key_identifiers() {
    let authority =
        sequence(&[element(tag::context(0), b"\xb0\x21"), element(tag::context(2), b"\x05")]);
    assert_eq!(texts(AKI, &authority), ["keyid:B0:21\n", "keyid:b0:21", "keyid:b0:21"]);
    let only_serial = sequence(&[element(tag::context(2), b"\x05")]);
    assert_eq!(read(AKI, &only_serial).value, Value::AuthorityKeyIdentifier(None));
    assert_eq!(texts(AKI, &only_serial), [""; 3]);
    let subject = element(tag::OCTET_STRING, b"\x4c\x06");
    assert_eq!(texts(SKI, &subject), ["4C:06", "keyid:4c:06", "keyid:4c:06"]);
}

#[test]
fn basic_constraints() {
    let ca = |fields: &[Vec<u8>]| texts(CONSTRAINTS, &sequence(fields))[0].clone();
    let flag = |octet: u8| element(tag::BOOLEAN, &[octet]);
    assert_eq!(ca(&[]), "CA:FALSE");
    assert_eq!(ca(&[flag(0xff), element(tag::INTEGER, b"\x00")]), "CA:TRUE");
    assert_eq!(ca(&[flag(0x01)]), "CA:TRUE");
    assert_eq!(ca(&[flag(0x00)]), "CA:FALSE");
    assert_eq!(ca(&[element(tag::INTEGER, b"\x00")]), "CA:FALSE");
}

#[test]
fn key_usages() {
    let usage = |bits: &[u8]| texts(USAGE, &element(tag::BIT_STRING, &[&[0], bits].concat()));
    let [calidog, go, rust] = usage(b"\xff\x80");
    assert_eq!(
        calidog,
        "Digital Signature, Non Repudiation, Key Encipherment, Data Encipherment, Key Agreement, \
         Key Cert Sign, C R L Sign, Encipher Only, Decipher Only"
    );
    assert_eq!(
        go,
        "Digital Signature, Content Commitment, Key Encipherment, Data Encipherment, Key \
         Agreement, Certificate Signing, CRL Signing, Encipher Only, Decipher Only"
    );
    assert_eq!(go, rust);
    assert_eq!(usage(b"\xa0")[0], "Digital Signature, Key Encipherment");
    assert_eq!(usage(b"")[0], "");
    assert_eq!(read(USAGE, &element(tag::BIT_STRING, b"")).value, Value::Other);
}

#[test]
fn extended_key_usages() {
    let pkix = |number: u8| oid(&[b"\x2b\x06\x01\x05\x05\x07\x03".as_slice(), &[number]].concat());
    let mixed = sequence(&[
        pkix(9),
        oid(b"\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x04"),
        oid(b"\x55\x1d\x25\x00"),
        pkix(1),
    ]);
    let [calidog, _, rust] = texts(EKU, &mixed);
    assert_eq!(
        calidog,
        "OCSPstamping, 1.3.6.1.4.1.311.10.3.4, 2.5.29.37.0, TLS Web server authentication"
    );
    assert_eq!(rust, "serverAuth, OCSPSigning, anyExtendedKeyUsage");
    let all = sequence(&(1..=9).map(pkix).collect::<Vec<_>>());
    let [calidog, _, rust] = texts(EKU, &all);
    assert_eq!(
        calidog,
        "TLS Web server authentication, TLS Web client authentication, Code signing, E-mail \
         protection, IP security end system, IP security tunnel termination, IP security user, \
         Timestamping, OCSPstamping"
    );
    assert_eq!(
        rust,
        "serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning"
    );
}

#[test]
fn alternative_names() {
    let value = sequence(&[
        uri("https://u.example/"),
        element(tag::context(7), b"\xc0\x00\x02\x01"),
        element(tag::context(1), b"m@b.example"),
        dns("a.example"),
        dns("a.example"),
        element(tag::constructed(4), &sequence(&[])),
    ]);
    let [calidog, go, rust] = texts(SAN, &value);
    assert_eq!(
        calidog,
        "URI:https://u.example/, IP:192.0.2.1, RFC 822Name:m@b.example, DNS:a.example, DNS:a.example"
    );
    assert_eq!(go, "DNS:a.example, DNS:a.example, email:m@b.example, IP Address:192.0.2.1");
    assert_eq!(rust, "IP Address:192.0.2.1, email:m@b.example, DNS:a.example, DNS:a.example");
    assert_eq!(text(b"\x55\x1d\x12", &value, Dialect::Calidog), calidog);
}

#[test]
fn policies() {
    let qualifier = |number: u8, value: Vec<u8>| {
        sequence(&[oid(&[b"\x2b\x06\x01\x05\x05\x07\x02".as_slice(), &[number]].concat()), value])
    };
    let reference = sequence(&[element(tag::UTF8_STRING, b"Org"), sequence(&[])]);
    let value = sequence(&[
        sequence(&[oid(b"\x67\x81\x0c\x01\x02\x01")]),
        sequence(&[
            oid(b"\x2a\x03\x04"),
            sequence(&[
                qualifier(1, element(tag::IA5_STRING, b"http://cps.example")),
                qualifier(2, sequence(&[element(tag::BMP_STRING, b"\x00H\x00i")])),
                qualifier(2, sequence(&[reference, element(tag::UTF8_STRING, b"there")])),
                qualifier(2, sequence(&[])),
                qualifier(9, element(tag::UTF8_STRING, b"?")),
            ]),
        ]),
        sequence(&[oid(b"\x2a\x03\x05")]),
    ]);
    let [calidog, go, rust] = texts(POLICIES, &value);
    assert_eq!(
        calidog,
        "Policy: 2.23.140.1.2.1\nPolicy: 1.2.3.4\n  CPS: http://cps.example\n  User Notice: Hi\n  \
         User Notice: there\n  User Notice: \nPolicy: 1.2.3.5"
    );
    assert_eq!(go, "Policy: 2.23.140.1.2.1\nPolicy: 1.2.3.4\nPolicy: 1.2.3.5\n");
    assert_eq!(go, rust);
}

#[test]
fn a_practice_statement_that_is_not_utf8_is_shown_with_replacements() {
    let qualifier = |value| sequence(&[oid(b"\x2b\x06\x01\x05\x05\x07\x02\x01"), value]);
    let qualifiers = [
        qualifier(sequence(&[element(tag::IA5_STRING, b"not here")])),
        qualifier(element(tag::BMP_STRING, b"\0h\0i")),
    ];
    let value = sequence(&[sequence(&[oid(b"\x2a\x03\x04"), sequence(&qualifiers)])]);
    assert!(read(POLICIES, &value).unshown);
    assert_eq!(text(POLICIES, &value, Dialect::Calidog), "Policy: 1.2.3.4\n  CPS: hi");
}

#[test]
fn distribution_points() {
    let point = |names: &[Vec<u8>]| {
        let full_name = element(tag::constructed(0), &names.concat());
        sequence(&[element(tag::constructed(0), &full_name)])
    };
    let relative = sequence(&[element(tag::constructed(0), &element(tag::constructed(1), b""))]);
    let value = sequence(&[
        point(&[uri("http://1.example"), dns("no uri"), uri("ldap://2.example")]),
        relative,
        sequence(&[element(tag::context(1), b"\x00\x80")]),
        point(&[uri("http://3.example")]),
    ]);
    assert_eq!(
        texts(CRL_POINTS, &value)[0],
        "Full Name:\n URI:http://1.example\n URI:ldap://2.example\nFull Name:\n URI:http://3.example"
    );
}

#[test]
fn scts_and_poison() {
    assert_eq!(texts(SCTS, b"\x04\x06\x00\x04\x00\x02\x00\x00"), ["BAYABAACAAA="; 3]);
    let long = vec![0xfb; 200];
    let expected = format!("{}-_s=", "-_v7".repeat(66));
    assert_eq!(texts(SCTS, &long)[0], expected);
    assert_eq!(read(POISON, b"\x05\x00").value, Value::Poison);
}

#[test]
fn a_list_cut_short_shows_its_beginning_and_says_so() {
    let value = sequence(&[dns("a.example"), dns("b.example")]);
    let cut = read(SAN, &value[..value.len() - 3]);
    assert!(cut.unshown);
    assert_eq!(cut.kind(), Some(ExtensionKind::SubjectAltName));
    assert_eq!(text(SAN, &value[..value.len() - 3], Dialect::Calidog), "DNS:a.example");
}

#[test]
fn a_broken_member_costs_only_itself() {
    let value = sequence(&[dns("a.example"), element(tag::context(7), b"\x01"), dns("b.example")]);
    assert!(read(SAN, &value).unshown);
    assert_eq!(text(SAN, &value, Dialect::Rust), "DNS:a.example, DNS:b.example");
}

#[test]
fn unreadable_extensions_are_marked() {
    for kind in [SAN, POLICIES, CRL_POINTS, EKU, AKI, SKI, USAGE, CONSTRAINTS, AIA] {
        for value in [b"".as_slice(), b"\x05\x00", b"\x30\x80\x00\x00", b"\xff\xff"] {
            let extension = read(kind, value);
            assert_eq!((extension.kind(), extension.unshown), (None, true), "{kind:02x?}");
        }
    }
}

#[test]
fn the_frame_of_an_extension() {
    let frame = |fields: &[Vec<u8>]| sequence(fields);
    let id = oid(POISON);
    let value = element(tag::OCTET_STRING, b"\x05\x00");
    let flag = element(tag::BOOLEAN, b"\xff");
    let cases = [
        (frame(&[id.clone(), flag.clone(), value.clone()]), Ok((true, Value::Poison, false))),
        (frame(&[id.clone(), value.clone()]), Ok((false, Value::Poison, false))),
        (frame(&[id.clone(), flag.clone()]), Ok((true, Value::Other, true))),
        (frame(std::slice::from_ref(&id)), Ok((false, Value::Other, true))),
        (frame(&[flag, value]), Err(Fault::Type)),
        (id, Err(Fault::Type)),
    ];
    for (bytes, expected) in cases {
        let read = Reader::new(&bytes).element().and_then(Extension::read);
        let read = read.map(|extension| (extension.critical, extension.value, extension.unshown));
        assert_eq!(read, expected, "{bytes:02x?}");
    }
}
