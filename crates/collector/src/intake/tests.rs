use client::dedup::Window;
use client::{Resume, Session};
use columns::schema::schema;
use serde_json::{Value, json};
use wire::{Profile, StreamKind};

use super::*;

const ROWS: Rows = Rows::Certificates { with_der: false };

fn intake(rows: Rows) -> Intake {
    Intake::new(rows, &schema(rows))
}

fn session(stream: StreamKind) -> Session {
    Session::new(stream, Resume::default(), Window::default())
}

/// A message about the entry with this index.
fn message(stream: StreamKind, index: u64) -> Value {
    let mut message = Vec::new();
    wire::sample(stream, Profile::Calidog, &mut message);
    let mut message: Value = serde_json::from_slice(&message).unwrap();
    message["data"]["cert_index"] = json!(index);
    message
}

#[test]
fn unreadable_values_are_counted_and_the_row_is_kept() {
    let (mut session, mut intake) = (session(StreamKind::Lite), intake(ROWS));
    let mut odd = message(StreamKind::Lite, 1);
    odd["data"]["leaf_cert"]["not_after"] = json!({"never": true});
    odd["data"]["leaf_cert"]["all_domains"] = json!("one.example");
    let mut no_date = message(StreamKind::Lite, 2);
    no_date["data"]["leaf_cert"]["not_before"] = json!(-99_999_999_999_999_i64);
    let mut truncated = message(StreamKind::Lite, 3);
    truncated["truncated"] = json!(true);
    for message in [odd, no_date, truncated] {
        intake.message(&session.read(message.to_string().as_bytes(), 0));
    }
    let expected = Counters { rows: 3, unknown: 0, unread: 2, truncated: 1 };
    assert_eq!(intake.counters(), expected);
    assert_eq!(intake.take().unwrap().num_rows(), 3);
}

#[test]
fn duplicates_heartbeats_and_gaps_have_no_rows() {
    let (mut session, mut intake) = (session(StreamKind::Lite), intake(ROWS));
    let entry = message(StreamKind::Lite, 1).to_string();
    let heartbeat = r#"{"message_type":"heartbeat","offset":7}"#;
    let gap = r#"{"message_type":"gap","dropped":1}"#;
    for message in [&entry, &entry, heartbeat, gap, "{"] {
        intake.message(&session.read(message.as_bytes(), 0));
    }
    assert_eq!((intake.counters().rows, intake.waiting()), (1, 1));
    let counters = session.counters();
    assert_eq!((counters.messages, counters.duplicates, counters.malformed), (5, 1, 1));
    assert_eq!(session.newest(), Some(1_767_225_600_594));
}

#[test]
fn names_have_rows_of_their_own_kind() {
    let (mut session, mut intake) = (session(StreamKind::Domains), intake(Rows::Domains));
    let names = r#"{"message_type":"dns_entries","data":["a.example","b.example"]}"#;
    intake.message(&session.read(names.as_bytes(), 77));
    intake.message(&session.read(names.as_bytes(), 78));
    let entry = message(StreamKind::Lite, 1).to_string();
    intake.message(&session.read(entry.as_bytes(), 79));
    assert_eq!((intake.counters().rows, intake.counters().unknown), (2, 1));
    let batch = intake.take().unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (2, 6));
}

#[test]
fn certificates_are_kept_on_request() {
    let rows = Rows::Certificates { with_der: true };
    let (mut session, mut intake) = (session(StreamKind::Full), intake(rows));
    let mut broken = message(StreamKind::Full, 2);
    broken["data"]["leaf_cert"]["as_der"] = json!("no base64");
    for message in [message(StreamKind::Full, 1), broken] {
        intake.message(&session.read(message.to_string().as_bytes(), 0));
    }
    assert_eq!((intake.counters().rows, intake.counters().unread), (2, 1));
    let batch = intake.take().unwrap();
    let der = batch.column_by_name("as_der").unwrap();
    assert_eq!((der.is_null(0), der.is_null(1)), (false, true));
}
