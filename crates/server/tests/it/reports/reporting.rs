//! The server's reports besides the logs: statistics, certificates by fingerprint, readiness,
//! metrics under other names and on a listener of their own.

use std::time::Duration;

use config::{Config, MetricsCompat};
use serde_json::Value;
use server::app::{Mode, Server};
use tokio::sync::oneshot;

use crate::harness::{PATIENCE, Running, eventually, logs, next_json, reads_all};
use crate::operations::process::free_port;

fn two_logs() -> ctsim::Config {
    ctsim::Config { rfc6962: 1, static_ct: 1, rate: 0.0, initial_size: 100, ..Default::default() }
}

async fn text(server: &Running, path: &str) -> String {
    server.get(path).await.text().await.expect("text")
}

async fn json(server: &Running, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.json().await.expect("JSON")
}

/// Waits until all entries of [`two_logs`] are published.
async fn all_published(server: &Running) {
    let processed = async || {
        let stats: Value = server.get("/stats").await.json().await.expect("JSON");
        (stats["processed_certificates"] == 200).then_some(())
    };
    eventually("everything is published", processed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_have_the_format_of_other_servers_and_no_addresses() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    let server = Running::start(config.clone()).await;
    let mut socket = server.connect_from_oldest("/full-stream/").await;
    all_published(&server).await;
    for _ in 0..200 {
        next_json(&mut socket).await;
    }
    let sent = async || {
        let stats = json(&server, "/api/stats").await;
        (stats["throughput"]["messages_sent"].as_u64() >= Some(200)).then_some(stats)
    };
    let stats = eventually("everything is counted", sent).await;
    assert_eq!(stats["connections"]["total"], 1);
    assert_eq!(stats["connections"]["websocket"], 1);
    assert_eq!(stats["throughput"]["certificates_processed"], 200);
    assert!(stats["throughput"]["bytes_sent"].as_u64() > Some(200_000), "{stats}");
    assert!(stats["throughput"]["bytes_serialized"].as_u64() > Some(200_000), "{stats}");
    assert_eq!(stats["memory"]["cache_entries"], 200);
    assert_eq!(stats["memory"]["cache_capacity"], 1000);
    let begin = r#"{"uptime_seconds":"#;
    let raw = text(&server, "/api/stats").await;
    assert!(raw.starts_with(begin), "{raw}");
    for order in [
        r#""connections":{"total":1,"websocket":1,"sse":0,"#,
        r#""memory":{"cache_entries":200,"cache_capacity":1000,"#,
    ] {
        assert!(raw.contains(order), "{raw}");
    }

    let stats = json(&server, "/stats").await;
    let users = stats["current_users"].as_object().expect("users");
    let user = users.values().next().expect("one");
    assert_eq!((users.len(), &user["path"]), (1, &"/full-stream/".into()));
    assert!(user["connect_time"].as_str().is_some_and(|time| time.ends_with('Z')), "{user}");
    assert_eq!((&user["ip_address"], &user["headers"]), (&Value::Null, &Value::Null));
    for log in sim.logs() {
        assert_eq!(stats["workers"][log.url().trim_end_matches('/')], 100);
    }
    assert!(text(&server, "/stats").await.starts_with("{\n  \""), "pretty-printed");
    server.stop().await;

    config.stats.client_addresses = true;
    config.stats.url = "who".to_owned();
    let server = Running::start(config).await;
    assert_eq!(server.get("/stats").await.status(), 404);
    let _socket = server.connect("/domains-only").await;
    let stats = json(&server, "/who").await;
    assert_eq!(stats["current_users"]["1"]["ip_address"], "127.0.0.1");
    assert!(stats["current_users"]["1"]["headers"]["user-agent"].is_string());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_found_by_its_fingerprint_in_every_spelling() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    config.api.cache_capacity = 150;
    let server = Running::start(config).await;
    let mut socket = server.connect("/?compat=rust&since=0").await;
    assert_eq!(next_json(&mut socket).await["message_type"], "gap");
    let mut messages = Vec::new();
    for _ in 0..200 {
        messages.push(next_json(&mut socket).await);
    }
    let full = async || {
        let held = &json(&server, "/api/stats").await["memory"]["cache_entries"];
        (*held == 150).then_some(())
    };
    eventually("the cache is full", full).await;
    let leaf = |message: &Value| message["data"]["leaf_cert"].clone();
    let newest = leaf(messages.last().expect("some"));
    let (sha1, sha256) = (newest["sha1"].as_str().expect("hex"), newest["sha256"].as_str());
    let sha256 = sha256.expect("hex");
    let found = json(&server, &format!("/api/cert/{sha256}")).await;
    for spelling in [
        sha1.to_owned(),
        sha1.to_lowercase(),
        sha1.replace(':', ""),
        sha256.replace(':', "").to_lowercase(),
    ] {
        assert_eq!(json(&server, &format!("/api/cert/{spelling}")).await, found, "{spelling}");
    }
    let same = ["fingerprint", "sha1", "sha256", "serial_number", "subject", "issuer"];
    let same = same.iter().chain(&["not_before", "not_after", "is_ca", "all_domains"]);
    for key in same.chain(&["signature_algorithm"]) {
        assert_eq!(found[key], newest[key], "{key}");
    }
    let data = &messages.last().expect("some")["data"];
    assert_eq!(found["source"], data["source"]["name"]);
    assert_eq!(
        (&found["cert_index"], &found["cert_link"], &found["seen"]),
        (&data["cert_index"], &data["cert_link"], &data["seen"])
    );
    let raw = text(&server, &format!("/api/cert/{sha256}")).await;
    assert!(raw.starts_with(r#"{"fingerprint":""#), "{raw}");

    // The oldest has made room; what is no fingerprint is not there either.
    let oldest = leaf(&messages[0])["sha256"].as_str().expect("hex").to_owned();
    for absent in [oldest.as_str(), "00", "x", "%00", "..%2f..%2fetc"] {
        let answer = server.get(&format!("/api/cert/{absent}")).await;
        assert_eq!(answer.status(), 404, "{absent}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(answer.text().await.expect("text"), "Certificate not found");
    }
    let document = json(&server, "/api/openapi.json").await;
    assert!(document["paths"]["/api/cert/{hash}"].is_object());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_not_kept_for_a_disabled_api() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    all_published(&server).await;
    for path in ["/api/stats", "/api/openapi.json", "/api/cert/00"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 404);
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body["error"], "Not Found", "{path}");
        assert!(body["hint"].as_str().expect("a hint").contains("protocols.api"), "{body}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_ignores_failing_logs() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = reads_all(&sim, &folder);
    let server = Running::start(config.clone()).await;
    let ready = async || {
        let answer = server.get("/health/ready").await;
        (answer.status() == 200).then_some(answer.text().await.expect("text"))
    };
    assert_eq!(eventually("it is ready", ready).await, r#"{"ready":true}"#);
    server.stop().await;

    let mut without_list = config;
    // A port nobody listens on.
    without_list.ct_log.log_list_url = "http://127.0.0.1:9/log_list.json".to_owned();
    let server = Running::start(without_list).await;
    let answer = server.get("/health/ready").await;
    assert_eq!(answer.status(), 503);
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["ready"], false);
    assert!(answer["reason"].is_string());
    assert_eq!(text(&server, "/health").await, "OK", "it is running all the same");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_compat_adds_the_names_of_other_servers() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.metrics.compat = vec![MetricsCompat::Go, MetricsCompat::Rust];
    let server = Running::start(config).await;
    let _socket = server.connect("/domains-only").await;
    all_published(&server).await;
    let answer = server.get("/metrics").await;
    let expected = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.headers()["content-type"], expected);
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    let text = answer.text().await.expect("text");
    let log = &sim.logs()[0];
    let url = log.url();
    let bare = url.trim_start_matches("http://").trim_end_matches('/');
    let (name, operator, id) = (log.description(), log.operator(), log.log_id());
    for line in [
        format!(
            "certstreamservergo_certs_by_log_total{{url=\"{bare}\",operator=\"{operator}\"}} 100"
        ),
        "certstreamservergo_clients_total{type=\"domain\"} 1".to_owned(),
        "certstreamservergo_skipped_certs{client=\"[1]\"} 0".to_owned(),
        format!("certstream_messages_sent{{log=\"{name}\",source_id=\"ctlog:{id}\"}} 100"),
        "certstream_ws_connections_total 1".to_owned(),
        "certstream_ws_connections_domains 1".to_owned(),
        "certstream_ct_logs_count 1".to_owned(),
        "certstream_static_ct_logs_count 1".to_owned(),
        "certstream_connection_limit_rejected 0".to_owned(),
        "certstream_per_ip_limit_rejected 0".to_owned(),
        "certstream_duplicates_filtered 0".to_owned(),
        "certstream_worker_panics 0".to_owned(),
        "certstream_log_health_checks_failed 0".to_owned(),
        "# TYPE certstream_static_ct_checkpoint_errors counter".to_owned(),
        "# TYPE process_resident_memory_bytes gauge".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    let mut types: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let all = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), all, "a name means one thing");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_on_a_separate_listener_are_not_on_the_main_one() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.prometheus.enabled = true;
    config.prometheus.listen_addr = [127, 0, 0, 1].into();
    config.prometheus.listen_port = 0;
    config.prometheus.metrics_url = "inside/numbers".to_owned();
    config.prometheus.expose_system_metrics = false;
    config.protocols.metrics = false;
    let server = Server::start(config, Mode::Serve).await.expect("the server starts");
    let (main, own) = (server.address().expect("bound"), server.metrics_address().expect("bound"));
    let own = own.expect("a listener of their own");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async {
        let _told = stopped.await;
    }));
    let get = async |address, path| {
        reqwest::get(format!("http://{address}{path}")).await.expect("an answer")
    };
    for path in ["/metrics", "/inside/numbers"] {
        assert_eq!(get(main, path).await.status(), 404);
    }
    for path in ["/", "/health", "/metrics"] {
        assert_eq!(get(own, path).await.status(), 404, "nothing else is there");
    }
    let text = get(own, "/inside/numbers").await.text().await.expect("text");
    assert!(text.contains("\ncertstream_logs "), "{text}");
    assert!(!text.contains("process_") && !text.contains("jemalloc"), "{text}");
    stop.send(()).expect("it runs");
    let ended = tokio::time::timeout(PATIENCE, task).await.expect("stops");
    ended.expect("no panic").expect("ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metrics_listener_at_the_main_address_is_shared() {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut config = Config { host: address.ip(), port: address.port(), ..Config::default() };
    config.prometheus.enabled = true;
    config.prometheus.listen_addr = address.ip();
    config.prometheus.listen_port = address.port();
    let server = Server::start(config, Mode::DryRun).await.expect("the server starts");
    assert_eq!(server.metrics_address().expect("bound"), None);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async {
        let _told = stopped.await;
    }));
    let url = format!("http://{address}/metrics");
    assert_eq!(reqwest::get(url).await.expect("an answer").status(), 200);
    stop.send(()).expect("it runs");
    let ended = tokio::time::timeout(Duration::from_secs(60), task).await.expect("stops");
    ended.expect("no panic").expect("ends well");
}
