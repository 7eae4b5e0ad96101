//! The rows of records against the rows of the messages that are rendered from them.

use std::path::{Path, PathBuf};

use arrow_array::{Array as _, RecordBatch};
use bytes::Bytes;
use ct::LogId;
use ct::leaf::EntryType;
use proptest::prelude::*;
use record::Protocol;
use wire::decode::{Incoming, decode};
use wire::{Event, Profile, Renderer, Source, StreamKind};

use super::*;
use crate::schema::{Rows, schema};
use crate::table::Table;

const WITH_DER: Rows = Rows::Certificates { with_der: true };

/// A certificate of the repository.
fn sample() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/src/sample/leaf.der");
    std::fs::read(path).unwrap()
}

/// Logs of both protocols, with all values and with none that may be unknown.
fn logs() -> [LogIdentity; 3] {
    let log = |name: &str, url: &str, operator: &str, protocol, id| LogIdentity {
        id,
        url: url.to_owned(),
        name: name.to_owned(),
        operator: operator.to_owned(),
        protocol,
    };
    let id = LogId(ct::sha256(b"key"));
    [
        log("A \"log\"", "https://ct.example/log", "Op", Protocol::Rfc6962, Some(id)),
        log("Tiles", "https://mon.example", "Op & Co", Protocol::StaticCt, Some(id)),
        log("", "https://ct.example/ü?a=\\", "", Protocol::Rfc6962, None),
    ]
}

const OFFSET: u64 = 1_767_225_600_594_000;

fn record(der: &[u8], index: u64) -> Record {
    let kind = if index % 2 == 1 { EntryType::Precert } else { EntryType::X509 };
    let der = Bytes::copy_from_slice(der);
    Record {
        seen: 1_767_225_600_594 + index % 1_000,
        ..Record::as_read(index, 1_767_225_600_250, kind, der, Vec::new())
    }
}

fn batch(rows: Rows, row: &dyn Row) -> RecordBatch {
    let mut table = Table::new(&schema(rows));
    table.push(row, 0);
    table.take().unwrap()
}

fn assert_same(of_message: &RecordBatch, of_record: &RecordBatch, except: &[&str]) {
    assert_eq!(of_message.schema(), of_record.schema());
    for (place, field) in of_message.schema().fields().iter().enumerate() {
        if !except.contains(&field.name().as_str()) {
            let (message, record) = (of_message.column(place), of_record.column(place));
            assert_eq!(message, record, "{}", field.name());
        }
    }
}

/// Renders a record in all three kinds of messages, reads them back, and compares the rows.
fn compare(record: &Record, log: &LogIdentity) {
    let certificate = Certificate::read(&record.certificate);
    let source = Source::from(log);
    let event =
        Event { offset: OFFSET, record, source: &source, certificate: &certificate, chain: &[] };
    let renderer = Renderer { max_message_bytes: usize::MAX, skip_empty_domains: false };
    let row = RecordRow::new(OFFSET, record, &certificate, log);
    for kind in StreamKind::ALL {
        let mut message = Vec::new();
        renderer.render(kind, Profile::Calidog, &event, &mut message);
        match decode(&message).unwrap() {
            Incoming::Certificate(update) => {
                let der = update.leaf.der().unwrap();
                let has_der = kind == StreamKind::Full && !record.certificate.is_empty();
                assert_eq!(der.is_some(), has_der);
                let of_message = MessageRow { update: &update, der: der.as_deref() };
                let except = if kind == StreamKind::Full { &[][..] } else { &["as_der"] };
                assert_same(&batch(WITH_DER, &of_message), &batch(WITH_DER, &row), except);
            }
            Incoming::Domains { domains, offset, truncated, domains_total } => {
                // The message does not contain the time.
                let seen = Some(record.seen);
                let mut update =
                    Update { offset, truncated, domains_total, seen, ..Update::default() };
                update.leaf.all_domains = domains;
                let of_message = MessageRow { update: &update, der: None };
                let of_message = batch(Rows::Domains, &of_message);
                assert_same(&of_message, &batch(Rows::Domains, &row), &[]);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn compare_certificate(der: &[u8]) {
    for (log, index) in logs().iter().zip([0, 1_234_567, 70_000_000_001]) {
        compare(&record(der, index), log);
    }
}

#[test]
fn a_record_and_its_messages_have_the_same_row() {
    compare_certificate(&sample());
    let (record, log) = (record(&sample(), 7), &logs()[0]);
    let certificate = Certificate::read(&record.certificate);
    let row = batch(WITH_DER, &RecordRow::new(OFFSET, &record, &certificate, log));
    for (place, field) in row.schema().fields().iter().enumerate() {
        assert_eq!(row.column(place).is_null(0), field.name() == "domains_total", "{field}");
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
