//! A certificate: read, rendered under every profile, and decoded again.

use std::sync::Arc;

use cert::precertificate::{goes_with, signs_precertificates};
use cert::tbs::{self, CtExtension};
use cert::{Certificate, Dialect};
use ct::leaf::EntryType;
use record::Record;
use wire::decode::{Update, decode};
use wire::{Event, Incoming, Issuer, Profile, Rendered, Renderer, Source, SourceKind, StreamKind};

use crate::template::{
    BASIC_CONSTRAINTS, C, CN, EMAIL, KEY_USAGE, O, OU, POISON, Template, ca, dns_names, element,
    extension, rdn, sequence, typed_rdn,
};

/// The longest message of a certificate without any readable field, in bytes.
const OUTLINE_BYTES: usize = 32 << 10;

/// Any bytes make a certificate, whose message is JSON that decodes to what was read, is not out of
/// proportion to the certificate, and can be cut. The digest picks the profile: each is tried on a
/// third of all inputs, and an input always has the same.
pub fn check(data: &[u8]) {
    tbs(data);
    let certificate = Certificate::read(data);
    let source = Source::new("Log", "https://ct.example", "", SourceKind::Rfc6962, None);
    let chain = [Arc::new(Issuer::new(data.to_vec().into()))];
    let record = Record {
        seen: 2,
        ..Record::as_read(4, 3, EntryType::Precert, data.to_vec().into(), Vec::new())
    };
    let event = Event {
        offset: 1,
        record: &record,
        source: &source,
        certificate: &certificate,
        chain: &chain,
    };
    let [.., digit] = certificate.sha256;
    let (profile, dialect) = match digit % 3 {
        0 => (Profile::Calidog, Dialect::Calidog),
        1 => (Profile::Go, Dialect::Go),
        _ => (Profile::Rust, Dialect::Rust),
    };
    whole(profile, dialect, &event);
    domains(profile, dialect, &event);
    cut(profile, &event);
}

/// Without its extension a certificate is shorter, has the same key, and none of it is left.
fn tbs(data: &[u8]) {
    // A certificate is no TBSCertificate of another.
    assert_ne!(goes_with(data, data, Some(data)), Some(true));
    assert!(!signs_precertificates(data) || !data.is_empty());
    for extension in [CtExtension::Poison, CtExtension::SctList] {
        let Some(tbs) = tbs::without(data, extension) else { continue };
        assert!(tbs.len() < data.len());
        let again = sequence(&[tbs]);
        assert_eq!(tbs::without(&again, extension), None);
        let key = tbs::subject_public_key_info(data);
        assert_eq!(tbs::subject_public_key_info(&again), key);
    }
}

fn whole(profile: Profile, dialect: Dialect, event: &Event<'_>) {
    let mut message = Vec::new();
    let rendered = Renderer::default().render(StreamKind::Full, profile, event, &mut message);
    let certificate = event.certificate;
    let update = update(&message);
    assert_eq!(update.truncated, rendered == Rendered::Truncated);
    assert_eq!(update.unread, None);
    if rendered == Rendered::Truncated {
        let names = certificate.all_domains(dialect);
        assert!(names.zip(&update.leaf.all_domains).all(|(name, shown)| name == *shown));
        let total = certificate.all_domains(dialect).count() as u64;
        assert_eq!(update.domains_total, Some(total));
        assert!(update.leaf.all_domains.len() as u64 <= total);
        return;
    }
    assert_eq!(update.domains_total, None);
    // A control character is six bytes in JSON, and the common name or an e-mail address stands in
    // a message three times; the chain has it all once more.
    let most = 60 * certificate.der.len() + 4096;
    assert!(message.len() <= most, "{} bytes from {}", message.len(), certificate.der.len());
    assert!(certificate.all_domains(dialect).eq(update.leaf.all_domains.iter().cloned()));
    assert_eq!(update.leaf.der().map(Option::unwrap_or_default).as_deref(), Ok(certificate.der));
    assert_eq!(update.leaf.not_before, Some(certificate.not_before));
    assert_eq!(update.leaf.not_after, Some(certificate.not_after));
    assert_eq!(update.chain.len(), 1);
}

fn domains(profile: Profile, dialect: Dialect, event: &Event<'_>) {
    let mut message = Vec::new();
    match Renderer::default().render(StreamKind::Domains, profile, event, &mut message) {
        Rendered::Whole => match decode(&message) {
            Ok(Incoming::Domains { domains, .. }) => {
                assert!(event.certificate.all_domains(dialect).eq(domains));
            }
            other => panic!("{other:?}"),
        },
        Rendered::Truncated => assert!(decode(&message).is_ok()),
        Rendered::Skipped => {
            assert_eq!(event.certificate.all_domains(dialect).next(), None);
        }
    }
}

fn cut(profile: Profile, event: &Event<'_>) {
    let renderer = Renderer { max_message_bytes: 0, skip_empty_domains: false };
    let mut message = Vec::new();
    let rendered = renderer.render(StreamKind::Full, profile, event, &mut message);
    assert_eq!(rendered, Rendered::Truncated);
    assert!(message.len() <= OUTLINE_BYTES, "{}", message.len());
    assert!(update(&message).truncated);
}

fn update(message: &[u8]) -> Box<Update<'_>> {
    match decode(message) {
        Ok(Incoming::Certificate(update)) => update,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(message)),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let pkcs1 = |number| b"\x2a\x86\x48\x86\xf7\x0d\x01\x01".iter().chain([number]).copied();
    let algorithm = |oid: &[u8]| sequence(&[element(0x06, oid)]);
    let plain = Template::default();
    let authority = Template { extensions: vec![ca()], ..Template::default() };
    let twice = vec![poison(), poison()];
    let precertificate = Template { extensions: twice, ..Template::default() };
    let pss = algorithm(&pkcs1(&0x0a).collect::<Vec<_>>());
    let old = Template {
        version: Vec::new(),
        algorithm: pss,
        not_before: element(0x18, b"19500101000000Z"),
        not_after: element(0x18, b"99991231235959Z"),
        ..Template::default()
    };
    let ecdsa = Template {
        algorithm: algorithm(b"\x2a\x86\x48\xce\x3d\x04\x03\x03"),
        subject: sequence(&[]),
        ..Template::default()
    };
    let all = [plain, authority, precertificate, old, ecdsa, names(), extensions()];
    all.iter().map(Template::encode).collect()
}

fn poison() -> Vec<u8> {
    extension(POISON, b"\x05\x00")
}

/// Names of all parts in all kinds of string.
fn names() -> Template {
    let subject = sequence(&[
        rdn(C, "DE"),
        typed_rdn(b"\x55\x04\x08", 0x13, b"State"),
        typed_rdn(b"\x55\x04\x07", 0x14, b"L\xf6hne"),
        rdn(O, "O\"\\\n"),
        rdn(OU, "one"),
        rdn(OU, "two"),
        typed_rdn(EMAIL, 0x16, b"a@b.example"),
        typed_rdn(b"\x55\x04\x05", 0x1c, b"\0\x01\xf6\x00"),
        typed_rdn(CN, 0x1e, b"\0a\0.\x20\xac"),
    ]);
    let serial = element(0x02, b"\x00\xff\x00");
    let extensions = vec![dns_names(["a.example", "*.a.example", "a.example", ""])];
    Template { subject, serial, extensions, ..Template::default() }
}

/// Every kind of extension.
fn extensions() -> Template {
    let uri = || element(0x86, b"http://u.example");
    let oid = |contents: &[u8]| element(0x06, contents);
    let pkix = |numbers: &[u8]| oid(&[b"\x2b\x06\x01\x05\x05\x07", numbers].concat());
    let ce = |number: u8, value: &[Vec<u8>]| extension(&[0x55, 0x1d, number], &sequence(value));
    let full_name = element(0xa0, &element(0xa0, &uri()));
    let cps = sequence(&[pkix(&[2, 1]), element(0x16, b"http://cps.example")]);
    let notice = sequence(&[pkix(&[2, 2]), sequence(&[element(0x0c, b"notice")])]);
    let access =
        sequence(&[sequence(&[pkix(&[0x30, 1]), uri()]), sequence(&[pkix(&[0x30, 2]), uri()])]);
    let constraints = sequence(&[element(0x01, b"\xff"), element(0x02, b"\0")]);
    let extensions = vec![
        extension(BASIC_CONSTRAINTS, &constraints),
        extension(KEY_USAGE, &element(0x03, b"\x05\xa0")),
        extension(b"\x2b\x06\x01\x05\x05\x07\x01\x01", &access),
        extension(b"\x55\x1d\x0e", &element(0x04, b"\x01\x02\x03")),
        extension(b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02", b"\x04\x02\x00\x00"),
        poison(),
        ce(35, &[element(0x80, b"\x01\x02")]),
        ce(37, &[pkix(&[3, 1]), pkix(&[3, 9]), oid(b"\x55\x1d\x25\x00")]),
        ce(32, &[sequence(&[oid(b"\x67\x81\x0c\x01\x02\x01"), sequence(&[cps, notice])])]),
        ce(31, &[sequence(&[full_name])]),
        ce(18, &[element(0x82, b"ian.example"), element(0x87, b"\x7f\0\0\x01")]),
        ce(
            17,
            &[
                element(0x82, b"a.example"),
                element(0x81, b"m@a.example"),
                element(0x87, &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                uri(),
                element(0xa4, &sequence(&[rdn(CN, "directory name")])),
            ],
        ),
        extension(b"\x2a\x03\x04", b"\x05\x00"),
    ];
    Template { extensions, ..Template::default() }
}
