use std::fmt::Write as _;
use std::path::Path;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{TimestampMillisecondType, TimestampSecondType, UInt64Type};
use wire::decode::{Incoming, Update, decode};
use wire::{Profile, StreamKind};

use super::*;
use crate::row::MessageRow;
use crate::schema::{Rows, data_type, schema};

fn sample(kind: StreamKind) -> Vec<u8> {
    let mut message = Vec::new();
    wire::sample(kind, Profile::Calidog, &mut message);
    message
}

#[test]
fn a_message_becomes_a_row() {
    let message = sample(StreamKind::Full);
    let Ok(Incoming::Certificate(update)) = decode(&message) else { panic!() };
    let der = update.leaf.der().unwrap();
    let mut table = Table::new(&schema(Rows::Certificates { with_der: true }));
    table.push(&MessageRow { update: &update, der: der.as_deref() }, message.len());
    table.push(&MessageRow { update: &Update::default(), der: None }, 0);
    assert_eq!(table.rows(), 2);
    let batch = table.take().unwrap();
    assert_eq!((table.rows(), batch.num_rows()), (0, 2));
    let text =
        |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!(text("update_type"), "X509LogEntry");
    assert_eq!(text("source_name"), "Example log");
    assert_eq!(text("source_operator"), "Example operator");
    assert_eq!(text("source_url"), "https://ct.example.org/2026");
    assert_eq!(Some(text("subject_cn").as_str()), update.leaf.subject.common_name.as_deref());
    assert_eq!(Some(text("sha256").as_str()), update.leaf.sha256.as_deref());
    let number =
        |name: &str| batch.column_by_name(name).unwrap().as_primitive::<UInt64Type>().value(0);
    assert_eq!((number("offset"), number("cert_index")), (1, 1_234_567));
    let seen = batch.column_by_name("seen").unwrap();
    assert_eq!(seen.as_primitive::<TimestampMillisecondType>().value(0), 1_767_225_600_594);
    let after = batch.column_by_name("not_after").unwrap().as_primitive::<TimestampSecondType>();
    assert_eq!(Some(after.value(0)), update.leaf.not_after);
    let domains = batch.column_by_name("domains").unwrap().as_list::<i32>();
    let first = domains.value(0);
    let names: Vec<_> = first.as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, update.leaf.all_domains);
    let bytes = batch.column_by_name("as_der").unwrap().as_binary::<i32>();
    assert_eq!(Some(bytes.value(0)), der.as_deref());
    let registered = batch.column_by_name("registered_domain").unwrap().as_list::<i32>().value(0);
    assert_eq!(registered.len(), names.len());
    for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
        // A message without any field has only nulls, except the lists of names and `truncated`.
        let has_value =
            ["domains", "registered_domain", "truncated"].contains(&field.name().as_str());
        assert_eq!(column.is_null(1), !has_value, "{}", field.name());
    }
}

#[test]
fn times_after_the_year_9999_are_null() {
    let mut table = Table::new(&schema(Rows::Certificates { with_der: false }));
    for (seen, date) in [
        (0, 0),
        (u64::MAX, i64::MAX),
        (253_402_300_799_999, 253_402_300_799),
        (253_402_300_800_000, i64::MIN),
    ] {
        let mut update = Update { seen: Some(seen), ..Update::default() };
        update.leaf.not_before = Some(date);
        table.push(&MessageRow { update: &update, der: None }, 0);
    }
    let batch = table.take().unwrap();
    for name in ["seen", "not_before"] {
        let column = batch.column_by_name(name).unwrap();
        let nulls: Vec<_> = (0..4).map(|row| column.is_null(row)).collect();
        assert_eq!(nulls, [false, true, false, true], "{name}");
    }
}

#[test]
fn truncated_messages_are_marked_with_the_number_of_names() {
    let message = br#"{"message_type":"certificate_update","truncated":true,"domains_total":9,
        "data":{"leaf_cert":{"all_domains":["*.shop.example.co.uk","co.uk"]}}}"#;
    let Ok(Incoming::Certificate(update)) = decode(message) else { panic!() };
    let mut table = Table::new(&schema(Rows::Certificates { with_der: false }));
    table.push(&MessageRow { update: &update, der: None }, 0);
    let batch = table.take().unwrap();
    assert!(batch.column_by_name("truncated").unwrap().as_boolean().value(0));
    let total = batch.column_by_name("domains_total").unwrap();
    assert_eq!(total.as_primitive::<UInt64Type>().value(0), 9);
    let registered = batch.column_by_name("registered_domain").unwrap().as_list::<i32>().value(0);
    let registered: Vec<_> = registered.as_string::<i32>().iter().collect();
    assert_eq!(registered, [Some("example.co.uk"), None]);
}

/// An unreadable date is 0 in messages, and null in rows.
#[test]
fn unreadable_dates_are_null() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/reports");
    if !data.is_dir() {
        println!("skipped: {} is not there", data.display());
        return;
    }
    for name in ["date-unreadable.der", "05-utc-four-digit-year.der"] {
        let der = std::fs::read(data.join(name)).unwrap();
        let certificate = cert::Certificate::read(&der);
        assert!(certificate.parse_error.is_some(), "{name}");
        let mut update = Update::default();
        update.leaf.not_before = Some(certificate.not_before);
        update.leaf.not_after = Some(certificate.not_after);
        update.leaf.parse_error = certificate.parse_error.map(|it| it.to_string().into());
        let mut table = Table::new(&schema(Rows::Certificates { with_der: false }));
        table.push(&MessageRow { update: &update, der: None }, 0);
        let batch = table.take().unwrap();
        let is_null = |name: &str| batch.column_by_name(name).unwrap().is_null(0);
        // The date that can be read stays.
        assert_eq!(is_null("not_before"), certificate.not_before == 0, "{name}");
        assert_eq!(is_null("not_after"), certificate.not_after == 0, "{name}");
        assert!(is_null("not_before") || is_null("not_after"), "{name}");
    }
}

#[test]
fn a_table_with_large_rows_is_full_early() {
    let mut table = Table::new(&schema(Rows::Domains));
    assert!(!table.is_full(2));
    table.push(&MessageRow { update: &Update::default(), der: None }, MAX_BYTES);
    assert!(table.is_full(2));
    table.take().unwrap();
    assert!(!table.is_full(2));
}

#[test]
fn the_table_in_the_documentation_is_that_of_the_code() {
    const BEGIN: &str = "<!-- columns -->\n";
    const END: &str = "<!-- end of columns -->";
    let mut table = "| column | type | meaning |\n|---|---|---|\n".to_owned();
    for column in COLUMNS {
        let name = match data_type(column.kind) {
            DataType::Utf8 => "text",
            DataType::List(_) => "list of texts",
            DataType::UInt64 => "uint64",
            DataType::Boolean => "bool",
            DataType::Binary => "binary",
            DataType::Timestamp(arrow_schema::TimeUnit::Second, _) => "timestamp[s, UTC]",
            _ => "timestamp[ms, UTC]",
        };
        writeln!(table, "| `{}` | {name} | {} |", column.name, column.meaning).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/arrow.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    let expected = [before, BEGIN, &table, END, after].concat();
    golden::check("docs/arrow.md", expected, "-p columns documentation");
}
