//! Which logs are followed, and how they are asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use config::Config;
use ctsim::Sim;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Group, ways};
use crate::harness::{Running, eventually, logs};

pub(super) const GROUPS: &[Group] = &[
    WITHOUT_RFC6962,
    WITHOUT_TILES,
    WITHOUT_LIST,
    WITHOUT_LIST_OF_GO,
    STATES,
    WITH_TESTS,
    &[("ct_log.exclude", ""), ("ct_log.excluded_operators", ""), ("ct_log.excluded_logs", "")],
    &[("general.excluded_logs", "")],
    ASKED,
    &[("ct_log.request_timeout_secs", "1")],
    &[("ct_log.import_index", ""), ("ct_log.state_file", ""), ("ct_log.state_recovery", "")],
];

/// Two logs, one of each protocol, and the flags that have a server follow them.
async fn simulated(folder: &tempfile::TempDir) -> (Sim, Vec<String>) {
    let sim = logs(ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: 600,
        ..ctsim::Config::default()
    })
    .await;
    let key = folder.path().join("list.pem");
    std::fs::write(&key, sim.list_key_pem()).expect("writable");
    let flags = [
        "--host=127.0.0.1".to_owned(),
        "--port=0".to_owned(),
        "--protocols-api".to_owned(),
        "--ct-log-poll-interval-ms=50".to_owned(),
        format!("--ct-log-log-list-url={}", sim.list_url()),
        format!("--ct-log-log-list-key-file={}", key.display()),
    ];
    (sim, flags.to_vec())
}

async fn api(server: &Running) -> Value {
    server.get("/api/logs").await.json().await.expect("JSON")
}

/// The URLs of the logs that are followed, once the list has been read.
async fn followed(server: &Running) -> BTreeSet<String> {
    eventually("the list is read", async || {
        let answer = api(server).await;
        let lists = answer["lists"].as_array().expect("an array");
        let is_read = lists.iter().all(|list| list["fetched"].as_u64() > Some(0));
        let logs = answer["logs"].as_array().expect("an array").iter();
        is_read.then(|| logs.map(|log| log["url"].as_str().expect("a URL").to_owned()).collect())
    })
    .await
}

fn url(sim: &Sim, number: usize) -> String {
    sim.logs()[number].url().trim_end_matches('/').to_owned()
}

async fn check(config: Config, way: &str, expected: &[&String]) {
    let server = Running::start(config).await;
    assert_eq!(followed(&server).await, expected.iter().copied().cloned().collect(), "{way}");
    server.stop().await;
}

const WITHOUT_RFC6962: Group = &[("ct_log.rfc6962_enabled", "false")];
const WITHOUT_TILES: Group = &[("ct_log.static_ct_enabled", "false")];
const WITHOUT_LIST: Group = &[("ct_log.disable_default_logs", "true")];
const WITHOUT_LIST_OF_GO: Group = &[("general.disable_default_logs", "true")];
const STATES: Group = &[("ct_log.states", r#"["retired"]"#)];
const WITH_TESTS: Group = &[("ct_log.include_test", "true")];

#[tokio::test(flavor = "multi_thread")]
async fn log_selection_settings_take_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sim, flags) = simulated(&folder).await;
    let (rfc6962, tiled) = (url(&sim, 0), url(&sim, 1));
    let host = |url: &str| url.trim_start_matches("http://").to_owned();
    let name = sim.logs()[0].description().to_owned();
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let by_name = leak(format!(r#"["{name}"]"#));
    let by_url = leak(format!(r#"["{}"]"#, host(&tiled)));
    let operator = leak(format!(r#"["{}"]"#, sim.logs()[0].operator()));
    let of_go = leak(format!(r#"[{{"url": "{rfc6962}"}}]"#));
    let of_operator: Vec<&String> = [&rfc6962, &tiled]
        .into_iter()
        .zip(sim.logs())
        .filter(|(_, log)| log.operator() != sim.logs()[0].operator())
        .map(|(url, _)| url)
        .collect();
    type Case<'a> = (&'a [(&'a str, &'static str)], &'a [&'a String]);
    let cases: &[Case<'_>] = &[
        (WITHOUT_RFC6962, &[&tiled]),
        (WITHOUT_TILES, &[&rfc6962]),
        (STATES, &[]),
        (WITH_TESTS, &[&rfc6962, &tiled]),
        (&[("ct_log.exclude", by_name)], &[&tiled]),
        (&[("ct_log.excluded_logs", by_url)], &[&rfc6962]),
        (&[("ct_log.excluded_operators", operator)], &of_operator),
        (&[("general.excluded_logs", of_go)], &[&tiled]),
    ];
    for (group, expected) in cases {
        for (way, config) in ways(group, &flags) {
            check(config, &way, expected).await;
        }
    }
    // What is not for production is followed only with the tests.
    sim.edit_list(|draft| draft.logs[1].state = None).expect("signed");
    for (way, config) in ways(WITH_TESTS, &flags) {
        check(config, &way, &[&rfc6962, &tiled]).await;
    }
    check(super::configured(&super::file_of(&[]), &[], &flags), "", &[&rfc6962]).await;
    // Without the list there are only the configured logs.
    let asked = sim.list_stats().all_requests();
    let custom = format!(r#"{{"custom_logs": [{{"name": "configured", "url": "{rfc6962}"}}]}}"#);
    let custom: Value = serde_json::from_str(&custom).expect("JSON");
    for name in super::variables_of("ct_log.disable_default_logs") {
        check(super::configured(&custom, &[(name, "true")], &flags), name, &[&rfc6962]).await;
    }
    let of_go = format!(
        r#"{{"general": {{"disable_default_logs": true, "additional_logs": [{{"url": "{rfc6962}"}}],
            "additional_tiled_logs": [{{"url": "{tiled}"}}]}}}}"#
    );
    let of_go: Value = serde_json::from_str(&of_go).expect("JSON");
    check(super::configured(&of_go, &[], &flags), "go", &[&rfc6962, &tiled]).await;
    assert_eq!(sim.list_stats().all_requests(), asked, "the list is not asked for");
}

const ASKED: Group = &[
    ("ct_log.user_agent", "somebody (mail@example.org)"),
    ("ct_log.batch_size", "17"),
    ("ct_log.start", "34"),
    ("ct_log.fetch_concurrency", "3"),
];

/// Returns the requests to a log: queries of `get-entries`, and User-Agents.
#[derive(Default)]
struct Asked {
    queries: Mutex<BTreeSet<String>>,
    agents: Mutex<BTreeSet<String>>,
    heads: AtomicUsize,
}

/// A log that has many entries but never hands them out.
async fn silent_log(asked: Arc<Asked>) -> String {
    let answer = move |request: Request| {
        let asked = Arc::clone(&asked);
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.unwrap_or_default().to_owned();
        let uri = request.uri().clone();
        async move { silent(&asked, agent, &uri).await }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    format!("http://{address}/log")
}

async fn silent(asked: &Asked, agent: String, uri: &Uri) -> Response {
    asked.agents.lock().insert(agent);
    match uri.path() {
        "/log/ct/v1/get-sth" => {
            asked.heads.fetch_add(1, Ordering::Relaxed);
            let head = r#"{"tree_size":100000,"timestamp":1795000000000,"sha256_root_hash":
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","tree_head_signature":"BAMABAAAAAA="}"#;
            head.into_response()
        }
        "/log/ct/v1/get-entries" => {
            asked.queries.lock().insert(uri.query().unwrap_or_default().to_owned());
            std::future::pending().await
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_settings_take_effect() {
    let flags =
        ["--host=127.0.0.1", "--port=0", "--ct-log-disable-default-logs", "--protocols-api"];
    let flags: Vec<String> = flags.map(str::to_owned).to_vec();
    // Where the log comes from is said by the file in any case.
    for number in 0..=1 {
        let asked = Arc::new(Asked::default());
        let log = silent_log(Arc::clone(&asked)).await;
        let logs = serde_json::json!([{ "name": "silent", "url": log }]);
        let (mut file, variables): (Value, Vec<(&str, &str)>) = match number {
            0 => (super::file_of(ASKED), Vec::new()),
            _ => {
                let variable = |(key, value): &(&'static str, &'static str)| {
                    (super::variables_of(key)[0], *value)
                };
                (super::file_of(&[]), ASKED.iter().map(variable).collect())
            }
        };
        file["custom_logs"] = logs;
        file["verification"] = "off".into();
        let server = Running::start(super::configured(&file, &variables, &flags)).await;
        let expected = ["start=34&end=50", "start=51&end=67", "start=68&end=84"];
        eventually("three pages are asked for at once", async || {
            (asked.queries.lock().len() >= expected.len()).then_some(())
        })
        .await;
        assert_eq!(*asked.queries.lock(), expected.map(str::to_owned).into());
        let agent = "somebody (mail@example.org)".to_owned();
        assert_eq!(*asked.agents.lock(), BTreeSet::from([agent]));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_timeout_takes_effect() {
    let asked = Arc::new(Asked::default());
    let log = silent_log(Arc::clone(&asked)).await;
    let flags =
        ["--host=127.0.0.1", "--port=0", "--ct-log-disable-default-logs", "--protocols-api"];
    let flags: Vec<String> = flags.map(str::to_owned).to_vec();
    let file = serde_json::json!({
        "custom_logs": [{ "name": "silent", "url": log }],
        "verification": "off",
        "ct_log": { "start": 34, "retry_max_attempts": 1 },
    });
    let variables = [("CERTSTREAM_CT_LOG_REQUEST_TIMEOUT_SECS", "1")];
    let server = Running::start(super::configured(&file, &variables, &flags)).await;
    eventually("it gives up", async || {
        let error = api(&server).await["logs"][0]["last_error"].to_string();
        error.contains("time limit").then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_file_and_import_index_take_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sim, flags) = simulated(&folder).await;
    let at = |name: &str| folder.path().join(name);
    let bare = |number| url(&sim, number).trim_start_matches("http://").to_owned();
    let index = serde_json::json!({ bare(0): 590, bare(1): 0 });
    std::fs::write(at("ct_index.json"), index.to_string()).expect("writable");
    let index = at("ct_index.json").display().to_string();
    let state = |name: &str| at(name).display().to_string();
    let ours = |file: &str| {
        vec![
            ("CERTSTREAM_CT_LOG_IMPORT_INDEX", index.clone()),
            ("CERTSTREAM_CT_LOG_STATE_FILE", state(file)),
        ]
    };
    let theirs = vec![
        ("CERTSTREAM_GENERAL_RECOVERY_ENABLED", "true".to_owned()),
        ("CERTSTREAM_GENERAL_RECOVERY_CT_INDEX_FILE", index.clone()),
    ];
    for (variables, file) in [(ours("a.json"), "a.json"), (theirs, "ct_index.state.json")] {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        let config = super::configured(&super::file_of(&[]), &variables, &flags);
        let server = Running::start(config).await;
        let metrics = eventually("what was not read yet is", async || {
            let metrics = server.get("/metrics").await.text().await.expect("text");
            let name = sim.logs()[0].description();
            let line = format!("certstream_log_entries_total{{log=\"{name}\"");
            let line = metrics.lines().find(|text| text.starts_with(&line))?.to_owned();
            line.ends_with(" 10").then_some(line)
        })
        .await;
        assert!(metrics.ends_with(" 10"), "{metrics}");
        server.stop().await;
        assert!(at(file).is_file(), "{file} is ours");
        let saved: Value =
            serde_json::from_slice(&std::fs::read(at(file)).expect("saved")).expect("JSON");
        assert!(saved["logs"][url(&sim, 0)]["current_index"].as_u64() >= Some(590), "{saved}");
    }
    let kept: Value =
        serde_json::from_slice(&std::fs::read(at("ct_index.json")).expect("there")).expect("JSON");
    assert_eq!(kept[bare(0)], 590, "the other server's file stays as it is");

    std::fs::write(at("broken.json"), "{").expect("writable");
    let file = state("broken.json");
    for (recovery, starts) in [("fail", false), ("fresh", true)] {
        let variables = [
            ("CERTSTREAM_CT_LOG_STATE_FILE", &*file),
            ("CERTSTREAM_CT_LOG_STATE_RECOVERY", recovery),
        ];
        let config = super::configured(&super::file_of(&[]), &variables, &flags);
        let started = server::app::Server::start(config, server::app::Mode::DryRun).await;
        assert_eq!(started.is_ok(), starts, "{recovery}: {started:?}");
    }
}
