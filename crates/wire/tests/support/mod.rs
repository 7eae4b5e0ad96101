//! Certificates to render, and the logs they are said to come from.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part
#![allow(clippy::unwrap_used, clippy::string_slice)]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use cert::Certificate;
use ct::leaf::EntryType;
use record::Record;
use wire::{Event, Issuer, Profile, Renderer, Source, SourceKind, StreamKind};

#[path = "../../../cert/tests/support/mod.rs"]
mod certificates;
pub use certificates::*;

pub fn rfc6962() -> Source {
    Source::new("Test log", "https://ct.example/log/", "Operator", SourceKind::Rfc6962, None)
}

pub fn tiled() -> Source {
    let id = Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned());
    Source::new("Tiled log", "https://mon.example/log", "Operator", SourceKind::Tiled, id)
}

/// The record of an entry with this index. Messages take the certificate from the event.
pub fn record(index: u64) -> Record {
    let submitted = 1_700_000_000_123;
    let record = Record::as_read(index, submitted, EntryType::X509, Bytes::new(), Vec::new());
    Record { seen: 1_795_309_794_870, ..record }
}

/// An event whose record is that of index 7.
pub fn event<'a>(
    source: &'a Source,
    certificate: &'a Certificate<'a>,
    chain: &'a [Arc<Issuer>],
) -> Event<'a> {
    static RECORD: LazyLock<Record> = LazyLock::new(|| record(7));
    Event { offset: 4321, record: &RECORD, source, certificate, chain }
}

pub fn render(kind: StreamKind, profile: Profile, event: &Event<'_>) -> String {
    let mut out = Vec::new();
    Renderer::default().render(kind, profile, event, &mut out);
    String::from_utf8(out).unwrap()
}

/// The member `name` of the first object that has one, as it is written.
pub fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let key = format!("\"{name}\":");
    let start = json.find(&key).unwrap() + key.len();
    let mut values = serde_json::Deserializer::from_str(&json[start..])
        .into_iter::<&serde_json::value::RawValue>();
    values.next().unwrap().unwrap().get()
}

pub fn read(data: &Path, file: &str) -> Vec<u8> {
    std::fs::read(data.join(file)).unwrap()
}
