//! Entries of real logs of both protocols, from the bytes a log serves to the message.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use std::path::Path;
use std::sync::Arc;

use cert::Certificate;
use ct::leaf::{EntryType, ExtraData, Leaf, LeafEntry};
use ct::tile::TileLeaf;
use record::Record;
use serde_json::Value;
use support::{event, record, rfc6962, shared_data, tiled};
use wire::{Event, Issuer, Profile, Renderer, Source, StreamKind};

mod support;

/// All pairs of `leaf_input` and `extra_data` in a file, at whatever depth; some are JSON in JSON.
fn raw_entries(value: &Value, found: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let field = |name: &str| {
        let text = value.get(name)?.as_str()?;
        base64_simd::STANDARD.decode_to_vec(text).ok()
    };
    if let (Some(leaf_input), Some(extra_data)) = (field("leaf_input"), field("extra_data")) {
        found.push((leaf_input, extra_data));
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| raw_entries(item, found)),
        Value::Object(members) => members.values().for_each(|member| raw_entries(member, found)),
        Value::String(text) => {
            if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                raw_entries(&inner, found);
            }
        }
        _ => {}
    }
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn render_all(source: &Source, leaf: &Leaf<'_>, precertificate: Option<&[u8]>, chain: &[&[u8]]) {
    let (kind, der) = match (leaf.entry, precertificate) {
        (LeafEntry::X509 { certificate }, _) => (EntryType::X509, certificate),
        (LeafEntry::Precert { .. }, der) => (EntryType::Precert, der.unwrap()),
    };
    let certificate = Certificate::read(der);
    assert_eq!(certificate.parse_error, None);
    let chain: Vec<_> =
        chain.iter().map(|der| Arc::new(Issuer::new(der.to_vec().into()))).collect();
    let record = Record { kind, submitted: leaf.timestamp, ..record(7) };
    let event = Event { record: &record, ..event(source, &certificate, &chain) };
    for profile in Profile::ALL {
        for stream in StreamKind::ALL {
            let mut out = Vec::new();
            let renderer = Renderer { skip_empty_domains: false, ..Renderer::default() };
            renderer.render(stream, profile, &event, &mut out);
            let message: Value = serde_json::from_slice(&out).unwrap();
            let poison = &message["data"]["leaf_cert"]["extensions"]["ctlPoisonByte"];
            let is_precertificate = kind == EntryType::Precert;
            assert_eq!(*poison == true, is_precertificate && stream != StreamKind::Domains);
        }
    }
}

#[test]
fn pages_of_rfc_6962_logs() {
    let Some(data) = shared_data() else { return };
    let source = rfc6962();
    let mut paths = Vec::new();
    files(&data.join("rfc6962"), &mut paths);
    let mut entries = Vec::new();
    for path in paths {
        if let Ok(value) = serde_json::from_slice(&std::fs::read(path).unwrap()) {
            raw_entries(&value, &mut entries);
        }
    }
    assert!(entries.len() > 300, "{}", entries.len());
    for (leaf_input, extra_data) in entries {
        let leaf = Leaf::parse(&leaf_input).unwrap();
        let extra = ExtraData::parse(leaf.entry_type(), &extra_data).unwrap();
        render_all(&source, &leaf, extra.precertificate, &extra.chain);
    }
}

#[test]
fn data_tiles_of_a_static_log() {
    let Some(data) = shared_data() else { return };
    let source = tiled();
    let mut paths = Vec::new();
    files(&data.join("tiles/navigli2025h2/tile/data"), &mut paths);
    let mut count = 0;
    for path in paths {
        for entry in TileLeaf::iter(&std::fs::read(path).unwrap()) {
            let entry = entry.unwrap();
            render_all(&source, &entry.leaf, entry.precertificate, &[]);
            count += 1;
        }
    }
    assert_eq!(count, 4 * 256 + 10);
}
