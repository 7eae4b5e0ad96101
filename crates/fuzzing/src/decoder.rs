//! A message as a client reads it.

use std::sync::Arc;

use cert::Certificate;
use ct::leaf::EntryType;
use record::Record;
use serde_json::Value;
use wire::decode::{self, DecodeError, MAX_CHAIN, MAX_LIST, decode};
use wire::{Event, Incoming, Issuer, Profile, Renderer, Source, SourceKind, StreamKind, heartbeat};

use crate::certificate;

/// Only what is not JSON is refused as such; what is JSON and of a known type is taken or misses
/// what it must have. What is kept is bounded.
pub fn check(data: &[u8]) {
    let json = serde_json::from_slice::<Value>(data);
    match decode(data) {
        Ok(incoming) => {
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok());
            incoming_of(&incoming, data.len());
        }
        Err(error @ (DecodeError::Json(_) | DecodeError::Utf8(_))) => {
            assert!(json.is_err(), "{error}");
        }
        Err(DecodeError::Missing { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

fn incoming_of(incoming: &Incoming<'_>, length: usize) {
    match incoming {
        Incoming::Certificate(update) => {
            assert!(update.chain.len() <= MAX_CHAIN.min(length));
            certificate_of(&update.leaf, length);
            for issuer in &update.chain {
                certificate_of(issuer, length);
            }
        }
        Incoming::Domains { domains, .. } => assert!(domains.len() <= MAX_LIST.min(length)),
        Incoming::Unknown { message_type } => assert!(!message_type.is_empty()),
        Incoming::Heartbeat { .. } | Incoming::Gap { .. } => {}
    }
}

fn certificate_of(certificate: &decode::Certificate<'_>, length: usize) {
    assert!(certificate.all_domains.len() <= MAX_LIST.min(length));
    if let Ok(Some(der)) = certificate.der() {
        assert!(der.len() <= length);
    }
    if let Some(serial) = &certificate.serial_number
        && serial.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        assert!(serial.len() % 2 == 0 && !serial.contains(|digit: char| digit.is_lowercase()));
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = rendered();
    for profile in Profile::ALL {
        for offset in [None, Some(1_700_000_000_000_000)] {
            let mut message = Vec::new();
            let stream = record::StreamId::from_random(7);
            heartbeat(profile, 1_700_000_000_123, offset, stream, &mut message);
            seeds.push(message);
        }
    }
    let others = [
        r#"{"message_type":"gap","dropped":12,"disconnecting":false,"reason":"slow_client"}"#,
        r#"{"message_type":"news","data":null,"offset":1e3}"#,
        concat!(
            r#"{"data":{"update_type":"PreCertEntry","cert_index":"5","seen":1.7e9,"#,
            r#""leaf_cert":{"not_after":"no_expiration","not_before":-1.5,"serial_number":"5f0","#,
            r#""subject":{"OU":["one","two"],"emailAddress":"a@b"},"extensions":{"extra":["1.2"],"#,
            r#""ctlPoisonByte":"true"}},"chain":[{"serial_number":"102"},null]},"#,
            r#""message_type":"certificate_update"}"#
        ),
    ];
    seeds.extend(others.map(|message| message.as_bytes().to_vec()));
    seeds
}

/// Each kind of message under each profile.
fn rendered() -> Vec<Vec<u8>> {
    let source = Source::new(
        "Log",
        "https://ct.example",
        "Operator",
        SourceKind::Tiled,
        Some("aWQ=".into()),
    );
    let ders = certificate::seeds();
    let [.., names, extensions] = ders.as_slice() else { return Vec::new() };
    let chain = [Arc::new(Issuer::new(names.clone().into()))];
    let (index, submitted, der) = (4_354_630_040, 1_700_000_000_000, extensions.clone().into());
    let record = Record {
        seen: 1_795_309_794_870,
        ..Record::as_read(index, submitted, EntryType::X509, der, Vec::new())
    };
    let event = Event {
        offset: 1_795_309_794_870_123,
        record: &record,
        source: &source,
        certificate: &Certificate::read(extensions),
        chain: &chain,
    };
    let renderer = Renderer { skip_empty_domains: false, ..Renderer::default() };
    let all =
        Profile::ALL.into_iter().flat_map(|profile| StreamKind::ALL.map(|kind| (kind, profile)));
    let render = |(kind, profile)| {
        let mut message = Vec::new();
        renderer.render(kind, profile, &event, &mut message);
        message
    };
    all.map(render).collect()
}
