//! Offsets: heartbeats cover them, and each belongs to a stream.

use super::*;

#[test]
fn heartbeats_advance_the_offset() {
    let mut reader = reader(Resume { is_filtered: true, ..Resume::default() });
    reader.connected(false, 0);
    assert!(!reader.session.has_progress());
    reader.message(&heartbeat(500, None), 1_000);
    // Before anything matched: what was sent while the client was down is requested.
    assert_eq!(reader.since().map(|it| it.offset), Some(500));
    assert!(reader.session.has_progress(), "it is to be saved");
    let progress = reader.take();
    assert_eq!((progress.offset, progress.is_superseded()), (Some(500), true));
    reader.message(&heartbeat(500, None), 2_000);
    assert!(!reader.session.has_progress(), "it says nothing new");
    entries(&mut reader, 510, "a", 7..8);
    reader.message(&heartbeat(400, None), 3_000);
    assert_eq!(reader.since().map(|it| it.offset), Some(510), "it does not go back");
}

#[test]
fn offsets_covered_by_a_heartbeat_are_no_gap() {
    let mut reader = reader(Resume { offset: Some(9), has_entries: true, ..Resume::default() });
    reader.connected(true, 0);
    entries(&mut reader, 10, "a", 0..2);
    reader.message(&heartbeat(20, None), 1_000);
    entries(&mut reader, 21, "a", 5..6);
    assert_eq!(gaps(&mut reader), []);
    entries(&mut reader, 25, "a", 6..7);
    assert_eq!(gaps(&mut reader), [found("skipped", Some(3), Some(Proof::Offsets))]);
}

#[test]
fn the_stream_id_is_sent_back_with_the_offset() {
    let mut reader = reader(Resume::default());
    reader.connected(false, 0);
    reader.message(&heartbeat(5, Some("s1")), 0);
    assert_eq!(reader.since().unwrap().to_string(), "5@s1");
    let mut other = json!({ "message_type": "gap", "reason": "other_stream", "stream": "s2" });
    reader.message(other.to_string().as_bytes(), 0);
    reader.message(&heartbeat(2, None), 0);
    assert_eq!(reader.since().unwrap().to_string(), "2@s2");
    other["stream"] = json!("not an id");
    reader.message(other.to_string().as_bytes(), 0);
    assert_eq!(reader.since().unwrap().to_string(), "2@s2");
    let progress = reader.take();
    let saved = saved(&progress);
    assert_eq!((saved.offset, saved.stream.as_deref()), (Some(2), Some("s2")));
}

#[test]
fn an_offset_belongs_to_the_stream_that_numbered_it() {
    let mut reader = reader(Resume::default());
    reader.connected_to("s1");
    entries(&mut reader, 5, "a", 0..2);
    assert_eq!(reader.since().unwrap().to_string(), "6@s1", "without any heartbeat");
    // Another server answers, and the connection ends before it sends anything.
    reader.connected_to("s2");
    assert_eq!(reader.since().unwrap().to_string(), "6@s1");
    assert_eq!(reader.take().stream.as_deref(), Some("s1"));
    reader.connected_to("s2");
    reader.message(&gap(None, "other_stream"), 0);
    assert_eq!(reader.since().unwrap().to_string(), "6@s1", "nothing of it is received yet");
    entries(&mut reader, 100, "b", 7..9);
    assert_eq!(reader.since().unwrap().to_string(), "101@s2");
    // And back: what was received is a duplicate, not a loss.
    reader.connected_to("s1");
    reader.message(&gap(None, "other_stream"), 1);
    entries(&mut reader, 5, "a", 0..3);
    assert_eq!(reader.since().unwrap().to_string(), "7@s1");
    assert_eq!((reader.kept, reader.counters().duplicates), (5, 2));
    let progress = reader.take();
    assert_eq!((progress.offset, progress.stream.as_deref()), (Some(7), Some("s1")));
}

#[test]
fn a_server_without_a_stream_id_leaves_offsets_without_one() {
    let mut reader = reader(Resume::default());
    reader.connected_to("s1");
    entries(&mut reader, 5, "a", 0..1);
    reader.connected(true, 0);
    entries(&mut reader, 6, "a", 1..2);
    assert_eq!(reader.since().unwrap().to_string(), "6");
}
