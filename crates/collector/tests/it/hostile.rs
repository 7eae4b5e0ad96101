//! Invalid messages, and connections that break.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Collector, batches, has_rows, indexes, state};
use crate::replay::{Replay, Session, message, messages};

#[tokio::test(flavor = "multi_thread")]
async fn invalid_messages_are_counted_and_skipped() {
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
    assert!(
        log.contains("unreadable messages: 6, messages of types that are not stored: 2"),
        "{log}"
    );
    assert_eq!(indexes(&batches(&path))["https://log"], [1, 2, 3, 4]);
}

/// A message that cannot be received ends the connection; it is not requested again.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_is_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = Session::of([message(Some(1), "log", 1)], true);
    first.messages.push(Message::binary(vec![b' '; 65 << 20]));
    let second = Session::of([message(Some(9), "log", 2)], true);
    let replay = Replay::start(vec![first, second]).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 2).await;
    let targets: Vec<_> = replay.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/", "/"]);
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(state(&path).expect("a file").gaps.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_restored_and_gaps_recorded() {
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
    let targets: Vec<_> = replay.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/", "/?since=109", "/?since=159"]);
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    let state = state(&path).expect("a file");
    assert_eq!(state.offset, Some(209));
    let gaps: Vec<_> = state.gaps.listed().map(|gap| (gap.missing, gap.after)).collect();
    assert_eq!(gaps, [(Some(5), Some(159))]);
    check_inspection(&path);
}

/// Checks the output of `inspect` and `repair` for that file.
fn check_inspection(path: &std::path::Path) {
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
    assert!(run(&["repair"]).contains("is complete"));
    let file = std::fs::File::options().write(true).open(path).expect("opens");
    file.set_len(file.metadata().expect("there").len() - 7).expect("cut");
    assert!(run(&["inspect"]).contains("torn:"));
    assert!(run(&["repair"]).contains("repaired"));
    assert!(run(&["repair"]).contains("is complete"));
    assert_eq!(indexes(&batches(path)).values().map(Vec::len).sum::<usize>(), 195);
}

/// A server without offsets cannot be requested to resume; the indexes show how much is missing.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_measure_the_gap_of_a_server_without_offsets() {
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
    assert!(log.contains("10 duplicates"), "{log}");
    let state = state(&path).expect("a file");
    let gaps: Vec<_> = state.gaps.listed().map(|gap| (gap.reason.as_str(), gap.missing)).collect();
    assert_eq!(gaps, [("reconnected", Some(0))]);
}

/// A server that ignores the request to resume cannot fill the disk with log lines.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_log_lines_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let gap = r#"{"message_type":"gap","dropped":1,"disconnecting":false,"reason":"x"}"#.to_owned();
    let mut flood = vec![message(Some(1), "log", 1)];
    flood.extend(std::iter::repeat_n(gap, 20_000));
    flood.extend((0..5_000).map(|log| message(None, &format!("log-{log}"), 1)));
    flood.push(message(Some(9), "log", 2));
    let replay = Replay::start(vec![Session::of(flood, true)]).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, 5_002).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(log.len() < 30_000, "{} bytes of log", log.len());
    assert!(log.contains(", 20000 gaps"), "{log}");
    let state = state(&path).expect("a file");
    assert!(state.gaps.count() >= 20_000, "{}", state.gaps.count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crafted_file_is_refused_with_a_message() {
    let Some(data) = crate::harness::shared_data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.feather");
    std::fs::copy(data.join("reports/panic-at-start.feather"), &path).expect("copied");
    let collector =
        Collector::start(folder.path(), &["-u", "ws://127.0.0.1:9/", "-o", "x.feather"]);
    let (status, log) = collector.end().await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("the file is damaged") && !log.contains("panicked"), "{log}");
}

/// A server that sends pings and never reads the answers costs no memory.
#[tokio::test(flavor = "multi_thread")]
async fn answers_to_pings_take_bounded_memory() {
    use tokio::io::AsyncWriteExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    let flood = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        let mut socket = tokio_tungstenite::accept_async(socket).await.expect("a request");
        let pings = [&[0x89, 125][..], &[b'x'; 125]].concat().repeat(8 << 10);
        // 256 MiB, of which nothing is read back. After a minute the client gives such a server up,
        // on a slow machine before the end.
        let mut sent = 0;
        while sent < 256 && socket.get_mut().write_all(&pings).await.is_ok() {
            sent += 1;
        }
        (socket, sent)
    });
    let collector = Collector::start(folder.path(), &["--url", &url]);
    let (socket, sent) = flood.await.expect("it ends");
    assert!(sent >= 16, "only {sent} MiB are read");
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.id()));
    let peak = status.expect("it runs");
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 =
        peak.and_then(|it| it.trim().strip_suffix("kB")?.trim().parse().ok()).expect("kB");
    assert!(peak < 120_000, "{peak} kB");
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    drop(socket);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_unknown_parameters_is_requested_without_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut session = Session::of([message(Some(1), "log", 1)], true);
    session.is_strict = true;
    let replay = Replay::start(vec![session]).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
    has_rows(&folder.path().join("certstream_data.feather"), 1).await;
    let extras: Vec<_> = replay.requests().into_iter().map(|request| request.has_extras).collect();
    assert_eq!(extras, [true, false], "{}", collector.log());
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
}

/// Each new connection first tries the parameters that only certstream-server needs: a refusal may
/// have had other reasons. A server that has accepted them is never requested without them.
#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_refusal_does_not_omit_parameters_permanently() {
    let session = |offset, stays| Session::of([message(Some(offset), "log", offset)], stays);
    let strict = |offset, stays| Session { is_strict: true, ..session(offset, stays) };
    let refused = Session { is_refused: true, ..session(0, false) };
    for (sessions, expected) in [
        (vec![session(1, false), refused.clone(), session(2, true)], &[true, true, true][..]),
        (vec![refused, session(1, false), session(2, true)], &[true, false, true]),
        (vec![strict(1, false), strict(2, true)], &[true, false, true, false]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let replay = Replay::start(sessions).await;
        let collector = Collector::start(folder.path(), &["--url", &replay.url()]);
        has_rows(&folder.path().join("certstream_data.feather"), 2).await;
        let extras: Vec<_> =
            replay.requests().into_iter().map(|request| request.has_extras).collect();
        assert_eq!(extras, expected);
        let (status, log) = collector.terminate().await;
        assert_eq!(status, Some(0), "{log}");
    }
}

/// A collector of a rare domain resumes from the last offset searched, not from the last match.
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_is_resumed_from_after_a_restart() {
    let heartbeat = |offset: u64| {
        format!(r#"{{"message_type":"heartbeat","offset":{offset},"timestamp":1.5}}"#)
    };
    for output in [&["-o", "x.feather"][..], &["-o", "parts", "--rotate", "1h"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = vec![
            Session::of([heartbeat(5_000)], true),
            Session::of([message(Some(5_100), "log", 1), heartbeat(6_000), heartbeat(7_000)], true),
            Session::of([message(Some(9_000), "log", 2)], true),
        ];
        let replay = Replay::start(sessions).await;
        let url = replay.url();
        let arguments = [&["--url", &url, "--domain", "example.com"], output].concat();
        let file = || match output {
            ["-o", "x.feather"] => Some(folder.path().join("x.feather")),
            _ => crate::harness::open_part(&folder.path().join(".parts.open")),
        };
        for offset in [5_000, 7_000, 9_000] {
            let collector = Collector::start(folder.path(), &arguments);
            let reached = || {
                let state = state(&file()?)?;
                (state.offset == Some(offset)).then_some(state)
            };
            let state = crate::harness::eventually("the offset is saved", reached).await;
            assert_eq!(state.gaps.count(), 0);
            if offset == 5_000 {
                drop(collector); // SIGKILL
            } else {
                let (status, log) = collector.terminate().await;
                assert_eq!(status, Some(0), "{log}");
                assert!(log.contains(", 0 gaps"), "{log}");
            }
        }
        let targets: Vec<_> = replay.requests().into_iter().map(|request| request.target).collect();
        let filter = "/?domain=example.com";
        let since = |offset: u64| format!("{filter}&since={offset}");
        assert_eq!(targets, [filter.to_owned(), since(5_000), since(7_000)]);
    }
}
