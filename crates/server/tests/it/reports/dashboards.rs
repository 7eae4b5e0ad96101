//! The Grafana dashboard and the Prometheus alerts ask for metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Running, eventually, logs, reads_all};

fn packaged(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(file);
    std::fs::read_to_string(path).expect(file)
}

/// Every text under one of these keys, however deep.
fn texts<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if keys.contains(&key.as_str()) => found.push(text),
                    value => texts(value, keys, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, keys, found)),
        _ => {}
    }
}

fn metrics_of(queries: &[&str]) -> BTreeSet<String> {
    let words = queries
        .iter()
        .flat_map(|query| query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    words.filter(|word| word.starts_with("certstream_")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_a_query_is_one_of_the_server() {
    let dashboard: Value =
        serde_json::from_str(&packaged("grafana/dashboards/certstream.json")).expect("JSON");
    let alerts: Value = serde_saphyr::from_str(&packaged("prometheus/alerts.yml")).expect("YAML");
    let mut queries = Vec::new();
    texts(&dashboard, &["expr", "definition"], &mut queries);
    texts(&alerts, &["expr"], &mut queries);
    // Those of a node of a cluster are compared with their list.
    let wanted: BTreeSet<String> = metrics_of(&queries)
        .into_iter()
        .filter(|name| !include_str!("metrics.cluster.md").contains(&format!("`{name}`")))
        .collect();
    assert!(queries.len() > 40 && wanted.len() > 25, "{wanted:?}");

    let config = ctsim::Config { rate: 0.0, initial_size: 50, ..ctsim::Config::default() };
    let sim = logs(config).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.data_dir = Some(folder.path().join("data"));
    // Nothing listens there; its figures are shown anyway.
    config.nats.enabled = true;
    config.nats.url = "nats://127.0.0.1:1".to_owned();
    let receiver = json!({ "name": "ops", "type": "webhook", "url": "https://hooks.example.org" });
    config.alerts.receivers = vec![serde_json::from_value(receiver).expect("a receiver")];
    let server = Running::start(config).await;
    // Series of kinds of clients appear with the first of them.
    let _client = server.connect("/").await;
    eventually("every metric is there", async || {
        let text = server.get("/metrics").await.text().await.expect("text");
        let names = text.lines().filter(|line| !line.starts_with('#'));
        let names: BTreeSet<_> =
            names.map(|line| line.split(['{', ' ']).next().unwrap_or(line)).collect();
        let missing: Vec<_> = wanted.iter().filter(|name| !names.contains(name.as_str())).collect();
        if !missing.is_empty() && names.contains("certstream_log_healthy") {
            panic!("asked for, but not in /metrics: {missing:?}");
        }
        missing.is_empty().then_some(())
    })
    .await;
    server.stop().await;
}

#[test]
fn every_alert_has_severity_and_summary() {
    let alerts: Value = serde_saphyr::from_str(&packaged("prometheus/alerts.yml")).expect("YAML");
    let rules = alerts["groups"][0]["rules"].as_array().expect("rules");
    for rule in rules {
        assert!(
            ["critical", "warning"].map(Value::from).contains(&rule["labels"]["severity"]),
            "{rule}"
        );
        assert!(rule["annotations"]["summary"].is_string(), "{rule}");
    }
    let compose: Value = serde_saphyr::from_str(&{
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker-compose.yml");
        std::fs::read_to_string(path).expect("docker-compose.yml")
    })
    .expect("YAML");
    assert_eq!(compose["services"]["prometheus"]["profiles"][0], "monitoring");
}
