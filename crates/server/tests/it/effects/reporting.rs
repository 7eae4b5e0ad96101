//! The settings of metrics, statistics and the API take effect.

use config::Config;
use reqwest::StatusCode;
use serde_json::Value;
use server::app::{Mode, Server};
use tokio::sync::oneshot;

use super::{Group, ways};
use crate::harness::{PATIENCE, Running, eventually, logs, reads_all};
use crate::operations::process::free_port;

pub(super) const GROUPS: &[Group] = &[METRICS, READERS, STATISTICS, CACHE];

fn flags() -> Vec<String> {
    ["--host=127.0.0.1", "--port=0", "--ct-log-log-list-url=http://127.0.0.1:9/none"]
        .map(str::to_owned)
        .to_vec()
}

const METRICS: Group = &[
    ("prometheus.metrics_url", "/numbers"),
    ("prometheus.expose_system_metrics", "false"),
    ("metrics.compat", "[\"go\",\"rust\"]"),
    ("log_client_addresses", "true"),
];

#[tokio::test(flavor = "multi_thread")]
async fn metrics_settings_take_effect() {
    for (way, config) in ways(METRICS, &flags()) {
        let server = Running::start(config).await;
        let _client = server.connect("/").await;
        assert_eq!(server.get("/metrics").await.status(), StatusCode::NOT_FOUND, "{way}");
        let text = server.get("/numbers").await.text().await.expect("text");
        assert!(!text.contains("process_resident_memory_bytes"), "{way}");
        for line in [
            "certstreamservergo_clients_total{type=\"lite\"} 1",
            "certstream_ws_connections_lite 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} {way}: {text}");
        }
        assert!(text.contains("127.0.0.1"), "a client has its address: {way}: {text}");
        server.stop().await;
    }
}

const READERS: Group = &[
    ("prometheus.enabled", "true"),
    ("prometheus.listen_addr", "127.0.0.1"),
    ("prometheus.listen_port", "1"),
    ("prometheus.cert_path", "c"),
    ("prometheus.cert_key_path", "k"),
    ("prometheus.whitelist", "[\"192.0.2.0/24\"]"),
    ("prometheus.trusted_proxies", "[\"127.0.0.1\"]"),
    ("prometheus.real_ip", "true"),
];

/// A server with a listener for its metrics, the answer of that to a request for `from`.
async fn metrics_for(config: Config, client: &reqwest::Client, from: &str) -> StatusCode {
    let server = Server::start(config, Mode::DryRun).await.expect("the server starts");
    let address = server.metrics_address().expect("bound").expect("a listener of their own");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async {
        let _told = stopped.await;
    }));
    let url = format!("https://localhost:{}/metrics", address.port());
    let answer = client.get(url).header("x-forwarded-for", from).send().await.expect("TLS");
    stop.send(()).expect("it runs");
    let ended = tokio::time::timeout(PATIENCE, task).await.expect("stops");
    ended.expect("no panic").expect("ends well");
    answer.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_separate_metrics_listener_has_its_own_allow_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, client) = super::routes::certificate(&folder);
    let client = client.build().expect("a client");
    let number = free_port().to_string();
    // Leaked, because the descriptions of groups are static.
    let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let [cert, key] = files.map(leaked);
    let number = leaked(number);
    let said: Vec<_> = READERS
        .iter()
        .map(|(key_name, value)| match *value {
            "1" => (*key_name, number),
            "c" => (*key_name, cert),
            "k" => (*key_name, key),
            other => (*key_name, other),
        })
        .collect();
    for (way, config) in ways(&said, &flags()) {
        assert_eq!(config.prometheus.listen_port.to_string(), number, "{way}");
        for (from, status) in
            [("192.0.2.7", StatusCode::OK), ("198.51.100.7", StatusCode::FORBIDDEN)]
        {
            assert_eq!(metrics_for(config.clone(), &client, from).await, status, "{from} {way}");
        }
        let mut unbelieved = config;
        unbelieved.prometheus.real_ip = Some(false);
        let status = metrics_for(unbelieved, &client, "192.0.2.7").await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_allow_list_also_applies_on_a_shared_listener() {
    let mut config = super::configured(&Value::Object(serde_json::Map::new()), &[], &flags());
    config.prometheus.whitelist = vec!["192.0.2.0/24".to_owned()];
    let server = Running::start(config).await;
    assert_eq!(server.get("/metrics").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(server.get("/health/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    server.stop().await;
}

const STATISTICS: Group =
    &[("protocols.stats", "true"), ("stats.url", "/who"), ("stats.client_addresses", "true")];

#[tokio::test(flavor = "multi_thread")]
async fn statistics_settings_take_effect() {
    for (way, config) in ways(STATISTICS, &flags()) {
        let server = Running::start(config).await;
        let _client = server.connect("/").await;
        let text = server.get("/who").await.text().await.expect("text");
        assert!(text.contains("127.0.0.1"), "{way}: {text}");
        server.stop().await;
    }
}

const CACHE: Group = &[("api.cache_capacity", "3"), ("api.cache_bytes", "65536")];

#[tokio::test(flavor = "multi_thread")]
async fn the_api_cache_settings_take_effect() {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 300,
        ..ctsim::Config::default()
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    for (way, said) in ways(CACHE, &flags()) {
        for (capacity, bytes, few) in [
            (said.api.cache_capacity, config::ByteSize::new(1 << 20), 3),
            (1000, said.api.cache_bytes, 100),
        ] {
            let mut config = reads_all(&sim, &folder);
            config.protocols.api = true;
            (config.api.cache_capacity, config.api.cache_bytes) = (capacity, bytes);
            let server = Running::start(config).await;
            let kept = eventually("everything is read", async || {
                let stats: Value = server.get("/api/stats").await.json().await.expect("JSON");
                let read = stats["throughput"]["certificates_processed"] == 300;
                read.then(|| stats["memory"]["cache_entries"].as_u64().expect("a number"))
            })
            .await;
            assert!((1..=few).contains(&kept), "{kept} {way}");
            server.stop().await;
        }
    }
}
