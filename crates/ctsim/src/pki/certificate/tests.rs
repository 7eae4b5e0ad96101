//! Tests of generated certificates against another parser.

use std::collections::BTreeSet;

use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use super::*;
use crate::pki::extension;

const SCHEDULE: Schedule = Schedule {
    initial_size: 1_000,
    rate: 100.0,
    history_end: 1_780_000_000_000,
    growth_start: 1_780_000_000_000,
};

fn generator(seed: u64, stream: u64) -> Generator {
    let authorities = Arc::new(Authorities::new().unwrap());
    Generator::new(seed, stream, LogId([7; 32]), SCHEDULE, authorities)
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert_eq!(rest, b"");
    certificate
}

/// The values one after another in `der`: tag, content, and all of it.
fn values(mut der: &[u8]) -> Vec<(u8, &[u8], &[u8])> {
    let mut out = Vec::new();
    while !der.is_empty() {
        let (header, length) = match der[1] {
            short @ ..=0x7f => (2, short.into()),
            0x81 => (3, der[2].into()),
            _ => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        };
        let end = header + length;
        out.push((der[0], &der[header..end], &der[..end]));
        der = &der[end..];
    }
    out
}

/// The TBS certificate without the extension with this id, written anew.
fn without_extension(certificate: &[u8], id: &[u8]) -> Vec<u8> {
    let whole = values(certificate)[0].1;
    let mut fields = values(values(whole)[0].1);
    let (tag, extensions, _) = fields.pop().unwrap();
    assert_eq!(tag, 0xa3);
    let extensions = values(values(extensions)[0].1);
    let kept: Vec<_> =
        extensions.iter().filter(|(_, content, _)| values(content)[0].1 != id).collect();
    assert_eq!(kept.len() + 1, extensions.len());
    let join = |parts: &[&[u8]]| parts.concat();
    let fields = join(&fields.iter().map(|field| field.2).collect::<Vec<_>>());
    let extensions = join(&kept.iter().map(|extension| extension.2).collect::<Vec<_>>());
    let mut out = Vec::new();
    put_tbs(&mut out, &fields, &extensions);
    out
}

#[test]
fn precertificates_fit_their_leaves() {
    let generator = generator(1, 2);
    let mut draft = Draft::default();
    let mut seen = 0;
    for content in 0..500 {
        let (entry_type, issuer) = generator.draw(content, &mut draft);
        if entry_type == EntryType::X509 {
            assert!(draft.precertificate.is_empty());
            continue;
        }
        seen += 1;
        assert_eq!(draft.leaf, without_extension(&draft.precertificate, oid::POISON));
        let ca = parse(&issuer.chain[0]);
        assert_eq!(issuer.key_hash, ct::sha256(ca.public_key().raw));
        let precertificate = parse(&draft.precertificate);
        assert_eq!(precertificate.issuer().as_raw(), ca.subject().as_raw());
        let poison = precertificate.extensions().last().unwrap();
        assert!(poison.critical);
    }
    assert!((250..370).contains(&seen), "{seen}");
}

#[test]
fn final_certificates_repeat_their_precertificates() {
    let generator = generator(1, 2);
    let (mut draft, mut before) = (Draft::default(), Draft::default());
    let mut pairs = 0;
    for content in 0..1_000 {
        let entry_type = generator.entry_type(content);
        if generator.origin(entry_type, content) == content {
            continue;
        }
        pairs += 1;
        generator.draw(content, &mut draft);
        generator.draw(content - PAIR_DISTANCE, &mut before);
        assert_eq!(without_extension(&draft.leaf, oid::SCT_LIST), before.leaf);
    }
    assert!((150..300).contains(&pairs), "{pairs}");
}

#[test]
fn certificates_say_what_web_certificates_say() {
    let generator = generator(1, 2);
    let mut draft = Draft::default();
    let (mut elliptic, mut bytes, mut count) = (0, 0, 0);
    for content in 0..1_000 {
        let (entry_type, issuer) = generator.draw(content, &mut draft);
        let der = match entry_type {
            EntryType::Precert => &draft.precertificate,
            EntryType::X509 => &draft.leaf,
        };
        bytes += der.len();
        count += 1;
        let certificate = parse(der);
        let validity = certificate.validity();
        let lifetime = validity.not_after.timestamp() - validity.not_before.timestamp() + 1;
        assert_eq!(lifetime, issuer.lifetime);
        let issued = (SCHEDULE.timestamp(content) / 1000) as i64;
        let age = issued - validity.not_before.timestamp();
        assert!((BACKDATED..BACKDATED + 2).contains(&age), "{age}");
        elliptic += usize::from(
            certificate.public_key().algorithm.algorithm.as_bytes() == oid::EC_PUBLIC_KEY,
        );
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert!(!names.value.general_names.is_empty());
        assert_eq!(names.critical, certificate.subject().iter().next().is_none());
        if let Some(common_name) = certificate.subject().iter_common_name().next() {
            let text = common_name.as_str().unwrap();
            assert!(names.value.general_names.contains(&GeneralName::DNSName(text)));
        }
        for extension in certificate.extensions() {
            let parsed = extension.parsed_extension();
            let is_poison = extension.oid.as_bytes() == oid::POISON;
            let unknown = matches!(parsed, ParsedExtension::UnsupportedExtension { .. });
            assert!(is_poison || !unknown, "{parsed:?}");
            assert!(parsed.error().is_none(), "{parsed:?}");
        }
        assert!(certificate.basic_constraints().unwrap().is_some_and(|basic| !basic.value.ca));
    }
    assert!((550..730).contains(&elliptic), "{elliptic}");
    let mean = bytes / count;
    assert!((900..1_500).contains(&mean), "{mean}");
}

#[test]
fn final_certificates_carry_scts() {
    let generator = generator(1, 2);
    let mut draft = Draft::default();
    let content = (0..).find(|content| generator.entry_type(*content) == EntryType::X509).unwrap();
    generator.draw(content, &mut draft);
    let certificate = parse(&draft.leaf);
    let scts =
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SCT(scts) => Some(scts.clone()),
            _ => None,
        });
    let scts = scts.unwrap();
    assert_eq!(scts.len(), 2);
    assert_eq!(scts[0].id.key_id, &[7; 32]);
    assert_eq!(scts[0].timestamp, SCHEDULE.timestamp(content));
}

#[test]
fn a_certificate_depends_on_seed_log_and_number_alone() {
    let mut certificates = BTreeSet::new();
    for (seed, stream) in [(1, 2), (1, 3), (2, 2)] {
        let (generator, again) = (generator(seed, stream), generator(seed, stream));
        let (mut draft, mut other) = (Draft::default(), Draft::default());
        for content in 0..300 {
            generator.draw(content, &mut draft);
            other.leaf.clear();
            again.draw(299, &mut other);
            again.draw(content, &mut other);
            assert_eq!((&draft.leaf, &draft.precertificate), (&other.leaf, &other.precertificate));
            certificates.insert(draft.leaf.clone());
        }
    }
    assert_eq!(certificates.len(), 900);
}

#[test]
fn the_poison_extension_is_that_of_the_rfc() {
    let mut out = Vec::new();
    extension::put(&mut out, oid::POISON, true, |out| out.extend_from_slice(&[5, 0]));
    assert_eq!(
        out,
        b"\x30\x13\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03\x01\x01\xff\x04\x02\x05\0"
    );
}
