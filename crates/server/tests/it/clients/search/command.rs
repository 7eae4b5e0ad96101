//! `certstream-server search` in a process of its own: what it finds, and how it ends.

use std::io;
use std::process::{Command, Output};

use serde_json::Value;

use super::{FEW, generated, lines, messages, offsets, server_of, until_searchable};
use crate::harness::logs;
use crate::operations::process::PROGRAM;

/// Runs the command.
async fn run(arguments: Vec<String>) -> Output {
    let run = move || {
        let mut command = Command::new(PROGRAM);
        command.arg("search").args(arguments).env_remove("CERTSTREAM_TOKEN").output()
    };
    tokio::task::spawn_blocking(run).await.expect("no panic").expect("it runs")
}

/// Runs the command, and returns what it prints.
async fn found(arguments: Vec<String>) -> Vec<Value> {
    let output = run(arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_finds_the_same_in_a_directory_and_by_the_api() {
    let sim = logs(generated(FEW, 0.0)).await;
    let (server, folder) = server_of(&sim).await;
    let all = messages(&server, usize::try_from(2 * FEW).expect("fits")).await;
    until_searchable(&server, all.last().expect("a message").offset).await;
    let expected = lines(&server, "domain=com&entry=final").await;
    assert!(expected.len() > 3);
    let directory = folder.path().join("data").display().to_string();
    let url = format!("--url=http://{}", server.address);
    let filter = ["--domain=com", "--entry=final", "--since=1d"].map(str::to_owned);
    let with = |first: &str| [vec![first.to_owned()], filter.to_vec()].concat();
    assert_eq!(found(with(&url)).await, expected);
    let few = [vec![url, "--limit=2".to_owned()], filter[..2].to_vec()].concat();
    assert_eq!(found(few).await, expected[..2]);
    // The directory can be searched while the server uses it, up to the batch before the last one.
    let newest = found(vec![directory.clone(), "--limit=1".to_owned()]).await;
    let newest = newest[0]["offset"].as_u64();
    let is_written = |result: &&Value| result["offset"].as_u64() <= newest;
    let written: Vec<Value> = expected.iter().filter(is_written).cloned().collect();
    assert_eq!(found(with(&directory)).await, written);
    assert!(!written.is_empty());
    server.stop().await;
    assert_eq!(found(with(&directory)).await, expected);
    let since = format!("--since=@{}", expected[1]["offset"]);
    let some = [vec![directory, since, "--order=oldest".to_owned()], filter[..2].to_vec()].concat();
    let some = found(some).await;
    assert_eq!(
        offsets(&some),
        [&expected[1], &expected[0]].map(|one| one["offset"].as_u64().expect("an offset"))
    );
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let sim = logs(generated(FEW, 0.0)).await;
    let (server, folder) = server_of(&sim).await;
    let all = messages(&server, usize::try_from(2 * FEW).expect("fits")).await;
    until_searchable(&server, all.last().expect("a message").offset).await;
    let directory = folder.path().join("data").display().to_string();
    for place in [directory, format!("--url=http://{}", server.address)] {
        let run = move || {
            // The reader is gone before anything is written.
            let (reader, writer) = io::pipe()?;
            drop(reader);
            Command::new(PROGRAM).args(["search", &place]).stdout(writer).output()
        };
        let output = tokio::task::spawn_blocking(run).await.expect("no panic").expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    }
    server.stop().await;
    sim.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_ends_with_64_before_anything_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    // There is no journal, and no server.
    let directory = folder.path().join("nothing").display().to_string();
    let places = [directory.as_str(), "--url=http://127.0.0.1:1"];
    for place in places {
        for (option, reason) in [
            ("--since=yesterday", "--since: \"yesterday\" is no place in a journal"),
            ("--until=@x", "--until: \"@x\" is not an offset"),
            ("--domain=%%%", "--domain: \"%%%\" is not a domain name"),
            ("--match=b\u{fc}cher", "has letters beyond ASCII"),
            ("--serial=xyz", "--serial: a serial number has"),
            ("--ip=1.2.3", "is not an IP address or a network"),
        ] {
            let output = run(vec![place.to_owned(), option.to_owned()]).await;
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{place} {option}: {errors}");
            assert!(errors.contains(reason), "{place} {option}: {errors}");
        }
        // What the machine does not have is no mistake of the command line.
        let output = run(vec![place.to_owned(), "--domain=example.com".to_owned()]).await;
        assert_eq!(output.status.code(), Some(1), "{place}");
    }
    for (arguments, reason) in [
        (vec![], "no directory is named"),
        (vec!["--url=ftp://a.example"], "the API is reached over http:// or https://"),
        (vec!["--url=:"], "is not a URL"),
        (vec![places[1], "--token-file=/nowhere"], "--token-file /nowhere"),
    ] {
        let output = run(arguments.iter().map(|text| (*text).to_owned()).collect()).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {errors}");
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
}
