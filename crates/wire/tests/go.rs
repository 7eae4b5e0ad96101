//! The Go profile, against messages that certstream-server-go 1.9 made of the same certificates.
//!
//! Its errors are not copied; [`corrected`] undoes them, one by one, in what it printed.
#![allow(clippy::unwrap_used, clippy::string_slice)] // in the helpers of tests

use std::path::Path;
use std::sync::Arc;

use cert::Certificate;
use record::Record;
use serde_json::value::RawValue;
use support::{event, member, read, record, render, rfc6962, shared_data, tiled};
use wire::{Event, Issuer, Profile, Source, StreamKind};

mod support;

/// The messages in what it printed, without the white space between their tokens.
fn messages(data: &Path) -> Vec<String> {
    let printed = String::from_utf8(read(data, "vectors/go_peer.txt")).unwrap();
    let mut messages = Vec::new();
    let mut rest = &*printed;
    while let Some(start) =
        rest.find("{\n \"data\"").into_iter().chain(rest.find("{\"data\"")).min()
    {
        let mut values =
            serde_json::Deserializer::from_str(&rest[start..]).into_iter::<&RawValue>();
        messages.push(compact(values.next().unwrap().unwrap().get()));
        rest = &rest[start + values.byte_offset()..];
    }
    messages
}

fn compact(json: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    json.chars()
        .filter(|character| {
            let keep = in_string || !character.is_ascii_whitespace();
            in_string ^= *character == '"' && !escaped;
            escaped = in_string && *character == '\\' && !escaped;
            keep
        })
        .collect()
}

/// Their message without their errors.
fn corrected(message: &str, certificate: &Certificate<'_>, source: &Source) -> String {
    let colon_hex = |digest: &[u8]| {
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    };
    let link = format!("\"cert_link\":\"{}/tile/data/000\"", source.url());
    message
        // The state is taken from the street address.
        .replace("\"ST\":\"Street 1\"", "\"ST\":\"Bayern\"")
        .replace("/ST=Street 1", "/ST=Bayern")
        // Entries of static logs have no link, and the digests of no bytes.
        .replace("\"cert_link\":\"\"", &link)
        .replace("DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09", &colon_hex(&certificate.sha1))
        .replace(
            "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55",
            &colon_hex(&certificate.sha256),
        )
}

/// The certificates in the order in which they were printed, and the stream that shows as much.
/// The precertificate in a static log lacks `as_der` there, another error; so it is compared with
/// the lite message. It is their watcher, not printed here, that sets `PrecertLogEntry`.
const PRINTED: [(&str, StreamKind, u64); 10] = [
    ("leaf", StreamKind::Full, 7),
    ("leaf", StreamKind::Lite, 7),
    ("ca", StreamKind::Lite, 7),
    ("nocn", StreamKind::Lite, 7),
    ("ecdsa384", StreamKind::Lite, 7),
    ("ed25519", StreamKind::Lite, 7),
    ("pss", StreamKind::Lite, 7),
    ("sha512", StreamKind::Lite, 7),
    ("precert", StreamKind::Full, 8),
    ("precert", StreamKind::Lite, 8),
];

#[test]
fn updates_byte_for_byte() {
    let Some(data) = shared_data() else { return };
    let messages = messages(&data);
    assert_eq!(messages.len(), PRINTED.len());
    for (theirs, (name, kind, index)) in messages.iter().zip(PRINTED) {
        let source = if theirs.contains("\"tiled\"") { tiled() } else { rfc6962() };
        let der = read(&data, &format!("vectors/{name}.der"));
        let certificate = Certificate::read(&der);
        let issuer = Arc::new(Issuer::new(read(&data, "vectors/ca.der").into()));
        let chain: &[_] = if name == "leaf" { &[issuer] } else { &[] };
        let seen: f64 = member(theirs, "seen").parse().unwrap();
        let record = Record { seen: (seen * 1000.0).round() as u64, ..record(index) };
        let event = Event { record: &record, ..event(&source, &certificate, chain) };
        let ours = render(kind, Profile::Go, &event);
        assert_eq!(ours, corrected(theirs, &certificate, &source) + "\n", "{name} {kind:?}");
    }
}

#[test]
fn domains_byte_for_byte() {
    let Some(data) = shared_data() else { return };
    let printed = String::from_utf8(read(&data, "vectors/go_peer.txt")).unwrap();
    let line = printed.lines().find_map(|line| line.strip_prefix("DOM ")).unwrap();
    let expected: String = serde_json::from_str(line).unwrap();
    let source = rfc6962();
    let der = read(&data, "vectors/leaf.der");
    let certificate = Certificate::read(&der);
    let event = event(&source, &certificate, &[]);
    assert_eq!(render(StreamKind::Domains, Profile::Go, &event), expected);
}
