//! The list of the simulated logs, of schema version 3, and its signature.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::fault::Faults;
use crate::key::{KeyError, LogKey};
use crate::log::{Log, Protocol};
use crate::stats::Stats;

const DAY_MS: u64 = 86_400_000;

/// The list, ready to be served.
#[derive(Debug)]
pub(crate) struct List {
    json: Bytes,
    signature: Bytes,
    pub(crate) key_pem: String,
    pub(crate) faults: Faults,
    pub(crate) stats: Stats,
}

impl List {
    /// The list of `logs` as of `now`, in ms since the Unix epoch.
    pub(crate) fn new(seed: u64, logs: &[Arc<Log>], now: u64) -> Result<Self, KeyError> {
        let key = LogKey::derive(seed, "log list")?;
        let json = write(logs, now);
        Ok(Self {
            signature: key.sign(json.as_bytes())?.into(),
            json: json.into(),
            key_pem: key.pem(),
            faults: Faults::default(),
            stats: Stats::default(),
        })
    }

    /// One of the three files, by its path below the root.
    pub(crate) fn file(&self, path: &str) -> Option<Answer> {
        match path {
            "log_list.json" => Some(Answer::json(self.json.clone())),
            "log_list.sig" => Some(Answer::octets(self.signature.clone())),
            "log_list_pubkey.pem" => Some(Answer::text(self.key_pem.clone())),
            _ => None,
        }
    }
}

fn write(logs: &[Arc<Log>], now: u64) -> String {
    let mut names: Vec<_> = logs.iter().map(|log| log.identity.operator).collect();
    names.sort_unstable();
    names.dedup();
    let operators: Vec<_> = names.into_iter().map(|name| operator(name, logs, now)).collect();
    let list = json!({
        "version": "1.0",
        "log_list_timestamp": rfc3339(now),
        "operators": operators,
    });
    list.to_string()
}

fn operator(name: &str, logs: &[Arc<Log>], now: u64) -> Value {
    let of = |protocol| -> Vec<Value> {
        let mine = logs.iter().filter(|log| log.identity.operator == name);
        mine.filter(|log| log.identity.protocol == protocol).map(|log| entry(log, now)).collect()
    };
    let host = name.to_lowercase().replace(' ', "-");
    json!({
        "name": name,
        "email": [format!("ct-logs@{host}.example")],
        "logs": of(Protocol::Rfc6962),
        "tiled_logs": of(Protocol::StaticCt),
    })
}

fn entry(log: &Log, now: u64) -> Value {
    let identity = &log.identity;
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    put("description", identity.description.as_str().into());
    put("log_id", log.key.log_id.to_string().into());
    put("key", base64_simd::STANDARD.encode_to_string(&log.key.spki).into());
    match &identity.submission_url {
        None => {
            put("url", identity.url.as_str().into());
            put("mmd", 86_400.into());
        }
        Some(submission_url) => {
            put("submission_url", submission_url.as_str().into());
            put("monitoring_url", identity.url.as_str().into());
            put("mmd", 60.into());
        }
    }
    put("state", json!({ "usable": { "timestamp": rfc3339(now.saturating_sub(100 * DAY_MS)) } }));
    if identity.sharded {
        // Wide enough for every certificate of a month's history and a year's growth.
        let today = now / DAY_MS * DAY_MS;
        let interval = json!({
            "start_inclusive": rfc3339(today.saturating_sub(60 * DAY_MS)),
            "end_exclusive": rfc3339(today + 600 * DAY_MS),
        });
        put("temporal_interval", interval);
    }
    Value::Object(entry)
}

/// A time in ms since the Unix epoch, to the second.
fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
