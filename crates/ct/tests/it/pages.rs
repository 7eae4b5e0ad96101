//! get-entries pages of real logs.

use std::path::Path;

use ct::entries::{RawEntry, parse_get_entries};
use ct::leaf::{EntryType, ExtraData, Leaf};
use serde_json::{Value, json};

use crate::{data, files, read, read_json};

/// Reads an entry, and writes it again byte for byte.
fn check(entry: &RawEntry, context: &str) -> EntryType {
    let leaf = Leaf::parse(&entry.leaf_input).unwrap_or_else(|e| panic!("{context}: leaf: {e}"));
    let mut out = Vec::new();
    leaf.encode(&mut out).unwrap();
    assert_eq!(out, entry.leaf_input, "{context}");
    assert_eq!(leaf.leaf_index(), Ok(None), "{context}");

    let entry_type = leaf.entry_type();
    let extra = ExtraData::parse(entry_type, &entry.extra_data)
        .unwrap_or_else(|e| panic!("{context}: extra data: {e}"));
    out.clear();
    extra.encode(&mut out).unwrap();
    assert_eq!(out, entry.extra_data, "{context}");
    assert_eq!(extra.precertificate.is_some(), entry_type == EntryType::Precert);
    entry_type
}

fn pages(data: &Path) -> Vec<(String, Vec<u8>)> {
    files(&data.join("rfc6962/ctlog-fetcher"))
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path)))
        .filter(|(name, _)| name.contains("get-entries"))
        .collect()
}

#[test]
fn every_page_is_read() {
    let Some(data) = data() else { return };
    let (mut certificates, mut precertificates) = (0, 0);
    let pages = pages(&data);
    assert_eq!(pages.len(), 17);
    for (name, body) in pages {
        for entry in parse_get_entries(&body).unwrap_or_else(|e| panic!("{name}: {e}")) {
            match check(&entry, &name) {
                EntryType::X509 => certificates += 1,
                EntryType::Precert => precertificates += 1,
            }
        }
    }
    assert_eq!(certificates + precertificates, 397);
    assert!(certificates > 0 && precertificates > 0);
}

/// The names keep what was asked for: from a start that is no multiple of 32, this log's pages end at
/// the next multiple.
#[test]
fn pages_are_cut_at_the_logs_own_boundary() {
    let Some(data) = data() else { return };
    for (name, body) in pages(&data) {
        if !name.contains("xenon") {
            continue;
        }
        let Some((_, rest)) = name.split_once("start_15") else { continue };
        let start: usize = format!("15{}", rest.split('_').next().unwrap()).parse().unwrap();
        let page = parse_get_entries(&body).unwrap();
        assert_eq!(page.len(), 32 - start % 32, "{name}");
    }
}

#[test]
fn entries_that_break_certificate_parsers_are_still_leaves() {
    let Some(data) = data() else { return };
    let mut read = 0;
    for path in files(&data.join("rfc6962/ctlog-fetcher/invalid_certs")) {
        let mut file: Value = read_json(&path);
        let entries = match (file["entries"].take(), file["entry"].take()) {
            (Value::Null, entry) => json!([entry]),
            (entries, _) => entries,
        };
        let body = json!({ "entries": entries }).to_string();
        for entry in parse_get_entries(body.as_bytes()).unwrap() {
            check(&entry, &path.display().to_string());
            read += 1;
        }
    }
    assert_eq!(read, 5);
}

#[test]
fn live_entries_of_many_logs() {
    let Some(data) = data() else { return };
    let live: Vec<Value> = read_json(&data.join("rfc6962/certstream-live/live_ct.json"));
    assert_eq!(live.len(), 40);
    let body = json!({ "entries": live }).to_string();
    for (entry, of) in parse_get_entries(body.as_bytes()).unwrap().iter().zip(&live) {
        check(entry, of["name"].as_str().unwrap());
    }
}

/// Cut anywhere, a real page is an error, never a shorter page.
#[test]
fn a_page_cut_short_is_refused() {
    let Some(data) = data() else { return };
    let (name, body) = pages(&data).swap_remove(0);
    for length in (0..body.trim_ascii_end().len()).step_by(997) {
        assert!(parse_get_entries(&body[..length]).is_err(), "{name} cut at {length}");
    }
}
