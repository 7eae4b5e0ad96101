//! Starting, stopping and starting again.

use std::collections::HashSet;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{Running, eventually, logs, next_frame, next_json, reads_all};

fn two_logs() -> ctsim::Config {
    ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 200.0,
        initial_size: 300,
        publish_interval: std::time::Duration::from_millis(50),
        ..ctsim::Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_closes_with_1001_and_saves_its_positions() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    let state = folder.path().join("state.json");
    config.ct_log.state_file = Some(state.clone());
    config.ct_log.resume_overlap_secs = 0;

    let server = Running::start(config.clone()).await;
    let mut socket = server.connect_from_oldest("/").await;
    let mut seen = HashSet::new();
    let mut last_offset = 0;
    while seen.len() < 800 {
        let message = next_json(&mut socket).await;
        last_offset = message["offset"].as_u64().expect("an offset");
        seen.insert(identity(&message));
    }
    let stopped = tokio::spawn(server.stop());
    let close = loop {
        match next_frame(&mut socket).await {
            Message::Close(close) => break close.expect("a reason"),
            Message::Text(text) => {
                let message: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                last_offset = message_offset(&message).unwrap_or(last_offset);
                if message["message_type"] != "heartbeat" {
                    seen.insert(identity(&message));
                }
            }
            _ => {}
        }
    };
    assert_eq!(close.code, CloseCode::Away);
    drop(socket);
    stopped.await.expect("stops");

    let saved: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&state).expect("saved")).expect("JSON");
    assert_eq!(saved["version"], 1);
    for log in sim.logs() {
        let position = &saved["logs"][log.url().trim_end_matches('/')]["current_index"];
        let position = position.as_u64().expect("a position");
        // What was published has been sent: the client has all below the saved position.
        for index in 0..position {
            assert!(seen.contains(&(log.url().trim_end_matches('/').to_owned(), index)));
        }
    }

    let server = Running::start(config).await;
    let mut socket = server.connect_from_oldest("/").await;
    let first = next_json(&mut socket).await;
    assert!(message_offset(&first) > Some(last_offset), "offsets only grow");
    let (log, index) = identity(&first);
    let resumed = &saved["logs"][&log]["current_index"];
    assert_eq!(resumed.as_u64(), Some(index), "resumes where it stopped");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_list_the_server_serves_and_reports_the_reason() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    // A port nobody listens on.
    config.ct_log.log_list_url = "http://127.0.0.1:9/log_list.json".to_owned();
    let server = Running::start(config).await;
    let health = refused_list(&server).await;
    assert_eq!(health["status"], "unhealthy");
    assert!(health["reason"].as_str().is_some_and(|reason| reason.contains("127.0.0.1:9")));
    assert_eq!(server.get("/health").await.text().await.expect("text"), "OK");
    let sample = server.get("/example.json").await.json::<serde_json::Value>().await;
    assert_eq!(sample.expect("JSON")["message_type"], "certificate_update");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_signed_by_another_key_is_refused() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.ct_log.log_list_key_file = None;
    let server = Running::start(config).await;
    let health = refused_list(&server).await;
    let reason = health["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("signature"), "{reason}");
    server.stop().await;
}

/// Returns the answer of `/health/deep` once fetching the log list has failed.
async fn refused_list(server: &Running) -> serde_json::Value {
    eventually("the log list is refused", async || {
        let answer = server.get("/health/deep").await;
        assert_eq!(answer.status(), 503);
        let health: serde_json::Value = answer.json().await.expect("JSON");
        let reason = health["reason"].as_str().unwrap_or_default();
        reason.contains("trying again").then_some(health)
    })
    .await
}

fn identity(message: &serde_json::Value) -> (String, u64) {
    let data = &message["data"];
    let url = data["source"]["url"].as_str().expect("a source");
    (url.to_owned(), data["cert_index"].as_u64().expect("an index"))
}

fn message_offset(message: &serde_json::Value) -> Option<u64> {
    message["offset"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_selected_by_configuration_and_by_request() {
    let sim = logs(two_logs()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    config.compat_profile = config::CompatProfile::Rust;
    let server = Running::start(config).await;
    let first_text = async |path: &str| {
        let mut socket = server.connect(path).await;
        loop {
            if let Message::Text(text) = next_frame(&mut socket).await {
                return text.to_string();
            }
        }
    };
    // The Rust server greets with a heartbeat; its messages begin with their type.
    assert_eq!(first_text("/").await, r#"{"message_type":"heartbeat"}"#);
    assert!(first_text("/?compat=calidog").await.starts_with(r#"{"data":{"cert_index":"#));
    assert!(first_text("/?compat=go").await.ends_with("}\n"));
    let example = server.get("/example.json").await.text().await.expect("text");
    assert!(example.starts_with(r#"{"message_type":"certificate_update","data":"#), "{example}");
    let refused = tokio_tungstenite::connect_async(format!("ws://{}/?compat=x", server.address));
    let refused = refused.await.expect_err("there is no profile x").to_string();
    assert!(refused.contains("400"), "{refused}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_its_id_in_the_state_file_and_has_a_new_one_without() {
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 10, ..two_logs() }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = reads_all(&sim, &folder);
    let mut ids = Vec::new();
    for state_file in [Some(folder.path().join("state.json")), None] {
        config.ct_log.state_file = state_file;
        for _ in 0..2 {
            let server = Running::start(config.clone()).await;
            ids.push(server.stream_id().await);
            server.stop().await;
        }
    }
    assert!(ids[0] == ids[1] && ids[2] != ids[3] && ids[1] != ids[2], "{ids:?}");
    assert!(ids.iter().all(|id| id.len() == 8), "{ids:?}");
}

/// Reads this many entries from the beginning; their offsets, and the smallest index.
async fn read(server: &Running, count: usize) -> (Vec<u64>, u64) {
    let mut socket = server.connect_from_oldest("/").await;
    let (mut offsets, mut smallest) = (Vec::new(), u64::MAX);
    for _ in 0..count {
        let message = next_json(&mut socket).await;
        offsets.push(message_offset(&message).expect("an offset"));
        let index = message["data"]["cert_index"].as_u64().expect("an index");
        smallest = smallest.min(index);
    }
    (offsets, smallest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_is_imported_into_a_new_journal_and_offsets_continue() {
    let sim = logs(ctsim::Config { rate: 0.0, initial_size: 100, ..two_logs() }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    let mut config = reads_all(&sim, &folder);
    config.ct_log.state_file = Some(state.clone());
    config.ct_log.resume_overlap_secs = 0;
    let server = Running::start(config.clone()).await;
    let before = *read(&server, 200).await.0.last().expect("an offset");
    server.stop().await;

    config.data_dir = Some(folder.path().join("data"));
    let grow = || sim.logs().iter().for_each(|log| log.grow(5).expect("grows"));
    grow();
    let server = Running::start(config.clone()).await;
    assert!(!state.try_exists().expect("readable"), "it is not read again");
    assert!(folder.path().join("state.json.imported").is_file());
    let (first, smallest) = read(&server, 10).await;
    assert_eq!(smallest, 100, "it continues where the file ends");
    assert!(first[0] > before, "{before} {first:?}");
    server.stop().await;

    grow();
    let exported = folder.path().join("exported.json");
    config.compat.export_state = Some(exported.clone());
    let server = Running::start(config).await;
    let mut socket = server.connect(&format!("/?since={}", first[9])).await;
    for expected in first[9] + 1..first[9] + 11 {
        assert_eq!(message_offset(&next_json(&mut socket).await), Some(expected));
    }
    drop(socket);
    server.stop().await;
    let exported = std::fs::read_to_string(exported).expect("it is written");
    let exported: serde_json::Value = serde_json::from_str(&exported).expect("JSON");
    for log in sim.logs() {
        let position = &exported["logs"][log.url().trim_end_matches('/')];
        assert_eq!(
            position["current_index"],
            log.size(),
            "a server without a journal resumes here"
        );
    }
}
