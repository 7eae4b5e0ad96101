//! `certstream-server tail` in a process of its own, against a server in another one.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use crate::harness::PATIENCE;
use crate::operations::process::{Ended, PROGRAM, free_port};

/// The names that the demonstration issues certificates for every few seconds.
const DOMAIN: &str = "example.org";

fn server(port: u16) -> Ended {
    let mut command = Command::new(PROGRAM);
    command.args(["--demo", "--host=127.0.0.1", "--log-level=off", &format!("--port={port}")]);
    Ended(command.stdin(Stdio::null()).spawn().expect("the program runs"))
}

/// A running `tail`, and what it prints.
struct Tail {
    process: Ended,
    output: Option<BufReader<ChildStdout>>,
    errors: BufReader<ChildStderr>,
}

impl Tail {
    fn start(port: u16, arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--host=127.0.0.1", &format!("--port={port}"), "tail"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let output = child.stdout.take().map(BufReader::new);
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        Self { process: Ended(child), output, errors }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.as_mut().expect("open").read_line(&mut line).expect("text");
        assert!(line.ends_with('\n'), "no whole line: {line:?}");
        line
    }

    /// Reads lines of standard error until one contains a text.
    fn reports(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.errors.read_line(&mut line).expect("text") > 0, "{text} is not reported");
        }
    }

    /// Returns the exit status, as soon as the process ends.
    fn status(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.0.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "tail does not end");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn lines_of_the_configured_server_continue_after_its_restart() {
    let port = free_port();
    let first = server(port);
    let mut tail = Tail::start(port, &["--domain", DOMAIN, "--from-oldest"]);
    tail.reports("connected to ws://127.0.0.1:");
    let line = tail.line();
    let mut words = line.split_whitespace();
    assert!(words.next().is_some_and(|time| time.ends_with('Z')), "{line}");
    assert!(matches!(words.next(), Some("cert" | "precert")), "{line}");
    assert!(words.next().is_some_and(|name| name.ends_with(DOMAIN)), "{line}");
    assert!(line.contains('['), "the issuer is missing: {line}");
    drop(first);
    tail.reports("trying again in");
    let second = server(port);
    tail.reports("connected again to");
    // Lines of the first server may still be in the pipe.
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let is_new = |line: &str| line.split_whitespace().next().is_some_and(|time| time >= &*now);
    while !is_new(&tail.line()) {}
    tail.process.terminate();
    assert_eq!(tail.status(), Some(0));
    drop(second);
}

#[test]
fn json_lines_are_the_messages_and_a_closed_pipe_ends_the_command_without_an_error() {
    let port = free_port();
    let _server = server(port);
    let url = format!("ws://127.0.0.1:{port}/");
    let mut tail = Tail::start(1, &["--url", &url, "--json", "--from-oldest"]);
    for _ in 0..3 {
        let line = tail.line();
        let message: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(message["message_type"], "certificate_update");
        assert!(message["data"]["leaf_cert"]["all_domains"].is_array(), "{message}");
    }
    tail.output = None;
    let mut said = String::new();
    tail.errors.read_to_string(&mut said).expect("text");
    assert!(!said.contains("pipe"), "{said}");
    assert_eq!(tail.status(), Some(0));
}

#[test]
fn started_again_tail_continues_after_the_last_line_that_it_printed() {
    let port = free_port();
    let _server = server(port);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("position.json");
    let arguments = ["--json", "--from-oldest", "--resume", file.to_str().expect("text")];
    let offset = |line: &str| {
        let message: Value = serde_json::from_str(line).expect("JSON");
        message["offset"].as_u64().expect("a number")
    };
    let mut tail = Tail::start(port, &arguments);
    let mut last = offset(&tail.line());
    tail.process.terminate();
    for line in tail.output.take().expect("open").lines() {
        last = offset(&line.expect("text"));
    }
    assert_eq!(tail.status(), Some(0));
    let mut again = Tail::start(port, &arguments);
    assert_eq!(offset(&again.line()), last + 1);
    drop(again);
    std::fs::write(&file, "my notes").expect("writable");
    let mut refused = Tail::start(port, &arguments);
    refused.reports("holds no position of tail");
    assert_eq!(refused.status(), Some(64));
}

#[test]
fn a_refused_request_ends_the_command_with_the_reason() {
    let port = free_port();
    let _server = server(port);
    let url = format!("ws://127.0.0.1:{port}/nowhere");
    let mut tail = Tail::start(1, &["--url", &url]);
    tail.reports("404");
    assert_eq!(tail.status(), Some(1));
    let wrong = Command::new(PROGRAM).args(["tail", "--match", "ab"]).output().expect("runs");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--match: \"ab\" is too short"));
}
