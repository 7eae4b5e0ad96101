//! Every certificate at hand under every profile and on every stream.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use cert::Certificate;
use proptest::prelude::*;
use serde_json::Value;
use support::{
    CN, POISON, Template, all_certificates, dns_names, event, extension, rdn, rfc6962, sequence,
    shared_data, tiled,
};
use wire::{Profile, Rendered, Renderer, StreamKind};

mod support;

/// Renders a certificate in all nine ways and looks at what every message must have.
fn render_all(der: &[u8]) {
    let certificate = Certificate::read(der);
    let sources = [rfc6962(), tiled()];
    let renderer = Renderer { skip_empty_domains: false, ..Renderer::default() };
    for profile in Profile::ALL {
        for kind in StreamKind::ALL {
            let event = event(&sources[der.len() % 2], &certificate, &[]);
            let mut out = Vec::new();
            assert_eq!(renderer.render(kind, profile, &event, &mut out), Rendered::Whole);
            check(kind, profile, &serde_json::from_slice(&out).unwrap());
        }
    }
}

fn check(kind: StreamKind, profile: Profile, message: &Value) {
    if kind == StreamKind::Domains {
        assert_eq!(message["message_type"], "dns_entries");
        assert!(message["data"].as_array().unwrap().iter().all(Value::is_string));
        return;
    }
    assert_eq!(message["message_type"], "certificate_update");
    let leaf = &message["data"]["leaf_cert"];
    assert_eq!(leaf["as_der"].is_string(), kind == StreamKind::Full);
    assert_eq!(leaf["sha1"].as_str().unwrap().len(), 59);
    assert_eq!(leaf["sha256"].as_str().unwrap().len(), 95);
    assert!(leaf["serial_number"].as_str().unwrap().len().is_multiple_of(2));
    assert!(leaf["not_before"].is_i64() && leaf["not_after"].is_i64());
    assert!(leaf["is_ca"].is_boolean() && leaf["all_domains"].is_array());
    assert!(leaf["subject"]["aggregated"].is_string() && leaf["issuer"]["aggregated"].is_string());
    assert!(message["data"]["cert_link"].as_str().unwrap().starts_with("https://"));
    for value in leaf["extensions"].as_object().unwrap().values() {
        let strings = |list: &Vec<Value>| list.iter().all(Value::is_string);
        assert!(value.is_string() || value.is_boolean() || value.as_array().is_some_and(strings));
    }
    if profile == Profile::Calidog {
        for name in [&leaf["subject"], &leaf["issuer"]] {
            assert_eq!(name.as_object().unwrap().len(), 9);
        }
    }
}

#[test]
fn every_certificate_of_the_shared_data() {
    let Some(data) = shared_data() else { return };
    let certificates = all_certificates(&data);
    assert!(certificates.len() > 8000, "{}", certificates.len());
    for (_, der) in certificates {
        render_all(&der);
    }
}

#[test]
fn no_certificate_at_all() {
    for bytes in [b"".as_slice(), b"\x30\x80", b"no certificate"] {
        render_all(bytes);
    }
}

const SAMPLE_LEAF: &[u8] = include_bytes!("../src/sample/leaf.der");
const SAMPLE_ISSUER: &[u8] = include_bytes!("../src/sample/issuer.der");

fn odd() -> Vec<u8> {
    Template {
        subject: sequence(&[rdn(CN, "quote\" backslash\\ line\n nul\0 Ω")]),
        extensions: vec![dns_names(["a\"b\\c\n", "Ω.example"]), extension(POISON, b"\x05\x00")],
        ..Template::default()
    }
    .encode()
}

#[test]
fn text_that_json_cannot_hold_as_it_is() {
    render_all(&odd());
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        render_all(&bytes);
    }

    #[test]
    fn a_certificate_with_some_bytes_changed(
        original in prop::sample::select(vec![odd(), SAMPLE_LEAF.to_vec(), SAMPLE_ISSUER.to_vec()]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut der = original;
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        render_all(&der);
    }
}
