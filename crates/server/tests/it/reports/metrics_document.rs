//! `docs/metrics.md`: what a running server shows, checked in.

use std::collections::BTreeSet;

use config::MetricsCompat;
use serde_json::json;

use crate::harness::{Running, eventually, logs, reads_all};

const HEAD: &str = include_str!("metrics.head.md");
/// The metrics of a node of a cluster, from a unit test beside them.
const CLUSTER: &str = include_str!("metrics.cluster.md");

/// A metric as its lines describe it.
struct Family {
    name: String,
    kind: String,
    help: String,
    labels: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_document_matches_a_running_server() {
    let config = ctsim::Config { rfc6962: 1, static_ct: 1, rate: 0.0, ..Default::default() };
    let sim = logs(ctsim::Config { initial_size: 10, ..config }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    let data_dir = Some(folder.path().join("data"));
    let mut with_journal = config::Config { data_dir, ..config.clone() };
    // Nothing listens there; its figures are shown anyway.
    with_journal.nats.enabled = true;
    with_journal.nats.url = "nats://127.0.0.1:1".to_owned();
    let receiver = json!({ "name": "ops", "type": "webhook", "url": "https://hooks.example" });
    with_journal.alerts.receivers = vec![serde_json::from_value(receiver).expect("a receiver")];
    let own = shown(&Running::start(with_journal).await).await;
    config.metrics.compat = vec![MetricsCompat::Go];
    let go = shown(&Running::start(config.clone()).await).await;
    config.metrics.compat = vec![MetricsCompat::Rust];
    let rust = shown(&Running::start(config).await).await;

    let names: BTreeSet<&str> = own.iter().map(|family| family.name.as_str()).collect();
    let others = |families: &[Family]| {
        table(families.iter().filter(|family| !names.contains(family.name.as_str())))
    };
    let expected = format!(
        "{HEAD}\n{}\n## Clusters\n\nOnly of a node of a cluster (`cluster.url`).\n\n\
         | Name | Type | Labels | Meaning |\n|---|---|---|---|\n{CLUSTER}\n## certstream-server-go\n\nWith `metrics.compat: [go]`. All of them are gauges, \
         as in certstream-server-go.\n\n{}\n## certstream-server-rust\n\nWith `metrics.compat: [rust]`.\n\n{}",
        table(own.iter()),
        others(&go),
        others(&rust),
    );
    golden::check("docs/metrics.md", expected, "-p server metrics_document");
}

/// The metrics of a server that has read its logs and has a client.
async fn shown(server: &Running) -> Vec<Family> {
    let _socket = server.connect("/").await;
    let text = eventually("both logs are read", async || {
        let text = server.get("/metrics").await.text().await.expect("text");
        let logs = text.lines().filter(|line| line.starts_with("certstream_log_entries_total{"));
        let read = logs.filter(|line| line.ends_with(" 10")).count();
        (read == 2).then_some(text)
    })
    .await;
    families(&text)
}

fn families(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = "";
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said.split_once(' ').expect("a help text").1;
        } else if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, kind) = said.split_once(' ').expect("a type");
            families.push(Family {
                name: name.to_owned(),
                kind: kind.to_owned(),
                help: help.to_owned(),
                labels: Vec::new(),
            });
        } else {
            let family = families.last_mut().expect("a sample after its type");
            assert!(line.starts_with(&family.name), "{line} is not of {}", family.name);
            if family.labels.is_empty() {
                family.labels = labels(line);
            }
        }
    }
    families
}

/// Returns the names of the labels. Values may contain anything but a quotation mark.
fn labels(sample: &str) -> Vec<String> {
    let mut rest = sample.split_once('{').map_or("", |(_, rest)| rest);
    let mut names = Vec::new();
    while let Some((name, value)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        rest = value.split_once('"').expect("a closing quotation mark").1;
    }
    names
}

fn table<'f>(families: impl Iterator<Item = &'f Family>) -> String {
    let rows = families.map(|Family { name, kind, help, labels }| {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "))
    });
    format!("| Name | Type | Labels | Meaning |\n|---|---|---|---|\n{}", rows.collect::<String>())
}
