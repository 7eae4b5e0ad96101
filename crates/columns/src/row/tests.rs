//! The rows of entries against the rows of the messages that are rendered from them.

use std::path::{Path, PathBuf};

use arrow_array::{Array as _, RecordBatch};
use proptest::prelude::*;
use wire::decode::{Incoming, decode};
use wire::{EntryKind, Profile, Renderer, Source, SourceKind, StreamKind};

use super::*;
use crate::schema::{Rows, schema};
use crate::table::Table;

const WITH_DER: Rows = Rows::Certificates { with_der: true };

/// A certificate of the repository.
fn sample() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/src/sample/leaf.der");
    std::fs::read(path).unwrap()
}

/// Logs of both protocols, with and without what may be unknown.
fn sources() -> [Source; 3] {
    let id = || Some("RXhhbXBsZSBsb2csIG5vdCBhIHJlYWwgbG9nIElELi4=".to_owned());
    [
        Source::new("A \"log\"", "https://ct.example/log/", "Op", SourceKind::Rfc6962, id()),
        Source::new("Tiles", "https://mon.example", "Op & Co", SourceKind::Tiled, id()),
        Source::new("", "https://ct.example/ü?a=\\", "", SourceKind::Rfc6962, None),
    ]
}

fn event<'a>(source: &'a Source, certificate: &'a Certificate<'a>, index: u64) -> Event<'a> {
    Event {
        offset: 1_767_225_600_594_000 + index,
        seen: 1_767_225_600_594 + index % 1_000,
        submitted: 1_767_225_600_250,
        kind: EntryKind::ALL[usize::from(index % 2 == 1)],
        cert_index: index,
        source,
        certificate,
        chain: &[],
    }
}

fn batch(rows: Rows, row: &dyn Row) -> RecordBatch {
    let mut table = Table::new(&schema(rows));
    table.push(row, 0);
    table.take().unwrap()
}

fn assert_same(of_message: &RecordBatch, of_entry: &RecordBatch, except: &[&str]) {
    assert_eq!(of_message.schema(), of_entry.schema());
    for (place, field) in of_message.schema().fields().iter().enumerate() {
        if !except.contains(&field.name().as_str()) {
            let (message, entry) = (of_message.column(place), of_entry.column(place));
            assert_eq!(message, entry, "{}", field.name());
        }
    }
}

/// Renders an entry in all three kinds of messages, reads them back, and compares the rows.
fn compare(event: &Event<'_>) {
    let renderer = Renderer { max_message_bytes: usize::MAX, skip_empty_domains: false };
    let row = EntryRow::new(event);
    for kind in StreamKind::ALL {
        let mut message = Vec::new();
        renderer.render(kind, Profile::Calidog, event, &mut message);
        match decode(&message).unwrap() {
            Incoming::Certificate(update) => {
                let der = update.leaf.der().unwrap();
                assert_eq!(der.is_some(), kind == StreamKind::Full);
                let of_message = MessageRow { update: &update, der: der.as_deref() };
                let except = if kind == StreamKind::Full { &[][..] } else { &["as_der"] };
                assert_same(&batch(WITH_DER, &of_message), &batch(WITH_DER, &row), except);
            }
            Incoming::Domains { domains, offset, truncated, domains_total } => {
                // The message does not contain the time.
                let seen = Some(event.seen);
                let mut update =
                    Update { offset, truncated, domains_total, seen, ..Update::default() };
                update.leaf.all_domains = domains;
                let of_message = MessageRow { update: &update, der: None };
                let (message, entry) =
                    (batch(Rows::Domains, &of_message), batch(Rows::Domains, &row));
                assert_same(&message, &entry, &[]);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn compare_certificate(der: &[u8]) {
    let certificate = Certificate::read(der);
    for (source, index) in sources().iter().zip([0, 1_234_567, 70_000_000_001]) {
        compare(&event(source, &certificate, index));
    }
}

#[test]
fn an_entry_and_its_messages_have_the_same_row() {
    compare_certificate(&sample());
    let der = sample();
    let (certificate, source) = (Certificate::read(&der), &sources()[0]);
    let row = batch(WITH_DER, &EntryRow::new(&event(source, &certificate, 7)));
    let without_value = ["domains_total"];
    for (place, field) in row.schema().fields().iter().enumerate() {
        let is_null = row.column(place).is_null(0);
        assert_eq!(is_null, without_value.contains(&field.name().as_str()), "{}", field.name());
    }
}

#[test]
fn truncated_and_empty_certificates_have_the_rows_of_their_messages() {
    let der = sample();
    for length in (0..der.len()).step_by(7) {
        compare_certificate(&der[..length]);
    }
}

/// All DER files below a folder.
fn der_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            der_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "der") {
            found.push(path);
        }
    }
}

#[test]
fn real_and_odd_certificates_have_the_rows_of_their_messages() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        println!("skipped: {} is not there", data.display());
        return;
    }
    let mut files = Vec::new();
    for folder in ["certs", "reports"] {
        der_files(&data.join(folder), &mut files);
    }
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        println!("{}", file.display());
        compare_certificate(&std::fs::read(&file).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_certificates_have_the_rows_of_their_messages(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut der = sample();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        compare_certificate(&der);
    }
}
