//! Messages that other servers printed, read twice: by the decoder, and by a general JSON reader.
#![allow(clippy::unwrap_used, clippy::string_slice)] // in the helpers of tests

use serde_json::Value;
use serde_json::value::RawValue;
use support::{read, shared_data};
use wire::EntryKind;
use wire::decode::{Certificate, Incoming, NO_EXPIRATION, decode};

mod support;

#[test]
fn of_the_rust_server() {
    let Some(data) = shared_data() else { return };
    let mut count = 0;
    for file in ["live_ct.json", "synthetic.json"] {
        let json = read(&data, &format!("rfc6962/certstream-live/{file}"));
        let entries: Vec<Value> = serde_json::from_slice(&json).unwrap();
        for entry in &entries {
            for key in ["expected_full", "expected_lite"] {
                compare_update(entry[key].as_str().unwrap());
                count += 1;
            }
            compare_domains(entry["expected_domains_only"].as_str().unwrap());
        }
    }
    assert_eq!(count, 2 * 51);
}

/// Its messages among what else was printed with them.
#[test]
fn of_the_go_server() {
    let Some(data) = shared_data() else { return };
    let printed = String::from_utf8(read(&data, "vectors/go_peer.txt")).unwrap();
    let mut count = 0;
    for (start, _) in printed.match_indices('{') {
        let rest = &printed[start..];
        if rest.starts_with("{\"data\":{") || rest.starts_with("{\n \"data\": {") {
            compare_update(first_value(rest));
            count += 1;
        }
    }
    assert_eq!(count, 2 + 6 + 2);
    let (_, domains) = printed.split_once("DOM ").unwrap();
    let domains: String = serde_json::from_str(first_value(domains)).unwrap();
    compare_domains(&domains);
}

/// Only its certificates were printed.
#[test]
fn of_the_elixir_server() {
    let Some(data) = shared_data() else { return };
    let printed = String::from_utf8(read(&data, "vectors/elixir_easyssl.txt")).unwrap();
    let mut count = 0;
    for (start, _) in printed.match_indices(": {\n  \"all_domains\"") {
        let leaf = first_value(&printed[start + 2..]);
        let data = format!("{{\"leaf_cert\":{leaf}}}");
        compare_update(&format!("{{\"data\":{data},\"message_type\":\"certificate_update\"}}"));
        count += 1;
    }
    assert_eq!(count, 4);
}

/// The JSON value that a text begins with.
fn first_value(text: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values.next().unwrap().unwrap().get()
}

fn compare_domains(message: &str) {
    let value: Value = serde_json::from_str(message).unwrap();
    let Ok(Incoming::Domains { domains, .. }) = decode(message.as_bytes()) else {
        panic!("{message}")
    };
    assert_eq!(serde_json::json!(domains), value["data"]);
}

fn compare_update(message: &str) {
    let Ok(Incoming::Certificate(update)) = decode(message.as_bytes()) else { panic!("{message}") };
    assert_eq!((&update.unread, update.truncated), (&None, false));
    let value: Value = serde_json::from_str(message).unwrap();
    let data = &value["data"];
    assert_eq!(update.cert_index, data["cert_index"].as_u64());
    assert_eq!(update.cert_link.as_deref(), some_text(&data["cert_link"]));
    assert_eq!(update.seen, milliseconds(&data["seen"]));
    let submitted = milliseconds(&data["submission_timestamp"]);
    assert_eq!(update.submitted, submitted.or_else(|| milliseconds(&data["source"]["timestamp"])));
    assert_eq!(update.source.url.as_deref(), data["source"]["url"].as_str());
    assert_eq!(update.source.name.as_deref(), data["source"]["name"].as_str());
    assert_eq!(update.kind.map(EntryKind::update_type), data["update_type"].as_str());
    compare_certificate(&update.leaf, &data["leaf_cert"]);
    let chain = data["chain"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(update.chain.len(), chain.len());
    for (issuer, expected) in update.chain.iter().zip(chain) {
        compare_certificate(issuer, expected);
    }
}

fn some_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn milliseconds(seconds: &Value) -> Option<u64> {
    Some((seconds.as_f64()? * 1000.0).round() as u64)
}

fn compare_certificate(certificate: &Certificate<'_>, json: &Value) {
    let Certificate { subject, issuer, extensions, .. } = certificate;
    let texts = [
        (&certificate.sha1, &json["fingerprint"]),
        (&certificate.sha256, &json["sha256"]),
        (&certificate.signature_algorithm, &json["signature_algorithm"]),
        (&certificate.as_der, &json["as_der"]),
        (&subject.common_name, &json["subject"]["CN"]),
        (&subject.aggregated, &json["subject"]["aggregated"]),
        (&issuer.common_name, &json["issuer"]["CN"]),
        (&issuer.organization, &json["issuer"]["O"]),
        (&issuer.country, &json["issuer"]["C"]),
        (&issuer.aggregated, &json["issuer"]["aggregated"]),
        (&extensions.authority_info_access, &json["extensions"]["authorityInfoAccess"]),
        (&extensions.certificate_policies, &json["extensions"]["certificatePolicies"]),
        (&extensions.extended_key_usage, &json["extensions"]["extendedKeyUsage"]),
        (&extensions.subject_alt_name, &json["extensions"]["subjectAltName"]),
    ];
    for (text, expected) in texts {
        assert_eq!(text.as_deref(), some_text(expected));
    }
    let serial_number = some_text(&json["serial_number"]).map(|serial| {
        let zero = if serial.len() % 2 == 1 { "0" } else { "" };
        format!("{zero}{serial}")
    });
    assert_eq!(certificate.serial_number.as_deref(), serial_number.as_deref());
    let not_after = json["not_after"].as_i64();
    let no_expiration = (json["not_after"] == "no_expiration").then_some(NO_EXPIRATION);
    assert_eq!(certificate.not_after, not_after.or(no_expiration));
    assert_eq!(certificate.not_before, json["not_before"].as_i64());
    assert_eq!(certificate.is_ca, json["is_ca"].as_bool());
    assert_eq!(extensions.poison, json["extensions"]["ctlPoisonByte"] == true);
    let domains = json["all_domains"].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(serde_json::json!(certificate.all_domains), serde_json::json!(domains));
    let der =
        json["as_der"].as_str().map(|text| base64_simd::STANDARD.decode_to_vec(text).unwrap());
    assert_eq!(certificate.der(), Ok(der));
}
