//! A rendered message decodes to its event, on every stream and under every profile.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::borrow::Cow;
use std::sync::Arc;

use cert::{Dialect, ExtensionKind, Part};
use ct::leaf::EntryType;
use proptest::prelude::*;
use record::Record;
use support::{
    BASIC_CONSTRAINTS, C, CN, EMAIL, KEY_USAGE, O, OU, POISON, Template, all_certificates, ca,
    dns_names, element, event, extension, rdn, record, rfc6962, sequence, shared_data, tiled,
};
use wire::decode::{Certificate, Extensions, Incoming, Name, Update, decode};
use wire::{Event, Issuer, Profile, Renderer, StreamKind};

mod support;

fn dialect(profile: Profile) -> Dialect {
    match profile {
        Profile::Calidog => Dialect::Calidog,
        Profile::Go => Dialect::Go,
        Profile::Rust => Dialect::Rust,
    }
}

/// Returns the output of `write`; an empty text counts as none.
fn written(write: impl FnOnce(&mut String) -> std::fmt::Result) -> Option<Cow<'static, str>> {
    let mut text = String::new();
    write(&mut text).unwrap();
    Some(text.into()).filter(|text: &Cow<'_, str>| !text.is_empty())
}

fn name(dialect: Dialect, name: &cert::Name<'_>) -> Name<'static> {
    let part = |part| written(|out| name.write_part(part, dialect, out));
    Name {
        country: part(Part::Country),
        common_name: part(Part::CommonName),
        locality: part(Part::Locality),
        organization: part(Part::Organization),
        organizational_unit: part(Part::OrganizationalUnit),
        state: part(Part::State),
        // The Go server has no e-mail address to send.
        email_address: part(Part::EmailAddress).filter(|_| dialect != Dialect::Go),
        aggregated: written(|out| name.write_aggregated(dialect, out)),
    }
}

fn extensions(dialect: Dialect, certificate: &cert::Certificate<'_>) -> Extensions<'static> {
    let text = |kind| {
        let extension = certificate.extension(kind)?;
        written(|out| extension.value.write(dialect, out))
    };
    let only = |dialects: &[Dialect], kind| text(kind).filter(|_| dialects.contains(&dialect));
    let unshown = certificate.extensions.iter().filter(|extension| extension.unshown);
    let oid = |extension: &cert::Extension<'_>| written(|out| extension.oid.write(out));
    let extra: Vec<_> = unshown.map(|extension| oid(extension).unwrap_or_default()).collect();
    Extensions {
        authority_info_access: text(ExtensionKind::AuthorityInfoAccess),
        authority_key_identifier: text(ExtensionKind::AuthorityKeyIdentifier),
        basic_constraints: text(ExtensionKind::BasicConstraints),
        certificate_policies: text(ExtensionKind::CertificatePolicies),
        crl_distribution_points: only(&[Dialect::Calidog], ExtensionKind::CrlDistributionPoints),
        poison: certificate.extension(ExtensionKind::Poison).is_some(),
        sct_list: only(&[Dialect::Calidog], ExtensionKind::SctList),
        extended_key_usage: only(
            &[Dialect::Calidog, Dialect::Rust],
            ExtensionKind::ExtendedKeyUsage,
        ),
        extra: if dialect == Dialect::Calidog { extra } else { Vec::new() },
        issuer_alt_name: only(&[Dialect::Calidog], ExtensionKind::IssuerAltName),
        key_usage: text(ExtensionKind::KeyUsage),
        subject_alt_name: text(ExtensionKind::SubjectAltName),
        subject_key_identifier: text(ExtensionKind::SubjectKeyIdentifier),
    }
}

fn hex(bytes: &[u8], between: &str) -> Option<Cow<'static, str>> {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(digits.join(between).into()).filter(|text: &Cow<'_, str>| !text.is_empty())
}

fn serial_number(serial: &[u8]) -> Option<Cow<'static, str>> {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    hex(&serial[zeros.min(serial.len().saturating_sub(1))..], "")
}

/// A certificate as it is described on the full stream.
fn described(profile: Profile, certificate: &cert::Certificate<'_>) -> Certificate<'static> {
    let dialect = dialect(profile);
    let domains = certificate.all_domains(dialect).map(|name| Cow::Owned(name.into_owned()));
    let error = certificate.parse_error.map(|error| error.to_string().into());
    Certificate {
        all_domains: domains.collect(),
        as_der: Some(base64_simd::STANDARD.encode_to_string(certificate.der).into())
            .filter(|text: &Cow<'_, str>| !text.is_empty()),
        extensions: extensions(dialect, certificate),
        is_ca: Some(certificate.is_ca),
        issuer: name(dialect, &certificate.issuer),
        not_after: Some(certificate.not_after),
        not_before: Some(certificate.not_before),
        parse_error: error.filter(|_| profile == Profile::Calidog),
        serial_number: serial_number(certificate.serial),
        sha1: hex(&certificate.sha1, ":"),
        sha256: hex(&certificate.sha256, ":"),
        signature_algorithm: written(|out| certificate.signature_algorithm.write(dialect, out)),
        subject: name(dialect, &certificate.subject),
    }
}

fn expected(kind: StreamKind, profile: Profile, event: &Event<'_>) -> Incoming<'static> {
    let offset = Some(event.offset).filter(|_| profile == Profile::Calidog);
    let mut leaf = described(profile, event.certificate);
    if kind == StreamKind::Domains {
        let (domains, domains_total) = (leaf.all_domains, None);
        return Incoming::Domains { domains, offset, truncated: false, domains_total };
    }
    let (record, is_full) = (event.record, kind == StreamKind::Full);
    leaf.as_der = leaf.as_der.filter(|_| is_full);
    let issuers = event.chain.iter().filter(|_| is_full).map(|issuer| {
        let mut issuer = described(profile, &cert::Certificate::read(issuer.der()));
        if profile == Profile::Rust {
            issuer.as_der = None;
            issuer.all_domains.clear();
        }
        issuer
    });
    let not_in_rust = profile != Profile::Rust;
    let text = |text: &str| Some(Cow::Owned(text.to_owned())).filter(|_| !text.is_empty());
    let only_calidog =
        |text: Option<Cow<'static, str>>| text.filter(|_| profile == Profile::Calidog);
    Incoming::Certificate(Box::new(Update {
        offset,
        truncated: false,
        domains_total: None,
        kind: Some(record.kind.into()),
        cert_index: Some(record.index),
        cert_link: text(&link(event)),
        seen: Some(record.seen),
        submitted: Some(record.submitted),
        source: wire::decode::Log {
            name: text(event.source.name()),
            url: text(event.source.url()),
            operator: only_calidog(text(event.source.operator())),
            kind: Some(event.source.kind()).filter(|_| not_in_rust),
            log_id: only_calidog(event.source.log_id().and_then(text)),
        },
        leaf,
        chain: issuers.collect(),
        unread: None,
    }))
}

/// `cert_link`, of entries below 256,000 in a static log.
fn link(event: &Event<'_>) -> String {
    let (url, index) = (event.source.url(), event.record.index);
    match event.source.kind() {
        wire::SourceKind::Rfc6962 => format!("{url}/ct/v1/get-entries?start={index}&end={index}"),
        wire::SourceKind::Tiled => format!("{url}/tile/data/{:03}", index / 256),
    }
}

fn round_trip(event: &Event<'_>) {
    let renderer = Renderer { skip_empty_domains: false, max_message_bytes: usize::MAX };
    for profile in Profile::ALL {
        for kind in StreamKind::ALL {
            let mut message = Vec::new();
            renderer.render(kind, profile, event, &mut message);
            let decoded = decode(&message);
            assert_eq!(decoded, Ok(expected(kind, profile, event)), "{kind:?} {profile:?}");
        }
    }
}

const SAMPLE_LEAF: &[u8] = include_bytes!("../src/sample/leaf.der");
const SAMPLE_ISSUER: &[u8] = include_bytes!("../src/sample/issuer.der");

/// A certificate of many kinds of text.
fn rich() -> Vec<u8> {
    let oid = |contents: &[u8]| element(0x06, contents);
    let ce = |number: u8, value: &[Vec<u8>]| extension(&[0x55, 0x1d, number], &sequence(value));
    let full_name = element(0xa0, &element(0xa0, &element(0x86, b"http://u.example")));
    Template {
        serial: element(0x02, b"\x00\x0a\xbc"),
        not_after: element(0x18, b"99991231235959Z"),
        subject: sequence(&[
            rdn(C, "DE"),
            rdn(OU, "one"),
            rdn(OU, "quote\" line\n nul\0 Ω"),
            rdn(EMAIL, "m@a.example"),
            rdn(CN, "a.example"),
        ]),
        issuer: sequence(&[rdn(O, ""), rdn(CN, "Test CA")]),
        extensions: vec![
            extension(KEY_USAGE, &element(0x03, b"\x05\xa0")),
            extension(BASIC_CONSTRAINTS, &sequence(&[])),
            extension(b"\x55\x1d\x0e", &element(0x04, b"\x01\x02\x03")),
            extension(b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02", b"\x04\x02\x00\x00"),
            extension(POISON, b"\x05\x00"),
            ce(35, &[element(0x80, b"\x01\x02")]),
            ce(37, &[oid(b"\x2b\x06\x01\x05\x05\x07\x03\x01"), oid(b"\x2a\x03")]),
            ce(32, &[sequence(&[oid(b"\x67\x81\x0c\x01\x02\x01")])]),
            ce(31, &[sequence(&[full_name])]),
            ce(18, &[element(0x82, b"ian.example")]),
            dns_names(["a.example", "b.example", "b.example", ""]),
            extension(b"\x2a\x03\x04", b"\x05\x00"),
        ],
        ..Template::default()
    }
    .encode()
}

#[test]
fn certificates_put_together_here() {
    let issuer = Template { extensions: vec![ca()], ..Template::default() }.encode();
    let chain = [Arc::new(Issuer::new(issuer.into())), Arc::new(Issuer::new(SAMPLE_ISSUER.into()))];
    for der in [&rich(), SAMPLE_LEAF, SAMPLE_ISSUER, b"no certificate", b""] {
        let certificate = cert::Certificate::read(der);
        round_trip(&event(&rfc6962(), &certificate, &chain));
        let source = tiled();
        let record = &Record { kind: EntryType::Precert, ..record(4321) };
        round_trip(&Event { record, ..event(&source, &certificate, &[]) });
    }
}

proptest! {
    #[test]
    fn certificates_with_some_bytes_changed(
        original in prop::sample::select(vec![rich(), SAMPLE_LEAF.to_vec()]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        [offset, seen, submitted] in prop::array::uniform3(0_u64..(1 << 50)),
        index: u64,
    ) {
        let mut der = original;
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        let certificate = cert::Certificate::read(&der);
        let chain = [Arc::new(Issuer::new(der.clone().into()))];
        let source = rfc6962();
        let record = &Record { seen, submitted, ..record(index) };
        round_trip(&Event { offset, record, ..event(&source, &certificate, &chain) });
    }
}

#[test]
fn every_certificate_of_the_shared_data() {
    let Some(data) = shared_data() else { return };
    let source = rfc6962();
    for (_, der) in all_certificates(&data) {
        round_trip(&event(&source, &cert::Certificate::read(&der), &[]));
    }
}
