use rustix::fs::{CWD, Mode, mkfifoat};

use super::*;

fn state(index: u64) -> State {
    let position = Position { current_index: index, tree_size: index, ..Position::default() };
    State {
        version: VERSION,
        stream: Some(StreamId::from_random(7)),
        last_offset: 7,
        resent_from: Some(5),
        logs: BTreeMap::from([("https://a.example/log".to_owned(), position)]),
        imported: Imported::new(),
    }
}

#[test]
fn a_saved_state_is_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let opened = StateFile::open(&path).expect("opens");
    assert_eq!(opened.state, State::default());
    opened.file.save(&state(42)).expect("saves");
    drop(opened);
    assert_eq!(StateFile::open(&path).expect("opens").state, state(42));
}

#[test]
fn a_mistake_in_any_field_is_named() {
    let right = serde_json::to_value(state(42)).expect("JSON");
    assert_eq!(State::mistakes(&right), Vec::<String>::new());
    for field in right.as_object().expect("an object").keys() {
        let mut wrong = right.clone();
        wrong[field] = Value::Bool(true);
        let mistakes = State::mistakes(&wrong);
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(field)), "{mistakes:?}");
    }
    let mut wrong = right;
    wrong["last_offset"] = (LARGEST_OFFSET + 1).into();
    wrong["version"] = (1_u64 << 32).into();
    assert_eq!(State::mistakes(&wrong).len(), 2);
    wrong = serde_json::json!({"version": 1, "last_offset": 3, "resent_from": 4});
    assert_eq!(State::mistakes(&wrong), ["resent_from 4 is larger than last_offset"]);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let _first = StateFile::open(&path).expect("opens");
    assert!(matches!(StateFile::open(&path), Err(StateError::Locked { .. })));
}

#[test]
fn the_file_of_certstream_server_rust_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let text = r#"{"version":1,"logs":{"https://a.example/log":{"current_index":42,"tree_size":50,"last_success":1700000000}}}"#;
    fs::write(&path, text).expect("writes");
    let state = StateFile::open(&path).expect("opens").state;
    assert_eq!(state.logs["https://a.example/log"].current_index, 42);
}

#[test]
fn the_index_of_certstream_server_go_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ct_index.json");
    assert_eq!(import(&path).expect("no file is no error"), None);
    fs::write(&path, "{\n \"a.example/log\": 42,\n \"b.example/log/\": 7,\n \"c.example\": 0\n}")
        .expect("writes");
    let expected = [("a.example/log".to_owned(), 42), ("b.example/log".to_owned(), 7)];
    assert_eq!(import(&path).expect("reads"), Some(expected.into()));
    fs::write(&path, "{\"a.example\": -1}").expect("writes");
    assert!(import(&path).is_err());
    fs::write(&path, "[]").expect("writes");
    assert!(import(&path).is_err());
}

#[test]
fn a_log_is_found_by_name_url_or_id() {
    let position = Position {
        name: Some("Example 2027".to_owned()),
        log_id: Some("aWQ=".to_owned()),
        ..Position::default()
    };
    for name in ["example 2027", "https://a.example/log", "https://a.example/log/", "aWQ="] {
        assert!(position.is_of("https://a.example/log", name), "{name}");
    }
    for name in ["", "Example", "AWQ=", "https://a.example"] {
        assert!(!position.is_of("https://a.example/log", name), "{name}");
    }
    assert!(!Position::default().is_of("https://a.example/log", ""));
}

#[test]
fn an_implausible_offset_loses_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let mut expected = state(42);
    (expected.last_offset, expected.stream) = (0, None);
    let text = serde_json::to_string(&state(42)).expect("encodes");
    let limit = LARGEST_OFFSET.to_string();
    let above = (LARGEST_OFFSET + 1).to_string();
    let wrong =
        [&above, "9007199254740992", "18446744073709551615", "1e300", "-1", "1.5", "\"7\"", "null"];
    for (offset, is_wrong) in
        [(limit.as_str(), false)].into_iter().chain(wrong.map(|offset| (offset, true)))
    {
        let text = text.replace("\"last_offset\":7", &format!("\"last_offset\":{offset}"));
        fs::write(&path, &text).expect("writes");
        let opened = StateFile::open(&path).expect("opens");
        assert_eq!(opened.set_aside, None, "{offset}");
        let kept = opened.offset_ignored.map(|copy| fs::read_to_string(copy).expect("kept"));
        assert_eq!(kept, is_wrong.then_some(text), "{offset}");
        if is_wrong {
            assert_eq!(opened.state, expected, "{offset}");
        } else {
            assert_eq!(opened.state.last_offset, LARGEST_OFFSET);
        }
    }
}

#[test]
fn a_wrong_resent_from_loses_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let text = serde_json::to_string(&state(42)).expect("encodes");
    for wrong in ["-1", "1.5", "1e300", "\"5\"", "null", "[5]", "{}", "true"] {
        let text = text.replace("\"resent_from\":5", &format!("\"resent_from\":{wrong}"));
        fs::write(&path, &text).expect("writes");
        let opened = StateFile::open(&path).expect("opens");
        assert_eq!(opened.set_aside, None, "{wrong}");
        assert_eq!(opened.state, State { resent_from: None, ..state(42) }, "{wrong}");
    }
}

#[test]
fn a_fifo_in_any_place_is_refused_at_once() {
    for name in ["state.json", "state.json.lock"] {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join(name);
        mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).expect("a FIFO");
        let opened = StateFile::open(&folder.path().join("state.json"));
        assert!(matches!(opened, Err(StateError::Io { .. })), "{name}: {opened:?}");
        assert!(import(&fifo).is_err());
    }
}

#[test]
fn an_unreadable_file_is_set_aside_and_a_newer_one_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    fs::write(&path, "{\"version\":1,").expect("writes");
    let opened = StateFile::open(&path).expect("opens");
    let (aside, _) = opened.set_aside.expect("was set aside");
    assert_eq!(fs::read_to_string(aside).expect("is there"), "{\"version\":1,");
    drop(opened.file);
    fs::write(&path, "{\"version\":2}").expect("writes");
    assert!(matches!(StateFile::open(&path), Err(StateError::Newer { version: 2, .. })));
}

#[test]
fn a_saved_tree_is_read_back_and_a_corrupt_one_is_not() {
    let mut range = CompactRange::new();
    (0..130).for_each(|number| range.push([number; 32]));
    let proved = Proved { size: 100, root: [7; 32] };
    let tree = Tree { read: range, from: 3, proved };
    let saved = SavedTree::new(&tree);
    assert_eq!(saved.read().as_ref(), Some(&tree));
    for corrupt in [
        SavedTree { hashes: String::new(), ..saved.clone() },
        SavedTree { hashes: "no base64".into(), ..saved.clone() },
        SavedTree { size: 131, ..saved.clone() },
        SavedTree { proved_root: "AAAA".into(), ..saved },
    ] {
        assert_eq!(corrupt.read(), None, "{corrupt:?}");
    }
}

#[test]
fn a_log_with_an_alarm_and_without_a_position_is_kept_but_in_no_file() {
    let mut stream = record::State::new("Zq3xK9aB".parse().expect("an id"));
    let mut header = stream.next_header();
    header.term += 1;
    let begin = record::Begin {
        header,
        first_offset: 5,
        nonce: [0; 16],
        boot: [0; 16],
        sync: record::SyncMode::Memory,
        configuration: [0; 32],
    };
    stream.begin(&begin, record::BatchHash::NONE).expect("begins");
    let mut batch = record::Batch::new(stream.next_header(), stream.next_offset());
    let (log, url) = (record::LogNumber(0), "https://a.example/log".to_owned());
    let (name, operator) = ("a".to_owned(), String::new());
    let protocol = Protocol::Rfc6962;
    let identity = record::LogIdentity { id: None, url: url.clone(), name, operator, protocol };
    batch.logs.push(record::LogChange { number: log, identity });
    let (kind, text) = (ctclient::AlarmKind::Equivocation, "two heads".to_owned());
    batch.alarms.push(record::Alarm { log, kind, at: 7, text, first: 0, end: 0, evidence: None });
    stream.apply(&batch, record::BatchHash::NONE).expect("fits");
    let state = State::of_stream(&stream);
    let position = &state.logs[&url];
    assert!(position.has_not_begun && position.alarms.len() == 1 && position.is_of(&url, "A"));
    assert!(state.go_index().is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.json");
    let file = StateFile::open(&path).expect("opens").file;
    file.save(&state).expect("writes");
    assert!(State::read(&path).expect("reads").logs.is_empty(), "another start would begin at 0");
}
