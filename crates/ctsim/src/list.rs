//! The list of the simulated logs, of schema version 3, and its signature.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value, json};

use crate::fault::Faults;
use crate::http::answer::Answer;
use crate::log::stats::Stats;
use crate::log::{Log, Protocol};
use crate::pki::key::{KeyError, LogKey};

const DAY_MS: u64 = 86_400_000;

/// The contents of the list, and faults of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDraft {
    /// Its version is `1.` and this number, which each edit raises by one before it is made.
    pub version: u64,
    /// True if the signature is valid for the list.
    pub well_signed: bool,
    /// The listing of each log, in the order of [`Sim::logs`](crate::Sim::logs).
    pub logs: Vec<Listing>,
}

/// The listing of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// True if the log is on the list.
    pub listed: bool,
    /// Its state, such as `usable`; `None` where the list does not say.
    pub state: Option<&'static str>,
    /// True if the list describes it.
    pub described: bool,
    /// True if its key is damaged.
    pub broken: bool,
}

/// The list as it is served, and what it is made of.
#[derive(Debug)]
pub(crate) struct List {
    key: LogKey,
    logs: Vec<Arc<Log>>,
    draft: Mutex<ListDraft>,
    files: RwLock<Files>,
    pub(crate) key_pem: String,
    pub(crate) faults: Faults,
    pub(crate) stats: Stats,
}

#[derive(Clone, Debug)]
struct Files {
    json: Bytes,
    signature: Bytes,
}

impl List {
    /// The list of `logs` as of `now`, in ms since the Unix epoch.
    pub(crate) fn new(seed: u64, logs: Vec<Arc<Log>>, now: u64) -> Result<Self, KeyError> {
        let key = LogKey::derive(seed, "log list")?;
        let usable =
            Listing { listed: true, state: Some("usable"), described: true, broken: false };
        let draft = ListDraft { version: 0, well_signed: true, logs: vec![usable; logs.len()] };
        Ok(Self {
            files: RwLock::new(Files::make(&key, &logs, &draft, now)?),
            key_pem: key.pem(),
            key,
            logs,
            draft: Mutex::new(draft),
            faults: Faults::default(),
            stats: Stats::default(),
        })
    }

    /// Changes what it says from `now` on, in ms since the Unix epoch.
    pub(crate) fn edit(
        &self,
        now: u64,
        change: impl FnOnce(&mut ListDraft),
    ) -> Result<(), KeyError> {
        let mut draft = self.draft.lock();
        draft.version += 1;
        change(&mut draft);
        let files = Files::make(&self.key, &self.logs, &draft, now)?;
        *self.files.write() = files;
        Ok(())
    }

    /// One of the three files, by its path below the root.
    pub(crate) fn file(&self, path: &str) -> Option<Answer> {
        match path {
            "log_list.json" => Some(Answer::json(self.files.read().json.clone())),
            "log_list.sig" => Some(Answer::octets(self.files.read().signature.clone())),
            "log_list_pubkey.pem" => Some(Answer::text(self.key_pem.clone())),
            _ => None,
        }
    }
}

impl Files {
    fn make(
        key: &LogKey,
        logs: &[Arc<Log>],
        draft: &ListDraft,
        now: u64,
    ) -> Result<Self, KeyError> {
        let json = write(logs, draft, now);
        let mut signature = key.sign(json.as_bytes())?;
        if !draft.well_signed {
            // The last byte of s, the second number of the signature.
            signature.iter_mut().next_back().into_iter().for_each(|byte| *byte ^= 1);
        }
        Ok(Self { json: json.into(), signature: signature.into() })
    }
}

/// A log and what is said of it.
type Listed<'a> = (&'a Log, &'a Listing);

fn write(logs: &[Arc<Log>], draft: &ListDraft, now: u64) -> String {
    let logs = logs.iter().map(|log| &**log).zip(&draft.logs);
    let listed: Vec<Listed<'_>> = logs.filter(|(_, listing)| listing.listed).collect();
    let mut names: Vec<_> = listed.iter().map(|(log, _)| log.identity.operator).collect();
    names.sort_unstable();
    names.dedup();
    let operators: Vec<_> = names.into_iter().map(|name| operator(name, &listed, now)).collect();
    let list = json!({
        "version": format!("1.{}", draft.version),
        "log_list_timestamp": rfc3339(now),
        "operators": operators,
    });
    list.to_string()
}

fn operator(name: &str, listed: &[Listed<'_>], now: u64) -> Value {
    let of = |protocol| -> Vec<Value> {
        let mine = listed.iter().filter(|(log, _)| log.identity.operator == name);
        let mine = mine.filter(|(log, _)| log.identity.protocol == protocol);
        mine.map(|(log, listing)| entry(log, listing, now)).collect()
    };
    let host = name.to_lowercase().replace(' ', "-");
    json!({
        "name": name,
        "email": [format!("ct-logs@{host}.example")],
        "logs": of(Protocol::Rfc6962),
        "tiled_logs": of(Protocol::StaticCt),
    })
}

fn entry(log: &Log, listing: &Listing, now: u64) -> Value {
    let identity = &log.identity;
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    if listing.described {
        put("description", identity.description.as_str().into());
    }
    let key = base64_simd::STANDARD.encode_to_string(&log.key.spki);
    put("log_id", log.key.log_id.to_string().into());
    put("key", if listing.broken { format!("{key}!").into() } else { key.into() });
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
    if let Some(state) = listing.state {
        put("state", json!({ state: state_of(log, state, now) }));
    }
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

/// Returns the value of the state in the list.
fn state_of(log: &Log, state: &str, now: u64) -> Value {
    let since = rfc3339(now.saturating_sub(100 * DAY_MS));
    if state != "readonly" {
        return json!({ "timestamp": since });
    }
    let head = log.head().signed.head;
    let root = base64_simd::STANDARD.encode_to_string(head.root);
    let last = json!({ "tree_size": head.size, "sha256_root_hash": root });
    json!({ "timestamp": since, "final_tree_head": last })
}

/// A time in ms since the Unix epoch, to the second.
fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or_default();
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
