//! Bytes that nobody would call a certificate.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use cert::{Certificate, Dialect, Part};
use proptest::prelude::*;
use support::{
    BASIC_CONSTRAINTS, C, CN, EMAIL, KEY_USAGE, POISON, Template, dns_names, element, extension,
    rdn, sequence, typed_rdn,
};

mod support;

const DIALECTS: [Dialect; 3] = [Dialect::Calidog, Dialect::Go, Dialect::Rust];

/// Writes every text that there is.
fn write_everything(certificate: &Certificate<'_>) -> String {
    let mut out = String::new();
    for dialect in DIALECTS {
        for name in [&certificate.subject, &certificate.issuer] {
            name.write_aggregated(dialect, &mut out).unwrap();
            for part in Part::ALL {
                name.write_part(part, dialect, &mut out).unwrap();
            }
        }
        certificate.signature_algorithm.write(dialect, &mut out).unwrap();
        for extension in &certificate.extensions {
            extension.oid.write(&mut out).unwrap();
            extension.value.write(dialect, &mut out).unwrap();
        }
        out.extend(certificate.all_domains(dialect));
    }
    out
}

/// A certificate with every kind of extension in it.
fn rich() -> Vec<u8> {
    let uri = element(0x86, b"http://u.example");
    let oid = |contents: &[u8]| element(0x06, contents);
    let pkix = |numbers: &[u8]| oid(&[b"\x2b\x06\x01\x05\x05\x07", numbers].concat());
    let ce = |number: u8, value: &[Vec<u8>]| extension(&[0x55, 0x1d, number], &sequence(value));
    let full_name = element(0xa0, &element(0xa0, &uri));
    let cps = sequence(&[pkix(&[2, 1]), element(0x16, b"http://cps.example")]);
    let notice = sequence(&[pkix(&[2, 2]), sequence(&[element(0x0c, b"notice")])]);
    Template {
        subject: sequence(&[
            rdn(C, "DE"),
            typed_rdn(CN, 0x1e, b"\0a\0.\0b"),
            typed_rdn(EMAIL, 0x16, b"a@b"),
        ]),
        extensions: vec![
            extension(BASIC_CONSTRAINTS, &sequence(&[element(1, b"\xff"), element(2, b"\0")])),
            extension(KEY_USAGE, &element(0x03, b"\x05\xa0")),
            extension(
                b"\x2b\x06\x01\x05\x05\x07\x01\x01",
                &sequence(&[sequence(&[pkix(&[0x30, 1]), uri])]),
            ),
            extension(b"\x55\x1d\x0e", &element(0x04, b"\x01\x02\x03")),
            extension(b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02", b"\x04\x02\x00\x00"),
            extension(POISON, b"\x05\x00"),
            ce(35, &[element(0x80, b"\x01\x02")]),
            ce(37, &[pkix(&[3, 1]), oid(b"\x55\x1d\x25\x00")]),
            ce(32, &[sequence(&[oid(b"\x67\x81\x0c\x01\x02\x01"), sequence(&[cps, notice])])]),
            ce(31, &[sequence(&[full_name])]),
            ce(18, &[element(0x82, b"ian.example"), element(0x87, b"\x7f\0\0\x01")]),
            dns_names(["a.example", "b.example"]),
        ],
        ..Template::default()
    }
    .encode()
}

#[test]
fn the_certificate_before_mutation_is_valid() {
    let der = rich();
    let certificate = Certificate::read(&der);
    assert_eq!(certificate.parse_error, None);
    for extension in &certificate.extensions {
        assert!(extension.kind().is_some() && !extension.unshown, "{extension:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let certificate = Certificate::read(&bytes);
        prop_assert!(certificate.parse_error.is_some());
        write_everything(&certificate);
    }

    #[test]
    fn a_certificate_with_some_bytes_changed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut der = rich();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        if let Some(cut) = cut {
            der.truncate(cut.index(der.len()));
        }
        let certificate = Certificate::read(&der);
        // Every text comes from the certificate, and its encoding at most doubles, quadruples or
        // turns into U+FFFD; the dialects and forms repeat it.
        prop_assert!(write_everything(&certificate).len() < 100 * (der.len() + 100));
    }

    #[test]
    fn a_certificate_with_bytes_put_in(
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut der = rich();
        let at = at.index(der.len());
        der.splice(at..at, bytes);
        write_everything(&Certificate::read(&der));
    }
}

#[test]
fn every_single_byte_set_to_every_odd_value() {
    let original = rich();
    for at in 0..original.len() {
        for value in [0x00, 0x01, 0x1f, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x84, 0xa0, 0xff] {
            let mut der = original.clone();
            der[at] = value;
            write_everything(&Certificate::read(&der));
        }
    }
}

#[test]
fn deep_nesting_is_not_followed() {
    let mut der = Vec::new();
    for _ in 0..20_000 {
        der = element(0x30, &der);
        if der.len() > 100_000 {
            break;
        }
    }
    assert!(Certificate::read(&der).parse_error.is_some());
    let indefinite = b"\x30\x80".repeat(100_000);
    assert!(Certificate::read(&indefinite).parse_error.is_some());
}
