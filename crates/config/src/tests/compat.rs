//! The keys, variables and command lines of other servers.

use super::*;

const RUST: &str = include_str!("rust_server.yaml");
const GO: &str = include_str!("go_server.yaml");

fn setup(text: &str) -> Setup {
    serve(&[&Written::new(text).flag()], &[])
}

#[test]
fn a_configuration_of_certstream_server_rust_is_translated() {
    let Setup { config, warnings, .. } = setup(RUST);
    assert_eq!((config.port, config.protocols.sse), (8081, true));
    assert_eq!((config.compat_profile, config.dedup.enabled), (CompatProfile::Calidog, true));
    assert_eq!(config.ct_log.partial_tile_wait_ms, 60_000);
    assert_eq!(config.ct_log.removed_log_policy, RemovedLogPolicy::Keep);
    assert_eq!(config.ct_log.operator_rate_limits.iter().count(), 2);
    assert_eq!((config.custom_logs.len(), config.static_logs.len()), (1, 2));
    assert!(config.hot_reload.enabled);
    let keys = |warning: &String| warning.split(" nothing here").next().map(str::to_owned);
    let idle: Vec<String> = warnings.iter().filter_map(keys).collect();
    assert_eq!(
        idle,
        [
            "buffer_size does",
            "ct_log.catalog_authority_overrides does",
            "ct_log.merkle_verification does",
            "ct_log.force_http1_operators does",
            "ct_logs_url, additional_log_lists do",
            "ct_log.checkpoint_signature_mode: warn is not supported: a tree head with an \
             invalid signature is never used",
        ],
    );
}

#[test]
fn a_configuration_of_certstream_server_go_is_translated() {
    let Setup { config, warnings, .. } = setup(GO);
    assert_eq!((config.host, config.port), ([127, 0, 0, 1].into(), 8082));
    assert_eq!((config.compat_profile, config.dedup.enabled), (CompatProfile::Go, false));
    let Streams { full_path, lite_path, domains_only_path, .. } = &config.streams;
    assert_eq!([full_path, lite_path, domains_only_path], ["/full", "/lite", "/names"]);
    assert_eq!((config.tls_cert, config.compression.websocket), (None, false));
    let logs = &config.ct_log;
    assert!(logs.disable_default_logs);
    assert_eq!(logs.removed_log_policy, RemovedLogPolicy::Keep);
    assert_eq!(logs.exclude, ["Nobody", "https://ct.example/old"]);
    assert_eq!(logs.import_index.as_deref(), Some(Path::new("/data/ct_index.json")));
    assert_eq!(logs.state_file.as_deref(), Some(Path::new("/data/ct_index.state.json")));
    let named = |log: &NamedLog| (log.name.clone(), log.url.clone(), log.operator.clone());
    let example = || Some("Example".to_owned());
    let two = "https://ct.example/two".to_owned();
    assert_eq!(
        config.custom_logs.iter().map(named).collect::<Vec<_>>(),
        [
            ("Example one".to_owned(), "https://ct.example/one/".to_owned(), example()),
            (two.clone(), two, None),
        ],
    );
    let tiles = ("Example tiles".to_owned(), "https://tiles.example/one/".to_owned(), example());
    assert_eq!(config.static_logs.iter().map(named).collect::<Vec<_>>(), [tiles]);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(config.ip_allow_list, ["127.0.0.0/8"]);
    assert_eq!(config.prometheus.metrics_url, "/numbers");
}

#[test]
fn every_key_is_in_one_of_the_two_example_files() {
    let said = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).expect("YAML");
    let (rust, go) = (said(RUST), said(GO));
    for known in COMPAT_KEYS {
        let said = match known.server {
            OtherServer::Rust => &rust,
            OtherServer::Go => &go,
            OtherServer::Elixir => continue,
        };
        let only_variable = known.key == "worker_threads";
        let key = known.key;
        let optional = ["custom_logs[].expected_log_id", "static_logs[].expected_log_id"];
        let optional = optional.contains(&key)
            || key.starts_with("rate_limit.free_")
            || ["static_logs[].key", "static_logs[].batch_size", "static_logs[].poll_interval_ms"]
                .contains(&key);
        assert!(only_variable || optional || has(said, key), "{key}");
    }
}

/// Reports whether a text has a key, in whichever item.
fn has(said: &serde_json::Value, key: &str) -> bool {
    let Some((list, field)) = key.split_once("[].") else {
        return !tree::select(said, key).is_empty();
    };
    let items = tree::select(said, list).pop().and_then(|(_, value)| value.as_array());
    items.is_some_and(|items| items.iter().any(|item| item.get(field).is_some()))
}

#[test]
fn unsupported_features_are_refused_when_enabled() {
    let cases = [
        ("streams: {v2: true}", "1:15: streams.v2: true is not supported: there is no v2 stream"),
        ("ct_log: {names_tiles: prefer}", "1:23: ct_log.names_tiles: \"prefer\" is not supported"),
        ("prometheus: {whitelist: [here]}", "prometheus.whitelist: [\"here\"] is not a list of IP"),
        ("ct_log: {merkle_verification: some}", "\"some\" is not one of off, consistency, full"),
        ("ct_log: {partial_tile_wait_secs: 601}", "601 is not a whole number of seconds from 0"),
        (
            "general: {additional_log: []}",
            "general: unknown key \"additional_log\"; did you mean \"additional_logs\"?",
        ),
        (
            "general: {additional_logs: [{uri: a}]}",
            "general.additional_logs[0]: unknown key \"uri\"",
        ),
        ("general: {buffer_sizes: 3}", "general.buffer_sizes: expected a section with websocket"),
        (
            "general: {drop_old_logs: often}",
            "1:26: general.drop_old_logs: \"often\" is not true or",
        ),
        (
            "streams: {full: true}\nwebserver: {listen_port: 1}",
            "2:12: webserver: this is a section of certstream-server-go, but streams is a section",
        ),
        (
            "general: {drop_old_logs: true}\nct_log: {removed_log_policy: stop}",
            "general: this is a section of certstream-server-go",
        ),
    ];
    for (text, expected) in cases {
        let message = read_file("c.yaml", text).expect_err(text).to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
    }
    let variables = [
        ("CERTSTREAM_STREAM_V2_ENABLED", "1", "true is not supported: there is no v2 stream"),
        ("CERTSTREAM_STATIC_CT_NAMES_TILES", "prefer", "\"prefer\" is not supported"),
        ("CERTSTREAM_GENERAL_DROP_OLD_LOGS", "x", "\"x\" is not true or false"),
    ];
    let file = Written::new("streams: {v2: false}");
    for (name, value, expected) in variables {
        for message in [refused(&[], &[(name, value)]), refused(&[&file.flag()], &[(name, value)])]
        {
            let expected = format!("{name}: {expected}");
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}

#[test]
fn variables_of_other_servers_override_the_file_but_not_ours() {
    let file = Written::new("ct_log: {partial_tile_wait_secs: 5}");
    let flag = file.flag();
    let theirs = ("CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_SECS", "7");
    let ours = ("CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_MS", "8");
    let wait = |env: &[(&str, &str)]| serve(&[&flag], env).config.ct_log.partial_tile_wait_ms;
    assert_eq!((wait(&[]), wait(&[theirs]), wait(&[theirs, ours])), (5000, 7000, 8));

    let recovery = [
        ("CERTSTREAM_GENERAL_RECOVERY_ENABLED", "true"),
        ("CERTSTREAM_GENERAL_RECOVERY_CT_INDEX_FILE", "/data/index.json"),
        ("CERTSTREAM_GENERAL_BUFFER_SIZES_WEBSOCKET", "77"),
        ("CERTSTREAM_GENERAL_BUFFER_SIZES_CTLOG", "5"),
        ("CERTSTREAM_CT_LOGS_URL", "https://somewhere.example"),
    ];
    let Setup { config, warnings, .. } = serve(&[], &recovery);
    assert_eq!(config.ct_log.import_index.as_deref(), Some(Path::new("/data/index.json")));
    assert_eq!(config.ct_log.state_file.as_deref(), Some(Path::new("/data/index.state.json")));
    assert!(warnings[0].starts_with("CERTSTREAM_CT_LOGS_URL does nothing here"), "{warnings:?}");
    assert!(warnings[2].starts_with("CERTSTREAM_GENERAL_BUFFER_SIZES_CTLOG does"), "{warnings:?}");
}

#[test]
fn a_certstream_server_go_configuration_selects_its_profile_unless_set() {
    let go = (CompatProfile::Go, false);
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], (CompatProfile, bool));
    let cases: [Case<'_>; 9] = [
        ("", &[], &[], (CompatProfile::Calidog, true)),
        ("webserver: {listen_port: 1}", &[], &[], go),
        ("general: {drop_old_logs: true}", &[], &[], go),
        ("stream_processing: []", &[], &[], (CompatProfile::Calidog, true)),
        ("prometheus: {enabled: true}", &[], &[], (CompatProfile::Calidog, true)),
        (
            "webserver: {listen_port: 1}\ncompat_profile: calidog\ndedup: {ttl_secs: 5}",
            &[],
            &[],
            (CompatProfile::Calidog, true),
        ),
        ("", &[("CERTSTREAM_GENERAL_DROP_OLD_LOGS", "true")], &[], go),
        (
            "",
            &[("CERTSTREAM_WEBSERVER_LISTEN_PORT", "1"), ("CERTSTREAM_COMPAT_PROFILE", "rust")],
            &["--dedup-enabled"],
            (CompatProfile::Rust, true),
        ),
        (
            "protocols: {sse: true}",
            &[("CERTSTREAM_WEBSERVER_LISTEN_PORT", "1")],
            &[],
            (CompatProfile::Calidog, true),
        ),
    ];
    for (text, variables, flags, expected) in cases {
        let file = Written::new(text);
        let file = file.flag();
        let args: Vec<&str> = std::iter::once(file.as_str()).chain(flags.iter().copied()).collect();
        let setup = serve(&args, variables);
        let found = (setup.config.compat_profile, setup.config.dedup.enabled);
        assert_eq!(found, expected, "{text:?} {variables:?}");
        assert!(expected != go || setup.profile().starts_with("go, because of "), "{text:?}");
    }
}

#[test]
fn variables_of_calidogs_server_have_the_lowest_precedence() {
    let env = [("PORT", "4001"), ("LOG_LEVEL", "warning")];
    let setup = serve(&[], &env);
    assert_eq!((setup.config.port, &*setup.config.log_level), (4001, "warn"));
    let all = [("PORT", "4001"), ("CERTSTREAM_PORT", "4002")];
    let setup = serve(&[], &all);
    assert_eq!(setup.config.port, 4002);
    assert_eq!(setup.warnings, ["CERTSTREAM_PORT overrides PORT"]);
}

#[test]
fn command_lines_of_other_servers_are_accepted_or_refused_with_advice() {
    let file = Written::new("port: 4000");
    let flag = file.flag();
    assert!(matches!(invoke(&["validate", &flag], &[]), Ok(Invocation::ValidateConfig(_))));
    assert!(matches!(invoke(&["help"], &[]), Ok(Invocation::Help(_))));
    match invoke(
        &["create-index", "-o", "x.json", "-f", "-c", file.path.to_str().expect("text")],
        &[],
    ) {
        Ok(Invocation::CreateIndex(setup, command)) => {
            assert_eq!(setup.config.port, 4000);
            let file = Some("x.json".into());
            assert_eq!(command, CreateIndex { file, replace: true });
        }
        other => panic!("{other:?}"),
    }
    for (args, expected) in [
        (&["--export-metrics"][..], "--export-metrics is not supported: read the metrics of"),
        (&["--backfill", "--log", "a"], "--backfill is not supported: to read a log from"),
        (&["completion", "bash"], "completion is not supported: "),
        (&["-create-index-file", "a"], "-create-index-file is not supported: use create-index"),
    ] {
        let message = refused(args, &[]);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn settings_that_require_a_restart_keep_their_value_and_are_named() {
    let running = Config::default();
    let mut wanted = Config { port: 4000, ..Config::default() };
    wanted.filters.max_terms = 7;
    wanted.feed.gather_ms = 100;
    wanted.tls_cert = Some("/cert.pem".into());
    wanted.tls_key = Some("/key.pem".into());
    let (config, waiting) = without_restart(&running, &wanted).expect("goes together");
    assert_eq!(waiting, ["port", "tls_cert", "tls_key", "feed.gather_ms"]);
    let mut expected = running.clone();
    expected.filters.max_terms = 7;
    assert_eq!(config, expected);
    assert_eq!(without_restart(&running, &running).expect("the same"), (running, vec![]));
    let with_tls = |cert: &str| {
        let files = (Some(cert.into()), Some("/key.pem".into()));
        Config { tls_cert: files.0, tls_key: files.1, ..Config::default() }
    };
    let other = with_tls("/b.pem");
    assert_eq!(without_restart(&with_tls("/a.pem"), &other).expect("can be"), (other, vec![]));
}
