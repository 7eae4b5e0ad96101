use serde_json::{Value, json};
use wire::{Profile, StreamKind};

use super::*;
use crate::gaps::Proof;
use crate::note::State;
use crate::table::schema::schema;

const ROWS: Rows = Rows::Certificates { with_der: false };

fn intake(resume: Resume) -> Intake {
    Intake::new(ROWS, &schema(ROWS), Window::default(), resume)
}

fn message(offset: Option<u64>, log: &str, index: u64) -> Vec<u8> {
    let mut message = Vec::new();
    wire::sample(StreamKind::Lite, Profile::Calidog, &mut message);
    let mut message: Value = serde_json::from_slice(&message).unwrap();
    message["offset"] = json!(offset);
    message["data"]["cert_index"] = json!(index);
    message["data"]["source"] = json!({ "name": log, "url": format!("https://{log}/") });
    message.to_string().into_bytes()
}

fn gap(dropped: Option<u64>, reason: &str) -> Vec<u8> {
    json!({ "message_type": "gap", "dropped": dropped, "reason": reason }).to_string().into_bytes()
}

/// Entries of a log, numbered on from `offset`.
fn entries(intake: &mut Intake, offset: u64, log: &str, indexes: std::ops::Range<u64>) {
    for (place, index) in indexes.enumerate() {
        intake.message(&message(Some(offset + place as u64), log, index), 1_000);
    }
}

fn gaps(intake: &mut Intake) -> Vec<(String, Option<u64>, Option<Proof>)> {
    let (_, note) = intake.take().unwrap();
    note.gaps.into_iter().map(|gap| (gap.reason, gap.missing, gap.proof)).collect()
}

fn found(
    reason: &str,
    missing: Option<u64>,
    proof: Option<Proof>,
) -> (String, Option<u64>, Option<Proof>) {
    (reason.to_owned(), missing, proof)
}

#[test]
fn doubles_are_left_out_whatever_their_offset() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    for (offset, log, index) in
        [(1, "a", 7), (2, "a", 8), (3, "a", 7), (4, "b", 7), (5, "a", 8), (6, "a", 9)]
    {
        intake.message(&message(Some(offset), log, index), 1_000);
    }
    let counters = intake.counters();
    assert_eq!((counters.rows, counters.doubles, counters.gaps), (4, 2, 0));
    let (batch, note) = intake.take().unwrap();
    assert_eq!((batch.num_rows(), note.offset), (4, Some(6)));
    assert_eq!(intake.since().map(|it| it.offset), Some(6));
}

#[test]
fn a_log_is_one_log_however_its_url_is_written() {
    let log = |id: Option<&str>, url: &str| {
        let log = Log {
            log_id: id.map(|id| id.to_owned().into()),
            url: Some(url.to_owned().into()),
            ..Log::default()
        };
        identity(&log).map(Cow::into_owned)
    };
    assert_eq!(log(None, "https://a/b/"), log(None, "a/b"));
    assert_ne!(log(None, "https://a/b"), log(None, "https://a/c"));
    assert_eq!(log(Some("id"), "https://a"), log(Some("id"), "https://b"));
    assert_eq!(identity(&Log::default()), None);
}

#[test]
fn what_is_odd_is_counted_and_survived() {
    let mut intake = intake(Resume::default());
    for odd in [&b""[..], b"{", b"[1,2]", b"{}", b"\xff\xfe", b"null", &[b'['; 100_000]] {
        intake.message(odd, 0);
    }
    assert_eq!(intake.counters().malformed, 7);
    intake.message(br#"{"message_type":"news","data":1}"#, 0);
    intake.message(br#"{"message_type":"dns_entries","data":["a"]}"#, 0);
    intake.message(br#"{"message_type":"heartbeat"}"#, 0);
    assert_eq!(intake.counters().unknown, 2);
    let mut odd: Value = serde_json::from_slice(&message(None, "a", 1)).unwrap();
    odd["data"]["leaf_cert"]["not_after"] = json!({"never": true});
    odd["data"]["leaf_cert"]["all_domains"] = json!("one.example");
    intake.message(odd.to_string().as_bytes(), 0);
    let mut nowhere: Value = serde_json::from_slice(&message(None, "a", 1)).unwrap();
    nowhere["data"]["source"] = Value::Null;
    nowhere["data"]["leaf_cert"]["not_before"] = json!(-99_999_999_999_999_i64);
    intake.message(nowhere.to_string().as_bytes(), 0);
    let counters = intake.counters();
    assert_eq!((counters.rows, counters.unread, counters.unidentified), (2, 2, 1));
    assert_eq!(counters.messages, 12);
    assert_eq!(intake.take().unwrap().0.num_rows(), 2);
}

#[test]
fn offsets_have_no_holes() {
    let mut intake = intake(Resume { offset: Some(9), has_rows: true, ..Resume::default() });
    assert_eq!(intake.since().map(|it| it.offset), Some(9));
    intake.connected(true, 0);
    entries(&mut intake, 10, "a", 0..5);
    assert_eq!(gaps(&mut intake), []);
    entries(&mut intake, 18, "a", 5..6);
    assert_eq!(gaps(&mut intake), [found("skipped", Some(3), Some(Proof::Offsets))]);
    // What the server says is not counted again.
    intake.message(&gap(Some(4), "slow_client"), 0);
    entries(&mut intake, 23, "a", 6..8);
    assert_eq!(gaps(&mut intake), [found("slow_client", Some(4), Some(Proof::Server))]);
    assert_eq!(intake.counters().gaps, 2);
}

#[test]
fn what_the_server_says_late_explains_a_gap() {
    let mut intake = intake(Resume { offset: Some(9), has_rows: true, ..Resume::default() });
    intake.connected(true, 0);
    entries(&mut intake, 20, "a", 10..12);
    assert_eq!(gaps(&mut intake), [found("skipped", Some(10), Some(Proof::Offsets))]);
    let at = |intake: &mut Intake| intake.take().unwrap().1.gaps.first().map(|gap| gap.at);
    intake.message(&gap(Some(10), "slow_client"), 5_000);
    entries(&mut intake, 22, "a", 12..13);
    assert_eq!(at(&mut intake), Some(1_000), "the same gap");
    assert_eq!(intake.counters().gaps, 1);
    // Nothing may be missing behind it without being noticed, and nothing is explained twice.
    entries(&mut intake, 25, "a", 13..14);
    intake.message(&gap(Some(2), "slow_client"), 6_000);
    intake.message(&gap(Some(2), "slow_client"), 7_000);
    assert_eq!(intake.counters().gaps, 3);
    assert_eq!(
        gaps(&mut intake),
        [("slow_client"), ("slow_client")].map(|it| found(it, Some(2), Some(Proof::Server)))
    );
}

#[test]
fn a_filter_makes_holes() {
    let mut intake = intake(Resume { is_filtered: true, ..Resume::default() });
    intake.connected(false, 0);
    entries(&mut intake, 10, "a", 0..1);
    entries(&mut intake, 15, "a", 4..5);
    assert_eq!(gaps(&mut intake), []);
}

#[test]
fn a_server_without_offsets_leaves_a_gap_when_it_is_lost() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    for index in 0..100 {
        intake.message(&message(None, "a", index), 0);
    }
    assert_eq!(gaps(&mut intake), []);
    intake.connected(false, 5);
    assert_eq!(gaps(&mut intake), [found("reconnected", None, None)]);
    // The log came without holes before, so its indexes say what is missing.
    intake.message(&message(None, "a", 107), 0);
    assert_eq!(gaps(&mut intake), [found("reconnected", Some(7), Some(Proof::Indexes))]);
}

#[test]
fn a_restarted_server_that_repeats_leaves_no_hole() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    entries(&mut intake, 1, "a", 0..100);
    entries(&mut intake, 101, "holes", 5..6);
    entries(&mut intake, 102, "holes", 50..51);
    intake.take().unwrap();
    intake.connected(true, 0);
    intake.message(&gap(None, "before_start"), 7);
    assert_eq!(gaps(&mut intake), [found("before_start", None, None)]);
    entries(&mut intake, 1_000_000, "a", 95..100);
    assert_eq!(gaps(&mut intake), [], "of the other log nothing is known yet");
    entries(&mut intake, 1_000_005, "holes", 50..51);
    assert_eq!(gaps(&mut intake), [found("before_start", Some(0), Some(Proof::Indexes))]);
    let counters = intake.counters();
    assert_eq!((counters.doubles, counters.gaps), (6, 1));
}

#[test]
fn a_gap_is_measured_across_a_kill_of_the_collector() {
    let mut first = intake(Resume::default());
    first.connected(false, 0);
    entries(&mut first, 1, "a", 0..100);
    entries(&mut first, 101, "b", 0..100);
    first.connected(true, 0);
    first.message(&gap(None, "before_start"), 7);
    entries(&mut first, 1_000, "a", 102..103);
    let (_, note) = first.take().unwrap();
    assert_eq!(note.gaps.len(), 1);
    // What is on the disk is all that the next collector knows.
    let note = serde_json::from_str(&serde_json::to_string(&note).unwrap()).unwrap();
    let mut state = State::default();
    state.add(201, &note);
    let resume =
        Resume { offset: state.offset, has_rows: true, open: state.open, ..Resume::default() };
    let mut second = intake(resume);
    second.connected(true, 0);
    entries(&mut second, 1_001, "a", 103..110);
    assert_eq!(gaps(&mut second), [], "of the other log nothing is known yet");
    entries(&mut second, 1_008, "b", 105..106);
    assert_eq!(gaps(&mut second), [found("before_start", Some(7), Some(Proof::Indexes))]);
    assert_eq!(second.take().unwrap().1.open, None);
}

#[test]
fn holes_of_a_log_with_holes_prove_nothing() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    for index in 0..100 {
        intake.message(&message(None, "holes", 2 * index), 0);
    }
    intake.connected(false, 5);
    gaps(&mut intake);
    intake.message(&message(None, "holes", 300), 0);
    assert_eq!(gaps(&mut intake), []);
}

#[test]
fn another_server_is_not_asked_to_go_on() {
    let mut intake = intake(Resume {
        offset: Some(9),
        has_rows: true,
        is_other_server: true,
        server: "ws://b:1".into(),
        ..Resume::default()
    });
    assert_eq!(intake.since(), None);
    intake.connected(false, 0);
    entries(&mut intake, 3, "a", 0..1);
    let (_, note) = intake.take().unwrap();
    assert_eq!(note.gaps[0].reason, "other_server");
    assert_eq!((note.offset, note.server.as_deref()), (Some(3), Some("ws://b:1")));
}

#[test]
fn no_two_gaps_are_at_one_time() {
    let mut intake = intake(Resume { has_rows: true, ..Resume::default() });
    for _ in 0..3 {
        intake.message(&gap(Some(1), ""), 5);
    }
    let (_, note) = intake.take().unwrap();
    assert_eq!(note.gaps.iter().map(|gap| gap.at).collect::<Vec<_>>(), [5, 6, 7]);
    assert!(note.gaps.iter().all(|gap| gap.reason == "unknown"));
}

#[test]
fn names_alone() {
    let mut intake =
        Intake::new(Rows::Domains, &schema(Rows::Domains), Window::default(), Resume::default());
    intake.connected(false, 0);
    intake.message(br#"{"message_type":"dns_entries","data":["a.example","b.example"]}"#, 77);
    intake.message(br#"{"message_type":"dns_entries","data":["a.example","b.example"]}"#, 78);
    intake.message(&message(None, "a", 1), 0);
    assert_eq!((intake.counters().rows, intake.counters().unknown), (2, 1));
    let (batch, note) = intake.take().unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns(), note.offset), (2, 6, None));
}

#[test]
fn a_new_file_may_begin_with_the_oldest() {
    let mut intake = intake(Resume { from_oldest: true, ..Resume::default() });
    assert_eq!(intake.since().map(|it| it.offset), Some(0));
    intake.connected(true, 0);
    intake.message(&gap(None, "before_start"), 0);
    entries(&mut intake, 500, "a", 0..1);
    assert_eq!(gaps(&mut intake), [], "nothing was there that could be missing");
    assert_eq!(intake.since().map(|it| it.offset), Some(500));
}

#[test]
fn a_server_that_numbers_nothing_has_not_gone_on() {
    let mut intake = intake(Resume { offset: Some(9), has_rows: true, ..Resume::default() });
    intake.connected(true, 0);
    intake.message(&message(None, "a", 1), 0);
    intake.message(&message(None, "a", 2), 0);
    assert_eq!(gaps(&mut intake), [found("reconnected", None, None)]);
}

fn heartbeat(offset: u64, stream: Option<&str>) -> Vec<u8> {
    let heartbeat = json!({ "message_type": "heartbeat", "offset": offset, "stream": stream });
    heartbeat.to_string().into_bytes()
}

#[test]
fn a_heartbeat_says_up_to_where_nothing_is_missing() {
    let mut intake = intake(Resume { is_filtered: true, ..Resume::default() });
    intake.connected(false, 0);
    assert!(!intake.is_due());
    intake.message(&heartbeat(500, None), 1_000);
    // Before anything matched: what comes while the collector is down is asked for.
    assert_eq!(intake.since().map(|it| it.offset), Some(500));
    assert!(intake.is_due(), "it is to be saved");
    let (batch, note) = intake.take().unwrap();
    assert_eq!((batch.num_rows(), note.offset, note.is_superseded()), (0, Some(500), true));
    intake.message(&heartbeat(500, None), 2_000);
    assert!(!intake.is_due(), "it says nothing new");
    entries(&mut intake, 510, "a", 7..8);
    intake.message(&heartbeat(400, None), 3_000);
    assert_eq!(intake.since().map(|it| it.offset), Some(510), "it does not go back");
}

#[test]
fn a_stretch_that_a_heartbeat_covers_is_no_gap() {
    let mut intake = intake(Resume { offset: Some(9), has_rows: true, ..Resume::default() });
    intake.connected(true, 0);
    entries(&mut intake, 10, "a", 0..2);
    intake.message(&heartbeat(20, None), 1_000);
    entries(&mut intake, 21, "a", 5..6);
    assert_eq!(gaps(&mut intake), []);
    entries(&mut intake, 25, "a", 6..7);
    assert_eq!(gaps(&mut intake), [found("skipped", Some(3), Some(Proof::Offsets))]);
}

#[test]
fn reasons_of_gaps_are_written_down_as_given() {
    let reasons =
        ["evicted", "before_start", "ahead", "slow_client", "other_stream", "damaged", "sunspots"];
    for reason in reasons {
        let mut intake = intake(Resume { offset: Some(9), has_rows: true, ..Resume::default() });
        intake.connected(true, 0);
        intake.message(&gap(None, reason), 0);
        entries(&mut intake, 3, "a", 0..1);
        assert_eq!(gaps(&mut intake), [found(reason, None, None)]);
        assert_eq!(intake.since().map(|it| it.offset), Some(3), "the server counts anew");
    }
    let mut intake = intake(Resume { offset: Some(9), has_rows: true, ..Resume::default() });
    intake.connected(true, 0);
    intake.message(&gap(None, "renumbered"), 0);
    assert_eq!(gaps(&mut intake), [found("renumbered", Some(0), Some(Proof::Server))]);
    intake.message(&heartbeat(4, None), 0);
    assert_eq!(intake.since().map(|it| it.offset), Some(4));
}

#[test]
fn after_ahead_a_known_entry_is_a_duplicate_whatever_its_offset() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    entries(&mut intake, 100, "a", 0..10);
    assert_eq!(intake.take().unwrap().0.num_rows(), 10);
    // Another server, with smaller offsets, begins with all that it has.
    intake.connected(true, 0);
    intake.message(&gap(None, "ahead"), 7);
    entries(&mut intake, 5, "a", 0..10);
    assert_eq!(intake.take().unwrap().0.num_rows(), 0);
    assert_eq!(intake.counters().doubles, 10);
    assert_eq!(intake.since().map(|it| it.offset), Some(14));
    entries(&mut intake, 15, "a", 9..12);
    assert_eq!(intake.take().unwrap().0.num_rows(), 2);
}

#[test]
fn the_id_of_the_stream_is_sent_back_with_the_offset() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    intake.message(&heartbeat(5, Some("s1")), 0);
    assert_eq!(intake.since().unwrap().to_string(), "5@s1");
    let mut other = json!({ "message_type": "gap", "reason": "other_stream", "stream": "s2" });
    intake.message(other.to_string().as_bytes(), 0);
    intake.message(&heartbeat(2, None), 0);
    assert_eq!(intake.since().unwrap().to_string(), "2@s2");
    other["stream"] = json!("not an id");
    intake.message(other.to_string().as_bytes(), 0);
    assert_eq!(intake.since().unwrap().to_string(), "2@s2");
    let (_, note) = intake.take().unwrap();
    let mut state = State::default();
    state.add(0, &serde_json::from_str(&serde_json::to_string(&note).unwrap()).unwrap());
    assert_eq!((state.offset, state.stream.as_deref()), (Some(2), Some("s2")));
}

#[test]
fn gaps_without_end_are_counted_and_not_all_listed() {
    let mut intake = intake(Resume { has_rows: true, ..Resume::default() });
    for now in 0..5_000 {
        intake.message(&gap(Some(1), "slow_client"), now);
    }
    let (_, note) = intake.take().unwrap();
    assert_eq!((note.gaps.len(), note.unlisted), (crate::gaps::MAX_LISTED, 4_000));
    let mut state = State::default();
    state.add(0, &note);
    assert_eq!(state.gaps.count(), 5_000);
}

#[test]
fn a_gap_of_a_crafted_file_does_not_overflow() {
    let mut window = Window::default();
    for index in 0..100 {
        window.see("log-a", index);
    }
    let gap = crate::gaps::Gap {
        at: u64::MAX,
        after: Some(u64::MAX),
        reason: "x".to_owned(),
        missing: None,
        proof: None,
    };
    let open = crate::gaps::OpenGap { gap, marks: window.marks(), missing: u64::MAX };
    let resume =
        Resume { has_rows: true, offset: Some(u64::MAX), open: Some(open), ..Resume::default() };
    let mut intake = Intake::new(ROWS, &schema(ROWS), window, resume);
    intake.connected(true, u64::MAX);
    let mut message: Value = serde_json::from_slice(&message(Some(u64::MAX), "a", 200)).unwrap();
    message["data"]["source"]["log_id"] = json!("log-a");
    intake.message(message.to_string().as_bytes(), u64::MAX);
    let (_, note) = intake.take().unwrap();
    assert_eq!(note.gaps.first().and_then(|gap| gap.missing), Some(u64::MAX));
    for reason in ["x", "y"] {
        intake.message(&self::gap(Some(1), reason), u64::MAX);
    }
}

#[test]
fn a_log_with_an_endless_name_is_not_remembered() {
    let mut intake = intake(Resume::default());
    intake.connected(false, 0);
    intake.message(&message(None, &"x".repeat(10_000), 1), 0);
    assert_eq!((intake.counters().rows, intake.counters().unidentified), (1, 1));
}

/// The messages that a filter of ours lets through, of a server that has none.
fn passed(rows: Rows, filter: &[(&str, &str)], messages: &[Vec<u8>]) -> (u64, u64) {
    let filter = Filter::parse(filter.iter().copied(), usize::MAX).unwrap();
    let intake = Intake::new(rows, &schema(rows), Window::default(), Resume::default());
    let mut intake = intake.filtered_by(filter.as_ref());
    intake.connected(false, 0);
    for message in messages {
        intake.message(message, 0);
    }
    (intake.counters().rows, intake.counters().filtered)
}

#[test]
fn a_server_without_filters_is_filtered_here() {
    let named = |index: u64, offset: Option<u64>, name: &str, is_cut: bool| {
        let mut message: Value = serde_json::from_slice(&message(offset, "a", index)).unwrap();
        message["data"]["leaf_cert"]["all_domains"] = json!([name]);
        message["data"]["leaf_cert"]["issuer"]["O"] = json!("Good CA");
        message["truncated"] = json!(is_cut);
        message.to_string().into_bytes()
    };
    let messages = [
        named(1, None, "www.example.org", false),
        named(2, None, "login.example.net", false),
        named(3, None, "login.example.com", true),
    ];
    for (filter, expected) in [
        (&[("domain", "example.org")][..], (2, 1)),
        (&[("match", "LOGIN")], (2, 1)),
        (&[("match", "nowhere")], (1, 2)),
        (&[("issuer", "good")], (3, 0)),
        (&[("issuer", "bad")], (1, 2)),
        (&[("log", "a")], (3, 0)),
        (&[("log", "b"), ("domain", "example.org")], (1, 2)),
        (&[], (3, 0)),
    ] {
        // What is cut short may have had the name.
        assert_eq!(passed(ROWS, filter, &messages), expected, "{filter:?}");
    }
    let names = [br#"{"message_type":"dns_entries","data":["a.example"]}"#.to_vec()];
    assert_eq!(passed(Rows::Domains, &[("match", "b.example")], &names), (0, 1));
    assert_eq!(passed(Rows::Domains, &[("domain", "example")], &names), (1, 0));
    // Names alone do not tell the issuer.
    assert_eq!(passed(Rows::Domains, &[("issuer", "bad")], &names), (1, 0));
}

/// A message about a precertificate for 192.0.2.1 of the first of two shares.
fn precertificate() -> Value {
    let mut message: Value = serde_json::from_slice(&message(None, "a", 1)).unwrap();
    message["data"]["update_type"] = json!("PrecertLogEntry");
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["all_domains"] = json!(["a.example"]);
    leaf["sha256"] = json!([["00"; 8].join(":"), ["AB"; 24].join(":")].join(":"));
    leaf["extensions"]["subjectAltName"] = json!("DNS:a.example, IP Address:192.0.2.1");
    message
}

/// Every parameter that a filter of ours can have, with terms that the precertificate passes and
/// terms that it does not.
const EVERYTHING: [(&str, &str, &str); 8] = [
    ("domain", "a.example", "b.example"),
    ("domain", "192.0.2.1", "192.0.2.2"),
    ("match", "a.ex", "b.ex"),
    ("ip", "192.0.2.0/24", "2001:db8::/32"),
    ("issuer", "good", "bad"),
    ("log", "https://a", "https://b"),
    ("part", "1/2", "2/2"),
    ("entry", "precert", "final"),
];

#[test]
fn every_parameter_is_applied_to_what_messages_show() {
    let mut message = precertificate();
    message["data"]["leaf_cert"]["issuer"] = json!({ "CN": "Good CA" });
    for offset in [json!(null), json!(5)] {
        message["offset"] = offset;
        let messages = [message.to_string().into_bytes()];
        for (name, passes, drops) in EVERYTHING {
            assert_eq!(passed(ROWS, &[(name, passes)], &messages), (1, 0), "{name}={passes}");
            assert_eq!(passed(ROWS, &[(name, drops)], &messages), (0, 1), "{name}={drops}");
        }
    }
    // Other servers write addresses and digests otherwise.
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["sha256"] = json!("0".repeat(15) + &"1".repeat(49));
    leaf["extensions"]["subjectAltName"] = json!("URI:x, IP:2001:DB8:0:0:0:0:0:1");
    let messages = [message.to_string().into_bytes()];
    assert_eq!(passed(ROWS, &[("part", "2/2")], &messages), (1, 0));
    assert_eq!(passed(ROWS, &[("part", "1/2")], &messages), (0, 1));
    assert_eq!(passed(ROWS, &[("ip", "2001:db8::/32")], &messages), (1, 0));
    assert_eq!(passed(ROWS, &[("ip", "192.0.2.0/24")], &messages), (0, 1));
}

#[test]
fn what_messages_do_not_show_drops_no_row() {
    let mut message = precertificate();
    message["data"]["update_type"] = json!(null);
    message["data"]["source"] = json!({});
    let leaf = &mut message["data"]["leaf_cert"];
    leaf["issuer"] = json!({});
    leaf["sha256"] = json!(null);
    leaf["extensions"] = json!({});
    let without = message.clone();
    message["data"]["leaf_cert"]["sha256"] = json!("AB:CD");
    message["data"]["leaf_cert"]["extensions"]["subjectAltName"] = json!("IP Address:<invalid>");
    let names = json!({ "message_type": "dns_entries", "data": ["a.example"] });
    for (rows, message) in [(ROWS, without), (ROWS, message), (Rows::Domains, names)] {
        let messages = [message.to_string().into_bytes()];
        for (name, passes, drops) in EVERYTHING {
            let is_name = name == "match" || drops == "b.example";
            let dropped = if is_name { (0, 1) } else { (1, 0) };
            assert_eq!(passed(rows, &[(name, passes)], &messages), (1, 0), "{name}={passes}");
            assert_eq!(passed(rows, &[(name, drops)], &messages), dropped, "{name}={drops}");
        }
        // A name that is wanted passes beside an address that nobody can look for.
        let both = [("domain", "192.0.2.2,a.example"), ("exact", "true")];
        assert_eq!(passed(rows, &both, &messages), (1, 0));
    }
}

#[test]
fn names_alone_are_resumed_where_the_server_numbers_them() {
    let resume = Resume { is_filtered: true, ..Resume::default() };
    let mut intake = Intake::new(Rows::Domains, &schema(Rows::Domains), Window::default(), resume);
    intake.connected(false, 0);
    for offset in [5, 9] {
        let message =
            json!({ "message_type": "dns_entries", "data": ["a.example"], "offset": offset });
        intake.message(message.to_string().as_bytes(), 0);
    }
    assert_eq!(intake.since().map(|it| it.offset), Some(9));
    intake.connected(true, 0);
    let message = json!({ "message_type": "dns_entries", "data": ["b.example"], "offset": 12 });
    intake.message(message.to_string().as_bytes(), 0);
    let (batch, note) = intake.take().unwrap();
    assert_eq!((batch.num_rows(), note.offset, note.gaps), (3, Some(12), vec![]));
}
