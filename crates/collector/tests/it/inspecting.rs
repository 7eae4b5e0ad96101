//! The output of `inspect` for files and folders, whatever their contents.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Collector, eventually, has_rows, program};
use crate::replay::{Replay, Session, message, messages};

fn inspect(folder: &Path, arguments: &[&str]) -> Output {
    let output = program().current_dir(folder).arg("inspect").args(arguments).output();
    output.expect("runs")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Text of a server never reaches the terminal as control sequences.
#[tokio::test(flavor = "multi_thread")]
async fn control_characters_are_never_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let evil = "log\u{1b}]0;owned\u{7}\u{9b}2J\nrows:     1";
    let entry = message(Some(1), "evil", 1).replace("\"evil\"", &Value::from(evil).to_string());
    let gap = r#"{"message_type":"gap","dropped":1,"reason":"\u001b[2J\u009b"}"#.to_owned();
    let after = message(Some(9), "log", 2);
    let replay = Replay::start(vec![Session::of([entry, gap, after], true)]).await;
    let collector = Collector::start(folder.path(), &["-u", &replay.url(), "-o", "x.feather"]);
    has_rows(&folder.path().join("x.feather"), 2).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    let shown = text(&inspect(folder.path(), &["x.feather"]));
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(shown.contains("]0;owned"), "{shown}");
    let json = text(&inspect(folder.path(), &["--json", "x.feather"]));
    assert!(json.trim_end().chars().all(|c| !c.is_control()), "{json:?}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["sources"][evil], 1, "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_folder_is_the_sum_of_its_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let replay = Replay::start(vec![Session::of(messages(1, "log", 0..2_000), true)]).await;
    let url = replay.url();
    let collector = Collector::start(
        folder.path(),
        &["-u", &url, "-o", "parts", "--rotate", "40kB", "-b", "100"],
    );
    let report = || {
        let output = inspect(folder.path(), &["--json", "parts"]);
        let json: Value = serde_json::from_slice(&output.stdout).ok()?;
        (json["rows"] == 2_000).then_some(json)
    };
    // While it is written to, and after.
    let json = eventually("all rows", report).await;
    assert!(json["parts"].as_u64().is_some_and(|parts| parts > 1), "{json}");
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    let json = report().expect("all rows");
    assert_eq!((&json["open_parts"], &json["offset"]), (&0.into(), &2_000.into()));
    assert_eq!((&json["format"], &json["sources"]["log"]), (&"folder".into(), &2_000.into()));
    let shown = text(&inspect(folder.path(), &["parts"]));
    assert!(shown.contains("closed, 0 open") && shown.contains("2000 of certificates"), "{shown}");
    let inside = text(&inspect(&folder.path().join("parts"), &["."]));
    assert!(inside.contains("2000 of certificates"), "{inside}");

    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    let empty = inspect(folder.path(), &["empty"]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("contains no parts"), "{empty:?}");
}

/// As in `inspect x | head -1`: the reader closes the pipe, which is not an error.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_is_not_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let replay = Replay::start(vec![Session::of([message(Some(1), "log", 1)], true)]).await;
    let collector = Collector::start(folder.path(), &["-u", &replay.url(), "-o", "x.feather"]);
    has_rows(&folder.path().join("x.feather"), 1).await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = program();
    command.current_dir(folder.path()).args(["inspect", "x.feather"]);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
}
