//! `--validate-config` says what a start would say, and looks at the files a start needs.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::harness::PATIENCE;
use crate::operations::kills::disk::SmallDisk;
use crate::operations::process::Ended;
use crate::program::Process;

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
        self.command(arguments, variables).output().expect("the program runs")
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-server"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.envs(variables.iter().copied());
        command
    }

    /// Returns the message of a start that fails.
    fn refused_start(&self) -> String {
        let start = self.run(&["--host=127.0.0.1", "--port=0", "--dry-run"], &[]);
        let said = String::from_utf8(start.stderr).expect("text");
        assert_eq!(start.status.code(), Some(1), "{said}");
        said
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
        "auth.enabled is not",
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
        assert!(said.contains("--strict treats") && said.contains("auth.enabled"), "{said}");
    }
}

#[test]
fn mistakes_of_every_kind_are_named_in_one_run() {
    let config = "prot: 8080\n\
                  tls_cert: cert.pem\n\
                  tls_key: key.pem\n\
                  custom_logs: [{name: a, url: \"https://a.example\", key: nonsense}]\n\
                  auth: {tokens: [abc]}\n\
                  ct_log: {state_file: state.json, state_recovery: fail, import_index: index.json}\n";
    let folder = Folder::new(&[
        ("config.yaml", config),
        ("index.json", "{bad"),
        ("state.json", r#"{"version": "one"}"#),
    ]);
    let variables = [("CERTSTREAM_PROT", "1"), ("CERTSTREAM_PORT", "x")];
    let output = folder.run(&["--validate-config"], &variables);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(64), "{said}");
    for expected in [
        "the configuration is invalid\n",
        "\n  config.yaml:1:1: unknown key \"prot\"; did you mean \"port\"?\n",
        "\n  CERTSTREAM_PORT: \"x\" is not a whole number",
        "\n  tls_cert: cannot read cert.pem",
        "\n  log \"a\": key is not the base64 of a DER public key",
        "\n  ct_log.state_file: state.json: version is not a whole number",
        "\n  ct_log.import_index: index.json: is not JSON",
        "\n2 warnings:\n",
        "CERTSTREAM_PROT has no effect: there is no such variable; did you mean CERTSTREAM_PORT?",
        "auth.enabled is not",
    ] {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_by_their_setting() {
    let flags = ["--prometheus-enabled=true", "--prometheus-cert-path=metrics.pem"];
    let folder = Folder::new(&[]);
    let flags = [&flags[..], &["--prometheus-cert-key-path=metrics.key"]].concat();
    let (status, said) = folder.validate(&flags);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("\n  prometheus.cert_path: cannot read metrics.pem"), "{said}");
    assert!(!said.contains("tls_cert"), "{said}");
}

#[test]
fn the_address_shown_of_a_server_that_listens_on_all_can_be_opened() {
    let folder = Folder::new(&[]);
    let mut command = folder.command(&["--dry-run", "--host=0.0.0.0", "--port=0"], &[]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut program = Ended(command.spawn().expect("the program runs"));
    let log = BufReader::new(program.0.stderr.take().expect("piped"));
    let mut lines = log.lines().map(|line| line.expect("text"));
    let line = lines.find(|line| line.contains("listening on ")).expect("it listens");
    assert!(line.contains("listening on http://127.0.0.1:"), "{line}");
}

#[test]
fn files_that_are_fifos_are_refused_and_do_not_block() {
    let tls = &["--tls-cert=cert.pem", "--tls-key=key.pem"][..];
    let cases = [
        ("config.yaml", &[][..], "cannot read configuration file config.yaml (found there): "),
        ("cert.pem", tls, "tls_cert: cannot read cert.pem: "),
        ("key.pem", tls, "tls_key: cannot read key.pem: "),
        (
            "list.pem",
            &["--ct-log-log-list-key-file=list.pem"],
            "ct_log.log_list_key_file: cannot read list.pem: ",
        ),
    ];
    let started = cases.map(|(name, flags, expected)| {
        let folder = Folder::new(&[("cert.pem", ""), ("key.pem", "")]);
        drop(std::fs::remove_file(folder.path().join(name)));
        mkfifoat(CWD, folder.path().join(name), Mode::RUSR | Mode::WUSR).expect("a FIFO");
        let mut command = folder.command(&[&["--validate-config"], flags].concat(), &[]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        (Ended(command.spawn().expect("the program runs")), folder, name, expected)
    });
    let deadline = Instant::now() + PATIENCE;
    let mut blocked = Vec::new();
    for (mut program, _folder, name, expected) in started {
        let status = loop {
            match program.0.try_wait().expect("a child") {
                None if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                status => break status,
            }
        };
        let Some(status) = status else {
            blocked.push(name);
            continue;
        };
        let said = std::io::read_to_string(program.0.stderr.take().expect("piped")).expect("text");
        assert_eq!(status.code(), Some(64), "{name}: {said}");
        let expected = format!("{expected}it is not a regular file");
        assert!(said.contains(&expected), "{expected:?} is missing in:\n{said}");
    }
    assert_eq!(blocked, [""; 0], "waits for a writer");
}

#[test]
fn a_state_file_of_certstream_server_rust_that_is_not_configured_is_warned_of() {
    let expected = "certstream_state.json exists, but ct_log.state_file is not set";
    let state = ("certstream_state.json", r#"{"version": 1, "logs": {}}"#);
    let folder = Folder::new(&[("config.yaml", "host: 127.0.0.1\n"), state]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(expected), "{said}");
    let advice = "add `state_file: certstream_state.json` to the section `ct_log:`";
    assert!(said.contains(advice), "{said}");
    // A start says so too.
    let mut command = folder.command(&["--dry-run", "--port=0"], &[]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut program = Ended(command.spawn().expect("the program runs"));
    let log = BufReader::new(program.0.stderr.take().expect("piped"));
    let lines = log.lines().map(|line| line.expect("text"));
    let until_it_listens: Vec<String> =
        lines.take_while(|line| !line.contains("listening on")).collect();
    let warned = |line: &String| line.contains("WARN") && line.contains(expected);
    assert!(until_it_listens.iter().any(warned), "{until_it_listens:#?}");

    let text = "ct_log: {state_file: certstream_state.json}\n";
    let (status, said) = Folder::new(&[("config.yaml", text), state]).validate(&["--strict"]);
    assert_eq!(status, Some(0), "{said}");
    let elsewhere = Folder::new(&[]);
    let file = format!("--config={}", folder.path().join("config.yaml").display());
    let (_, said) = elsewhere.validate(&[&file]);
    let place = folder.path().join("certstream_state.json");
    let advice = format!("add `state_file: {}` to the section", place.display());
    assert!(said.contains(&advice), "{said}");
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
    assert!(said.contains("ct_index.json does not exist, and neither does a state file"), "{said}");
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
    assert!(said.contains("would be moved aside, and all logs would start afresh"), "{said}");
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
        assert!(!said.contains("moved aside"), "{said}");
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
    assert!(
        said.contains("directory missing does not exist; create it (mkdir -p missing)"),
        "{said}"
    );
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
    assert!(said.contains("such as --port "), "{said}");
}

#[test]
fn metrics_that_overlap_with_the_server_are_named_as_such() {
    let port = crate::operations::process::free_port();
    let folder = Folder::new(&[]);
    let (own, metrics) = (format!("--port={port}"), format!("--prometheus-listen-port={port}"));
    let overlap = ["--prometheus-enabled", "--prometheus-listen-addr=0.0.0.0", &metrics];
    let flags = [&["--dry-run", "--host=127.0.0.1", &own][..], &overlap].concat();
    let output = folder.run(&flags, &[]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("add --prometheus-listen-addr 127.0.0.1 to share it"), "{said}");
}

#[test]
fn listing_logs_requires_a_state_file() {
    let output = Folder::new(&[]).run(&["logs", "list"], &[]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("neither data_dir nor ct_log.state_file is configured"), "{said}");
    assert!(said.contains("/api/logs"), "{said}");
}

#[test]
fn a_data_dir_that_cannot_be_used_is_reported_before_and_at_the_start() {
    let folder = Folder::new(&[("data", "a file"), ("config.yaml", "data_dir: data\n")]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("data_dir: data is not a directory"), "{said}");
    assert!(folder.refused_start().contains("data_dir: data is not a directory"));
}

#[test]
fn a_data_dir_that_nobody_can_write_is_reported_before_and_at_the_start() {
    // Nobody can create a folder there, root neither.
    let folder = Folder::new(&[("config.yaml", "data_dir: /sys/kernel/certstream\n")]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("data_dir: /sys/kernel/certstream cannot be created in /sys"), "{said}");
    let said = folder.refused_start();
    assert!(said.contains("data_dir: /sys/kernel/certstream cannot be written ("), "{said}");
    assert!(said.contains("name a directory in `data_dir` that this user can write"), "{said}");
}

#[test]
fn a_data_dir_in_use_is_reported_at_the_start() {
    let folder = Folder::new(&[("config.yaml", "data_dir: data\n")]);
    let data_dir = folder.path().join("data");
    let file = format!("data_dir: {data_dir:?}\n");
    let first = Process::start(&file, &[], &["--dry-run"]);
    let said = folder.refused_start();
    let expected = format!("data_dir: data is in use by process {}: stop that", first.id());
    assert!(said.contains(&expected), "{said}");
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("data_dir: data is in use by a running server"), "{said}");
    first.stop();
}

#[test]
fn a_data_dir_on_a_full_disk_is_reported_before_and_at_the_start() {
    let disk = SmallDisk::new();
    if !disk.is_mounted() {
        println!("skipped: no disk can be mounted");
        return;
    }
    disk.fill(0);
    let data_dir = disk.data_dir();
    let folder = Folder::new(&[("config.yaml", &format!("data_dir: {data_dir:?}\n"))]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("cannot be created in"), "{said}");
    let said = folder.refused_start();
    assert!(said.contains("is full: make room"), "{said}");
}

#[test]
fn a_data_dir_that_is_not_there_is_created_at_the_start() {
    let folder = Folder::new(&[("config.yaml", "data_dir: new/data\n")]);
    let (status, said) = folder.validate(&[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("journal of at most 10GiB in new/data"), "{said}");
    assert!(!folder.path().join("new").is_dir(), "a validation changes nothing");
}

#[test]
fn a_secret_in_the_environment_is_checked_and_never_shown() {
    let text_with = |url: &str| {
        format!(
            "data_dir: data\nalerts:\n  rules: [{{name: a, domain: a.example}}]\n  receivers: \
             [{{name: ops, type: slack, {url}, key_env: HOOK_KEY}}]\n"
        )
    };
    let folder = Folder::new(&[("config.yaml", &text_with("url_env: CERTSTREAM_HOOK"))]);
    let said = |arguments: &[&str], url: &[u8], key: Option<&str>| {
        let always = ["--host=127.0.0.1", "--port=0"];
        let mut command = folder.command(&[arguments, &always].concat(), &[]);
        command
            .env("CERTSTREAM_HOOK", OsStr::from_bytes(url))
            .envs(key.map(|key| ("HOOK_KEY", key)));
        let output = command.output().expect("the program runs");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(!said.contains("s3cret"), "{said}");
        (output.status.code(), said)
    };
    let url = b"https://hooks.example/s3cret\n";
    let missing = "receivers[0].key_env: the environment variable HOOK_KEY is not set, or empty";
    let cases: [(&[u8], Option<&str>, &str); 5] = [
        (url, None, missing),
        (url, Some(""), missing),
        (url, Some(" \n"), "the environment variable HOOK_KEY is empty"),
        (b"s3cret\xff", Some("s3cret"), "the environment variable CERTSTREAM_HOOK is not UTF-8"),
        (
            b"s3cret",
            Some("s3cret"),
            "alerts.receivers[0] (ops): the URL of the webhook cannot be read",
        ),
    ];
    for (url, key, expected) in cases {
        for mode in ["--validate-config", "--dry-run"] {
            let (status, said) = said(&[mode], url, key);
            assert_eq!(status, Some(64), "{said}");
            assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
        }
    }
    let (status, text) = said(&["--validate-config", "--strict"], url, Some("s3cret"));
    assert_eq!(status, Some(0), "{text}");
    // A secret in place of its name.
    let file = folder.path().join("config.yaml");
    for (setting, expected) in [
        (
            "url_env: 'https://a.example/s3cret'",
            "url_env is (hidden): name an environment variable",
        ),
        ("url_file: 'https://a.example/s3cret'", "url_file: it is a URL, not a file"),
    ] {
        let wrong = text_with(setting);
        std::fs::write(&file, wrong).expect("writable");
        for mode in ["--validate-config", "--dry-run"] {
            let (status, said) = said(&[mode], url, Some("s3cret"));
            assert_eq!(status, Some(64), "{said}");
            assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
        }
    }
}
