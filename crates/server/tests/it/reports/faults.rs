//! The metrics that `docs/faults.md` names are served.

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::{Running, eventually, logs, reads_all};

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_the_faults_are_documented_with_is_served() {
    let sim = logs(ctsim::Config { rfc6962: 1, static_ct: 1, ..ctsim::Config::default() }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(reads_all(&sim, &folder)).await;
    let metrics = eventually("logs are followed", async || {
        let metrics = server.get("/metrics").await.text().await.expect("text");
        metrics.contains("certstream_log_entries_total{").then_some(metrics)
    })
    .await;
    let documented = documented();
    assert!(documented.len() > 5, "{documented:?}");
    let missing: Vec<_> =
        documented.iter().filter(|name| !metrics.contains(&format!("\n{name}{{"))).collect();
    assert!(missing.is_empty(), "not at /metrics: {missing:?}");
    server.stop().await;
    sim.shutdown().await;
}

/// The metrics that the page names.
fn documented() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    let page = std::fs::read_to_string(path).expect("docs/faults.md");
    let quoted = page.split('`').filter(|text| text.starts_with("certstream_log_"));
    quoted.map(str::to_owned).collect()
}
