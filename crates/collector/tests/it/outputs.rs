//! Outputs that are refused, locked, full or deleted.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::harness::{Collector, batches, has_rows, indexes, program};
use crate::replay::{Replay, Session, message, messages};

/// Runs a program that ends at once; returns its status and message.
fn refused(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program().current_dir(folder).args(arguments).output().expect("runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn invalid_outputs_are_refused_and_left_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::write(at("diary.feather"), "dear diary").expect("writable");
    fs::write(at("out.parquet"), "PAR1").expect("writable");
    symlink(at("diary.feather"), at("link.feather")).expect("a link");
    fs::create_dir(at("inside")).expect("a folder");
    for (arguments, expected) in [
        (&["-o", "../x.feather"][..], "paths with .. are refused"),
        (&["-o", "inside/../x.feather"], "paths with .. are refused"),
        (&["-o", "link.feather"], "symbolic link"),
        (&["-o", "diary.feather"], "not written by certstream-arrow"),
        (&["-o", "inside"], "not a regular file"),
        (&["-o", "x.feather", "--allow-dir", "inside"], "--allow-dir"),
        (&["-o", "link.feather", "--rotate", "1h"], "symbolic link"),
        (
            &["-o", "diary.feather", "--rotate", "1h"],
            "diary.feather is a file; with --rotate, --output must be a folder",
        ),
        (
            &["-o", "out.parquet"],
            "out.parquet is a file; with --format parquet, --output must be a folder",
        ),
        (&["-o", "diary.txt"], ".txt files are not written"),
        (&["-o", "diary.feather", "--format", "parquet"], "--output means feather"),
        (&["-o", "gs://bucket/p"], "gs:// is not supported"),
        (
            &["--ca-file", "diary.feather"],
            "it contains no certificate (expected -----BEGIN CERTIFICATE-----)",
        ),
        (&["--bufer-size", "7"], "--buffer-size"),
    ] {
        let (status, said) = refused(folder.path(), arguments);
        assert_eq!(status, Some(64), "{arguments:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{arguments:?}: {said}");
    }
    assert_eq!(fs::read_to_string(at("diary.feather")).expect("there"), "dear diary");
    let (status, said) = refused(folder.path(), &["-o", "missing/x.feather"]);
    assert_eq!(status, Some(1), "{said}");
    let (status, said) = refused(folder.path(), &["inspect", "diary.feather"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("not a Feather"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_locked_against_a_second_collector() {
    let folder = tempfile::tempdir().expect("a folder");
    let replay = Replay::start(vec![Session::of([message(Some(1), "log", 1)], true)]).await;
    let url = replay.url();
    for arguments in [&["-o", "x.feather"][..], &["-o", "parts", "--rotate", "1h"]] {
        let arguments = [&["--url", &url], arguments].concat();
        let first = Collector::start(folder.path(), &arguments);
        first.logs("connected to").await;
        let (status, said) = refused(folder.path(), &arguments);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("another certstream-arrow is writing here"), "{said}");
        if arguments.contains(&"x.feather") {
            let (status, said) = refused(folder.path(), &["repair", "x.feather"]);
            assert_eq!(status, Some(1), "{said}");
            assert!(said.contains("writes to this file"), "{said}");
        }
        fs::remove_file(folder.path().join("collector.log")).expect("a log");
        drop(first);
    }
}

/// A limit on the size of files simulates a full disk. The signal that comes with it does not end the
/// program.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_full_disk_everything_is_readable_and_collecting_resumes() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = Session::of(messages(1, "log", 0..20_000), true);
    let replay = Replay::start(vec![session]).await;
    let mut command = Command::new("sh");
    let limited = "ulimit -f 500; exec \"$@\"";
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
    // With room, it resumes.
    let collector = Collector::start(folder.path(), &["--url", &replay.url(), "-b", "100"]);
    has_rows(&path, 20_000).await;
    assert_eq!(replay.requests()[1].target, format!("/?since={rows}"));
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(indexes(&batches(&path))["https://log"], (0..20_000).collect::<Vec<_>>());
}

/// Rows in a file that nobody can find are lost, so the collector stops.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_output_ends_the_collector_with_a_message() {
    let replay = Replay::start(vec![Session::of(messages(1, "log", 0..10), true)]).await;
    let url = replay.url();
    for (arguments, file) in [
        (&["-o", "x.feather"][..], "x.feather"),
        (&["-o", "parts", "--rotate", "1h"], ".parts.open/"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = [&["--url", &url], arguments].concat();
        let collector = Collector::start(folder.path(), &arguments);
        let open = crate::harness::eventually("the file", || {
            let path = folder.path().join(file);
            let in_it = path.is_dir().then(|| crate::harness::open_part(&path)).flatten();
            in_it.or_else(|| path.is_file().then_some(path))
        });
        let open = open.await;
        has_rows(&open, 10).await;
        fs::rename(&open, folder.path().join("moved")).expect("moved away");
        let (status, log) = collector.end().await;
        assert_eq!(status, Some(1), "{log}");
        assert!(log.contains("deleted, moved or replaced"), "{log}");
    }
}

/// The collector queries no other service for keys, and refuses an endpoint without TLS.
#[test]
fn object_stores_without_keys_or_tls_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (variables, expected) in [
        (&[("AWS_ENDPOINT", "http://127.0.0.1:9")][..], "AWS_ALLOW_HTTP=true"),
        (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")], "AWS_ALLOW_HTTP=true"),
        (&[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")], "AWS_ALLOW_HTTP=true"),
        (
            &[("AWS_ENDPOINT", "https://127.0.0.1:9"), ("AWS_ENDPOINT_URL_S3", "HTTP://127.0.0.1")],
            "AWS_ALLOW_HTTP=true",
        ),
        (
            &[("AWS_ENDPOINT", "http://127.0.0.1:9"), ("AWS_ALLOW_HTTP", "no")],
            "AWS_ALLOW_HTTP=true",
        ),
        // Now only the keys are missing.
        (
            &[("AWS_ENDPOINT", "http://127.0.0.1:9"), ("AWS_ALLOW_HTTP", "true")],
            "AWS_ACCESS_KEY_ID",
        ),
        (&[("AWS_ENDPOINT", "http://127.0.0.1:9"), ("AWS_ALLOW_HTTP", "1")], "AWS_ACCESS_KEY_ID"),
        (&[("AWS_ENDPOINT", "http://127.0.0.1:9"), ("AWS_ALLOW_HTTP", "Yes")], "AWS_ACCESS_KEY_ID"),
        (
            &[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"), ("AWS_ALLOW_HTTP", "on")],
            "AWS_ACCESS_KEY_ID",
        ),
        (&[], "AWS_ACCESS_KEY_ID"),
        (&[("AWS_ENDPOINT", "https://127.0.0.1:9")], "AWS_METADATA_ENDPOINT"),
    ] {
        let mut command = program();
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.current_dir(folder.path()).envs(variables.iter().copied());
        let output = command.args(["-o", "s3://bucket/p"]).output().expect("runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
