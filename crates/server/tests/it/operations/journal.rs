//! `certstream-server journal` on the directory of a running server, of a stopped one, and of one that is
//! damaged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Running, eventually, logs, next_frame, reads_all};
use crate::operations::process::PROGRAM;

/// Entries of each of the two logs.
const ENTRIES: u64 = 300;

fn run(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("journal").args(arguments).arg(directory).env_clear();
    command.output().expect("the program runs")
}

/// Returns the standard output of a command that succeeds, and writes nothing else: standard error is no
/// terminal, so there is no progress bar.
fn succeeds(arguments: &[&str], directory: &Path) -> Vec<u8> {
    let output = run(arguments, directory);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
    output.stdout
}

/// Returns the standard error of a command that fails.
fn fails(arguments: &[&str], directory: &Path, status: i32) -> String {
    let output = run(arguments, directory);
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    errors
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

fn lines(bytes: Vec<u8>) -> Vec<String> {
    text(bytes).lines().map(str::to_owned).collect()
}

fn value<'t>(info: &'t str, name: &str) -> &'t str {
    let line = info.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}: {info}")).trim()
}

fn field(line: &str, path: &str) -> Value {
    let message: Value = serde_json::from_str(line).expect("JSON");
    message.pointer(path).unwrap_or_else(|| panic!("no {path}: {line}")).clone()
}

fn offset(line: &str) -> u64 {
    field(line, "/offset").as_u64().expect("a number")
}

/// Publishes all entries. Returns the messages of the full stream, and the server, which is running.
async fn published(folder: &TempDir) -> (ctsim::Sim, Running, PathBuf, Vec<String>) {
    let simulated = ctsim::Config { rate: 0.0, initial_size: ENTRIES, ..ctsim::Config::default() };
    let sim = logs(ctsim::Config { rfc6962: 1, static_ct: 1, ..simulated }).await;
    let mut config = reads_all(&sim, folder);
    let data = folder.path().join("data");
    config.data_dir = Some(data.clone());
    config.protocols.api = true;
    let server = Running::start(config).await;
    eventually("the logs are read", async || {
        let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
        (stats["journal"]["entries"] == 2 * ENTRIES).then_some(())
    })
    .await;
    let mut socket = server.connect("/full-stream?since=0").await;
    let mut messages = Vec::new();
    while messages.len() < usize::try_from(2 * ENTRIES).expect("fits") {
        match next_frame(&mut socket).await {
            Message::Text(text) if text.contains("certificate_update") => {
                messages.push(text.to_string());
            }
            _ => {}
        }
    }
    (sim, server, data, messages)
}

/// Checks every form of an export against the messages.
fn check_exports(data: &Path, messages: &[String]) {
    assert_eq!(lines(succeeds(&["export"], data)), messages);
    let at = |place: usize| format!("@{}", offset(&messages[place]));
    let part = succeeds(&["export", "--since", &at(100), "--until", &at(222)], data);
    assert_eq!(lines(part), messages[100..222]);
    // The first one that was seen at a time or later.
    let seen = field(&messages[400], "/data/seen").as_f64().expect("a time");
    let first = messages
        .iter()
        .position(|line| field(line, "/data/seen").as_f64().is_some_and(|each| each >= seen));
    let millis = (seen * 1000.0).round() as i64;
    let time = jiff::Timestamp::from_millisecond(millis).expect("a time").to_string();
    let later = lines(succeeds(&["export", "--since", &time], data));
    assert_eq!(later, messages[first.expect("itself")..]);
    assert_eq!(lines(succeeds(&["export", "--since", "1h"], data)), messages);
    assert_eq!(succeeds(&["export", "--until", "1h"], data), b"");
    let der = succeeds(&["export", "--format", "der", "--since", &at(7), "--until", &at(30)], data);
    let expected = messages[7..30].iter().map(|line| {
        let base64 = field(line, "/data/leaf_cert/as_der");
        base64_simd::STANDARD.decode_to_vec(base64.as_str().expect("text")).expect("base64")
    });
    assert_eq!(der, expected.collect::<Vec<_>>().concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_a_server_is_shown_verified_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sim, server, data, messages) = published(&folder).await;
    // Beside a running server, the last batch does not count yet.
    let info = text(succeeds(&["info"], &data));
    assert_eq!(value(&info, "state"), "in use by a server");
    assert_eq!(value(&info, "damage"), "0");
    assert_eq!(value(&info, "logs"), "2");
    let verified = text(succeeds(&["verify"], &data));
    assert!(verified.contains("every index of every log is accounted for once"), "{verified}");
    let exported = lines(succeeds(&["export"], &data));
    assert!(!exported.is_empty());
    assert_eq!(exported, messages[..exported.len()]);
    let stream = server.stream_id().await;
    server.stop().await;
    sim.shutdown().await;

    let info = text(succeeds(&["info"], &data));
    assert_eq!(value(&info, "state"), "not in use");
    assert_eq!(value(&info, "stream"), stream);
    assert_eq!(value(&info, "entries"), (2 * ENTRIES).to_string());
    let (first, last) = (offset(&messages[0]), offset(&messages[messages.len() - 1]));
    assert_eq!(value(&info, "offsets"), format!("{first} to {last}"));
    let verified = text(succeeds(&["verify"], &data));
    assert!(verified.contains(&format!(": {} records, 0 sightings", 2 * ENTRIES)), "{verified}");
    check_exports(&data, &messages);
    with_a_terminal(&data);
    damaged(&data, &messages);
}

/// With a terminal there is a progress bar. `script` (util-linux) makes one.
fn with_a_terminal(data: &Path) {
    let command = format!("stty cols 80; {PROGRAM} journal verify {}", data.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("TERM", "xterm");
    let Ok(output) = script.output() else {
        println!("skipped: script is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("every index of every log") && said.contains(" left"), "{said}");
}

/// Damages the journal, and compares the rest.
fn damaged(data: &Path, messages: &[String]) {
    let info = text(succeeds(&["info"], data));
    let name = info.lines().find_map(|line| line.trim().split_once(".segment from"));
    let name = format!("{}.segment", name.expect("a segment").0);
    let segment = data.join(format!("stream-{}", value(&info, "stream"))).join(name);
    let mut bytes = std::fs::read(&segment).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&segment, bytes).expect("writable");
    let verified = fails(&["verify"], data, 1);
    assert!(verified.contains("are damaged"), "{verified}");
    let output = run(&["export"], data);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("parts of the journal are damaged and were left out"), "{errors}");
    let rest = lines(output.stdout);
    assert!(rest.len() > 10 && rest.len() < messages.len(), "{}", rest.len());
    let mut all = messages.iter();
    assert!(rest.iter().all(|line| all.any(|each| each == line)), "the rest is unchanged");
    assert_ne!(value(&text(succeeds(&["info"], data)), "damage"), "0");
}

#[test]
fn wrong_directories_places_and_flags_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = fails(&["info"], folder.path(), 1);
    assert!(none.contains("there is no journal in"), "{none}");
    let format = fails(&["export", "--format", "xml"], folder.path(), 64);
    assert!(format.contains("possible values: ndjson, der"), "{format}");
    let output = Command::new(PROGRAM).args(["journal", "verify"]).env_clear().output();
    let output = output.expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("no directory is named: give one, or set data_dir"), "{errors}");
}
