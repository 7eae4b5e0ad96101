//! Recorded messages of other servers.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray as _;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::{Collector, batches, has_rows, indexes, shared_data};
use crate::replay::{Replay, Session};

/// Collects the messages, and compares the rows with the values that a general JSON reader finds.
async fn collects(messages: Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let values = messages.iter().map(|it| serde_json::from_str::<Value>(it).expect("JSON"));
    let values: Vec<Value> = values.collect();
    let key = |value: &Value| {
        let data = &value["data"];
        (data["source"]["url"].as_str().map(str::to_owned), data["cert_index"].as_u64())
    };
    let different: BTreeSet<_> = values.iter().map(key).collect();
    let replay = Replay::start(vec![Session::of(messages, true)]).await;
    let collector = Collector::start(folder.path(), &["--url", &replay.url(), "--with-der"]);
    let path = folder.path().join("certstream_data.feather");
    has_rows(&path, different.len() as u64).await;
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("unreadable") && !log.contains("not stored"), "{log}");
    let batches = batches(&path);
    assert_eq!(indexes(&batches).values().map(Vec::len).sum::<usize>(), different.len());
    let mut seen = BTreeSet::new();
    let mut rows =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    for value in values.iter().filter(|value| seen.insert(key(value))) {
        let (batch, row) = rows.next().expect("a row for each");
        let text = |name: &str| {
            batch.column_by_name(name).expect("a column").as_string::<i32>().value(row)
        };
        let leaf = &value["data"]["leaf_cert"];
        assert_eq!(text("fingerprint"), leaf["fingerprint"].as_str().expect("a fingerprint"));
        assert_eq!(text("issuer_cn"), leaf["issuer"]["CN"].as_str().unwrap_or_default());
        assert_eq!(text("source_name"), value["data"]["source"]["name"].as_str().expect("a name"));
        let names = batch.column_by_name("domains").expect("names").as_list::<i32>().value(row);
        let names: Vec<_> = names.as_string::<i32>().iter().flatten().collect();
        assert_eq!(Value::from(names), leaf["all_domains"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_certstream_server_rust_become_rows() {
    let Some(data) = shared_data() else { return };
    for key in ["expected_full", "expected_lite"] {
        let mut messages = vec![r#"{"message_type":"heartbeat"}"#.to_owned()];
        let json =
            std::fs::read(data.join("rfc6962/certstream-live/live_ct.json")).expect("a file");
        let entries: Vec<Value> = serde_json::from_slice(&json).expect("JSON");
        messages.extend(entries.iter().map(|entry| entry[key].as_str().expect("text").to_owned()));
        assert_eq!(messages.len(), 41);
        collects(messages.split_off(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_certstream_server_go_become_rows() {
    let Some(data) = shared_data() else { return };
    let printed = std::fs::read_to_string(data.join("vectors/go_peer.txt")).expect("a file");
    let mut messages = Vec::new();
    for (start, _) in printed.match_indices('{') {
        let rest = printed.get(start..).expect("a brace");
        if !rest.starts_with("{\"data\":{") && !rest.starts_with("{\n \"data\": {") {
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let message = values.next().expect("a value").expect("JSON").get();
        // The messages are about few entries, so each gets its own index. This server ends them with
        // a line feed.
        let number = messages.len() + 1;
        let message = message.replace("\"cert_index\": ", "\"cert_index\":");
        let message = message.replace("\"cert_index\":", &format!("\"cert_index\":{number}"));
        messages.push(format!("{message}\n"));
    }
    assert_eq!(messages.len(), 10);
    collects(messages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_only_messages_become_rows() {
    let Some(data) = shared_data() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let json = std::fs::read(data.join("rfc6962/certstream-live/live_ct.json")).expect("a file");
    let entries: Vec<Value> = serde_json::from_slice(&json).expect("JSON");
    let messages =
        entries.iter().map(|entry| entry["expected_domains_only"].as_str().expect("text"));
    let messages: Vec<_> = messages.map(str::to_owned).collect();
    let count = messages.len() as u64;
    let replay = Replay::start(vec![Session::of(messages, true)]).await;
    let collector = Collector::start(folder.path(), &["-u", &replay.url(), "--stream", "domains"]);
    has_rows(&folder.path().join("certstream_data.feather"), count).await;
    assert_eq!(replay.requests()[0].target, "/domains-only");
    let (status, log) = collector.terminate().await;
    assert_eq!(status, Some(0), "{log}");
}
