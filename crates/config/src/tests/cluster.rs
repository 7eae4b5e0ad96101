//! Clusters: the settings of a node, and rules between them.

use super::*;
use crate::model::Role;

const URL: &str = "nats://127.0.0.1:4222";

#[test]
fn servers_are_a_list_or_a_text_with_commas_in_a_file() {
    let expected = ["nats://a:4222", "b:4222", "tls://[::1]:1"];
    for text in [
        "cluster: {url: 'nats://a:4222, b:4222,tls://[::1]:1,'}",
        "cluster:\n  url:\n  - nats://a:4222\n  - b:4222\n  - 'tls://[::1]:1'\n",
    ] {
        let config = read_file("c.yaml", text).expect(text);
        assert_eq!(config.cluster.servers().collect::<Vec<_>>(), expected, "{text}");
        assert!(config.cluster.is_on());
        assert_eq!(rules::check(&config), []);
    }
    let variable = ("CERTSTREAM_CLUSTER_URL", "nats://a:4222, b:4222,tls://[::1]:1");
    let setup = serve(&[], &[variable, ("CERTSTREAM_ROLE", "edge")]);
    assert_eq!(setup.config.cluster.servers().collect::<Vec<_>>(), expected);
    assert_eq!((setup.config.role, &setup.warnings[..]), (Role::Edge, &[][..]));
    for text in ["cluster: {url: ''}", "cluster: {url: null}", "cluster: {url: []}", "cluster:"] {
        assert!(!read_file("c.yaml", text).expect(text).cluster.is_on(), "{text}");
    }
    let error = read_file("c.yaml", "cluster: {url: 7}").expect_err("a number");
    assert!(error.to_string().contains("expected a list of NATS servers"), "{error}");
}

#[test]
fn a_blank_user_is_none() {
    let setup = serve(&["--cluster-url", URL], &[("CERTSTREAM_CLUSTER_USER", "")]);
    assert_eq!(setup.config.cluster.user, None);
}

#[test]
fn contradictions_of_a_node_are_refused_with_advice() {
    for (role, cluster, key, advice) in [
        ("ingest", "url: []", "role", "name its NATS servers"),
        ("edge", "stream: A", "role", "or use role: all"),
        ("all", "url: 'http://a'", "cluster.url", "use a URL"),
        ("all", "url: ['nats://a', 'nats://']", "cluster.url", "use a URL"),
        ("all", "url: ['nats://a,nats://b']", "cluster.url", "use a URL"),
        ("all", "url: 'nats://a/b'", "cluster.url", "use a URL"),
        ("all", "url: 'nats://a:port'", "cluster.url", "use a URL"),
        ("all", "url: 'nats://user:pass@a:4222'", "cluster.url", "use cluster.user"),
        ("all", "url: a, stream: a.b", "cluster.stream", "1 to 64 letters"),
        ("all", "url: a, stream: ''", "cluster.stream", "1 to 64 letters"),
        ("all", "url: a, replicas: 2", "cluster.replicas", "1, 3 or 5"),
        ("all", "url: a, user: b", "cluster.user", "password_file is not set"),
        ("all", "url: a, password_file: /b", "cluster.password_file", "user is not set"),
        ("all", "url: a, token_file: /b, nkey_file: /c", "cluster.nkey_file", "token_file is set"),
        (
            "all",
            "url: a, user: b, password_file: /b, creds_file: /c",
            "cluster.creds_file",
            "cluster.user is set too",
        ),
    ] {
        let text = format!("role: {role}\ncluster: {{{cluster}}}\n");
        let config = read_file("c.yaml", &text).expect("each value is valid");
        let problems = rules::check(&config);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].key, key, "{text}");
        assert!(problems[0].advice.contains(advice), "{text}: {problems:?}");
        assert!(!format!("{problems:?}").contains("pass@"), "{problems:?}");
    }
    let longest = "a".repeat(64);
    for (name, is_valid) in [(longest.as_str(), true), (&format!("{longest}a"), false)] {
        let text = format!("cluster: {{url: a, stream: {name}}}");
        let config = read_file("c.yaml", &text).expect("valid");
        assert_eq!(rules::check(&config).is_empty(), is_valid, "{text}");
    }
}

#[test]
fn an_edge_needs_no_log() {
    let without = "ct_log: {disable_default_logs: true}\ncluster: {url: a}\n";
    let config = |role: &str| read_file("c.yaml", &format!("role: {role}\n{without}"));
    assert_eq!(rules::check(&config("edge").expect("valid")), []);
    let problems = rules::check(&config("ingest").expect("valid"));
    assert_eq!(problems[0].key, "ct_log.disable_default_logs");
}

#[test]
fn settings_that_do_nothing_in_a_cluster_cause_warnings() {
    let warnings = |text: &str| serve(&[&Written::new(text).flag()], &[]).warnings;
    for (text, expected) in [
        (
            "cluster: {stream: A, tls: on}",
            "without cluster.url, this does nothing: cluster.stream, ",
        ),
        (
            "cluster: {url: a}\ndata_dir: /d\njournal: {max_bytes: 1GiB}",
            "has no journal, so this does nothing: journal.max_bytes; the stream",
        ),
        ("cluster: {url: a}\nct_log: {state_file: /s}", "ct_log.state_file is neither read"),
        (
            "role: edge\ncluster: {url: a}\nstatic_logs: [{name: a, url: 'https://a.example'}]",
            "reads no logs, so this does nothing: static_logs",
        ),
        (
            "role: edge\ncluster: {url: a}\nct_log: {states: [usable], include_test: on, \
             poll_interval_ms: 5000, batch_size: 100}",
            " and 1 more",
        ),
        ("cluster: {url: 'a,b,c'}", "set cluster.replicas: 3"),
        ("cluster: {url: a, ca_file: /c}", "set cluster.tls: true"),
    ] {
        let warnings = warnings(text);
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(warnings[0].contains(expected), "{text}: {warnings:?}");
    }
    for text in [
        // Defaults that a file repeats are no mistake.
        "cluster: {stream: CTLOG, replicas: 1}",
        "cluster: {url: a}\njournal: {max_bytes: 10GiB}",
        "cluster: {url: 'a,b,c', replicas: 1}",
        "role: edge\ncluster: {url: 'a,b,c'}",
        "cluster: {url: 'tls://a', ca_file: /c}",
        // The cursor of an output is in the cluster.
        "cluster: {url: a}\nnats: {enabled: true}",
    ] {
        assert_eq!(warnings(text), [""; 0], "{text}");
    }
}

#[test]
fn a_demonstration_is_no_node() {
    let setup = serve(&["--demo", "--cluster-url", URL, "--role=edge", "--cluster-tls"], &[]);
    assert_eq!((setup.config.cluster.is_on(), setup.config.role), (false, Role::All));
    assert_eq!(setup.warnings, ["--demo ignores role", "--demo ignores cluster.url"]);
}

#[test]
fn every_change_of_a_cluster_requires_a_restart() {
    let running = read_file("c.yaml", "cluster: {url: a}").expect("valid");
    let text = "role: edge\ncluster: {url: b, stream: B, max_lag_secs: 7}";
    let wanted = read_file("c.yaml", text).expect("valid");
    let (config, postponed) = without_restart(&running, &wanted).expect("valid");
    assert_eq!(config, running);
    assert_eq!(postponed, ["role", "cluster.url", "cluster.stream", "cluster.max_lag_secs"]);
}

#[test]
fn the_summary_names_the_stream() {
    let setup = serve(&["--cluster-url=a,b", "--cluster-replicas=3"], &[]);
    assert!(setup.summary().contains("the stream CTLOG on a, b\n"), "{}", setup.summary());
}
