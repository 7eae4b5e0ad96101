//! Filters over certificates as they come from logs.
#![allow(clippy::unwrap_used)]

use cert::{Certificate, Dialect};
use wire::filter::{Filter, Filters, Limits, Subject};
use wire::{EntryKind, Source};

mod support;
use support::{
    CN, O, Template, all_certificates, ca, dns_names, element, extension, rdn, rfc6962, sequence,
    shared_data, tiled, typed_rdn,
};

fn subject(der: &[u8], source: &Source) -> Subject {
    let mut subject = Subject::default();
    subject.read(&Certificate::read(der), source, EntryKind::X509LogEntry);
    subject
}

fn passes(query: &[(&str, &str)], subject: &Subject) -> bool {
    Filter::parse(query.iter().copied(), 20).unwrap().unwrap().passes(subject)
}

#[test]
fn names_issuer_and_log_are_read_from_the_certificate() {
    let utf16: Vec<u8> = "Société d'Été".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let der = Template {
        subject: sequence(&[rdn(CN, "Cn.Example"), rdn(O, "Subject O")]),
        issuer: sequence(&[typed_rdn(O, 0x1e, &utf16), typed_rdn(CN, 0x14, b"Caf\xe9 CA")]),
        extensions: vec![dns_names(["*.San.example", "b\u{fffd}"])],
        ..Template::default()
    };
    let subject = subject(&der.encode(), &tiled());
    let cases = [
        ("domain", "cn.example", true),
        ("domain", "san.example", true),
        ("match", "san.ex", true),
        ("match", "subject", false),
        ("match", "test ca", false),
        ("issuer", "SOCIÉTÉ", true),
        ("issuer", "café", true),
        ("issuer", "subject", false),
        ("log", "tiled", true),
        ("log", "mon.example", true),
        ("log", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", true),
        ("log", "operator", false),
    ];
    for (parameter, term, expected) in cases {
        assert_eq!(passes(&[(parameter, term)], &subject), expected, "{parameter}={term}");
    }
}

#[test]
fn only_what_messages_list_as_names_counts() {
    let authority = Template { extensions: vec![ca()], ..Template::default() };
    assert!(!passes(&[("domain", "a.example")], &subject(&authority.encode(), &rfc6962())));
    let leaf = Template::default();
    assert!(passes(&[("domain", "a.example")], &subject(&leaf.encode(), &rfc6962())));

    let address = element(0x87, &[192, 0, 2, 1]);
    let mail = element(0x81, b"someone@mail.example");
    let odd = element(0x82, b"odd\xff.example\nb.example");
    let names = extension(support::SUBJECT_ALT_NAME, &sequence(&[address, mail, odd]));
    let der = Template { extensions: vec![names], ..Template::default() };
    let subject = subject(&der.encode(), &rfc6962());
    assert!(passes(&[("match", "odd")], &subject));
    assert!(!passes(&[("domain", "b.example")], &subject), "part of a broken name");
    assert!(!passes(&[("match", "someone")], &subject));
    assert!(!passes(&[("match", "192.0")], &subject));
    // Addresses are no texts, but can be asked for.
    assert!(passes(&[("domain", "192.0.2.1")], &subject));
    assert!(passes(&[("ip", "192.0.2.0/30")], &subject));
    assert!(!passes(&[("ip", "192.0.2.2")], &subject));
}

#[test]
fn the_share_is_that_of_the_sha256_and_the_kind_that_of_the_entry() {
    let der = Template::default().encode();
    let certificate = Certificate::read(&der);
    let [first, ..] = certificate.sha256;
    let number = u64::from_be_bytes(certificate.sha256[..8].try_into().unwrap());
    assert_eq!(number >> 56, u64::from(first));
    let mut subject = Subject::default();
    subject.read(&certificate, &rfc6962(), EntryKind::PrecertLogEntry);
    for count in 1..=16 {
        for share in 1..=count {
            let expected = number % count + 1 == share;
            let term = format!("{share}/{count}");
            assert_eq!(passes(&[("part", &term)], &subject), expected, "{term}");
        }
    }
    assert!(passes(&[("entry", "precert")], &subject));
    assert!(!passes(&[("entry", "final")], &subject));
}

#[test]
fn what_is_no_certificate_passes_by_its_log_alone() {
    let subject = subject(b"no certificate", &rfc6962());
    assert!(passes(&[("log", "test log")], &subject));
    assert!(!passes(&[("log", "test log"), ("match", "cert")], &subject));
}

#[test]
fn thousands_of_names_are_all_looked_at() {
    let names: Vec<String> = (0..5000).map(|n| format!("host{n}.example")).collect();
    let names = dns_names(names.iter().map(|name| &**name));
    let der = Template { extensions: vec![names], ..Template::default() };
    let subject = subject(&der.encode(), &rfc6962());
    assert!(passes(&[("domain", "host4999.example")], &subject));
    assert!(!passes(&[("domain", "host5000.example")], &subject));
}

/// Every name of a real certificate finds it, both ways, through the index too.
#[test]
fn real_certificates_are_found_by_their_names() {
    let Some(data) = shared_data() else { return };
    let filters = Filters::new(Limits { terms: 1_000_000, term_bytes: usize::MAX });
    let source = rfc6962();
    let mut found_by = [0, 0];
    for (file, der) in all_certificates(&data) {
        let certificate = Certificate::read(&der);
        for name in certificate.all_domains(Dialect::Calidog) {
            for (count, parameter) in found_by.iter_mut().zip(["domain", "match"]) {
                // Common names are not all domains; some have a comma. White space around a term is
                // dropped, and a domain in Unicode stands for A-labels, which such a name has not.
                if name.trim() != name || parameter == "domain" && !name.is_ascii() {
                    continue;
                }
                let Ok(Some(filter)) = Filter::parse([(parameter, &*name)], 1) else { continue };
                let mut subject = Subject::default();
                subject.read(&certificate, &source, EntryKind::X509LogEntry);
                assert!(filter.passes(&subject), "{file}: {parameter}={name}");
                let registered = filters.register(filter).unwrap();
                let mut found = Vec::new();
                let describe = |certificate: &Certificate<'_>, subject: &mut Subject| {
                    subject.read(certificate, &source, EntryKind::X509LogEntry);
                };
                filters.matching(std::slice::from_ref(&certificate), describe, &mut found);
                assert_eq!(found, [(registered.id(), 0)], "{file}: {parameter}={name}");
                *count += 1;
            }
        }
    }
    assert!(found_by.iter().all(|count| *count > 100), "{found_by:?}");
}
