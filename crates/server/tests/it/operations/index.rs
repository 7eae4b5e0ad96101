//! Files of certstream-server-go: `certstream-server create-index`, and `compat.export_index`.

use config::CreateIndex;
use serde_json::Value;
use server::commands::create_index as index;

use crate::harness::{Running, eventually, logs, reads_all};

#[test]
fn create_index_writes_every_logs_end_and_replaces_a_file_only_with_force() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let simulated = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: 70,
        ..Default::default()
    };
    let sim = runtime.block_on(logs(simulated));
    let folder = tempfile::tempdir().expect("a folder");
    let config = reads_all(&sim, &folder);
    let path = folder.path().join("ct_index.json");
    let run = |replace| index::run(&config, &CreateIndex { file: Some(path.clone()), replace });
    assert!(run(false).expect("written").ends_with("ct_index.json: 2 logs"));
    let text = std::fs::read_to_string(&path).expect("there");
    assert!(text.starts_with("{\n \""), "as certstream-server-go indents it: {text}");
    let index: Value = serde_json::from_str(&text).expect("JSON");
    for log in sim.logs() {
        let key = log.url().trim_start_matches("http://").trim_end_matches('/');
        assert_eq!(index[key], 70, "{key} in {text}");
    }
    assert!(run(false).expect_err("it is there").to_string().contains("--force"));
    assert!(run(true).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exported_index_is_what_the_go_server_reads_and_where_this_server_resumes() {
    let simulated = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: 70,
        ..Default::default()
    };
    let sim = logs(simulated).await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let mut config = reads_all(&sim, &folder);
    config.ct_log.resume_overlap_secs = 0;
    config.ct_log.import_index = Some(at("ct_index.json"));
    config.compat.export_index = Some(at("ct_index.json"));
    let key = |log: &ctsim::LogHandle| {
        log.url().trim_start_matches("http://").trim_end_matches('/').to_owned()
    };
    let theirs = serde_json::json!({ key(&sim.logs()[0]): 60, "ct.example.org/retired": 5 });
    std::fs::write(at("ct_index.json"), theirs.to_string()).expect("writable");

    let entries = async |server: &Running, description: &str| {
        let metrics = server.get("/metrics").await.text().await.expect("text");
        let line = format!("certstream_log_entries_total{{log=\"{description}\"");
        let line = metrics.lines().find(|text| text.starts_with(&line))?.to_owned();
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    let server = Running::start(config.clone()).await;
    for (log, expected) in sim.logs().iter().zip([10, 70]) {
        eventually("the log is read from its position", async || {
            (entries(&server, log.description()).await == Some(expected)).then_some(())
        })
        .await;
    }
    server.stop().await;
    let text = std::fs::read_to_string(at("ct_index.json")).expect("there");
    assert!(text.starts_with("{\n \""), "as certstream-server-go indents it: {text}");
    let index: Value = serde_json::from_str(&text).expect("JSON");
    for log in sim.logs() {
        assert_eq!(index[key(log)], 69, "the last entry read: {text}");
        log.grow(1).expect("it grows");
    }
    assert_eq!(index["ct.example.org/retired"], 5, "a log of theirs alone stays: {text}");

    // A server that has nothing but the file repeats one entry, as certstream-server-go does.
    let server = Running::start(config).await;
    for log in sim.logs() {
        eventually("the log is read from the last entry read before", async || {
            (entries(&server, log.description()).await == Some(2)).then_some(())
        })
        .await;
    }
    server.stop().await;
}
