//! Messages as a whole: what is in them, in what order, and what happens when they are too long.
#![allow(clippy::unwrap_used, clippy::string_slice)] // in the helpers of tests

use std::sync::Arc;

use cert::{Certificate, Dialect};
use ct::leaf::EntryType;
use record::Record;
use serde_json::Value;
use support::{
    BASIC_CONSTRAINTS, C, CN, EMAIL, KEY_USAGE, O, OU, POISON, SUBJECT_ALT_NAME, Template, ca,
    dns_names, element, event, extension, member, rdn, record, render, rfc6962, sequence, tiled,
};
use wire::{Event, Issuer, Profile, Rendered, Renderer, StreamKind, sample};

mod support;

fn leaf() -> Vec<u8> {
    Template {
        subject: sequence(&[rdn(C, "DE"), rdn(OU, "one"), rdn(OU, "two"), rdn(CN, "a.example")]),
        extensions: vec![
            dns_names(["b.example", "a.example", "b.example"]),
            extension(KEY_USAGE, &element(0x03, b"\x05\xe0")),
        ],
        ..Template::default()
    }
    .encode()
}

fn issuer() -> Arc<Issuer> {
    let subject = sequence(&[rdn(CN, "Test CA")]);
    let der = Template { subject, extensions: vec![ca()], ..Template::default() }.encode();
    Arc::new(Issuer::new(der.into()))
}

/// `message` with digests and DER as they are, and all else spelled out.
fn with_bytes(template: &str, der: &[u8]) -> String {
    let certificate = Certificate::read(der);
    let hex = |digest: &[u8]| {
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    };
    template
        .replace("<sha1>", &hex(&certificate.sha1))
        .replace("<sha256>", &hex(&certificate.sha256))
        .replace("<der>", &base64_simd::STANDARD.encode_to_string(der))
        .replace("\n", "")
}

const CALIDOG_LEAF: &str = r#"{"all_domains":["a.example","b.example"],<as_der>
"extensions":{"keyUsage":"Digital Signature, Non Repudiation, Key Encipherment",
"subjectAltName":"DNS:b.example, DNS:a.example, DNS:b.example"},
"fingerprint":"<sha1>","is_ca":false,
"issuer":{"C":"US","CN":"Test CA","L":null,"O":null,"OU":null,"ST":null,
"aggregated":"/C=US/CN=Test CA","emailAddress":null,"email_address":null},
"not_after":1775001600,"not_before":1767225600,"serial_number":"0FDB",
"sha1":"<sha1>","sha256":"<sha256>","signature_algorithm":"sha256, rsa",
"subject":{"C":"DE","CN":"a.example","L":null,"O":null,"OU":"two","ST":null,
"aggregated":"/C=DE/CN=a.example/OU=two","emailAddress":null,"email_address":null}}"#;

const CALIDOG: &str = r#"{"data":{"cert_index":7,
"cert_link":"https://ct.example/log/ct/v1/get-entries?start=7&end=7",<chain>
"leaf_cert":<leaf>,"seen":1795309794.87,
"source":{"log_id":null,"name":"Test log","operator":"Operator","timestamp":1700000000.123,
"type":"rfc6962","url":"https://ct.example/log"},
"submission_timestamp":1700000000.123,"update_type":"X509LogEntry"},
"message_type":"certificate_update","offset":4321}"#;

#[test]
fn calidog_update() {
    let der = leaf();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let expected = |chain, as_der| {
        let message = CALIDOG.replace("<leaf>", CALIDOG_LEAF);
        with_bytes(&message.replace("<chain>", chain).replace("<as_der>", as_der), &der)
    };
    assert_eq!(
        render(StreamKind::Full, Profile::Calidog, &event),
        expected(r#""chain":[],"#, r#""as_der":"<der>","#)
    );
    assert_eq!(render(StreamKind::Lite, Profile::Calidog, &event), expected("", ""));
    assert_eq!(
        render(StreamKind::Domains, Profile::Calidog, &event),
        r#"{"data":["a.example","b.example"],"message_type":"dns_entries","offset":4321}"#
    );
}

#[test]
fn a_record_that_was_backfilled_says_so_in_our_own_profile() {
    let der = leaf();
    let (certificate, source) = (Certificate::read(&der), rfc6962());
    let live = event(&source, &certificate, &[]);
    let record = &Record { is_backfilled: true, ..live.record.clone() };
    let backfilled = Event { record, ..live };
    for kind in StreamKind::ALL {
        let expected =
            render(kind, Profile::Calidog, &live).replacen('{', r#"{"backfilled":true,"#, 1);
        assert_eq!(render(kind, Profile::Calidog, &backfilled), expected);
        for other in [Profile::Go, Profile::Rust] {
            assert_eq!(render(kind, other, &backfilled), render(kind, other, &live));
        }
    }
}

const GO: &str = r#"{"data":{"cert_index":7,
"cert_link":"https://ct.example/log/ct/v1/get-entries?start=7&end=7",
"leaf_cert":{"all_domains":["b.example","a.example","b.example"],
"extensions":{"keyUsage":"Digital Signature, Content Commitment, Key Encipherment",
"subjectAltName":"DNS:b.example, DNS:a.example, DNS:b.example"},
"fingerprint":"<sha1>","sha1":"<sha1>","sha256":"<sha256>",
"not_after":1775001600,"not_before":1767225600,"serial_number":"0FDB",
"signature_algorithm":"sha256, rsa",
"subject":{"C":"DE","CN":"a.example","L":null,"O":null,"OU":"one,two","ST":null,
"aggregated":"/C=DE/CN=a.example/OU=one,two","email_address":null},
"issuer":{"C":"US","CN":"Test CA","L":null,"O":null,"OU":null,"ST":null,
"aggregated":"/C=US/CN=Test CA","email_address":null},"is_ca":false},
"seen":1795309794.87,"source":{"name":"Test log","url":"https://ct.example/log",
"timestamp":1700000000.123,"type":"rfc6962"},"update_type":"X509LogEntry"},
"message_type":"certificate_update"}"#;

const RUST: &str = r#"{"message_type":"certificate_update","data":{"update_type":"X509LogEntry",
"leaf_cert":{"subject":{"C":"DE","CN":"a.example","OU":"two",
"aggregated":"/C=DE/CN=a.example/OU=two"},
"issuer":{"C":"US","CN":"Test CA","aggregated":"/C=US/CN=Test CA"},"serial_number":"0FDB",
"not_before":1767225600,"not_after":1775001600,"fingerprint":"<sha1>","sha1":"<sha1>",
"sha256":"<sha256>","signature_algorithm":"sha256, rsa","is_ca":false,
"all_domains":["a.example","b.example"],
"extensions":{"keyUsage":"Digital Signature, Content Commitment, Key Encipherment",
"subjectAltName":"DNS:b.example, DNS:a.example, DNS:b.example"}},"cert_index":7,
"cert_link":"https://ct.example/log/ct/v1/get-entries?start=7&end=7","seen":1795309794.87,
"submission_timestamp":1700000000.123,
"source":{"name":"Test log","url":"https://ct.example/log"}}}"#;

#[test]
fn go_and_rust_updates() {
    let der = leaf();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let go = with_bytes(GO, &der) + "\n";
    assert_eq!(render(StreamKind::Lite, Profile::Go, &event), go);
    assert_eq!(render(StreamKind::Lite, Profile::Rust, &event), with_bytes(RUST, &der));
    assert_eq!(
        render(StreamKind::Domains, Profile::Go, &event),
        r#"{"data":["b.example","a.example","b.example"],"message_type":"dns_entries"}"#
    );
    assert_eq!(
        render(StreamKind::Domains, Profile::Rust, &event),
        r#"{"message_type":"dns_entries","data":["a.example","b.example"]}"#
    );
}

#[test]
fn precertificates() {
    let der = Template { extensions: vec![extension(POISON, b"\x05\x00")], ..Template::default() }
        .encode();
    let certificate = Certificate::read(&der);
    let source = tiled();
    let record = Record { kind: EntryType::Precert, ..record(256_000) };
    let event = Event { record: &record, ..event(&source, &certificate, &[]) };
    for profile in Profile::ALL {
        let full = render(StreamKind::Full, profile, &event);
        assert_eq!(member(&full, "update_type"), "\"PrecertLogEntry\"");
        assert_eq!(member(&full, "extensions"), r#"{"ctlPoisonByte":true}"#);
        let link = "\"https://mon.example/log/tile/data/x001/000\"";
        assert_eq!(member(&full, "cert_link"), link);
    }
}

#[test]
fn chains() {
    let der = leaf();
    let certificate = Certificate::read(&der);
    let chain = [issuer(), issuer()];
    for (source, empty) in [(rfc6962(), [true, false, true]), (tiled(), [true, false, false])] {
        for (profile, shown_when_empty) in Profile::ALL.into_iter().zip(empty) {
            let full = render(StreamKind::Full, profile, &event(&source, &certificate, &[]));
            assert_eq!(full.contains("\"chain\":[]"), shown_when_empty);
            assert_eq!(full.contains("\"chain\""), shown_when_empty);
            let full = render(StreamKind::Full, profile, &event(&source, &certificate, &chain));
            let elements: Vec<Value> = serde_json::from_str(member(&full, "chain")).unwrap();
            assert_eq!(elements.len(), 2);
            for element in &elements {
                assert_eq!(element["subject"]["CN"], "Test CA");
                assert_eq!(element["is_ca"], true);
                let plain = profile == Profile::Rust;
                assert_eq!(element.get("as_der").is_none(), plain);
                assert_eq!(element.get("all_domains").is_none(), plain);
            }
            let lite = render(StreamKind::Lite, profile, &event(&source, &certificate, &chain));
            assert!(!lite.contains("\"chain\""));
        }
    }
}

#[test]
fn a_certificate_without_names() {
    let der = Template { subject: sequence(&[]), ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let mut out = b"before".to_vec();
    let render = |skip_empty_domains, profile, out: &mut Vec<u8>| {
        let renderer = Renderer { skip_empty_domains, ..Renderer::default() };
        renderer.render(StreamKind::Domains, profile, &event, out)
    };
    assert_eq!(render(true, Profile::Calidog, &mut out), Rendered::Skipped);
    assert_eq!(out, b"before");
    assert_eq!(render(false, Profile::Go, &mut out), Rendered::Whole);
    assert_eq!(out, br#"before{"data":[],"message_type":"dns_entries"}"#);
}

#[test]
fn an_empty_name() {
    let der = Template { subject: sequence(&[]), ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let subject = |profile| {
        let message = render(StreamKind::Lite, profile, &event);
        member(&message, "subject").to_owned()
    };
    assert_eq!(
        subject(Profile::Calidog),
        r#"{"C":null,"CN":null,"L":null,"O":null,"OU":null,"ST":null,"aggregated":"/","emailAddress":null,"email_address":null}"#
    );
    assert_eq!(
        subject(Profile::Go),
        r#"{"C":null,"CN":"","L":null,"O":null,"OU":null,"ST":null,"aggregated":"/CN=","email_address":null}"#
    );
    assert_eq!(subject(Profile::Rust), r#"{"aggregated":""}"#);
}

#[test]
fn e_mail_addresses() {
    let subject = sequence(&[rdn(EMAIL, "a@b.example"), rdn(O, "Org")]);
    let der = Template { subject, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let subject = |profile| -> Value {
        serde_json::from_str(member(&render(StreamKind::Lite, profile, &event), "subject")).unwrap()
    };
    let calidog = subject(Profile::Calidog);
    assert_eq!(calidog["emailAddress"], "a@b.example");
    assert_eq!(calidog["email_address"], "a@b.example");
    assert_eq!(calidog["aggregated"], "/O=Org/emailAddress=a@b.example");
    assert_eq!(subject(Profile::Go)["email_address"], Value::Null);
    assert_eq!(subject(Profile::Rust)["email_address"], "a@b.example");
    assert_eq!(subject(Profile::Rust)["aggregated"], "/O=Org");
}

#[test]
fn what_cannot_be_read_is_said_to_calidog_clients() {
    let source = rfc6962();
    let certificate = Certificate::read(b"no certificate");
    let event = event(&source, &certificate, &[]);
    let calidog: Value =
        serde_json::from_str(&render(StreamKind::Full, Profile::Calidog, &event)).unwrap();
    let leaf = &calidog["data"]["leaf_cert"];
    assert_eq!(leaf["parse_error"], "certificate: cut short");
    assert_eq!(leaf["as_der"], "bm8gY2VydGlmaWNhdGU=");
    assert_eq!(leaf["serial_number"], "");
    assert_eq!(leaf["not_after"], 0);
    assert_eq!(leaf["extensions"], serde_json::json!({}));
    for profile in [Profile::Go, Profile::Rust] {
        assert!(!render(StreamKind::Full, profile, &event).contains("parse_error"));
    }
}

#[test]
fn what_is_not_shown_is_listed() {
    let unknown = extension(b"\x2a\x03", b"\x05\x00");
    let broken = extension(BASIC_CONSTRAINTS, b"\xff");
    let extensions = vec![unknown, broken, dns_names(["b.example"]), dns_names(["c.example"])];
    let der = Template { extensions, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    assert_eq!(
        member(&render(StreamKind::Lite, Profile::Calidog, &event), "extensions"),
        r#"{"extra":["1.2.3","2.5.29.19","2.5.29.17"],"subjectAltName":"DNS:b.example"}"#
    );
    for profile in [Profile::Go, Profile::Rust] {
        assert_eq!(
            member(&render(StreamKind::Lite, profile, &event), "extensions"),
            r#"{"subjectAltName":"DNS:b.example"}"#
        );
    }
}

#[test]
fn extensions_with_nothing_to_show() {
    let uri = sequence(&[element(0x86, b"https://u.example")]);
    let only_serial = sequence(&[element(0x82, b"\x05")]);
    let extensions =
        vec![extension(SUBJECT_ALT_NAME, &uri), extension(b"\x55\x1d\x23", &only_serial)];
    let der = Template { extensions, ..Template::default() }.encode();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let extensions = |profile| {
        let message = render(StreamKind::Lite, profile, &event);
        member(&message, "extensions").to_owned()
    };
    assert_eq!(extensions(Profile::Calidog), r#"{"subjectAltName":"URI:https://u.example"}"#);
    assert_eq!(extensions(Profile::Go), r#"{"subjectAltName":""}"#);
    assert_eq!(extensions(Profile::Rust), "{}");
}

#[test]
fn serial_numbers() {
    let cases: [(&[u8], &str); 7] = [
        (b"\x05", "05"),
        (b"\x01\x02", "0102"),
        (b"\x00\xb9", "B9"),
        (b"\x00\x00\x01", "01"),
        (b"\x00", "00"),
        (b"\xff\x01", "FF01"),
        (b"", ""),
    ];
    let source = rfc6962();
    for (serial, expected) in cases {
        let der = Template { serial: element(0x02, serial), ..Template::default() }.encode();
        let certificate = Certificate::read(&der);
        let lite = render(StreamKind::Lite, Profile::Calidog, &event(&source, &certificate, &[]));
        assert_eq!(member(&lite, "serial_number"), format!("\"{expected}\""));
    }
}

/// A certificate of about 400 kB, nearly all of it names.
fn long() -> Vec<u8> {
    let names: Vec<String> = (0..20_000).map(|number| format!("{number}.example.com")).collect();
    let extensions = vec![dns_names(names.iter().map(String::as_str))];
    Template { extensions, ..Template::default() }.encode()
}

#[test]
fn long_messages_lose_first_the_der_and_the_chain() {
    let der = long();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let chain = [issuer()];
    let event = event(&source, &certificate, &chain);
    for profile in Profile::ALL {
        let mut whole = Vec::new();
        let renderer = Renderer { max_message_bytes: usize::MAX, ..Renderer::default() };
        let rendered = renderer.render(StreamKind::Full, profile, &event, &mut whole);
        assert_eq!(rendered, Rendered::Whole);

        let mut cut = b"before".to_vec();
        let renderer = Renderer { max_message_bytes: whole.len() - 1, ..renderer };
        let rendered = renderer.render(StreamKind::Full, profile, &event, &mut cut);
        assert_eq!(rendered, Rendered::Truncated);
        let message: Value = serde_json::from_slice(&cut[6..]).unwrap();
        assert_eq!(message["truncated"], true);
        let leaf = &message["data"]["leaf_cert"];
        assert_eq!(leaf.get("as_der"), None);
        assert!(message["data"]["chain"].as_array().is_none_or(Vec::is_empty));
        assert_eq!(leaf["all_domains"].as_array().unwrap().len(), 20_001);
        assert_eq!(message["domains_total"], 20_001);
        assert!(serde_json::from_slice::<Value>(&whole).unwrap().get("domains_total").is_none());
        assert!(leaf["extensions"]["subjectAltName"].as_str().unwrap().len() > 300_000);
    }
}

/// The names in a message.
fn domains(kind: StreamKind, message: &Value) -> &[Value] {
    let domains = match kind {
        StreamKind::Domains => &message["data"],
        _ => &message["data"]["leaf_cert"]["all_domains"],
    };
    domains.as_array().unwrap()
}

/// Names take about 400 kB here, and the extension that has them too as much again.
#[test]
fn names_outlast_everything_else() {
    let der = long();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let chain = [issuer()];
    let event = event(&source, &certificate, &chain);
    let renderer = Renderer { max_message_bytes: 500_000, ..Renderer::default() };
    for profile in Profile::ALL {
        for kind in [StreamKind::Full, StreamKind::Lite] {
            let mut out = Vec::new();
            let rendered = renderer.render(kind, profile, &event, &mut out);
            assert_eq!(rendered, Rendered::Truncated);
            let message: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(message["truncated"], true);
            assert_eq!(message["domains_total"], 20_001);
            assert_eq!(domains(kind, &message).len(), 20_001);
            assert_eq!(message["data"]["leaf_cert"]["extensions"], serde_json::json!({}));
        }
        let mut out = Vec::new();
        let rendered = renderer.render(StreamKind::Domains, profile, &event, &mut out);
        assert_eq!(rendered, Rendered::Whole, "names alone fit");
    }
}

#[test]
fn longer_messages_lose_the_end_of_their_names() {
    const MOST: usize = 100_000;
    let der = long();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let dialects = [Dialect::Calidog, Dialect::Go, Dialect::Rust];
    for (profile, dialect) in Profile::ALL.into_iter().zip(dialects) {
        for kind in StreamKind::ALL {
            for most in [MOST, MOST + 1, MOST + 7] {
                let mut out = Vec::new();
                let renderer = Renderer { max_message_bytes: most, ..Renderer::default() };
                let rendered = renderer.render(kind, profile, &event, &mut out);
                assert_eq!(rendered, Rendered::Truncated);
                // There is no room for another name: they have up to 20 bytes and a comma.
                assert!((most - 22..=most).contains(&out.len()), "{} of {most}", out.len());
                let message: Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(message["truncated"], true);
                assert_eq!(message["domains_total"], 20_001);
                let shown = domains(kind, &message);
                assert!(shown.len() > 4_000, "{}", shown.len());
                let mut pairs = certificate.all_domains(dialect).zip(shown);
                assert!(pairs.all(|(one, other)| other.as_str() == Some(&*one)));
            }
        }
    }
}

#[test]
fn a_certificate_longer_than_its_message_keeps_as_many_names() {
    let der = long();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let most = der.len() - 1;
    let renderer = Renderer { max_message_bytes: most, ..Renderer::default() };
    let mut out = Vec::new();
    renderer.render(StreamKind::Full, Profile::Calidog, &event, &mut out);
    assert!((most - 22..=most).contains(&out.len()), "{} of {most}", out.len());
}

#[test]
fn no_field_is_long_in_the_end() {
    let text = "\u{1}".repeat(100_000);
    let der = Template {
        serial: element(0x02, &[1; 100_000]),
        subject: sequence(&[rdn(CN, &text)]),
        issuer: sequence(&[rdn(O, &text), rdn(CN, "Test CA")]),
        extensions: vec![extension(&[0x2a; 100_000], b"")],
        ..Template::default()
    }
    .encode();
    let certificate = Certificate::read(&der);
    let source = rfc6962();
    let event = event(&source, &certificate, &[]);
    let renderer = Renderer { max_message_bytes: 0, skip_empty_domains: false };
    for profile in Profile::ALL {
        for kind in StreamKind::ALL {
            let mut out = Vec::new();
            assert_eq!(renderer.render(kind, profile, &event, &mut out), Rendered::Truncated);
            assert!(out.len() < 2_000, "{}", out.len());
            serde_json::from_slice::<Value>(&out).unwrap();
        }
    }
}

#[test]
fn samples_are_complete() {
    for profile in Profile::ALL {
        for kind in StreamKind::ALL {
            let mut out = Vec::new();
            sample(kind, profile, &mut out);
            let message: Value = serde_json::from_slice(&out).unwrap();
            if kind == StreamKind::Domains {
                assert_eq!(message["data"].as_array().unwrap().len(), 3);
                continue;
            }
            assert_eq!(message["data"]["leaf_cert"]["subject"]["CN"], "example.com");
            assert_eq!(message["data"]["leaf_cert"]["issuer"]["CN"], "Example CA 1");
            let chain = message["data"].get("chain");
            assert_eq!(chain.is_some(), kind == StreamKind::Full);
        }
    }
}
