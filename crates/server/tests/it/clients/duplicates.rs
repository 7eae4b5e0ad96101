//! Duplicates: one certificate from several logs.

use std::collections::{HashMap, HashSet};

use config::{Config, DedupMode};
use serde_json::Value;

use crate::harness::{Running, eventually, logs, next_json, reads_all};

/// Two logs with the same seed, name and number hold the same entries: the second simulator is a
/// copy of the first, under other URLs.
async fn read(configure: impl FnOnce(&mut Config), want: usize) -> (Vec<Value>, String) {
    let simulated = ctsim::Config {
        rfc6962: 1,
        static_ct: 0,
        rate: 0.0,
        initial_size: 600,
        epoch: Some(1_795_000_000_000),
        ..ctsim::Config::default()
    };
    let (first, second) = (logs(simulated.clone()).await, logs(simulated).await);
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&first, &folder);
    config.custom_logs.push(config::NamedLog {
        name: "copy".to_owned(),
        url: second.logs()[0].url().to_owned(),
        key: None,
        operator: None,
        log_origin: None,
        expected_log_id: None,
        batch_size: None,
        poll_interval_ms: None,
        tree_size_source: None,
    });
    config.dedup.enabled = true;
    configure(&mut config);
    let server = Running::start(config).await;
    let mut socket = server.connect_from_oldest("/").await;
    let mut messages = Vec::new();
    while messages.len() < want {
        messages.push(next_json(&mut socket).await);
    }
    let all_read = "certstream_log_next_index{log=\"copy\",operator=\"\"} 600";
    let metrics = eventually("both logs are read", async || {
        let metrics = server.get("/metrics").await.text().await.expect("text");
        let of_list = metrics.lines().filter(|line| line.starts_with("certstream_log_next_index"));
        let done = of_list.filter(|line| line.ends_with(" 600")).count() == 2;
        (done && metrics.contains(all_read) && published(&metrics)).then_some(metrics)
    })
    .await;
    server.stop().await;
    (messages, metrics)
}

/// Reports whether all 1,200 entries have been through the window.
fn published(metrics: &str) -> bool {
    counter(metrics, "certstream_duplicates_total")
        + counter(metrics, "certstream_certificates_total{update_type=\"X509LogEntry\"}")
        + counter(metrics, "certstream_certificates_total{update_type=\"PrecertLogEntry\"}")
        == 1_200
}

fn counter(metrics: &str, name: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_two_logs_is_sent_once() {
    let (messages, metrics) = read(|_| {}, 600).await;
    assert_eq!(counter(&metrics, "certstream_duplicates_total"), 600);
    assert_eq!(counter(&metrics, "certstream_dedup_window"), 600);
    let hashes: HashSet<&str> =
        messages.iter().filter_map(|m| m["data"]["leaf_cert"]["sha256"].as_str()).collect();
    assert_eq!(hashes.len(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_dedup_every_entry_is_sent() {
    let (messages, metrics) = read(|config| config.dedup.enabled = false, 1_200).await;
    assert_eq!(counter(&metrics, "certstream_duplicates_total"), 0);
    let mut times: HashMap<&str, u32> = HashMap::new();
    for message in &messages {
        *times
            .entry(message["data"]["leaf_cert"]["sha256"].as_str().expect("a hash"))
            .or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_precertificate_and_certificate_are_sent_once() {
    let (_, metrics) = read(|config| config.dedup.mode = DedupMode::Linked, 1).await;
    let duplicates = counter(&metrics, "certstream_duplicates_total");
    // Besides the copy's 600, the final certificates that follow their precertificate.
    assert!((700..1_000).contains(&duplicates), "{duplicates}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dedup_window_is_bounded_by_its_capacity() {
    let (_, metrics) = read(|config| config.dedup.capacity = 50, 1).await;
    assert_eq!(counter(&metrics, "certstream_dedup_window"), 50);
}
