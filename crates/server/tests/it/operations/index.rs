//! `certstream-server create-index`.

use config::CreateIndex;
use serde_json::Value;
use server::commands::create_index as index;

use crate::harness::{logs, reads_all};

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
