//! Flags, variables and files: precedence, and the actions of the command line.

use super::*;

const LOG: &str = "[{name: a log, url: https://ct.example/log/}]";

#[test]
fn flags_override_variables_override_the_file_override_defaults() {
    let file = Written::new("ct_log:\n  batch_size: 11\n  fetch_concurrency: 5\n  start: 7\n");
    let file_flag = file.flag();
    let variables =
        [("CERTSTREAM_CT_LOG_BATCH_SIZE", "12"), ("CERTSTREAM_CT_LOG_FETCH_CONCURRENCY", "6")];
    let setup = serve(&[&file_flag, "--ct-log-batch-size", "13"], &variables);
    let log = setup.config.ct_log;
    assert_eq!(log.batch_size, 13, "flag over variable over file");
    assert_eq!(log.fetch_concurrency, 6, "variable over file");
    assert_eq!(log.start, Start::Index(7), "file over default");
    assert_eq!(log.poll_interval_ms, CtLog::default().poll_interval_ms);
    assert_eq!(setup.file, Some(file.path));
}

#[test]
fn the_file_is_the_one_named_by_flag_then_by_variable_then_the_first_one_found() {
    let [flagged, variable, first, second] =
        ["1", "2", "3", "4"].map(|port| Written::new(&format!("port: {port}")));
    let nowhere = first.directory.path().join("nowhere.yaml");
    let search = [nowhere, first.path, second.path];
    let variables = [("CERTSTREAM_CONFIG", variable.path.to_str().expect("text"))];
    let port = |args: &[&str], env: &[(&str, &str)]| match invoke_with(args, env, &search) {
        Ok(Invocation::Serve(setup)) => setup.config.port,
        other => panic!("{other:?}"),
    };
    assert_eq!(port(&[&flagged.flag()], &variables), 1);
    assert_eq!(port(&[], &variables), 2);
    assert_eq!(port(&[], &[]), 3);
    assert_eq!(port(&[], &[("CERTSTREAM_CONFIG", "")]), 3, "a blank variable is not set");
}

#[test]
fn every_spelling_of_the_config_flag_is_accepted() {
    let file = Written::new("port: 4000");
    let path = file.path.to_str().expect("text");
    let joined = [format!("--config={path}"), format!("-config={path}"), format!("-c{path}")];
    for args in [["--config", path], ["-c", path], ["-config", path]] {
        assert_eq!(serve(&args, &[]).config.port, 4000, "{args:?}");
    }
    for arg in &joined {
        assert_eq!(serve(&[arg], &[]).config.port, 4000, "{arg}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let reason = "No such file or directory (os error 2)";
    assert_eq!(
        refused(&["--config", "/not/here.yaml"], &[]),
        format!("cannot read configuration file /not/here.yaml (--config): {reason}"),
    );
    assert_eq!(
        refused(&[], &[("CERTSTREAM_CONFIG", "/not/here.yaml")]),
        format!("cannot read configuration file /not/here.yaml (CERTSTREAM_CONFIG): {reason}"),
    );
}

#[test]
fn an_existing_default_file_must_be_readable() {
    let directory = tempfile::tempdir().expect("a directory");
    let search = [directory.path().to_owned()];
    let error = invoke_with(&[], &[], &search).expect_err("a directory is no file").to_string();
    assert!(error.contains("(found there): is a directory"), "{error}");
}

#[test]
fn port_zero_is_allowed_only_on_the_command_line() {
    assert_eq!(serve(&["--port", "0"], &[]).config.port, 0);
    assert_eq!(
        refused(&[], &[("CERTSTREAM_PORT", "0")]),
        "CERTSTREAM_PORT: \"0\" is not a whole number from 1 to 65535",
    );
}

#[test]
fn a_switch_needs_no_value_on_the_command_line() {
    let sse = |args: &[&str]| serve(args, &[]).config.protocols.sse;
    assert!(sse(&["--protocols-sse"]));
    assert!(sse(&["--protocols-sse", "true", "--port", "1"]));
    assert!(sse(&["--protocols-sse", "--port", "1"]));
    assert!(!sse(&["--protocols-sse=false"]));
    assert!(!serve(&["--protocols-page", "off"], &[]).config.protocols.page);
}

#[test]
fn a_list_is_separated_by_commas_or_given_by_repeating() {
    let expected = [LogState::Usable, LogState::Retired];
    let states = |args: &[&str]| serve(args, &[]).config.ct_log.states;
    assert_eq!(states(&["--ct-log-states", "usable, retired"]), expected);
    assert_eq!(states(&["--ct-log-states", "usable", "--ct-log-states", "retired"]), expected);
    assert_eq!(
        refused(&["--ct-log-states", ","], &[]),
        "--ct-log-states: \",\" is not one or more of pending, qualified, usable, readonly, \
         retired, rejected",
    );
}

#[test]
fn a_flag_given_twice_is_refused() {
    let message = refused(&["--port", "1", "--port", "2"], &[]);
    assert!(message.starts_with("the argument '--port <N>' cannot be used multiple times"));
}

#[test]
fn an_unknown_flag_is_refused_with_the_nearest_known() {
    let message = refused(&["--ct-log-batchsize", "3"], &[]);
    assert_eq!(
        message,
        "unexpected argument '--ct-log-batchsize' found\n\n  \
         tip: a similar argument exists: '--ct-log-batch-size'\n\n\
         Usage: certstream-server --ct-log-batch-size <N>\n\n\
         For more information, try '--help'.",
    );
    assert!(refused(&["serve"], &[]).starts_with("unrecognized subcommand 'serve'"));
}

#[test]
fn the_logs_command_lists_and_acknowledges() {
    let written = Written::new("ct_log: {state_file: /state.json}");
    let file = written.flag();
    let command = |args: &[&str]| match invoke(args, &[]) {
        Ok(Invocation::Logs(setup, command)) => (setup.config.ct_log.state_file, command),
        other => panic!("{args:?}: {other:?}"),
    };
    let acknowledge =
        |names: &[&str]| LogsCommand::Acknowledge(names.iter().map(|&n| n.into()).collect());
    let state = Some("/state.json".into());
    for (args, expected) in [
        (&[&file, "logs"][..], LogsCommand::List),
        (&["logs", "list", &file], LogsCommand::List),
        (&[&file, "logs", "ack", "a log"], acknowledge(&["a log"])),
        (&["logs", "ack", "one", "two", &file], acknowledge(&["one", "two"])),
    ] {
        assert_eq!(command(args), (state.clone(), expected), "{args:?}");
    }
    let by_flag = command(&["--ct-log-state-file", "/other.json", "logs"]);
    assert_eq!(by_flag.0, Some("/other.json".into()));
    assert!(refused(&["logs", "ack"], &[]).contains("<NAME>..."));
    assert!(refused(&["logs", "forget"], &[]).contains("forget"));
}

#[test]
fn rust_log_overrides_the_other_variable_with_a_warning() {
    let variables = [("RUST_LOG", "debug"), ("CERTSTREAM_LOG_LEVEL", "warn")];
    let setup = serve(&[], &variables);
    assert_eq!(setup.config.log_level, "debug");
    assert_eq!(setup.warnings, ["RUST_LOG overrides CERTSTREAM_LOG_LEVEL"]);
    let same = serve(&[], &[("RUST_LOG", "warn"), ("CERTSTREAM_LOG_LEVEL", "warn")]);
    assert_eq!(same.warnings, [""; 0]);
    assert_eq!(serve(&["--log-level", "error"], &variables).config.log_level, "error");
}

#[test]
fn a_blank_variable_is_ignored_and_a_blank_flag_unsets() {
    let file = Written::new("ct_log: {state_file: /state.json, user_agent: somebody}");
    let flag = file.flag();
    let blank = [("CERTSTREAM_CT_LOG_STATE_FILE", ""), ("CERTSTREAM_PORT", "")];
    let kept = serve(&[&flag], &blank).config;
    assert_eq!(kept.ct_log.state_file, Some(PathBuf::from("/state.json")));
    let unset = serve(&[&flag, "--ct-log-state-file=", "--ct-log-user-agent", ""], &[]).config;
    assert_eq!(unset, Config::default());
}

#[test]
fn variables_of_a_kubernetes_service_named_certstream_are_ignored() {
    let variables = [
        ("CERTSTREAM_PORT", "tcp://10.0.0.7:80"),
        ("CERTSTREAM_PORT_80_TCP_ADDR", "10.0.0.7"),
        ("CERTSTREAM_SERVICE_HOST", "10.0.0.7"),
    ];
    let setup = serve(&[], &variables);
    assert_eq!(setup.config, Config::default());
    assert_eq!(
        setup.warnings,
        ["CERTSTREAM_PORT, CERTSTREAM_PORT_80_TCP_ADDR, CERTSTREAM_SERVICE_HOST are ignored: \
          Kubernetes sets such variables if a service is named certstream; `enableServiceLinks: \
          false` in the pod's spec prevents them",],
    );
    let with_port = [variables[0], ("PORT", "4001")];
    assert_eq!(serve(&[], &with_port).config.port, 4001, "another variable of the setting counts");
}

#[test]
fn an_unknown_variable_causes_a_warning() {
    let setup = serve(&[], &[("CERTSTREAM_BATCH_SIZE", "3"), ("OTHER_THING", "4")]);
    assert_eq!(setup.config, Config::default());
    assert_eq!(setup.warnings, ["CERTSTREAM_BATCH_SIZE has no effect: there is no such variable"]);
    assert_eq!(
        serve(&[], &[("CERTSTREAM_PROT", "1")]).warnings,
        ["CERTSTREAM_PROT has no effect: there is no such variable; did you mean CERTSTREAM_PORT?"],
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let variable = |name: &str| (OsString::from(name), OsString::from_vec(vec![b'/', 0xff]));
    let args = || [OsString::from("certstream-server")];
    let error = parse_with(args(), [variable("CERTSTREAM_CT_LOG_STATE_FILE")], &[]);
    assert_eq!(
        error.expect_err("not text").to_string(),
        "CERTSTREAM_CT_LOG_STATE_FILE: \"/\u{fffd}\" is not the path of a file",
    );
    assert!(parse_with(args(), [variable("SOMEBODY_ELSES")], &[]).is_ok());
}

#[test]
fn demo_accepts_every_setting_but_sources_and_state() {
    let file = Written::new("port: 1\nheartbeat: {interval_secs: 7}\nprotocols: {page: off}\n");
    let flag = file.flag();
    let args = [
        "--demo",
        &flag,
        "--port",
        "0",
        "--log-level=debug",
        "--ct-log-state-file=/state.json",
        "--ct-log-batch-size=9",
        "--streams-full=off",
    ];
    let env = [("CERTSTREAM_HOST", "::1"), ("CERTSTREAM_API_ENABLED", "off")];
    let setup = serve(&args, &env);
    let mut expected = Config::demo();
    expected.host = "::1".parse().expect("an address");
    expected.port = 0;
    expected.log_level = "debug".to_owned();
    expected.heartbeat.interval_secs = 7;
    expected.protocols.page = false;
    expected.protocols.api = false;
    expected.ct_log.batch_size = 9;
    expected.streams.full = false;
    assert_eq!(setup.config, expected);
    assert!(setup.demo && !setup.dry_run);
    assert_eq!(setup.file, Some(file.path));
    assert_eq!(setup.warnings, ["--demo ignores ct_log.state_file"]);
    let Protocols { sse, api, page, .. } = serve(&["--demo"], &[]).config.protocols;
    assert!(sse && api && page);
    assert!(refused(&["--demo"], &[("CERTSTREAM_SSE_ENABLED", "perhaps")]).contains("perhaps"));
}

#[test]
fn demo_reads_no_default_file() {
    let file = Written::new("port: 1\n");
    let search = [file.path];
    match invoke_with(&["--demo"], &[], &search) {
        Ok(Invocation::Serve(setup)) => {
            assert_eq!(setup.config, Config::demo());
            assert_eq!(setup.warnings, [""; 0]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn dry_run_serves() {
    let setup = serve(&["--dry-run"], &[]);
    assert!(setup.dry_run && !setup.demo);
    assert!(!serve(&[], &[]).dry_run);
}

#[test]
fn help_and_version_need_no_configuration() {
    for flag in ["--version", "-V", "-v", "-version"] {
        match invoke(&[flag, "--config=/not/here"], &[]) {
            Ok(Invocation::Version(text)) => {
                assert_eq!(text, format!("certstream-server {}\n", env!("CARGO_PKG_VERSION")));
            }
            other => panic!("{flag}: {other:?}"),
        }
    }
    let text = help("--help");
    for setting in SETTINGS {
        let flag = setting.flag().map(|flag| format!("--{flag} "));
        assert!(flag.is_none_or(|flag| text.contains(&flag)), "{}", setting.key);
    }
}

fn help(flag: &str) -> String {
    match invoke(&[flag, "--config=/not/here"], &[("CERTSTREAM_PORT", "x")]) {
        Ok(Invocation::Help(text)) => text,
        other => panic!("{flag}: {other:?}"),
    }
}

#[test]
fn short_help_fits_on_a_screen_and_has_examples() {
    let text = help("-h");
    assert!(text.lines().count() <= 34, "{text}");
    for part in ["--demo", "--port", "--config", "Examples:", "tail", "settings: ", "https://"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("env:"), "{text}");
}

#[test]
fn completions_need_no_configuration() {
    match invoke(&["completions", "bash"], &[("CERTSTREAM_PORT", "x")]) {
        Ok(Invocation::Help(text)) => assert!(text.contains("complete -F"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tail_reads_the_configuration_only_if_no_server_is_named() {
    let wrong = [("CERTSTREAM_PORT", "x")];
    let arguments = ["tail", "-u", "ws://a", "--domain", "a,b", "--domain", "c", "--json"];
    match invoke(&arguments, &wrong) {
        Ok(Invocation::Tail(None, command)) => {
            assert_eq!(command.url.as_deref(), Some("ws://a"));
            assert_eq!(command.filters, [("domain", "a,b,c".to_owned())]);
            assert!(command.json && !command.from_oldest);
        }
        other => panic!("{other:?}"),
    }
    assert!(invoke(&["tail"], &wrong).is_err());
    match invoke(&["--port=9000", "tail"], &[("CERTSTREAM_TOKEN", "secret")]) {
        Ok(Invocation::Tail(Some(setup), _)) => {
            assert_eq!((setup.config.port, setup.warnings.len()), (9000, 0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn search_reads_the_configuration_only_if_no_server_is_named() {
    let wrong = [("CERTSTREAM_PORT", "x")];
    let arguments = [
        "search",
        "--url=https://a",
        "--domain=a,b",
        "--domain=c",
        "--entry=final",
        "--serial=03ab",
        "--new",
        "--since=7d",
    ];
    match invoke(&arguments, &wrong) {
        Ok(Invocation::Search(None, command)) => {
            assert_eq!(command.url.as_deref(), Some("https://a"));
            let text = |name, value: &str| (name, value.to_owned());
            let expected = [
                text("domain", "a,b,c"),
                text("entry", "final"),
                text("serial", "03ab"),
                text("new", "true"),
            ];
            assert_eq!(command.parameters, expected);
            assert_eq!((command.since.as_deref(), command.limit), (Some("7d"), 1000));
        }
        other => panic!("{other:?}"),
    }
    assert!(invoke(&["search"], &wrong).is_err());
    assert!(invoke(&["search", "--order=random"], &[]).is_err());
    match invoke(&["search", "folder", "--limit=5"], &[]) {
        Ok(Invocation::Search(Some(_), command)) => {
            assert_eq!((command.directory, command.limit), (Some("folder".into()), 5));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn validation_prints_a_summary() {
    let file = Written::new(&format!("port: 4000\ncustom_logs: {LOG}\nstreams: {{full: off}}"));
    let Ok(Invocation::ValidateConfig(setup)) = invoke(&[&file.flag(), "--validate-config"], &[])
    else {
        panic!("not valid");
    };
    let expected = format!(
        "file:         {}\n\
         listens on:   0.0.0.0:4000, without TLS\n\
         serves:       example_json, health, metrics, page, stats, websocket\n\
         streams:      domains_only, lite\n\
         profile:      calidog, by default (for the messages of certstream-server-rust, add \
         `compat_profile: rust`)\n\
         dedup:        each certificate once (certificate; every entry of every log: `dedup: false`)\n\
         verification: report\n\
         state:        none, every start begins at the head (data_dir)\n\
         access:       from any address, without a token\n\
         limits:       any number of streams; any number of requests\n\
         log list:     https://www.gstatic.com/ct/log_list/v3/log_list.json\n\
         other logs:   1\n",
        file.path.display(),
    );
    assert_eq!(setup.summary(), expected);
    let message = refused(&["--validate-config", "--print-config"], &[]);
    assert!(message.starts_with("the argument '--validate-config' cannot be used with"));
}

#[test]
fn the_configuration_is_printed_as_yaml() {
    match invoke(&["--print-config", "--port", "1", "--heartbeat-mode", "off"], &[]) {
        Ok(Invocation::PrintConfig(text)) => {
            assert!(text.starts_with("host: 0.0.0.0\nport: 1\ntls_cert: null\n"), "{text}");
            let section = "\nheartbeat:\n  mode: \"off\"\n  interval_secs: 10\ncompression:\n";
            assert!(text.contains(section), "{text}");
            assert!(text.ends_with("\ncustom_logs: []\nstatic_logs: []\n"));
        }
        other => panic!("{other:?}"),
    }
}

fn changed(args: &[&str], env: &[(&str, &str)]) -> String {
    match invoke(&[&["--print-config", "--changed"], args].concat(), env) {
        Ok(Invocation::PrintConfig(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn changed_settings_are_printed_with_their_origins() {
    let file = Written::new(
        "host: \"::1\"\nport: 1\nlog_level: info\ndedup: false\nrate_limit:\n  burst: 7\n\
         auth:\n  tokens: [s3cret]\n",
    );
    let text = changed(&[&file.flag(), "--protocols-sse"], &[("CERTSTREAM_PORT", "2")]);
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let path = file.path.display();
    let expected = [
        format!("host: \"::1\" # {path}:1"),
        "port: 2 # CERTSTREAM_PORT".to_owned(),
        "protocols:".to_owned(),
        "sse: true # --protocols-sse".to_owned(),
        "dedup:".to_owned(),
        format!("enabled: false # {path}:4 (dedup)"),
        "rate_limit:".to_owned(),
        format!("free_burst: 7.0 # {path}:6 (rate_limit.burst)"),
        "auth:".to_owned(),
        format!("tokens: \"(hidden)\" # {path}:8"),
    ];
    assert_eq!(lines[1..], expected);
    // It is a configuration itself.
    let read = read_file("changed", &text.replace("\"(hidden)\"", "[s3cret]")).expect("valid");
    assert_eq!((read.port, read.protocols.sse, read.dedup.enabled), (2, true, false));
    assert!(changed(&[], &[]).starts_with("# All settings have their defaults"));
}

#[test]
fn values_of_another_servers_configuration_have_an_origin() {
    let file = Written::new("webserver:\n  listen_port: 8082\n");
    let text = changed(&[&file.flag()], &[]);
    let path = file.path.display();
    let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start));
    let port = line("port: 8082").expect("changed");
    assert!(port.ends_with(&format!("  # {path}:2 (webserver.listen_port)")), "{text}");
    assert!(line("compat_profile: go").expect("implied").ends_with("# implied by webserver"));
    assert!(line("enabled: false").expect("implied").ends_with("# implied by webserver"));
    let demo = changed(&["--demo"], &[]);
    assert!(demo.contains("# --demo"), "{demo}");
    assert!(refused(&["--changed"], &[]).contains("--print-config"));
}
