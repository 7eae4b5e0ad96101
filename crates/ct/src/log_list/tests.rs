//! Tests of reading log lists: valid, odd and broken ones.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::encoding::to_base64;
use crate::signature::Algorithm;

fn key() -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    spki.as_ref().to_vec()
}

/// A log with nothing optional.
fn log() -> Value {
    let key = key();
    let log_id = LogId::of_key(&key).to_string();
    json!({ "log_id": log_id, "key": to_base64(&key), "url": "https://ct.example.net/one/" })
}

fn with(mut log: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields}") };
    log.as_object_mut().unwrap().extend(fields);
    log
}

fn tiled() -> Value {
    let urls = json!({
        "url": null,
        "submission_url": "https://log.example.net/2026h1",
        "monitoring_url": "https://mon.example.net/2026h1/",
    });
    with(log(), urls)
}

fn list_of(logs: &[Value], tiled_logs: &[Value]) -> LogList {
    let list = json!({
        "version": "3.14",
        "log_list_timestamp": "2026-05-29T13:42:48Z",
        "is_all_logs": true,
        "operators": [{ "name": "Op", "email": [], "logs": logs, "tiled_logs": tiled_logs }],
    });
    LogList::parse(list.to_string().as_bytes()).unwrap()
}

fn only(log: Value) -> Result<ListedLog, SkipReason> {
    let mut list = list_of(&[log], &[]);
    assert_eq!(list.logs.len() + list.skipped.len(), 1);
    list.logs.pop().ok_or_else(|| list.skipped.pop().unwrap().why)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_log_with_nothing_optional() {
    let read = only(log()).unwrap();
    assert_eq!(read.operator, "Op");
    assert_eq!(read.log_id, LogId::of_key(&read.key));
    assert_eq!(read.kind, LogKind::Rfc6962 { url: "https://ct.example.net/one/".into() });
    assert_eq!((read.description, read.mmd), (None, None));
    assert_eq!((read.state, read.state_since), (None, None));
    assert_eq!((read.temporal_interval, read.log_type), (None, LogType::Prod));
}

#[test]
fn a_log_with_everything() {
    let fields = json!({
        "description": "Some 'Log'",
        "mmd": 60,
        "state": { "usable": { "timestamp": "2025-01-02T03:04:05Z", "more": [] } },
        "temporal_interval": {
            "start_inclusive": "2026-01-01T00:00:00Z",
            "end_exclusive": "2026-07-01T00:00:00Z",
        },
        "log_type": "test",
        "dns": "old.ct.example.net",
        "previous_operators": [{ "name": "Before", "end_time": "2020-01-01T00:00:00Z" }],
        "not known": { "yet": [null] },
    });
    let list = list_of(&[], &[with(tiled(), fields)]);
    assert_eq!(list.version, Some(Version { major: 3, minor: 14 }));
    assert_eq!(list.timestamp, Some(time("2026-05-29T13:42:48Z")));
    assert_eq!(list.skipped, []);
    let read = &list.logs[0];
    let kind = LogKind::StaticCt {
        submission_url: "https://log.example.net/2026h1/".into(),
        monitoring_url: "https://mon.example.net/2026h1/".into(),
    };
    assert_eq!(read.kind, kind);
    assert_eq!(read.description.as_deref(), Some("Some 'Log'"));
    assert_eq!((read.mmd, &read.log_type), (Some(60), &LogType::Test));
    assert_eq!(read.state, Some(State::Usable));
    assert_eq!(read.state_since, Some(time("2025-01-02T03:04:05Z")));
    let interval = read.temporal_interval.unwrap();
    assert_eq!(interval.start_inclusive, time("2026-01-01T00:00:00Z"));
    assert_eq!(interval.end_exclusive, time("2026-07-01T00:00:00Z"));
}

#[test]
fn every_log_state_is_read() {
    let state = |state: Value| only(with(log(), json!({ "state": state }))).map(|log| log.state);
    for (name, expected) in [
        ("pending", State::Pending),
        ("qualified", State::Qualified),
        ("usable", State::Usable),
        ("readonly", State::ReadOnly { final_tree_head: None }),
        ("retired", State::Retired),
        ("rejected", State::Rejected),
        ("frozen", State::Unknown("frozen".into())),
    ] {
        assert_eq!(state(json!({ name: {} })), Ok(Some(expected)));
    }
    assert_eq!(state(json!({ "frozen": "since ever" })), Ok(Some(State::Unknown("frozen".into()))));
    let read_only = |root: &str| {
        state(json!({ "readonly": {
            "timestamp": "2026-01-01T00:00:00Z",
            "final_tree_head": { "tree_size": 5_000_000_000_u64, "sha256_root_hash": root },
        }}))
    };
    let final_tree_head = Some(FinalTreeHead { size: 5_000_000_000, root: [8; 32] });
    assert_eq!(read_only(&to_base64(&[8; 32])), Ok(Some(State::ReadOnly { final_tree_head })));
    assert_eq!(read_only(&to_base64(&[8; 31])), Err(SkipReason::FinalRoot));
    assert_eq!(state(json!({})), Err(SkipReason::States(0)));
    assert_eq!(state(json!({ "usable": {}, "retired": {} })), Err(SkipReason::States(2)));
    let time = state(json!({ "usable": { "timestamp": "yesterday" } }));
    assert_eq!(time, Err(SkipReason::Time("yesterday".into())));
}

#[test]
fn every_log_type_is_read() {
    for (name, expected) in [
        ("prod", LogType::Prod),
        ("monitoring_only", LogType::MonitoringOnly),
        ("toy", LogType::Unknown("toy".into())),
    ] {
        let log_type = only(with(log(), json!({ "log_type": name }))).map(|log| log.log_type);
        assert_eq!(log_type, Ok(expected));
    }
}

#[test]
fn a_malformed_log_costs_itself_and_is_reported() {
    let other = key();
    let of_key = LogId::of_key(&other);
    let mut off_curve = other.clone();
    off_curve[90] ^= 1;
    let interval = |start: &str, end: &str| json!({ "temporal_interval": { "start_inclusive": start, "end_exclusive": end } });
    let cases = [
        (json!({ "key": "!" }), SkipReason::KeyBase64),
        (
            json!({ "key": to_base64(&off_curve) }),
            SkipReason::Key(KeyError::Malformed(Algorithm::EcdsaP256)),
        ),
        (json!({ "key": "AAAA" }), SkipReason::Key(KeyError::Unsupported)),
        (json!({ "key": to_base64(&other) }), SkipReason::LogId { of_key }),
        (json!({ "log_id": "!", "key": to_base64(&other) }), SkipReason::LogId { of_key }),
        (json!({ "url": "ftp://a/" }), SkipReason::Url("ftp://a/".into())),
        (json!({ "url": "https://CT.example.com./bogus/" }), SkipReason::Placeholder),
        (interval("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), SkipReason::Interval),
        (interval("2026", "2027"), SkipReason::Time("2026".into())),
    ];
    for (fields, why) in cases {
        let bad = with(with(log(), json!({ "description": "bad" })), fields);
        let list = list_of(&[log(), bad, log()], &[tiled()]);
        assert_eq!(list.logs.len(), 3);
        let skipped = Skipped { operator: Some("Op".into()), what: "bad".into(), why };
        assert_eq!(list.skipped, [skipped]);
    }
    for (bad, what, said) in [
        (json!(7), "log 1", "expected struct"),
        (
            with(log(), json!({ "description": 7 })),
            "https://ct.example.net/one/",
            "expected a string",
        ),
        (with(log(), json!({ "mmd": -1, "description": "neg" })), "neg", "expected u64"),
        (with(log(), json!({ "url": null })), "log 1", "missing field `url`"),
        (json!({ "url": "https://a/" }), "https://a/", "missing field `log_id`"),
    ] {
        let list = list_of(&[bad], &[]);
        let [Skipped { what: told, why: SkipReason::Schema(reason), .. }] = &list.skipped[..]
        else {
            panic!("{:?}", list.skipped);
        };
        assert_eq!(told, what);
        assert!(reason.contains(said), "{reason}");
    }
    let no_monitoring = with(tiled(), json!({ "monitoring_url": null }));
    let list = list_of(&[], &[no_monitoring]);
    assert_eq!(list.skipped[0].why, SkipReason::Schema("missing field `monitoring_url`".into()));
    assert_eq!(list.skipped[0].what, "https://log.example.net/2026h1");
}

#[test]
fn the_second_of_two_logs_with_one_key_is_skipped() {
    let log = log();
    let again =
        with(log.clone(), json!({ "url": "https://ct.example.net/two/", "description": "two" }));
    let list = list_of(&[log.clone(), again.clone(), log], &[with(tiled(), again)]);
    assert_eq!(list.logs.len(), 1);
    assert_eq!(list.logs[0].kind, LogKind::Rfc6962 { url: "https://ct.example.net/one/".into() });
    let told: Vec<_> = list.skipped.iter().map(|s| (s.what.as_str(), &s.why)).collect();
    let why = &SkipReason::Duplicate;
    assert_eq!(told, [("two", why), ("https://ct.example.net/one/", why), ("two", why)]);
}

#[test]
fn a_malformed_operator_costs_itself() {
    let operators = json!([
        { "name": "", "logs": [log()] },
        { "logs": [log()] },
        "operator",
        { "name": "Op", "logs": [log()] },
        { "name": "None", "logs": null },
    ]);
    let list = json!({ "version": "1", "operators": operators });
    let list = LogList::parse(list.to_string().as_bytes()).unwrap();
    assert_eq!(list.logs.len(), 1);
    let unnamed = |n| Skipped {
        operator: None,
        what: format!("operator {n}"),
        why: SkipReason::UnnamedOperator,
    };
    assert_eq!(list.skipped[..2], [unnamed(1), unnamed(2)]);
    assert!(matches!(&list.skipped[2..], [Skipped { why: SkipReason::Schema(_), .. }]));
}

#[test]
fn invalid_lists_are_refused() {
    let parse = |list: Value| LogList::parse(list.to_string().as_bytes()).map(|_| ());
    let json_error = |bytes: &[u8]| matches!(LogList::parse(bytes), Err(ListError::Json(_)));
    assert!(json_error(b"") && json_error(b"[]") && json_error(b"{") && json_error(b"\xff"));
    assert!(json_error(br#"{"version":"1","operators":{}}"#));
    assert_eq!(parse(json!({})), Err(ListError::NoOperators));
    assert_eq!(parse(json!({ "version": "1" })), Err(ListError::NoOperators));
    assert_eq!(parse(json!({ "operators": [] })), Err(ListError::Version2));
    assert_eq!(
        parse(json!({ "version": "1.x", "operators": [] })),
        Err(ListError::Version(ParseVersionError("1.x".into())))
    );
    assert_eq!(
        parse(json!({ "log_list_timestamp": "now", "operators": [] })),
        Err(ListError::Timestamp("\"now\"".into()))
    );
    let html = LogList::parse(b"<html><title>Gone</title>");
    assert_eq!(html, Err(ListError::Html("Gone".into())));
    let long = vec![b' '; MAX_LIST_BYTES + 1];
    assert_eq!(LogList::parse(&long), Err(ListError::TooLong(long.len())));
}

#[test]
fn versions_and_timestamps_of_other_publishers() {
    let read = |list: Value| LogList::parse(list.to_string().as_bytes()).unwrap();
    let apple = read(json!({ "version": 7, "assetVersion": 1, "operators": [] }));
    assert_eq!((apple.version, apple.timestamp), (Some(Version { major: 7, minor: 0 }), None));
    let component = read(json!({ "log_list_timestamp": 1_780_062_168_000_i64, "operators": [] }));
    assert_eq!(component.version, None);
    assert_eq!(component.timestamp, Some(time("2026-05-29T13:42:48Z")));
}

#[test]
fn list_versions_compare_as_numbers() {
    let version = |text: &str| text.parse::<Version>();
    let ordered = ["0.9", "0.10", "1", "9.100", "10.2", "10.10", "85.92"];
    for pair in ordered.windows(2) {
        assert!(version(pair[0]).unwrap() < version(pair[1]).unwrap(), "{pair:?}");
    }
    assert_eq!(version("85.92").unwrap().to_string(), "85.92");
    for none in ["", ".", "1.", ".1", "1.2.3", "+1", "-1", "1.x", " 1", "99999999999999999999"] {
        assert!(version(none).is_err(), "{none:?}");
    }
}

#[test]
fn url_prefixes() {
    for (given, prefix) in [
        ("https://ct.example.net/a/", Some("https://ct.example.net/a/")),
        ("http://127.0.0.1:8080/logs/a", Some("http://127.0.0.1:8080/logs/a/")),
        ("https://[::1]:1/", Some("https://[::1]:1/")),
        ("https://ct.example.net", Some("https://ct.example.net/")),
        ("ct.example.net/a/", None),
        ("HTTPS://ct.example.net/", None),
        ("https:///a/", None),
        ("https://:80/a/", None),
        ("https://ct.example.net:a/", None),
        ("https://ct:1:2/", None),
        ("https://[::1/", None),
        ("https://[ct.example.com]/", None),
        ("https://user@ct.example.net/", None),
        ("https://ct.example.com\\@ct.example.net/", None),
        ("https://ct.example.net/a?b/", None),
        ("https://ct.example.net/a#b", None),
        ("https://ct.example.net/a b/", None),
        ("https://ct.exämple.net/", None),
        ("", None),
    ] {
        assert_eq!(url::prefix(given).as_deref(), prefix, "{given}");
    }
    for (prefix, placeholder) in [
        ("https://example.com/", true),
        ("http://a.b.Example.COM.:80/bogus/", true),
        ("https://notexample.com/", false),
        ("https://example.com.net/", false),
        ("https://ct.example.net/example.com/", false),
    ] {
        assert_eq!(url::is_placeholder(prefix), placeholder, "{prefix}");
    }
}

#[test]
fn origins() {
    for (url, expected) in [
        ("https://log.example.net/2026h1/", "log.example.net/2026h1"),
        ("https://log.example.net/2026h1", "log.example.net/2026h1"),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
        ("log.example.net", "log.example.net"),
    ] {
        assert_eq!(origin(url), expected);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text: String, bytes: Vec<u8>) {
        LogList::parse(&bytes).ok();
        LogList::parse(text.as_bytes()).ok();
        text.parse::<Version>().ok();
        prop_assert!(text.contains(origin(&text)));
        if let Some(prefix) = url::prefix(&text) {
            prop_assert!(prefix.starts_with(&text) && prefix.ends_with('/'));
            prop_assert!(!url::is_placeholder(&prefix), "found at random?");
        }
        let fields = ["description", "url", "log_id", "key", "state", "temporal_interval", "log_type"];
        for field in fields {
            let list = list_of(&[with(log(), json!({ field: text }))], &[]);
            prop_assert_eq!(list.logs.len() + list.skipped.len(), 1);
        }
    }
}

#[test]
fn long_names_are_cut_and_urls_are_refused_as_names() {
    let long = "ä".repeat(100_000);
    let mut log = log();
    log["description"] = long.as_str().into();
    let list = list_of(&[log.clone()], &[]);
    let name = list.logs[0].description.as_deref().unwrap();
    assert_eq!((name.chars().count(), name.chars().last()), (121, Some('…')));
    assert_eq!(list.shortened, 1);

    log["url"] = format!("https://a.example/{}/", "x".repeat(600)).into();
    let list = list_of(&[log.clone()], &[]);
    assert!(matches!(list.skipped[0].why, SkipReason::LongUrl(619)), "{:?}", list.skipped);
    assert_eq!(list.skipped[0].what.chars().count(), 121);

    log["url"] = long.as_str().into();
    let list = list_of(&[log], &[]);
    assert!(format!("{:?}", list.skipped).len() < 2_000, "no report quotes it all");
}
