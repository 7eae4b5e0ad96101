//! `/api/logs`, the metrics of logs, hosts and lists, and starts without network.

use ctsim::fault::{Fault, Scope, Times};
use serde_json::Value;

use crate::harness::{Running, eventually, logs, reads_all};

fn two_logs() -> ctsim::Config {
    ctsim::Config { rfc6962: 1, static_ct: 1, rate: 0.0, initial_size: 300, ..Default::default() }
}

async fn api(server: &Running) -> Value {
    server.get("/api/logs").await.json().await.expect("JSON")
}

/// Returns the answer of the API once every entry has been read and proved.
async fn settled(server: &Running) -> Value {
    eventually("both logs are read and proved", async || {
        let answer = api(server).await;
        let logs = answer["logs"].as_array().expect("an array");
        let proved = |log: &Value| log["verified_through"] == 300 && log["current_index"] == 300;
        (logs.len() == 2 && logs.iter().all(proved)).then_some(answer)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_off_by_default_and_shows_the_status_of_every_log() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let off = reads_all(&sim, &folder);
    let server = Running::start(off.clone()).await;
    assert_eq!(server.get("/api/logs").await.status(), 404);
    server.stop().await;

    let mut on = off;
    on.protocols.api = true;
    let server = Running::start(on).await;
    let answer = settled(&server).await;
    assert_eq!((&answer["total_logs"], &answer["unhealthy"]), (&2.into(), &0.into()));
    for (log, simulated) in answer["logs"].as_array().expect("logs").iter().zip(sim.logs()) {
        assert_eq!(log["name"], simulated.description());
        assert_eq!(log["url"], simulated.url().trim_end_matches('/'));
        assert_eq!(log["operator"], simulated.operator());
        assert_eq!(log["log_id"], simulated.log_id().to_string());
        assert_eq!((&log["current_index"], &log["tree_size"]), (&300.into(), &300.into()));
        assert_eq!((&log["total_errors"], &log["last_error"]), (&0.into(), &Value::Null));
        assert_eq!((&log["lag_entries"], &log["lag_secs"]), (&0.into(), &0.into()));
        assert_eq!((&log["state"], &log["listed_signed"]), (&"usable".into(), &true.into()));
        assert_eq!(log["lists"], serde_json::json!([sim.list_url()]));
        assert_eq!((&log["verified_from"], &log["draining"]), (&0.into(), &false.into()));
        assert_eq!((&log["paced"], &log["paused_secs"]), (&false.into(), &Value::Null));
        assert_eq!((&log["gaps"], &log["integrity"]["alarms"]), (&0.into(), &0.into()));
        assert!(log["last_success"].as_u64() > Some(0) && log["head_age_secs"].is_u64());
    }
    let [host] = &answer["hosts"].as_array().expect("hosts")[..] else { panic!("{answer}") };
    assert!(host["requests"].as_u64() > Some(4) && host["rate"].is_null());
    assert_eq!(host["host"], answer["logs"][0]["host"]);
    let [list] = &answer["lists"].as_array().expect("lists")[..] else { panic!("{answer}") };
    assert_eq!((&list["signed"], &list["logs"]), (&true.into(), &2.into()));
    assert_eq!((&list["cached"], &list["error"]), (&false.into(), &Value::Null));

    // What programs of certstream-server-rust read comes first, in its order.
    let text = server.get("/api/logs").await.text().await.expect("text");
    let begin = r#"{"total_logs":2,"healthy":2,"degraded":0,"unhealthy":0,"logs":[{"name":""#;
    assert!(text.starts_with(begin), "{text}");
    let keys = ["name", "url", "operator", "status", "current_index", "tree_size"];
    let keys = keys.iter().chain(&["total_errors", "last_success", "log_id"]);
    let places: Vec<_> = keys.map(|key| text.find(&format!("\"{key}\":"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");

    let headers = server.get("/api/logs").await.headers().clone();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["access-control-allow-origin"], "*");
    let url = format!("http://{}/api/logs", server.address);
    let post = reqwest::Client::new().post(url).send().await.expect("an answer");
    assert_eq!(post.status(), 405);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_show_hosts_and_lists() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.protocols.api = true;
    let server = Running::start(config).await;
    settled(&server).await;
    let text = server.get("/metrics").await.text().await.expect("text");
    let base = sim.base_url();
    let host = base.trim_start_matches("http://").trim_end_matches('/');
    let log = sim.logs()[0].description();
    let operator = sim.logs()[0].operator();
    let of_log = |name: &str| format!("certstream_{name}{{log=\"{log}\",operator=\"{operator}\"}}");
    for line in [
        format!("certstream_host_rate{{host=\"{host}\"}} 0.0"),
        format!("certstream_host_limited_total{{host=\"{host}\"}} 0"),
        format!("certstream_list_logs{{url=\"{}\"}} 2", sim.list_url()),
        format!("certstream_list_signed{{url=\"{}\"}} 1", sim.list_url()),
        format!("{} 300", of_log("log_verified_through")),
        format!("{} 300", of_log("log_entries_total")),
        format!("{} 0", of_log("log_skipped_entries_total")),
        format!("{} 0", of_log("log_lag_seconds")),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_state_file_a_start_without_network_follows_the_logs_of_the_last_list() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.ct_log.state_file = Some(folder.path().join("state.json"));
    config.protocols.api = true;
    let server = Running::start(config.clone()).await;
    settled(&server).await;
    server.stop().await;
    assert!(folder.path().join("state.json.log_lists").is_file());

    let down = Fault::Status { code: 500, retry_after: None };
    sim.list_faults().inject(Scope::Every, down, Times::UntilCleared);
    let server = Running::start(config).await;
    let answer = settled(&server).await;
    assert_eq!(answer["lists"][0]["cached"], true);
    let health: Value = eventually("the failure is reported", async || {
        let health: Value = server.get("/health/deep").await.json().await.expect("JSON");
        let is_reported = health["reason"].as_str().is_some_and(|reason| reason.contains("500"));
        is_reported.then_some(health)
    })
    .await;
    assert_eq!(health["status"], "healthy");
    server.stop().await;
}
