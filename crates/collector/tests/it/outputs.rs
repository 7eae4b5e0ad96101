//! Outputs that are refused, locked or full.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::harness::{Collector, batches, has_rows, indexes, program};
use crate::replay::{Replay, Session, message, messages};

/// The status and the message of a program that ends at once.
fn refused(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program().current_dir(folder).args(arguments).output().expect("runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn paths_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("diary.txt"), "dear diary").expect("writable");
    symlink(at("diary.txt"), at("link.feather")).expect("a link");
    fs::create_dir(at("inside")).expect("a folder");
    for (arguments, expected) in [
        (&["-o", "../x.feather"][..], "paths with .. are refused"),
        (&["-o", "inside/../x.feather"], "paths with .. are refused"),
        (&["-o", "link.feather"], "symbolic link"),
        (&["-o", "diary.txt"], "not written by certstream-arrow"),
        (&["-o", "inside"], "no regular file"),
        (&["-o", "x.feather", "--allow-dir", "inside"], "--allow-dir"),
        (&["-o", "link.feather", "--rotate", "1h"], "symbolic link"),
        (&["-o", "diary.txt", "--format", "parquet"], "no folder"),
        (&["--ca-file", "diary.txt"], "there is no certificate in it"),
        (&["--bufer-size", "7"], "--buffer-size"),
    ] {
        let (status, said) = refused(folder.path(), arguments);
        assert_eq!(status, Some(64), "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(at("diary.txt")).expect("there"), "dear diary");
    let (status, said) = refused(folder.path(), &["-o", "missing/x.feather"]);
    assert_eq!(status, Some(1), "{said}");
    let (status, said) = refused(folder.path(), &["inspect", "diary.txt"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("no feather"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_collector_is_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let replay = Replay::start(vec![Session::of([message(Some(1), "log", 1)], true)]).await;
    let url = replay.url();
    for arguments in [&["-o", "x.feather"][..], &["-o", "parts", "--rotate", "1h"]] {
        let arguments = [&["--url", &url], arguments].concat();
        let first = Collector::start(folder.path(), &arguments);
        first.logs("connected to").await;
        let (status, said) = refused(folder.path(), &arguments);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("another certstream-arrow writes here"), "{said}");
        if arguments.contains(&"x.feather") {
            let (status, said) = refused(folder.path(), &["repair", "x.feather"]);
            assert_eq!(status, Some(1), "{said}");
            assert!(said.contains("writes to it"), "{said}");
        }
        fs::remove_file(folder.path().join("collector.log")).expect("a log");
        drop(first);
    }
}

/// A limit on the size of files stands for the disk: the system refuses in the same place.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_it_with_everything_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = Session::of(messages(1, "log", 0..20_000), true);
    let replay = Replay::start(vec![session]).await;
    let mut command = Command::new("sh");
    let limited = "trap '' XFSZ; ulimit -f 500; exec \"$@\"";
    command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_certstream-arrow")]);
    command.args(["--url", &replay.url(), "-b", "100", "--compression", "none"]);
    let (status, log) = Collector::start_command(folder.path(), command).end().await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("the disk is full"), "{log}");
    let path = folder.path().join("certstream_data.feather");
    let found = indexes(&batches(&path));
    let rows = found["https://log"].len() as u64;
    assert!((100..20_000).contains(&rows), "{rows}");
    assert_eq!(found["https://log"], (0..rows).collect::<Vec<_>>());
    // With room it goes on.
    let collector = Collector::start(folder.path(), &["--url", &replay.url(), "-b", "100"]);
    has_rows(&path, 20_000).await;
    assert_eq!(replay.asked()[1].target, format!("/?since={rows}"));
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(indexes(&batches(&path))["https://log"], (0..20_000).collect::<Vec<_>>());
}
