mod filtering;
mod offsets;

use serde_json::{Value, json};
use wire::Profile;

use super::*;
use crate::gaps::{MAX_LISTED, OpenGap, Proof};

/// A session, and what it has returned.
struct Reader {
    session: Session,
    /// Entries and names returned.
    kept: u64,
    unknown: u64,
    /// Gaps returned with messages.
    reported: Vec<Gap>,
}

impl Reader {
    fn of(session: Session) -> Self {
        Self { session, kept: 0, unknown: 0, reported: Vec::new() }
    }

    fn message(&mut self, message: &[u8], now: u64) {
        let Message { content, gaps, raw, received } = self.session.read(message, now);
        assert_eq!((raw, received), (message, now));
        self.reported.extend(gaps);
        match content {
            Content::Entry(_) | Content::Domains(_) => self.kept += 1,
            Content::Unknown { .. } => self.unknown += 1,
            Content::Nothing => {}
        }
    }

    fn connected(&mut self, is_resumed: bool, now: u64) {
        self.reported.extend(self.session.connected(is_resumed, None, now));
    }

    fn connected_to(&mut self, stream: &str) {
        let is_resumed = self.since().is_some();
        self.reported.extend(self.session.connected(is_resumed, Some(stream), 0));
    }

    fn since(&self) -> Option<Since> {
        self.session.since()
    }

    fn counters(&self) -> Counters {
        self.session.counters()
    }

    /// Takes the progress. Its gaps are those that were reported, as they are known last.
    fn take(&mut self) -> Progress {
        let progress = self.session.take_progress();
        for gap in &progress.gaps {
            let reported = self.reported.iter().rfind(|reported| reported.at == gap.at);
            assert_eq!(reported, Some(gap));
        }
        progress
    }
}

fn reader(resume: Resume) -> Reader {
    Reader::of(Session::new(StreamKind::Lite, resume, Window::default()))
}

fn reader_of_names(resume: Resume) -> Reader {
    Reader::of(Session::new(StreamKind::Domains, resume, Window::default()))
}

/// A progress after it was written to a file and read.
fn saved(progress: &Progress) -> Progress {
    serde_json::from_str(&serde_json::to_string(progress).unwrap()).unwrap()
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

fn heartbeat(offset: u64, stream: Option<&str>) -> Vec<u8> {
    let heartbeat = json!({ "message_type": "heartbeat", "offset": offset, "stream": stream });
    heartbeat.to_string().into_bytes()
}

fn gap(dropped: Option<u64>, reason: &str) -> Vec<u8> {
    json!({ "message_type": "gap", "dropped": dropped, "reason": reason }).to_string().into_bytes()
}

/// Entries of a log, numbered on from `offset`.
fn entries(reader: &mut Reader, offset: u64, log: &str, indexes: std::ops::Range<u64>) {
    for (place, index) in indexes.enumerate() {
        reader.message(&message(Some(offset + place as u64), log, index), 1_000);
    }
}

fn gaps(reader: &mut Reader) -> Vec<(String, Option<u64>, Option<Proof>)> {
    let progress = reader.take();
    progress.gaps.into_iter().map(|gap| (gap.reason, gap.missing, gap.proof)).collect()
}

fn found(
    reason: &str,
    missing: Option<u64>,
    proof: Option<Proof>,
) -> (String, Option<u64>, Option<Proof>) {
    (reason.to_owned(), missing, proof)
}

#[test]
fn duplicates_are_dropped_whatever_their_offset() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    for (offset, log, index) in
        [(1, "a", 7), (2, "a", 8), (3, "a", 7), (4, "b", 7), (5, "a", 8), (6, "a", 9)]
    {
        reader.message(&message(Some(offset), log, index), 1_000);
    }
    let counters = reader.counters();
    assert_eq!((reader.kept, counters.duplicates, counters.gaps), (4, 2, 0));
    assert_eq!(reader.take().offset, Some(6));
    assert_eq!(reader.since().map(|it| it.offset), Some(6));
}

#[test]
fn invalid_messages_are_counted_and_skipped() {
    let mut reader = reader(Resume::default());
    for odd in [&b""[..], b"{", b"[1,2]", b"{}", b"\xff\xfe", b"null", &[b'['; 100_000]] {
        reader.message(odd, 0);
    }
    assert_eq!(reader.counters().malformed, 7);
    reader.message(br#"{"message_type":"news","data":1}"#, 0);
    reader.message(br#"{"message_type":"dns_entries","data":["a"]}"#, 0);
    reader.message(br#"{"message_type":"heartbeat"}"#, 0);
    assert_eq!(reader.unknown, 2);
    let mut odd: Value = serde_json::from_slice(&message(None, "a", 1)).unwrap();
    odd["data"]["leaf_cert"]["not_after"] = json!({"never": true});
    odd["data"]["leaf_cert"]["all_domains"] = json!("one.example");
    reader.message(odd.to_string().as_bytes(), 0);
    let mut nowhere: Value = serde_json::from_slice(&message(None, "a", 1)).unwrap();
    nowhere["data"]["source"] = Value::Null;
    nowhere["data"]["leaf_cert"]["not_before"] = json!(-99_999_999_999_999_i64);
    reader.message(nowhere.to_string().as_bytes(), 0);
    let counters = reader.counters();
    assert_eq!((reader.kept, counters.unidentified), (2, 1));
    assert_eq!(counters.messages, 12);
}

#[test]
fn a_hole_in_the_offsets_is_a_gap_of_known_size() {
    let mut reader = reader(Resume { offset: Some(9), has_entries: true, ..Resume::default() });
    assert_eq!(reader.since().map(|it| it.offset), Some(9));
    reader.connected(true, 0);
    entries(&mut reader, 10, "a", 0..5);
    assert_eq!(gaps(&mut reader), []);
    entries(&mut reader, 18, "a", 5..6);
    assert_eq!(gaps(&mut reader), [found("skipped", Some(3), Some(Proof::Offsets))]);
    // A gap that the server reports is not counted again.
    reader.message(&gap(Some(4), "slow_client"), 0);
    entries(&mut reader, 23, "a", 6..8);
    assert_eq!(gaps(&mut reader), [found("slow_client", Some(4), Some(Proof::Server))]);
    assert_eq!(reader.counters().gaps, 2);
}

#[test]
fn a_late_report_of_the_server_explains_the_same_gap() {
    let mut reader = reader(Resume { offset: Some(9), has_entries: true, ..Resume::default() });
    reader.connected(true, 0);
    entries(&mut reader, 20, "a", 10..12);
    assert_eq!(gaps(&mut reader), [found("skipped", Some(10), Some(Proof::Offsets))]);
    let at = |reader: &mut Reader| reader.take().gaps.first().map(|gap| gap.at);
    reader.message(&gap(Some(10), "slow_client"), 5_000);
    entries(&mut reader, 22, "a", 12..13);
    assert_eq!(at(&mut reader), Some(1_000), "the same gap");
    assert_eq!(reader.counters().gaps, 1);
    // Nothing may be missing behind it without being noticed, and nothing is explained twice.
    entries(&mut reader, 25, "a", 13..14);
    reader.message(&gap(Some(2), "slow_client"), 6_000);
    reader.message(&gap(Some(2), "slow_client"), 7_000);
    assert_eq!(reader.counters().gaps, 3);
    assert_eq!(
        gaps(&mut reader),
        [("slow_client"), ("slow_client")].map(|it| found(it, Some(2), Some(Proof::Server)))
    );
}

#[test]
fn holes_of_a_filtered_stream_are_no_gaps() {
    let mut reader = reader(Resume { is_filtered: true, ..Resume::default() });
    reader.connected(false, 0);
    entries(&mut reader, 10, "a", 0..1);
    entries(&mut reader, 15, "a", 4..5);
    assert_eq!(gaps(&mut reader), []);
}

#[test]
fn reconnecting_to_a_server_without_offsets_is_a_gap_that_indexes_measure() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    for index in 0..100 {
        reader.message(&message(None, "a", index), 0);
    }
    assert_eq!(gaps(&mut reader), []);
    reader.connected(false, 5);
    assert_eq!(gaps(&mut reader), [found("reconnected", None, None)]);
    // The log came without holes before, so its indexes say what is missing.
    reader.message(&message(None, "a", 107), 0);
    assert_eq!(gaps(&mut reader), [found("reconnected", Some(7), Some(Proof::Indexes))]);
}

#[test]
fn a_restarted_server_that_repeats_entries_leaves_a_gap_of_zero() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    entries(&mut reader, 1, "a", 0..100);
    entries(&mut reader, 101, "holes", 5..6);
    entries(&mut reader, 102, "holes", 50..51);
    reader.take();
    reader.connected(true, 0);
    reader.message(&gap(None, "before_start"), 7);
    assert_eq!(gaps(&mut reader), [found("before_start", None, None)]);
    entries(&mut reader, 1_000_000, "a", 95..100);
    assert_eq!(gaps(&mut reader), [], "of the other log nothing is known yet");
    entries(&mut reader, 1_000_005, "holes", 50..51);
    assert_eq!(gaps(&mut reader), [found("before_start", Some(0), Some(Proof::Indexes))]);
    let counters = reader.counters();
    assert_eq!((counters.duplicates, counters.gaps), (6, 1));
}

#[test]
fn an_open_gap_is_measured_across_a_restart_of_the_client() {
    let mut first = reader(Resume::default());
    first.connected(false, 0);
    entries(&mut first, 1, "a", 0..100);
    entries(&mut first, 101, "b", 0..100);
    first.connected(true, 0);
    first.message(&gap(None, "before_start"), 7);
    entries(&mut first, 1_000, "a", 102..103);
    let progress = first.take();
    assert_eq!(progress.gaps.len(), 1);
    // The next client knows only what was saved.
    let saved = saved(&progress);
    let resume =
        Resume { offset: saved.offset, has_entries: true, open: saved.open, ..Resume::default() };
    let mut second = reader(resume);
    second.connected(true, 0);
    entries(&mut second, 1_001, "a", 103..110);
    assert_eq!(gaps(&mut second), [], "of the other log nothing is known yet");
    entries(&mut second, 1_008, "b", 105..106);
    assert_eq!(gaps(&mut second), [found("before_start", Some(7), Some(Proof::Indexes))]);
    assert_eq!(second.take().open, None);
}

#[test]
fn a_log_with_holes_does_not_measure_a_gap() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    for index in 0..100 {
        reader.message(&message(None, "holes", 2 * index), 0);
    }
    reader.connected(false, 5);
    gaps(&mut reader);
    reader.message(&message(None, "holes", 300), 0);
    assert_eq!(gaps(&mut reader), []);
}

#[test]
fn another_server_is_not_requested_to_resume() {
    let mut reader = reader(Resume {
        offset: Some(9),
        has_entries: true,
        is_other_server: true,
        server: "ws://b:1".into(),
        ..Resume::default()
    });
    assert_eq!(reader.since(), None);
    reader.connected(false, 0);
    entries(&mut reader, 3, "a", 0..1);
    let progress = reader.take();
    assert_eq!(progress.gaps[0].reason, "other_server");
    assert_eq!((progress.offset, progress.server.as_deref()), (Some(3), Some("ws://b:1")));
}

#[test]
fn gaps_have_distinct_times() {
    let mut reader = reader(Resume { has_entries: true, ..Resume::default() });
    for _ in 0..3 {
        reader.message(&gap(Some(1), ""), 5);
    }
    let progress = reader.take();
    assert_eq!(progress.gaps.iter().map(|gap| gap.at).collect::<Vec<_>>(), [5, 6, 7]);
    assert!(progress.gaps.iter().all(|gap| gap.reason == "unknown"));
}

#[test]
fn a_domains_stream_contains_names_only() {
    let mut reader = reader_of_names(Resume::default());
    reader.connected(false, 0);
    reader.message(br#"{"message_type":"dns_entries","data":["a.example","b.example"]}"#, 77);
    reader.message(br#"{"message_type":"dns_entries","data":["a.example","b.example"]}"#, 78);
    reader.message(&message(None, "a", 1), 0);
    assert_eq!((reader.kept, reader.unknown), (2, 1));
    assert_eq!(reader.take().offset, None);
}

#[test]
fn a_new_client_can_start_with_the_oldest_message() {
    let mut reader = reader(Resume { from_oldest: true, ..Resume::default() });
    assert_eq!(reader.since().map(|it| it.offset), Some(0));
    reader.connected(true, 0);
    reader.message(&gap(None, "before_start"), 0);
    entries(&mut reader, 500, "a", 0..1);
    assert_eq!(gaps(&mut reader), [], "nothing was there that could be missing");
    assert_eq!(reader.since().map(|it| it.offset), Some(500));
}

#[test]
fn a_server_without_offsets_does_not_resume() {
    let mut reader = reader(Resume { offset: Some(9), has_entries: true, ..Resume::default() });
    reader.connected(true, 0);
    reader.message(&message(None, "a", 1), 0);
    reader.message(&message(None, "a", 2), 0);
    assert_eq!(gaps(&mut reader), [found("reconnected", None, None)]);
}

#[test]
fn reasons_of_gaps_are_kept_unchanged() {
    let reasons =
        ["evicted", "before_start", "ahead", "slow_client", "other_stream", "damaged", "sunspots"];
    for reason in reasons {
        let mut reader = reader(Resume { offset: Some(9), has_entries: true, ..Resume::default() });
        reader.connected(true, 0);
        reader.message(&gap(None, reason), 0);
        entries(&mut reader, 3, "a", 0..1);
        assert_eq!(gaps(&mut reader), [found(reason, None, None)]);
        assert_eq!(
            reader.since().map(|it| it.offset),
            Some(3),
            "the server numbers its messages differently"
        );
    }
    let mut reader = reader(Resume { offset: Some(9), has_entries: true, ..Resume::default() });
    reader.connected(true, 0);
    reader.message(&gap(None, "renumbered"), 0);
    assert_eq!(gaps(&mut reader), [found("renumbered", Some(0), Some(Proof::Server))]);
    reader.message(&heartbeat(4, None), 0);
    assert_eq!(reader.since().map(|it| it.offset), Some(4));
}

#[test]
fn after_ahead_a_known_entry_is_a_duplicate_whatever_its_offset() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    entries(&mut reader, 100, "a", 0..10);
    assert_eq!(reader.kept, 10);
    // Another server, with smaller offsets, begins with all that it has.
    reader.connected(true, 0);
    reader.message(&gap(None, "ahead"), 7);
    entries(&mut reader, 5, "a", 0..10);
    assert_eq!((reader.kept, reader.counters().duplicates), (10, 10));
    assert_eq!(reader.since().map(|it| it.offset), Some(14));
    entries(&mut reader, 15, "a", 9..12);
    assert_eq!(reader.kept, 12);
}

#[test]
fn gaps_beyond_the_limit_are_only_counted() {
    let mut reader = reader(Resume { has_entries: true, ..Resume::default() });
    for now in 0..5_000 {
        reader.message(&gap(Some(1), "slow_client"), now);
    }
    let progress = reader.take();
    assert_eq!((progress.gaps.len(), progress.unlisted), (MAX_LISTED, 4_000));
}

#[test]
fn a_crafted_open_gap_does_not_overflow() {
    let mut window = Window::default();
    for index in 0..100 {
        window.record("log-a", index);
    }
    let gap = Gap {
        at: u64::MAX,
        after: Some(u64::MAX),
        reason: "x".to_owned(),
        missing: None,
        proof: None,
    };
    let open = OpenGap { gap, marks: window.marks(), missing: u64::MAX };
    let resume =
        Resume { has_entries: true, offset: Some(u64::MAX), open: Some(open), ..Resume::default() };
    let mut reader = Reader::of(Session::new(StreamKind::Lite, resume, window));
    reader.connected(true, u64::MAX);
    let mut message: Value = serde_json::from_slice(&message(Some(u64::MAX), "a", 200)).unwrap();
    message["data"]["source"]["log_id"] = json!("log-a");
    reader.message(message.to_string().as_bytes(), u64::MAX);
    let progress = reader.take();
    assert_eq!(progress.gaps.first().and_then(|gap| gap.missing), Some(u64::MAX));
    for reason in ["x", "y"] {
        reader.message(&self::gap(Some(1), reason), u64::MAX);
    }
}

#[test]
fn a_log_with_a_very_long_name_is_unidentified() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    reader.message(&message(None, &"x".repeat(10_000), 1), 0);
    assert_eq!((reader.kept, reader.counters().unidentified), (1, 1));
}

#[test]
fn a_domains_stream_with_offsets_is_resumed() {
    let resume = Resume { is_filtered: true, ..Resume::default() };
    let mut reader = reader_of_names(resume);
    reader.connected(false, 0);
    for offset in [5, 9] {
        let message =
            json!({ "message_type": "dns_entries", "data": ["a.example"], "offset": offset });
        reader.message(message.to_string().as_bytes(), 0);
    }
    assert_eq!(reader.since().map(|it| it.offset), Some(9));
    reader.connected(true, 0);
    let message = json!({ "message_type": "dns_entries", "data": ["b.example"], "offset": 12 });
    reader.message(message.to_string().as_bytes(), 0);
    let progress = reader.take();
    assert_eq!((reader.kept, progress.offset, progress.gaps), (3, Some(12), vec![]));
}
