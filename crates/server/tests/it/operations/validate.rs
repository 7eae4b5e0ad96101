//! `--validate-config` says what a start would say, and looks at the files a start needs.

use std::path::Path;
use std::process::{Command, Output};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("writable");
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_certstream-server"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .expect("the program runs")
    }

    /// Exit status and everything that was said.
    fn validate(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(&[&["--validate-config"], arguments].concat(), &[]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    }
}

const GO: &str = "webserver: {listen_port: 8082}\n\
                  general: {recovery: {enabled: true, ct_index_file: ct_index.json}}\n";

#[test]
fn a_migrating_operator_sees_profile_and_state() {
    let folder = Folder::new(&[("config.yaml", GO), ("ct_index.json", "{\"a.example/log\": 7}")]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(0), "{said}");
    for expected in [
        "the configuration is valid\n",
        "profile:      go, because of webserver:",
        "dedup:        off, every entry of every log is sent",
        "state:        ct_index.state.json; for logs not in it, ct_index.json",
        "verification: report",
        "access:       from any address, without a token",
        "limits:       any number of streams",
        "without TLS",
    ] {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
}

#[test]
fn every_warning_is_printed_and_strict_makes_it_an_error() {
    let text = "auth: {tokens: [abc]}\nct_log: {merkle_verification: full}\n";
    let folder = Folder::new(&[("config.yaml", text)]);
    let variables = [("CERTSTREAM_PROT", "1"), ("CERTSTREAM_PORT", "tcp://10.0.0.1:80")];
    let output = folder.run(&["--validate-config"], &variables);
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("the configuration is valid, with warnings\n"), "{said}");
    for expected in [
        "4 warnings:",
        "auth.enabled is not set",
        "ct_log.merkle_verification does nothing here",
        "did you mean CERTSTREAM_PORT?",
        "CERTSTREAM_PORT is ignored: Kubernetes",
    ] {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
    for arguments in [&["--validate-config", "--strict"][..], &["--strict", "--dry-run"]] {
        let output = folder.run(arguments, &variables);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains("--strict refuses") && said.contains("auth.enabled"), "{said}");
    }
}

#[test]
fn validation_reads_the_import_index() {
    let broken = [
        ("{bad", vec!["ct_log.import_index: ct_index.json: is not JSON"]),
        ("[]", vec!["is not a JSON object of URLs and indexes"]),
        (
            r#"{"a.example": -1, "b.example": 7, "c.example": "x"}"#,
            vec!["a.example: its index is not a whole number", "c.example: its index is not"],
        ),
    ];
    for (text, expected) in broken {
        let folder = Folder::new(&[("config.yaml", GO), ("ct_index.json", text)]);
        let (status, said) = folder.validate(&[]);
        assert_eq!(status, Some(64), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{expected:?}: {said}");
    }
    let folder = Folder::new(&[("config.yaml", GO)]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("ct_index.json is not there, and there is no state file yet"), "{said}");
    assert_eq!(folder.validate(&["--strict"]).0, Some(64));
}

#[test]
fn every_mistake_in_a_state_file_is_named() {
    let state = r#"{"version": "one", "last_offset": -7, "logs": {
        "https://a.example/log": {"current_index": "7"},
        "https://b.example/log": {"current_index": 7, "tree_size": 9, "last_success": 0},
        "https://c.example/log": {"tree_size": 9}}}"#;
    let text = "ct_log: {state_file: certstream_state.json}\n";
    let folder = Folder::new(&[("config.yaml", text), ("certstream_state.json", state)]);
    let parts = [
        "version is not a whole number",
        "last_offset is not a whole number",
        "https://a.example/log: invalid type",
        "https://c.example/log: missing field `current_index`",
    ];
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    assert!(said.contains("would be set aside and all logs begin afresh"), "{said}");
    assert!(!said.contains("b.example"), "{said}");
    let (status, said) = folder.validate(&["--ct-log-state-recovery=fail"]);
    assert_eq!(status, Some(64), "{said}");
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    let kept = std::fs::read_to_string(folder.path().join("certstream_state.json"));
    assert_eq!(kept.expect("is there"), state, "validation changes nothing");
}

#[test]
fn an_invalid_offset_in_a_state_file_is_named() {
    let text = "ct_log: {state_file: state.json, state_recovery: fail}\n";
    for (state, expected) in [
        (r#"{"version": 1, "last_offset": "7"}"#, "last_offset is not a whole number"),
        (r#"{"version": 1, "last_offset": 9007199254740991}"#, "last_offset 9007199254740991 is"),
        (r#"{"version": 1, "last_offset": 5, "resent_from": 6}"#, "resent_from 6 is larger than"),
    ] {
        let folder = Folder::new(&[("config.yaml", text), ("state.json", state)]);
        let (status, said) = folder.validate(&[]);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains(expected) && said.contains("; it would be ignored"), "{said}");
        assert!(!said.contains("set aside"), "{said}");
        assert_eq!(folder.validate(&["--strict"]).0, Some(64));
    }
    let wrong = r#"{"version": 1, "last_offset": 5, "resent_from": "5"}"#;
    let folder = Folder::new(&[("config.yaml", text), ("state.json", wrong)]);
    let (_, said) = folder.validate(&[]);
    assert!(said.contains("resent_from is not a whole number"), "{said}");
}

#[test]
fn an_endless_file_is_not_read_completely() {
    let folder = Folder::new(&[("config.yaml", GO)]);
    let large = std::fs::File::create(folder.path().join("ct_index.json")).expect("writable");
    large.set_len(8 << 40).expect("a sparse file");
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("ct_index.json: is not JSON: expected value"), "{said}");
}

#[test]
fn an_unusable_state_file_is_reported_once() {
    let text = "ct_log: {state_file: missing/state.json}\n";
    let folder = Folder::new(&[("config.yaml", text), ("newer.json", "{\"version\": 2}")]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("folder missing does not exist; create it (mkdir -p missing)"), "{said}");
    let output = folder.run(&["--port=0", "--host=localhost"], &[]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("does not exist; create it (mkdir -p missing)").count(), 1, "{said}");
    assert!(!said.contains("os error"), "{said}");

    let (status, said) = folder.validate(&["--ct-log-state-file=newer.json"]);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("version 2 is newer than this program reads"), "{said}");
    let (status, said) = folder.validate(&["--ct-log-state-file=."]);
    assert_eq!(status, Some(64), "{said}");
    let (status, said) = folder.validate(&["--ct-log-state-file=state.json"]);
    assert_eq!(status, Some(0), "no state file yet: {said}");
}

#[test]
fn a_port_in_use_is_reported_plainly() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let folder = Folder::new(&[]);
    let flag = format!("--port={port}");
    let output = folder.run(&["--dry-run", "--host=127.0.0.1", &flag], &[]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("port {port} of 127.0.0.1 is in use by another")), "{said}");
}

#[test]
fn listing_logs_requires_a_state_file() {
    let output = Folder::new(&[]).run(&["logs", "list"], &[]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("no state file is configured (ct_log.state_file)"), "{said}");
    assert!(said.contains("/api/logs"), "{said}");
}
