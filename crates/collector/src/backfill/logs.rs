//! The log list, and the logs in it that the user names.

use std::path::{Path, PathBuf};

use ct::LogId;
use ct::head::MAX_CHECKPOINT_BYTES;
use ct::log_list::{CHROME_KEY_PEM, ListedLog, LogKind, LogList, MAX_LIST_BYTES, State, origin};
use ct::signature::PublicKey;
use ctclient::{Client, read_stored};
use serde_json::{Value, json};

use super::error::BackfillError;
use super::settings::Logs;

/// Chrome's list, which is signed with the key that this program contains.
const CHROME_LIST: &str = "https://www.gstatic.com/ct/log_list/v3/log_list.json";
/// Bound of a signature.
const MAX_SIGNATURE_BYTES: usize = 1024;
/// The file in which an archive describes its log, and a bound of it.
const DESCRIPTION: &str = "log.v3.json";
const MAX_DESCRIPTION_BYTES: usize = 64 << 10;
/// The most logs that an error suggests or lists.
const MOST_NAMED: usize = 5;

/// A log to read.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    /// The log, as the list has it.
    pub(super) listed: ListedLog,
    /// The folder or zips of its tiles, if it is not read by HTTP.
    pub(super) folder: Option<PathBuf>,
}

/// Fetches the list. Chrome's must be signed; another one is trusted because the user names it.
pub(super) async fn fetch(client: &Client, list: Option<&str>) -> Result<LogList, BackfillError> {
    let name = list.unwrap_or(CHROME_LIST);
    let failed = |reason: String| BackfillError::List { list: name.to_owned(), reason };
    let bytes = match list {
        None => chrome(client).await.map_err(&failed)?,
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            client.trust(url);
            let body = client.get(url, MAX_LIST_BYTES).await;
            body.map_err(|error| failed(error.to_string()))?.to_vec()
        }
        Some(path) => std::fs::read(Path::new(path)).map_err(|error| failed(error.to_string()))?,
    };
    let list = LogList::parse(&bytes).map_err(|error| failed(error.to_string()))?;
    for skipped in &list.skipped {
        tracing::debug!(log = skipped.what, reason = %skipped.why, "a log of the list is left out");
    }
    Ok(list)
}

async fn chrome(client: &Client) -> Result<Vec<u8>, String> {
    let list = client.get(CHROME_LIST, MAX_LIST_BYTES).await.map_err(|error| error.to_string())?;
    let url = CHROME_LIST.replace(".json", ".sig");
    let signature = client.get(&url, MAX_SIGNATURE_BYTES).await;
    let signature = signature.map_err(|error| error.to_string())?;
    let key = PublicKey::from_pem(CHROME_KEY_PEM).map_err(|error| error.to_string())?;
    let verified = key.verify_sha256(&list, &signature);
    verified.map_err(|error| format!("its signature is wrong: {error}; try again in a minute"))?;
    Ok(list.to_vec())
}

fn name(log: &ListedLog) -> &str {
    log.description.as_deref().unwrap_or_else(|| url(log))
}

fn url(log: &ListedLog) -> &str {
    match &log.kind {
        LogKind::Rfc6962 { url } => url,
        LogKind::StaticCt { monitoring_url, .. } => monitoring_url,
    }
}

fn has_url(log: &ListedLog, wanted: &str) -> bool {
    let is = |url: &str| url.trim_end_matches('/') == wanted.trim_end_matches('/');
    match &log.kind {
        LogKind::Rfc6962 { url } => is(url),
        LogKind::StaticCt { submission_url, monitoring_url } => {
            is(monitoring_url) || is(submission_url)
        }
    }
}

/// Returns the logs that the user names, each once.
pub(super) fn select(list: &LogList, wanted: &Logs) -> Result<Vec<Selected>, BackfillError> {
    let mut selected: Vec<Selected> = Vec::new();
    match wanted {
        Logs::All => {
            let in_use = |log: &&ListedLog| {
                matches!(log.state, Some(State::Qualified | State::Usable | State::ReadOnly { .. }))
            };
            let by_http = |log: &ListedLog| Selected { listed: log.clone(), folder: None };
            selected.extend(list.logs.iter().filter(in_use).map(by_http));
            if selected.is_empty() {
                return Err(BackfillError::Usage("--all: no log of the list is in use".to_owned()));
            }
        }
        Logs::Named(names) => {
            for name in names {
                let folder = name.strip_prefix("file:").map(folder);
                let log = match &folder {
                    Some(folder) => stored(list, folder)?,
                    None => find(list, name)?.clone(),
                };
                if selected.iter().all(|known| known.listed.log_id != log.log_id) {
                    selected.push(Selected { listed: log, folder });
                }
            }
        }
    }
    Ok(selected)
}

/// Returns the path of `file:PATH` or `file:///PATH`.
fn folder(path: &str) -> PathBuf {
    PathBuf::from(path.strip_prefix("//").unwrap_or(path))
}

/// Returns the log whose tiles lie in a folder or in zips: the one of the list with the origin that the
/// checkpoint there names. Lists drop logs some time after they were retired, so archives have the log's
/// description, with its key, beside the tiles.
fn stored(list: &LogList, folder: &Path) -> Result<ListedLog, BackfillError> {
    let failed = |name: &str, reason: &str| {
        BackfillError::Usage(format!("--log file:{}: {name}: {reason}", folder.display()))
    };
    let read = |name: &str, limit| match read_stored(folder, name, limit) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(failed(name, &format!("it is larger than {limit} bytes"))),
        Err(error) => Err(failed(name, &error.to_string())),
    };
    let checkpoint = read("checkpoint", MAX_CHECKPOINT_BYTES)?;
    let line = checkpoint.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let wanted = std::str::from_utf8(line);
    let wanted = wanted.map_err(|_| failed("checkpoint", "it is not a checkpoint"))?;
    if let Some(log) = list.logs.iter().find(|log| has_origin(log, wanted)) {
        return Ok(log.clone());
    }
    let shown = client::text::shown(wanted);
    let unknown = format!("no log of the list has the origin {shown:?}");
    let described = read(DESCRIPTION, MAX_DESCRIPTION_BYTES).map_err(|_| {
        let reason = format!("{unknown}, and there is no {DESCRIPTION}; give a --list that has it");
        failed("checkpoint", &reason)
    })?;
    let log = described_log(&described, wanted)
        .map_err(|reason| failed(DESCRIPTION, &format!("{reason}, and {unknown}")))?;
    tracing::warn!(
        log = name(&log),
        log_id = %log.log_id,
        "{unknown}: the key is the one that the archive names itself; compare the LogID with another source"
    );
    Ok(log)
}

fn has_origin(log: &ListedLog, wanted: &str) -> bool {
    match &log.kind {
        LogKind::Rfc6962 { url } => origin(url) == wanted,
        LogKind::StaticCt { submission_url, .. } => origin(submission_url) == wanted,
    }
}

/// Reads the description of a log, which is its entry in a list. Its operator is not in it.
fn described_log(text: &[u8], wanted: &str) -> Result<ListedLog, String> {
    let entry: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let kind = if entry.get("url").is_some() { "logs" } else { "tiled_logs" };
    let operator = wanted.split('/').next().unwrap_or(wanted);
    let list = json!({ "version": "1.0", "operators": [{ "name": operator, kind: [entry] }] });
    let list = LogList::parse(list.to_string().as_bytes()).map_err(|error| error.to_string())?;
    match (&list.logs[..], &list.skipped[..]) {
        ([log], _) if has_origin(log, wanted) => Ok(log.clone()),
        ([_], _) => Err("it is that of another log than the checkpoint's".to_owned()),
        (_, [skipped, ..]) => Err(skipped.why.to_string()),
        _ => Err("it is not a log".to_owned()),
    }
}

/// Finds a log by id, URL, name, or a part of the name that no other log has.
fn find<'a>(list: &'a LogList, wanted: &str) -> Result<&'a ListedLog, BackfillError> {
    let id: Option<LogId> = wanted.parse().ok();
    let is_exact = |log: &&ListedLog| {
        Some(log.log_id) == id || has_url(log, wanted) || name(log).eq_ignore_ascii_case(wanted)
    };
    if let Some(log) = list.logs.iter().find(is_exact) {
        return Ok(log);
    }
    let lower = wanted.to_lowercase();
    let contains =
        |log: &&ListedLog| !lower.is_empty() && name(log).to_lowercase().contains(&lower);
    let found: Vec<&ListedLog> = list.logs.iter().filter(contains).collect();
    match &found[..] {
        [only] => Ok(only),
        [] => Err(unknown(list, wanted)),
        several => Err(BackfillError::Usage(format!(
            "--log {wanted:?} means {} logs: {}; write more of the name, or --log for each",
            several.len(),
            named(several)
        ))),
    }
}

fn unknown(list: &LogList, wanted: &str) -> BackfillError {
    let lower = wanted.to_lowercase();
    let likeness = |log: &&ListedLog| {
        let words = name(log).to_lowercase();
        let words = words.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2);
        let of_words = words.map(|word| strsim::normalized_damerau_levenshtein(word, &lower));
        let of_all = strsim::normalized_damerau_levenshtein(&name(log).to_lowercase(), &lower);
        of_words.chain([of_all]).fold(0.0, f64::max)
    };
    let mut logs: Vec<_> = list.logs.iter().map(|log| (likeness(&log), log)).collect();
    logs.sort_by(|(one, _), (two, _)| two.total_cmp(one));
    let like: Vec<_> =
        logs.iter().filter(|(likeness, _)| *likeness > 0.5).map(|(_, log)| *log).collect();
    let advice = match &like[..] {
        [] => format!("the list has {} logs, such as {}", list.logs.len(), {
            let first: Vec<_> = list.logs.iter().collect();
            named(&first)
        }),
        like => format!("did you mean {}?", named(like)),
    };
    BackfillError::Usage(format!(
        "--log {wanted:?}: no log of the list has this name, URL or id; {advice}"
    ))
}

fn named(logs: &[&ListedLog]) -> String {
    let names: Vec<_> =
        logs.iter().take(MOST_NAMED).map(|log| format!("{:?}", name(log))).collect();
    let more = logs.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1zhqMjZ09lX+iXnYsNLahKOqqVur\
                       dAwAQCa0vsQBXBW1ahyUGklgAtcC5jIE/Z4TAt7jefKWnORRACO+sBcYkA==";

    #[test]
    fn an_archive_describes_its_log() {
        let key = base64_simd::STANDARD.decode_to_vec(KEY).expect("base64");
        let id = LogId::of_key(&key).to_string();
        let rfc6962 = json!({
            "description": "Retired 2022", "log_id": id, "key": KEY,
            "url": "https://ct.example/logs/retired2022/",
        });
        let read = |entry: &Value, origin| described_log(entry.to_string().as_bytes(), origin);
        let log = read(&rfc6962, "ct.example/logs/retired2022").expect("a log");
        assert_eq!((log.operator.as_str(), name(&log)), ("ct.example", "Retired 2022"));
        let other = read(&rfc6962, "ct.example/logs/retired2023").expect_err("another origin");
        assert!(other.contains("another log"), "{other}");
        let mut tiled = rfc6962.clone();
        tiled["submission_url"] = json!("https://ct.example/2022/");
        tiled["monitoring_url"] = json!("https://mon.ct.example/2022/");
        tiled.as_object_mut().expect("an object").remove("url");
        assert!(read(&tiled, "ct.example/2022").is_ok());
        let mut forged = rfc6962;
        forged["log_id"] = json!(LogId([7; 32]).to_string());
        for wrong in [forged, json!({}), json!([1]), json!("x")] {
            assert!(read(&wrong, "ct.example/logs/retired2022").is_err(), "{wrong}");
        }
        assert!(described_log(b"{", "x").is_err());
    }
}
