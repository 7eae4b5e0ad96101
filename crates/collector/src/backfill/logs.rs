//! The log list, and the logs in it that the user names.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ct::LogId;
use ct::head::MAX_CHECKPOINT_BYTES;
use ct::log_list::{CHROME_KEY_PEM, ListedLog, LogKind, LogList, MAX_LIST_BYTES, State, origin};
use ct::signature::PublicKey;
use ctclient::Client;

use super::error::BackfillError;
use super::settings::Logs;

/// Chrome's list, which is signed with the key that this program contains.
const CHROME_LIST: &str = "https://www.gstatic.com/ct/log_list/v3/log_list.json";
/// Bound of a signature.
const MAX_SIGNATURE_BYTES: usize = 1024;
/// The most logs that an error suggests or lists.
const MOST_NAMED: usize = 5;

/// A log to read.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    /// The log, as the list has it.
    pub(super) listed: ListedLog,
    /// The folder of its tiles, if it is not read by HTTP.
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
                    Some(folder) => of_folder(list, folder)?,
                    None => find(list, name)?,
                };
                if selected.iter().all(|known| known.listed.log_id != log.log_id) {
                    selected.push(Selected { listed: log.clone(), folder });
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

/// Finds the log whose tiles lie in a folder, by the origin that the checkpoint there names.
fn of_folder<'a>(list: &'a LogList, folder: &Path) -> Result<&'a ListedLog, BackfillError> {
    let path = folder.join("checkpoint");
    let failed = |reason: &str| {
        let path = path.display();
        BackfillError::Usage(format!("--log file:{}: {path}: {reason}", folder.display()))
    };
    let file = std::fs::File::open(&path).map_err(|error| failed(&error.to_string()))?;
    let mut text = Vec::new();
    let read = file.take(MAX_CHECKPOINT_BYTES as u64).read_to_end(&mut text);
    read.map_err(|error| failed(&error.to_string()))?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let wanted = std::str::from_utf8(line).map_err(|_| failed("it is not a checkpoint"))?;
    let is_it = |log: &&ListedLog| match &log.kind {
        LogKind::Rfc6962 { url } => origin(url) == wanted,
        LogKind::StaticCt { submission_url, .. } => origin(submission_url) == wanted,
    };
    list.logs.iter().find(is_it).ok_or_else(|| {
        let shown = client::text::shown(wanted);
        failed(&format!("no log of the list has the origin {shown:?}; give a list that has it"))
    })
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
