//! Every mistake is named, and none with a secret.

use super::*;

const RUST: &str = include_str!("rust_server.yaml");
const GO: &str = include_str!("go_server.yaml");

#[test]
fn no_error_quotes_values_under_an_unknown_key_or_auth() {
    let hash = "0".repeat(64);
    let files = [
        "auth: {tokens: [s3cret, 'two s3cret']}".to_owned(),
        "auth: {tokens: s3cret}".to_owned(),
        "auth:\n  tokens:\n  - s3cret\n  - [s3cret]\n".to_owned(),
        "auth: {tokens: [s3cret], colour: red}".to_owned(),
        "auth: {tokens: [s3cret\n".to_owned(),
        format!("auth: {{premium_tokens: ['sha256:s3cret{hash}']}}"),
        "auth: {tokns: [s3cret]}".to_owned(),
        "auth:\n  tokns: [s3cret]\n".to_owned(),
        "auth:\n  tokns:\n    - s3cret\n".to_owned(),
        "auth: s3cret".to_owned(),
        "auth: {enabled: s3cret}".to_owned(),
        "auth: {header_name: 'X s3cret'}".to_owned(),
        "auth: {query_token: s3cret}".to_owned(),
        "auth: [s3cret]".to_owned(),
        "auth:\n  tokens: *s3cret\n".to_owned(),
        "auth:\n  tokens: s3cret: x\n".to_owned(),
        "auth:\n\ttokens: [s3cret]\n".to_owned(),
        "auth:\n tokens: s3cret\n  enabled: true\n".to_owned(),
        "auth: {tokens: !!int s3cret}".to_owned(),
        "auth: {tokens: \"s3cret}\n".to_owned(),
        "atuh: {tokens: [s3cret]}".to_owned(),
        "tokens: [s3cret]".to_owned(),
        "port: x\ntoken: s3cret".to_owned(),
        "streams: {full: true, password: s3cret}".to_owned(),
        "webserver: {token: s3cret}".to_owned(),
        "webserver: {auth: {token: s3cret}}".to_owned(),
        "stream_processing: [{type: kafka, password: s3cret}]".to_owned(),
        "general: {additional_logs: {password: s3cret}}".to_owned(),
        "custom_logs: [{name: a, url: https://a.example, password: s3cret}]".to_owned(),
    ];
    for text in &files {
        let file = Written::new(text);
        let said = refused(&[&file.flag()], &[]);
        assert!(!said.contains("s3cret"), "{text:?}: {said}");
    }
    let variables = [
        ("CERTSTREAM_AUTH_TOKENS", "[\"s3cret\"]"),
        ("CERTSTREAM_AUTH_ENABLED", "s3cret"),
        ("CERTSTREAM_AUTH_HEADER_NAME", "s3cret s3cret"),
    ];
    for variable in variables {
        let said = refused(&[], &[variable]);
        assert!(!said.contains("s3cret") && said.contains(variable.0), "{said}");
    }
    let unknown = serve(&[], &[("CERTSTREAM_AUTH_TOKNS", "s3cret")]).warnings;
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(!unknown[0].contains("s3cret"), "{unknown:?}");
    let flags: [&[&str]; 7] = [
        &["--auth-tokns=s3cret"],
        &["--auth-tokns", "s3cret"],
        &["--auth-tokens=two s3cret"],
        &["--auth-tokens", "a", "s3cret"],
        &["--auth-query-token", "s3cret"],
        &["--auth-enabled=s3cret"],
        &["--auth-header-name", "a s3cret"],
    ];
    for args in flags {
        let said = refused(args, &[]);
        assert!(!said.contains("s3cret"), "{args:?}: {said}");
    }
}

#[test]
fn no_error_quotes_a_url_with_credentials() {
    let files = [
        "nats: {enabled: true, url: 'tcp://user:s3cret@host'}",
        "nats:\n  enabled: true\n  url: nats://a,tcp://s3cret@host\n",
        "nats: {enabled: yes please, url: 'nats://user:s3cret@host'}",
        "nats: {url: ['nats://user:s3cret@host']}",
        "nats:\n  url: \"nats://user:s3cret@h\u{f6}st\"\n",
        "cluster: {url: 'nats://user:s3cret@a'}",
        "cluster: {url: ['nats://user:s3cret@a', 7]}",
        "stream_processing: [{name: a, type: kafka, brokers: ['user:s3cret@a:9092']}]",
        "stream_processing: [{name: a, type: kafka, server_addr: 'user:s3cret@a'}]",
        "ct_log: {log_list_url: 'ftp://user:s3cret@a.example'}",
        "ct_log:\n  extra_log_lists:\n  - ftp://user:s3cret@a.example\n",
        "custom_logs: [{name: a, url: 'ftp://user:s3cret@a.example'}]",
        "custom_logs:\n- {name: a, url: 'https://user:s3cret@a.example'}\n\
         - {name: b, url: 'https://user:s3cret@a.example'}\n",
        "custom_logs: [{name: a, url: 'https://a', tree_size_source: 'https://u:s3cret@a.example'}]",
        "static_logs: [{name: a, url: 'https://a', tree_size_source: 'ftp://u:s3cret@a.example'}]",
        "alerts: {link: 'https://user:s3cret@a.example'}",
        "alerts: {receivers: [{name: a, type: slack, url: 'ftp://user:s3cret@a.example'}]}",
    ];
    for text in files {
        let file = Written::new(text);
        let said = refused(&[&file.flag()], &[]);
        assert!(!said.contains("s3cret"), "{text:?}: {said}");
    }
    for (name, value) in [
        ("CERTSTREAM_NATS_URL", "nats://user:s3cret@h\u{f6}st"),
        ("CERTSTREAM_CT_LOG_LOG_LIST_URL", "ftp://user:s3cret@a.example"),
        ("CERTSTREAM_CT_LOG_EXTRA_LOG_LISTS", "ftp://user:s3cret@a.example"),
        ("CERTSTREAM_ALERTS_LINK", "ftp://user:s3cret@a.example"),
    ] {
        let said = refused(&[], &[(name, value)]);
        assert!(!said.contains("s3cret") && said.contains(name), "{said}");
    }
    for flag in
        ["--nats-url=nats://user:s3cret@h\u{f6}st", "--ct-log-log-list-url=ftp://u:s3cret@a"]
    {
        let said = refused(&[flag], &[]);
        assert!(!said.contains("s3cret"), "{flag}: {said}");
    }
    let list = "--ct-log-log-list-url=https://user:s3cret@a.example/list.json";
    let summary = serve(&[list], &[]).summary();
    assert!(!summary.contains("s3cret"), "{summary}");
}

#[test]
fn values_under_known_keys_are_quoted() {
    let said = read_file("c.yaml", "port: http").expect_err("no port").to_string();
    assert!(said.contains("1 | port: http"), "{said}");
}

/// A file with one mistake in each section, and the beginning of each message.
fn named(text: &str, changes: &[(&str, &str, &str)]) {
    let mut wrong = text.to_owned();
    for (right, mistake, _) in changes {
        assert!(wrong.contains(right), "{right:?} is not in the file");
        wrong = wrong.replacen(right, mistake, 1);
    }
    let file = Written::new(&wrong);
    let variables = [("CERTSTREAM_FEED_GATHER_MS", "soon")];
    let said = refused(&[&file.flag()], &variables);
    let named = mistakes(&[&file.flag()], &variables);
    assert_eq!(named.len(), changes.len() + 1, "{named:#?}");
    assert!(named.iter().all(|mistake| said.contains(mistake)), "{named:#?}\n{said}");
    for expected in changes.iter().map(|(.., expected)| *expected) {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
    assert!(said.contains("CERTSTREAM_FEED_GATHER_MS: \"soon\" is not"), "{said}");
    assert!(said.starts_with(&format!("{} mistakes", changes.len() + 1)), "{said}");
}

#[test]
fn each_mistake_in_a_file_of_certstream_server_rust_is_named() {
    named(
        RUST,
        &[
            ("port: 8081", "port: 80810", ": port: expected a whole number from 1 to 65535"),
            ("sse: true", "sse: maybe", ": protocols.sse: expected true or false"),
            ("full: true", "ful: true", ": streams: unknown key \"ful\"; did you mean \"full\"?"),
            ("fetch_concurrency: 4", "fetch_concurrency: 99", ": ct_log.fetch_concurrency: 99 is"),
            (
                "merkle_verification: full",
                "merkle_verification: fully",
                ": ct_log.merkle_verificat",
            ),
            (
                "max_connections: 10000",
                "max_connections: many",
                ": connection_limit.max_connections",
            ),
            ("refill_rate: 10", "refil_rate: 10", ": rate_limit: unknown key \"refil_rate\""),
            (
                "cache_capacity: 1000",
                "cache_capacity: -1",
                ": api.cache_capacity: expected a whole",
            ),
            (
                "header_name: Authorization",
                "header_name: 'A b'",
                ": auth.header_name: expected the",
            ),
            (
                "{enabled: true, watch_path",
                "{enabled: 3, watch_path",
                ": hot_reload.enabled: expected",
            ),
            (
                "ttl_secs: 900",
                "ttl_secs: 0",
                ": dedup.ttl_secs: 0 is not a whole number of seconds",
            ),
            (
                "{name: one, url:",
                "{nam: one, url:",
                ": custom_logs[0]: unknown key \"nam\"; did you",
            ),
            ("\"https://ct.example/one\"", "3", ": custom_logs[0].url: \"3\" is not an http or"),
            (
                "{name: two, url",
                "{name: two, batch_size: 0, url",
                ": static_logs[0].batch_size: 0 is",
            ),
            (
                "queue_depth: 10000",
                "queue_depht: 10000",
                ": nats: unknown key \"queue_depht\"; did",
            ),
            ("on_full: block", "on_full: wait", ": nats.on_full: expected one of block, drop"),
            (
                "trusted_proxies: [10.0.0.0/8]",
                "trusted_proxies: [here]",
                ": trusted_proxies: [\"here",
            ),
        ],
    );
}

#[test]
fn each_mistake_in_a_file_of_certstream_server_go_is_named() {
    named(
        GO,
        &[
            ("listen_port: 8082", "listen_port: 0", ": webserver.listen_port: 0 is not a whole"),
            (
                "lite_url: \"/lite\"",
                "lite_ulr: /lite",
                ": webserver: unknown key \"lite_ulr\"; did",
            ),
            (
                "metrics_url: \"/numbers\"",
                "metrics_url: \"a b\"",
                ": prometheus.metrics_url: \"a b\"",
            ),
            (
                "drop_old_logs: false",
                "drop_old_logs: often",
                ": general.drop_old_logs: \"often\" is",
            ),
            ("dispatcher: 10000", "dispatcher: -1", ": general.buffer_sizes.dispatcher: -1 is not"),
            (
                "start_at_head: true",
                "start_at_head: 3",
                ": general.recovery.start_at_head: 3 is not",
            ),
            ("- operator: Nobody", "- operatr: Nobody", ": general.excluded_logs[0]: unknown key"),
            (
                "description: \"Example one\"",
                "descripton: b",
                ": general.additional_logs[0]: unknown",
            ),
            (
                "description: \"Example tiles\"",
                "decription: b",
                ": general.additional_tiled_logs[0]: unknown",
            ),
            (
                "compression: none",
                "compression: rar",
                ": stream_processing[0].compression: expected one of none",
            ),
        ],
    );
}

#[test]
fn mistakes_elsewhere_and_broken_rules_are_named_too() {
    let file = Written::new("port: x\nct_log: {max_catchup_lag_secs: 1}\ntls_cert: /c.pem\n");
    let variables = [("CERTSTREAM_AUTH_ENABLED", "perhaps")];
    let said = refused(&[&file.flag(), "--host=nowhere"], &variables);
    let named = mistakes(&[&file.flag(), "--host=nowhere"], &variables);
    assert_eq!(named.len(), 4, "{named:#?}");
    assert!(named.iter().all(|mistake| said.contains(mistake)), "{named:#?}\n{said}");
    for expected in [
        "4 mistakes",
        ":1:7: port: expected a whole number",
        "--host: \"nowhere\" is not an IP",
        "CERTSTREAM_AUTH_ENABLED: its value is not true or false",
        "ct_log.max_catchup_lag_secs is 1",
        "tls_cert is /c.pem: tls_key is not set",
    ] {
        assert!(said.contains(expected), "{expected:?} is missing in:\n{said}");
    }
}

#[test]
fn validation_of_a_file_that_is_not_yaml_names_the_mistakes_elsewhere() {
    let file = Written::new("auth: [\n");
    let variables = [
        ("CERTSTREAM_PORT", "x"),
        ("CERTSTREAM_PROT", "1"),
        // The rest may be in the file.
        ("CERTSTREAM_TLS_CERT", "/c.pem"),
        ("CERTSTREAM_AUTH_TOKENS", "abc"),
    ];
    let Ok(Invocation::ValidateConfig(setup)) =
        invoke(&[&file.flag(), "--validate-config"], &variables)
    else {
        panic!("validation names what it finds");
    };
    let (problems, warnings) = (setup.problems, setup.warnings);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].starts_with(&file.path.display().to_string()), "{problems:#?}");
    assert!(problems[1].starts_with("CERTSTREAM_PORT: \"x\" is not"), "{problems:#?}");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("did you mean CERTSTREAM_PORT?"), "{warnings:#?}");
    // A start says no more than what keeps it from reading the file.
    assert!(refused(&[&file.flag()], &variables).starts_with(&problems[0]));
}

#[test]
fn a_mistake_does_not_also_break_rules_of_its_section() {
    let file = Written::new("auth: {enabled: true, tokns: [a]}");
    let said = refused(&[&file.flag()], &[]);
    assert!(!said.contains("no token is set"), "{said}");
    assert!(said.contains("unknown key \"tokns\"; did you mean \"tokens\"?"), "{said}");
}

#[test]
fn sections_without_their_switch_cause_a_warning() {
    let warnings = |text: &str| setup(text).warnings;
    let tokens = warnings("auth: {tokens: [abc]}");
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(
        tokens[0].contains("auth.enabled is not: clients without a token are accepted"),
        "{tokens:?}"
    );
    let rates = warnings("rate_limit: {burst: 5}");
    assert!(rates[0].starts_with("rate_limit.burst is set, but rate_limit.enabled is not"));
    let limit = warnings("connection_limit: {per_ip_limit: 5}");
    assert!(limit[0].starts_with("connection_limit.per_ip_limit is set, but"), "{limit:?}");
    let silent = [
        "auth: {enabled: false, tokens: [abc]}",
        "auth: {enabled: true, tokens: [abc]}",
        "rate_limit: {enabled: false, burst: 5}",
        "rate_limit: {enabled: true}\nauth: {premium_tokens: [abc]}",
        "connection_limit: {max_pending: 100}",
        "connection_limit:\nrate_limit:\nauth:\n",
    ];
    for text in silent {
        assert_eq!(warnings(text), [""; 0], "{text}");
    }
    let by_variable = serve(&[], &[("CERTSTREAM_AUTH_TOKENS", "abc")]).warnings;
    assert!(by_variable[0].contains("auth.enabled"), "{by_variable:?}");
    assert!(!by_variable[0].contains("abc"));
}

fn setup(text: &str) -> Setup {
    serve(&[&Written::new(text).flag()], &[])
}

#[test]
fn strict_turns_warnings_into_errors() {
    let file = Written::new("auth: {tokens: [abc]}");
    let said = refused(&[&file.flag(), "--strict"], &[]);
    assert!(said.starts_with("--strict treats") && said.contains("auth.enabled"), "{said}");
    // Validation has more to say, and says it with what the files hold.
    assert!(matches!(
        invoke(&[&file.flag(), "--strict", "--validate-config"], &[]),
        Ok(Invocation::ValidateConfig(setup)) if setup.strict && setup.warnings.len() == 1
    ));
    assert!(invoke(&["validate", "--strict"], &[]).is_ok());
    assert!(invoke(&["--strict"], &[]).is_ok());
}

#[test]
fn localhost_is_an_address() {
    for args in [&["--host", "localhost"][..], &["--host=LOCALHOST"]] {
        assert!(serve(args, &[]).config.host.is_loopback(), "{args:?}");
    }
    assert!(serve(&[], &[("CERTSTREAM_HOST", "localhost")]).config.host.is_loopback());
    for text in ["host: localhost", "webserver: {listen_addr: localhost}"] {
        assert!(setup(text).config.host.is_loopback(), "{text}");
    }
    let own = setup("prometheus: {listen_addr: localhost}").config.prometheus;
    assert!(own.listen_addr.is_loopback());
}
