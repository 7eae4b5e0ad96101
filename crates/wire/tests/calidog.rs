//! The default profile, against an independent statement of it for eight certificates.
#![allow(clippy::unwrap_used, clippy::string_slice)] // in the helpers of tests

use std::collections::BTreeMap;
use std::sync::Arc;

use cert::Certificate;
use serde_json::Value;
use support::{event, member, read, render, rfc6962, shared_data};
use wire::{Issuer, Profile, StreamKind};

mod support;

/// Its keys are sorted, so that writing a value gives what we must give.
fn expected(data: &std::path::Path) -> BTreeMap<String, Value> {
    serde_json::from_slice(&read(data, "vectors/expected_calidog.json")).unwrap()
}

#[test]
fn leaf_certificates_byte_for_byte() {
    let Some(data) = shared_data() else { return };
    let source = rfc6962();
    let expected = expected(&data);
    assert_eq!(expected.len(), 8);
    for (name, mut expected) in expected {
        let der = read(&data, &format!("vectors/{name}.der"));
        let certificate = Certificate::read(&der);
        let event = event(&source, &certificate, &[]);

        let full = render(StreamKind::Full, Profile::Calidog, &event);
        assert_eq!(member(&full, "leaf_cert"), expected.to_string(), "{name}");

        expected.as_object_mut().unwrap().remove("as_der").unwrap();
        let lite = render(StreamKind::Lite, Profile::Calidog, &event);
        assert_eq!(member(&lite, "leaf_cert"), expected.to_string(), "{name}");

        let domains = render(StreamKind::Domains, Profile::Calidog, &event);
        if expected["all_domains"].as_array().unwrap().is_empty() {
            assert_eq!(domains, "");
        } else {
            assert_eq!(member(&domains, "data"), expected["all_domains"].to_string());
        }
    }
}

#[test]
fn a_chain_element_is_the_same_object() {
    let Some(data) = shared_data() else { return };
    let source = rfc6962();
    let der = read(&data, "vectors/leaf.der");
    let certificate = Certificate::read(&der);
    let chain = [Arc::new(Issuer::new(read(&data, "vectors/ca.der").into()))];
    let full = render(StreamKind::Full, Profile::Calidog, &event(&source, &certificate, &chain));
    assert_eq!(member(&full, "chain"), format!("[{}]", expected(&data)["ca"]));
}
