//! The list of logs.

use std::collections::HashSet;

use base64_simd::STANDARD;
use ct::LogId;
use ct::log_list::{LogKind, LogList};
use ct::signature::PublicKey;
use serde_json::{Value, json};

use crate::key::keys;

/// Checks that each listed log can be followed: it has a key that can verify, an id of its own that
/// is the key's, and URLs that paths can be appended to. What is not listed is named with a reason.
pub fn check(data: &[u8]) {
    let Ok(list) = LogList::parse(data) else { return };
    let mut ids = HashSet::new();
    for log in &list.logs {
        assert!(ids.insert(log.log_id), "an id is listed twice");
        assert_eq!(PublicKey::from_spki(&log.key).map(|key| key.log_id()), Ok(log.log_id));
        assert!(!log.operator.trim().is_empty());
        match &log.kind {
            LogKind::Rfc6962 { url } => is_prefix(url),
            LogKind::StaticCt { submission_url, monitoring_url } => {
                is_prefix(submission_url);
                is_prefix(monitoring_url);
            }
        }
        if let Some(interval) = log.temporal_interval {
            assert!(interval.start_inclusive < interval.end_exclusive);
        }
    }
    for skipped in &list.skipped {
        assert!(!skipped.why.to_string().is_empty());
    }
}

fn is_prefix(url: &str) {
    assert!(url.ends_with('/'), "{url}");
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    assert!(!authority.is_empty() && !authority.contains('@'), "{url}");
    assert!(!url.contains(['?', '#', ' ', '\\']), "{url}");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let [log, tiled] = keys().map(|key| {
        json!({
            "description": "Example log",
            "log_id": LogId::of_key(&key).to_string(),
            "key": STANDARD.encode_to_string(&key),
            "mmd": 86400,
        })
    });
    let with = |log: &Value, members: Value| {
        let mut log = log.clone();
        if let (Value::Object(log), Value::Object(members)) = (&mut log, members) {
            log.extend(members);
        }
        log
    };
    let time = "2026-01-01T00:00:00Z";
    let head = json!({"tree_size": 7, "sha256_root_hash": STANDARD.encode_to_string([7; 32])});
    let interval = json!({"start_inclusive": time, "end_exclusive": "2027-01-01T00:00:00Z"});
    let usable = with(
        &log,
        json!({
            "url": "https://ct.example/2026/",
            "state": {"usable": {"timestamp": time}},
            "temporal_interval": interval,
            "log_type": "prod",
        }),
    );
    let tiled = with(
        &tiled,
        json!({
            "submission_url": "https://log.example/2026h1/",
            "monitoring_url": "https://mon.example/2026h1",
            "state": {"readonly": {"timestamp": time, "final_tree_head": head}},
        }),
    );
    let local = with(&log, json!({"url": "http://[::1]:8080"}));
    let list = |logs: &[&Value], tiled_logs: &[&Value]| {
        json!({
            "version": "85.92",
            "log_list_timestamp": time,
            "operators": [
                {"name": "Operator", "email": [], "logs": logs, "tiled_logs": tiled_logs}
            ],
        })
    };
    let numbers =
        json!({"version": 3, "log_list_timestamp": 1_700_000_000_123_i64, "operators": []});
    let lists = [list(&[&usable], &[&tiled]), list(&[&local, &usable], &[]), numbers];
    lists.iter().map(|list| list.to_string().into_bytes()).collect()
}
