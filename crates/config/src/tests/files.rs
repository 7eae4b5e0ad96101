//! Configuration files: every section, and the place of each mistake.

use super::*;

fn read(text: &str) -> Result<Config, FileError> {
    read_file("certstream.yaml", text)
}

fn message(text: &str) -> String {
    match read(text) {
        Err(error) => error.to_string(),
        Ok(config) => panic!("{text:?}: {config:?}"),
    }
}

#[test]
fn an_empty_file_changes_nothing() {
    let blanks = ["", "\n\n", "# only a comment\n", "{}", "---\n", "# c\n---\n# d\n", "\u{feff}"];
    let blank_sections = ["ct_log:\n", "feed: ~\n", "custom_logs:\n  # - name: none\n"];
    for text in blanks.iter().chain(&blank_sections) {
        assert_eq!(read(text), Ok(Config::default()), "{text:?}");
    }
}

#[test]
fn every_section_is_read() {
    let text = r#"
host: "::"
log_level: warn,follow=trace
heartbeat: {mode: off}
max_message_bytes: 262144
feed:
  ring_bytes: 64 mib
ct_log:
  start: zero
  states: [usable]
  state_file: /var/lib/certstream/state.json
custom_logs:
  - name: A log
    url: https://ct.example/a/
    batch_size: 32
static_logs:
  - {name: Tiles, url: "http://127.0.0.1:6962/", log_origin: tiles.example, key: MFkw}
"#;
    let config = read(text).expect("valid");
    assert!(config.host.is_ipv6());
    assert_eq!(config.heartbeat.mode, HeartbeatMode::Off);
    assert_eq!(config.max_message_bytes.get(), 256 * ByteSize::KIB);
    assert_eq!(config.feed.ring_bytes.get(), 64 * ByteSize::MIB);
    assert_eq!(config.feed.chunk_bytes, Feed::default().chunk_bytes);
    assert_eq!(config.ct_log.start, Start::Index(0));
    assert_eq!(config.ct_log.states, [LogState::Usable]);
    assert_eq!(config.custom_logs[0].batch_size, Some(32));
    assert_eq!(config.custom_logs[0].url, "https://ct.example/a/");
    assert_eq!(config.static_logs[0].log_origin.as_deref(), Some("tiles.example"));
    assert_eq!(config.static_logs[0].key.as_deref(), Some("MFkw"));
}

#[test]
fn keys_of_the_go_server_set_ours() {
    let text = r#"
webserver:
  listen_addr: "127.0.0.1"
  listen_port: 4000
  cert_path: "/cert.pem"
  cert_key_path: "/key.pem"
  compression_enabled: false
  real_ip: true
  trusted_proxies: [10.0.0.0/8]
  whitelist: ["192.0.2.1"]
"#;
    let mut expected = Config {
        host: [127, 0, 0, 1].into(),
        port: 4000,
        tls_cert: Some("/cert.pem".into()),
        tls_key: Some("/key.pem".into()),
        real_ip: Some(true),
        trusted_proxies: vec!["10.0.0.0/8".into()],
        ip_allow_list: vec!["192.0.2.1".into()],
        ..Config::default()
    };
    expected.compression.websocket = false;
    expected.compat_profile = CompatProfile::Go;
    expected.dedup.enabled = false;
    assert_eq!(read(text), Ok(expected.clone()));
    // As its own example has it where there is no TLS.
    let blank = "webserver: {cert_path: '', cert_key_path: ''}\nheartbeat: {mode: off}";
    let heartbeat = Heartbeat { mode: HeartbeatMode::Off, ..Heartbeat::default() };
    let Config { compat_profile, dedup, .. } = expected;
    assert_eq!(read(blank), Ok(Config { heartbeat, compat_profile, dedup, ..Config::default() }));
    assert_eq!(read("webserver:\n"), Ok(Config::default()));
}

#[test]
fn an_error_shows_file_line_column_key_and_expectation() {
    let cases = [
        (
            "# port\n\nport: http\n",
            "certstream.yaml:3:7: port: expected a whole number from 1 to 65535\n   |\n 3 | port: \
             http\n   |       ^",
        ),
        (
            "ct_log:\n  fetch_concurrency: 17\n",
            "certstream.yaml:2:22: ct_log.fetch_concurrency: 17 is not a whole number from 1 to \
             16\n   |\n 2 |   fetch_concurrency: 17\n   |                      ^",
        ),
        (
            "feed:\n  ring_bytes: lots\n",
            "certstream.yaml:2:15: feed.ring_bytes: expected a size from 64KiB to 64GiB\n   |\n 2 \
             |   ring_bytes: lots\n   |               ^",
        ),
        (
            "port: 1\nport: 2\n",
            "certstream.yaml:2:1: duplicate mapping key `port` is not allowed here",
        ),
        (
            "streams:\n  fulll: true\n",
            "certstream.yaml:2:3: streams: unknown key \"fulll\"; did you mean \"full\"?",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), expected);
    }
}

#[test]
fn each_kind_of_mistake_is_reported_at_its_place() {
    let cases = [
        ("port: 0", "1:7: port: 0 is not a whole number from 1 to 65535"),
        ("port: 70000", "1:7: port: expected a whole number from 1 to 65535"),
        ("port: -1", "1:7: port: expected a whole number"),
        ("host: here", "1:7: host: expected an IP address such as 0.0.0.0 or \"::\", or localhost"),
        ("port: 1\nhost: ::\n", "2:7: write the address in quotes: host: \"::\""),
        (
            "webserver:\n  listen_addr: :: # all\n",
            "2:17: write the address in quotes: listen_addr: \"::\"",
        ),
        (
            "protocols:\n  sse: true\n   api: true\n",
            "the indentation of line 3 differs from that of",
        ),
        ("protocols:\n sse: true\n  api: true\n", "the indentation of line 3 differs from that of"),
        ("port: 1\n  host: 0.0.0.0\n", "the indentation of line 2 differs from that of line 1"),
        ("log_level: inof", "1:12: log_level: \"inof\" is not off, error, warn, info"),
        ("log_level:", "log_level: expected off, error, warn"),
        ("log_format: xml", "1:13: log_format: expected one of text, json"),
        (
            "webserver: {listen_port: 0}",
            "1:26: webserver.listen_port: 0 is not a whole number from 1 to 65535",
        ),
        ("webserver: {listen_port: http}", "1:26: webserver.listen_port: \"http\" is not a whole"),
        (
            "webserver: {port: 1}",
            "1:19: webserver: unknown key \"port\"; the keys here are listen_addr",
        ),
        (
            "webserver: {whitelist: [here]}",
            "1:24: webserver.whitelist: [\"here\"] is not a list of IP",
        ),
        ("rate_limit: {burst: -1}", "1:21: rate_limit.burst: -1.0 is not a number from 0 to"),
        ("rate_limit: {burst: 1, free_burst: 2}", "1:13: rate_limit: duplicate field `free_burst`"),
        (
            "port: 1\nwebserver: {listen_port: 2}",
            "2:26: webserver.listen_port: port sets the same; omit one of them",
        ),
        ("slow_client: wait", "1:14: slow_client: expected one of drop, disconnect"),
        ("feed: {gather_ms: 1001}", "feed.gather_ms: 1001 is not a whole number of milliseconds"),
        ("protocols: {sse: maybe}", "1:18: protocols.sse: expected true or false"),
        ("heartbeat: 3", "1:12: heartbeat: expected a section with mode, interval_secs"),
        ("what: ever", "1:1: unknown key \"what\"; docs/configuration.md lists all keys"),
        ("prot: 8080", "1:1: unknown key \"prot\"; did you mean \"port\"?"),
        ("ct_log: {log_list_url: list.json}", "ct_log.log_list_url: \"list.json\" is not an http"),
        ("ct_log: {state_file: ''}", "ct_log.state_file: \"\" is not the path of a file"),
        ("ct_log: {user_agent: \"a\\nb\"}", "ct_log.user_agent: \"a\\nb\" is not printable ASCII"),
        ("ct_log: {start: tail}", "1:17: ct_log.start: expected head, zero or an entry's index"),
        ("ct_log: {states: []}", "ct_log.states: [] is not one or more of pending, qualified"),
        ("ct_log: {states: usable}", "1:18: ct_log.states: expected one or more of pending"),
        ("ct_log: {states: [fine]}", "1:18: ct_log.states: expected one or more of pending"),
        ("custom_logs: 3", "1:14: custom_logs: expected a list of logs, each with name and url"),
        ("custom_logs:\n- name: a", "2:3: custom_logs[0]: url is missing"),
        (
            "custom_logs:\n- nme: a",
            "2:3: custom_logs[0]: unknown key \"nme\"; did you mean \"name\"?",
        ),
        (
            "custom_logs:\n- {name: a, url: https://a.example}\n- {name: b, url: b.example}",
            "3:18: custom_logs[1].url: \"b.example\" is not an http or https URL",
        ),
        (
            "static_logs:\n- name: a\n  url: https://a.example\n  batch_size: 0",
            "4:15: static_logs[0].batch_size: 0 is not a whole number from 1 to 65536",
        ),
        ("ct_log:\n\tbatch_size: 3", "2:2: tabs disallowed within this context"),
        ("port: 1\n---\nport: 2", "3:1: only single YAML document expected but multiple found"),
        ("port", "1:1: expected keys with values, such as port: 8080"),
        ("port: [", "1:7"),
        ("port: *nowhere", "1:7"),
    ];
    for (text, expected) in cases {
        let message = message(text);
        assert!(message.starts_with("certstream.yaml:"), "{text:?}: {message}");
        assert!(message.contains(expected), "{text:?}: {message}");
    }
}

#[test]
fn control_characters_and_long_lines_are_not_repeated() {
    let bell = message("port: \"\u{7}\"");
    assert!(!bell.contains('\u{7}'), "{bell:?}");
    let long = message(&format!("port: {}", "x".repeat(10_000)));
    assert_eq!(long, "certstream.yaml:1:7: port: expected a whole number from 1 to 65535");
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let theirs = crate::compat::OtherVariables::default();
    let read = file::read(Path::new("c.yaml"), b"port: \xff", &theirs, &mut Vec::new());
    let error = read.expect_err("not text");
    assert_eq!(error.to_string(), "c.yaml: the file is not UTF-8 text");
}

#[test]
fn a_huge_file_is_refused() {
    let path = |text: &str| {
        let file = Written::new(text);
        (file.path.clone(), refused(&[&file.flag()], &[]))
    };
    let (huge, message) = path(&format!("#{}\n", " ".repeat(1 << 20)));
    let expected = format!("configuration file {} is larger than 1048576 bytes", huge.display());
    assert_eq!(message, expected);
    let (_, message) = path(&format!("#{}\n?", " ".repeat((1 << 20) - 3)));
    assert!(!message.contains("is larger than"), "{message}");
}

#[test]
fn hostile_files_are_refused() {
    let bomb: String =
        (1..12).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9))).collect();
    let texts = [
        "[".repeat(1 << 18),
        "{a: ".repeat(1 << 17),
        "- ".repeat(1 << 17),
        "a: &a [*a]".to_owned(),
        format!("a0: &a0 [x]\n{bomb}"),
        format!("custom_logs: [{}]", "{},".repeat(1000)),
        "!!binary port: 3".to_owned(),
        "<<: {port: 3, what: 4}".to_owned(),
    ];
    for text in texts {
        assert!(read(&text).is_err(), "{}", text.chars().take(40).collect::<String>());
    }
}

#[test]
fn every_spelling_of_a_size_is_read() {
    let cases: [(&str, Option<u64>); 12] = [
        ("0", Some(0)),
        ("1048576", Some(1 << 20)),
        ("1MiB", Some(1 << 20)),
        (" 64 kib ", Some(1 << 16)),
        ("2GiB", Some(2 << 30)),
        ("5MB", Some(5_000_000)),
        ("7B", Some(7)),
        ("", None),
        ("MiB", None),
        ("1.5MiB", None),
        ("-1", None),
        ("18446744073709551615KiB", None),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse().ok().map(ByteSize::get), expected, "{text:?}");
    }
    for (bytes, text) in
        [(0, "0"), (1000, "1000"), (1536, "1536"), (2048, "2KiB"), (1 << 30, "1GiB")]
    {
        assert_eq!(ByteSize::new(bytes).to_string(), text);
        assert_eq!(text.parse().ok(), Some(ByteSize::new(bytes)));
    }
}

#[test]
fn operator_intervals_are_read_from_a_map_or_a_text() {
    let intervals = |text: &str| {
        let config = read(&format!("ct_log: {{operator_rate_limits: {text}}}"));
        config.map(|config| config.ct_log.operator_rate_limits.to_string())
    };
    let expected = Ok("DigiCert=50,Let's Encrypt=0".to_owned());
    assert_eq!(intervals("{\"Let's Encrypt\": 0, DigiCert: 50}"), expected);
    assert_eq!(intervals("\"Let's Encrypt = 0, DigiCert=50,\""), expected);
    assert_eq!(intervals("{\"A, Inc.\": 7}"), Ok("A Inc.=7".to_owned()));
    assert_eq!(intervals("{}"), Ok(String::new()));
    for wrong in ["{a: 3600001}", "{a: x}", "{\"\": 1}", "{a: 1, \" a\": 2}", "[a, 1]", "a"] {
        assert!(intervals(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_three_tree_size_sources_are_read() {
    let source = |text: &str| {
        let log = format!("{{name: a, url: https://a.example, tree_size_source: {text}}}");
        read(&format!("static_logs: [{log}]"))
            .map(|config| config.static_logs[0].tree_size_source.clone())
    };
    let url = TreeSizeSource::Url("https://b.example/log".to_owned());
    assert_eq!(source("checkpoint"), Ok(Some(TreeSizeSource::Checkpoint)));
    assert_eq!(source("get_sth"), Ok(Some(TreeSizeSource::GetSth)));
    assert_eq!(source("https://b.example/log"), Ok(Some(url)));
    let error = source("get-sth").expect_err("it is written otherwise").to_string();
    assert!(error.contains("expected checkpoint, get_sth or an http or https URL"), "{error}");
}

#[test]
fn rate_keys_without_a_tier_set_the_free_tier() {
    let config = read("rate_limit: {max_tokens: 5, refill_rate: 0.5, burst: 2}").expect("valid");
    let rates = &config.rate_limit;
    assert_eq!((rates.free_max_tokens, rates.free_refill_rate, rates.free_burst), (5.0, 0.5, 2.0));
}
