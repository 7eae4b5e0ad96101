//! What no server should send, and connections that do not last.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Collector, batches, has_rows, indexes, walked};
use crate::replay::{Replay, Session, message, messages};

#[tokio::test(flavor = "multi_thread")]
async fn odd_messages_are_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let huge = format!(r#"{{"message_type":"news","data":"{}"}}"#, "x".repeat(17 << 20));
    let mut session = Session::of(
        [
            message(Some(1), "log", 1),
            String::new(),
            "{".repeat(100_000),
            r#"{"message_type":"certificate_update","data":[1,2]}"#.to_owned(),
            r#"{"message_type":{"a":1},"data":{}}"#.to_owned(),
            r#"{"message_type":"tomorrow","data":{}}"#.to_owned(),
            r#"{"message_type":"dns_entries","data":["a.example"]}"#.to_owned(),
            huge,
        ],
        true,
    );
    session.messages.push(Message::binary(vec![0xff; 1000]));
    session.messages.push(Message::Ping(Bytes::from_static(b"?")));
    session.messages.push(Message::binary(message(Some(2), "log", 2)));
    session.messages.push(Message::text(
        message(Some(3), "log", 3).replace("\"seen\":", "\"seen\":\"x\",\"was\":"),
    ));
    session.messages.push(Message::text(message(Some(4), "log", 4)));
    let replay = Replay::start(vec![session]).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 4).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("malformed=6 unknown=2"), "{log}");
    assert_eq!(indexes(&batches(&path))["https://log"], [1, 2, 3, 4]);
}

/// A message that cannot be received ends the connection; it is not asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = Session::of([message(Some(1), "log", 1)], true);
    first.messages.push(Message::binary(vec![b' '; 65 << 20]));
    let second = Session::of([message(Some(9), "log", 2)], true);
    let replay = Replay::start(vec![first, second]).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 2).await;
    let targets: Vec<_> = replay.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/", "/"]);
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(walked(&path).expect("a file").state.gaps.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_made_again_and_gaps_written_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let evicted = r#"{"message_type":"gap","dropped":5,"disconnecting":false,"reason":"evicted"}"#;
    let sessions = vec![
        Session::of(messages(10, "log", 0..100), false),
        Session::of(messages(110, "log", 100..150), false),
        Session::of([evicted.to_owned()].into_iter().chain(messages(165, "log", 155..200)), true),
    ];
    let replay = Replay::start(sessions).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 195).await;
    let targets: Vec<_> = replay.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/", "/?since=109", "/?since=159"]);
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    let state = walked(&path).expect("a file").state;
    assert_eq!(state.offset, Some(209));
    let gaps: Vec<_> = state.gaps.listed().map(|gap| (gap.missing, gap.after)).collect();
    assert_eq!(gaps, [(Some(5), Some(159))]);
    inspected(&path);
}

/// What `inspect` says of that file.
fn inspected(path: &std::path::Path) {
    let run = |arguments: &[&str]| {
        let output = crate::harness::program().args(arguments).arg(path).output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let text = run(&["inspect"]);
    for part in [
        "rows:     195 of certificates",
        "gaps:     1 (1",
        "evicted after 159: 5 missing",
        "195 log\n",
        "cert_index           UInt64",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json: serde_json::Value = serde_json::from_str(&run(&["inspect", "--json"])).expect("JSON");
    assert_eq!(
        (&json["rows"], &json["offset"], &json["gaps"][0]["missing"]),
        (&195.into(), &209.into(), &5.into())
    );
    assert!(run(&["repair"]).contains("is whole"));
    let file = std::fs::File::options().write(true).open(path).expect("opens");
    file.set_len(file.metadata().expect("there").len() - 7).expect("cut");
    assert!(run(&["inspect"]).contains("torn:"));
    assert!(run(&["repair"]).contains("repaired"));
    assert!(run(&["repair"]).contains("is whole"));
    assert_eq!(indexes(&batches(path)).values().map(Vec::len).sum::<usize>(), 195);
}

/// A server without offsets cannot be asked to go on, and what is missing shows in the indexes.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_servers_leave_gaps() {
    let folder = tempfile::tempdir().expect("a folder");
    let entries = |indexes: std::ops::Range<u64>| indexes.map(|index| message(None, "log", index));
    let sessions = vec![
        Session::of(entries(0..100), false),
        Session::of(entries(90..120).chain(entries(121..122)), true),
    ];
    let replay = Replay::start(sessions).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 121).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(log.contains("doubles=10"), "{log}");
    let state = walked(&path).expect("a file").state;
    let gaps: Vec<_> = state.gaps.listed().map(|gap| (gap.reason.as_str(), gap.missing)).collect();
    assert_eq!(gaps, [("reconnected", Some(0))]);
}
