//! Ranges that cannot be read or written: a clear message, the documented exit status, and nothing incomplete.

use std::path::Path;

use ctsim::fault::{Fault, HeadFault, PageFault, Scope, Times};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{backfill, command, finish, parts, simulate};
use crate::harness::program;

#[tokio::test(flavor = "multi_thread")]
async fn impossible_requests_are_refused_with_advice() {
    let sim = simulate(700).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("archive");
    let name = sim.logs()[0].description().to_owned();
    let misspelt = name.replacen(|c: char| c.is_ascii_lowercase(), "x", 1);
    for (arguments, expected) in [
        (&["--end", "701"][..], "has 700 entries"),
        (&["--start", "701"], "has 700 entries"),
        (&["--log", &misspelt], format!("did you mean {name:?}").as_str()),
        (&["--log", "https://ct.example.org/"], "no log of the list"),
        (&["--log", ""], "no log of the list"),
    ] {
        let (status, log) = backfill(&sim, &output, arguments).await;
        assert_eq!(status, Some(64), "{arguments:?}: {log}");
        assert!(log.contains(expected), "{arguments:?}: {log}");
        assert!(parts(&output).is_empty());
    }
    let mut missing = program();
    missing.args(["backfill", "--all", "--list", "/nonexistent/list.json", "-o"]).arg(&output);
    let (status, log) = finish(missing).await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("/nonexistent/list.json"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_by_id_and_url_are_found() {
    let sim = simulate(300).await;
    let folder = tempfile::tempdir().unwrap();
    for log in sim.logs() {
        let id = log.log_id().to_string();
        for wanted in [id.as_str(), log.url(), &format!("{}/", log.url())] {
            let (status, text) = backfill(&sim, folder.path(), &["--log", wanted]).await;
            assert_eq!(status, Some(0), "{wanted}: {text}");
        }
    }
    assert_eq!(parts(folder.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_rolls_back_or_forks_is_reported_with_evidence() {
    let sim = simulate(900).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("archive");
    let (status, text) = backfill(&sim, &output, &[]).await;
    assert_eq!(status, Some(0), "{text}");
    let stale = HeadFault::Stale { behind: 100, age: std::time::Duration::ZERO };
    for (scope, fault) in
        [(Scope::Heads, Fault::Head(stale)), (Scope::Every, Fault::Fork { shared: 500 })]
    {
        for log in sim.logs() {
            log.faults().clear();
            log.faults().inject(scope, fault.clone(), Times::UntilCleared);
        }
        let (status, text) = backfill(&sim, &output, &[]).await;
        assert_eq!(status, Some(2), "{text}");
        for log in sim.logs() {
            let (_, text) = text
                .split_once(&format!("{} contradicts itself", log.description()))
                .unwrap_or_else(|| panic!("{text}"));
            let (_, evidence) = text.split_once("the evidence is in ").expect("a folder");
            let evidence = evidence.lines().next().unwrap_or_default();
            let incident = std::fs::read(Path::new(evidence).join("incident.json")).unwrap();
            let incident: serde_json::Value = serde_json::from_slice(&incident).unwrap();
            let heads = incident["heads"].as_array().unwrap();
            assert!(heads.iter().any(|head| head["tree_size"] == 900), "{incident}");
        }
    }
    assert_eq!(parts(&output).len(), 2, "nothing was added");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_entry_ends_the_log_and_no_part_has_it() {
    let sim = simulate(2_000).await;
    for log in sim.logs() {
        let fault = Fault::Page(PageFault::FlipLeaf { index: Some(1_234) });
        log.faults().inject(Scope::Entries, fault, Times::UntilCleared);
    }
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("archive");
    let (status, log) = backfill(&sim, &output, &["--part-entries", "500"]).await;
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("1234"), "{log}");
    let names: Vec<_> = parts(&output).iter().map(|it| it.display().to_string()).collect();
    assert_eq!(names.len(), 4, "the parts before it: {names:?}");
    assert!(names.iter().all(|name| !name.contains("0000000001500")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_and_the_next_run_continues() {
    let sim = simulate(6_000).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("archive");
    let arguments = ["--with-der", "--compression", "none"];
    let full = command(&sim, &output, &arguments);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -f 500; exec \"$@\"", "sh"]).arg(full.get_program());
    limited.args(full.get_args());
    let (status, log) = finish(limited).await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("the disk is full"), "{log}");
    assert!(log.contains("complete parts are kept"), "{log}");
    assert!(parts(&output).is_empty());
    let (status, log) = backfill(&sim, &output, &arguments).await;
    assert_eq!(status, Some(0), "{log}");
    assert_eq!(parts(&output).len(), 2);
}

/// Answers every request as a store does that the keys have no access to.
async fn denying_store() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 8192];
                while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let body =
                        "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
                    let head = format!(
                        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\n\
                         Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if socket.write_all(head.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_without_permission_is_reported() {
    let sim = simulate(300).await;
    let folder = tempfile::tempdir().unwrap();
    let store = denying_store().await;
    let mut denied = command(&sim, "s3://bucket/archive".as_ref(), &[]);
    denied.arg("--spool").arg(folder.path().join("spool"));
    denied.env("AWS_ENDPOINT", store).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "x");
    denied.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    let (status, log) = finish(denied).await;
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("s3://bucket/archive"), "{log}");
    assert!(log.contains("AccessDenied") || log.contains("Access Denied"), "{log}");
}
