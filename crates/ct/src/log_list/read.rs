//! From JSON to a list: the list's frame first, then each operator, then each log, each from its own
//! raw value.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    FinalTreeHead, ListError, ListedLog, LogKind, LogList, LogType, MAX_LIST_BYTES,
    ParseVersionError, SkipReason, Skipped, State, TemporalInterval, Version, url,
};
use crate::LogId;
use crate::body::{self, BodyError};
use crate::encoding::{from_base64, hash_from_base64};
use crate::signature::PublicKey;

/// The longest name, in characters, and the longest URL and other words, in bytes. Names and URLs are
/// shown over and over: in metrics, answers and log lines.
const LONGEST_NAME: usize = 120;
const LONGEST_URL: usize = 512;

type Raw<'a> = &'a RawValue;

#[derive(Deserialize)]
struct RawList<'a> {
    #[serde(borrow)]
    version: Option<Raw<'a>>,
    #[serde(borrow)]
    log_list_timestamp: Option<Raw<'a>>,
    #[serde(borrow)]
    operators: Option<Vec<Raw<'a>>>,
}

#[derive(Deserialize)]
struct RawOperator<'a> {
    name: Option<String>,
    #[serde(borrow)]
    logs: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    tiled_logs: Option<Vec<Raw<'a>>>,
}

/// The fields that name a log in reports, read as leniently as possible.
#[derive(Deserialize)]
struct RawNames<'a> {
    #[serde(borrow)]
    description: Option<Raw<'a>>,
    #[serde(borrow)]
    url: Option<Raw<'a>>,
    #[serde(borrow)]
    submission_url: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct RawLog<'a> {
    description: Option<String>,
    log_id: String,
    key: String,
    mmd: Option<u64>,
    url: Option<String>,
    submission_url: Option<String>,
    monitoring_url: Option<String>,
    #[serde(borrow)]
    state: Option<BTreeMap<String, Raw<'a>>>,
    temporal_interval: Option<RawInterval>,
    log_type: Option<String>,
}

#[derive(Deserialize)]
struct RawInterval {
    start_inclusive: String,
    end_exclusive: String,
}

#[derive(Default, Deserialize)]
struct RawState {
    timestamp: Option<String>,
    final_tree_head: Option<RawFinalTreeHead>,
}

#[derive(Deserialize)]
struct RawFinalTreeHead {
    tree_size: u64,
    sha256_root_hash: String,
}

/// Which of an operator's two lists a log is in.
#[derive(Clone, Copy)]
enum Listed {
    Rfc6962,
    Tiled,
}

pub(super) fn list(bytes: &[u8]) -> Result<LogList, ListError> {
    if bytes.len() > MAX_LIST_BYTES {
        return Err(ListError::TooLong(bytes.len()));
    }
    let raw: RawList<'_> = body::parse(bytes).map_err(|error| match error {
        BodyError::Html(quoted) => ListError::Html(quoted),
        other => ListError::Json(json_reason(other)),
    })?;
    let operators = raw.operators.ok_or(ListError::NoOperators)?;
    if raw.version.is_none() && raw.log_list_timestamp.is_none() {
        return Err(ListError::Version2);
    }
    let mut list = LogList {
        version: raw.version.map(version).transpose()?,
        timestamp: raw.log_list_timestamp.map(list_timestamp).transpose()?,
        logs: Vec::new(),
        skipped: Vec::new(),
        shortened: 0,
    };
    let mut seen = HashSet::new();
    for (number, raw) in operators.into_iter().enumerate() {
        operator(&mut list, &mut seen, number, raw);
    }
    Ok(list)
}

fn operator(list: &mut LogList, seen: &mut HashSet<LogId>, number: usize, raw: Raw<'_>) {
    let skip = |operator: Option<String>, why| {
        let what = format!("operator {}", number.saturating_add(1));
        Skipped { operator, what, why }
    };
    let operator: RawOperator<'_> = match from_raw(raw) {
        Ok(operator) => operator,
        Err(why) => return list.skipped.push(skip(None, why)),
    };
    let Some(name) = operator.name.filter(|name| !name.trim().is_empty()) else {
        return list.skipped.push(skip(None, SkipReason::UnnamedOperator));
    };
    let name = shorten(name, &mut list.shortened);
    let logs = operator.logs.into_iter().flatten().map(|raw| (Listed::Rfc6962, raw));
    let tiled = operator.tiled_logs.into_iter().flatten().map(|raw| (Listed::Tiled, raw));
    for (number, (listed, raw)) in logs.chain(tiled).enumerate() {
        let read = log(raw, listed, &name).and_then(|log| {
            if seen.insert(log.log_id) { Ok(log) } else { Err(SkipReason::Duplicate) }
        });
        match read {
            Ok(mut log) => {
                log.description = log.description.map(|name| shorten(name, &mut list.shortened));
                list.logs.push(log);
            }
            Err(why) => {
                let what = cut(name_of(raw, number));
                list.skipped.push(Skipped { operator: Some(name.clone()), what, why });
            }
        }
    }
}

fn log(raw: Raw<'_>, listed: Listed, operator: &str) -> Result<ListedLog, SkipReason> {
    let raw: RawLog<'_> = from_raw(raw)?;
    // First of all: what is wrong with a placeholder is of no interest.
    let kind = kind(listed, raw.url, raw.submission_url, raw.monitoring_url)?;
    let key = from_base64(&raw.key).ok_or(SkipReason::KeyBase64)?;
    let log_id = PublicKey::from_spki(&key)?.log_id();
    if raw.log_id.parse() != Ok(log_id) {
        return Err(SkipReason::LogId { of_key: log_id });
    }
    let (state, state_since) = raw.state.map(state).transpose()?.unzip();
    Ok(ListedLog {
        operator: operator.to_owned(),
        description: raw.description,
        log_id,
        key,
        mmd: raw.mmd,
        kind,
        state,
        state_since: state_since.flatten(),
        temporal_interval: raw.temporal_interval.as_ref().map(interval).transpose()?,
        log_type: raw.log_type.map(log_type).unwrap_or_default(),
    })
}

fn kind(
    listed: Listed,
    url: Option<String>,
    submission_url: Option<String>,
    monitoring_url: Option<String>,
) -> Result<LogKind, SkipReason> {
    Ok(match listed {
        Listed::Rfc6962 => LogKind::Rfc6962 { url: prefix(url, "url")? },
        Listed::Tiled => LogKind::StaticCt {
            submission_url: prefix(submission_url, "submission_url")?,
            monitoring_url: prefix(monitoring_url, "monitoring_url")?,
        },
    })
}

fn prefix(url: Option<String>, field: &str) -> Result<String, SkipReason> {
    let url = url.ok_or_else(|| SkipReason::Schema(format!("missing field `{field}`")))?;
    if url.len() > LONGEST_URL {
        return Err(SkipReason::LongUrl(url.len()));
    }
    let prefix = url::prefix(&url).ok_or(SkipReason::Url(url))?;
    if url::is_placeholder(&prefix) { Err(SkipReason::Placeholder) } else { Ok(prefix) }
}

fn state(states: BTreeMap<String, Raw<'_>>) -> Result<(State, Option<Timestamp>), SkipReason> {
    let count = states.len();
    let mut states = states.into_iter();
    let (Some((name, raw)), None) = (states.next(), states.next()) else {
        return Err(SkipReason::States(count));
    };
    let known = match name.as_str() {
        "pending" => State::Pending,
        "qualified" => State::Qualified,
        "usable" => State::Usable,
        "readonly" => State::ReadOnly { final_tree_head: None },
        "retired" => State::Retired,
        "rejected" => State::Rejected,
        // What an unknown state says of itself need not have any known shape.
        _ => return Ok((State::Unknown(cut(name)), None)),
    };
    let raw: RawState = from_raw(raw)?;
    let since = raw.timestamp.map(|text| time(&text)).transpose()?;
    let state = match known {
        State::ReadOnly { .. } => State::ReadOnly {
            final_tree_head: raw.final_tree_head.as_ref().map(final_tree_head).transpose()?,
        },
        other => other,
    };
    Ok((state, since))
}

fn final_tree_head(raw: &RawFinalTreeHead) -> Result<FinalTreeHead, SkipReason> {
    let root = hash_from_base64(&raw.sha256_root_hash).ok_or(SkipReason::FinalRoot)?;
    Ok(FinalTreeHead { size: raw.tree_size, root })
}

fn interval(raw: &RawInterval) -> Result<TemporalInterval, SkipReason> {
    let start_inclusive = time(&raw.start_inclusive)?;
    let end_exclusive = time(&raw.end_exclusive)?;
    if start_inclusive < end_exclusive {
        Ok(TemporalInterval { start_inclusive, end_exclusive })
    } else {
        Err(SkipReason::Interval)
    }
}

fn log_type(name: String) -> LogType {
    match name.as_str() {
        "prod" => LogType::Prod,
        "test" => LogType::Test,
        "monitoring_only" => LogType::MonitoringOnly,
        _ => LogType::Unknown(cut(name)),
    }
}

fn time(text: &str) -> Result<Timestamp, SkipReason> {
    text.parse().map_err(|_| SkipReason::Time(cut(text.to_owned())))
}

/// A string; Apple's list has a number.
fn version(raw: Raw<'_>) -> Result<Version, ParseVersionError> {
    serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned()).parse()
}

/// A string; the copy in Chrome's component has milliseconds since the Unix epoch.
fn list_timestamp(raw: Raw<'_>) -> Result<Timestamp, ListError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Milliseconds(i64),
    }
    let read = match serde_json::from_str(raw.get()) {
        Ok(Either::Text(text)) => text.parse().ok(),
        Ok(Either::Milliseconds(ms)) => Timestamp::from_millisecond(ms).ok(),
        Err(_) => None,
    };
    read.ok_or_else(|| ListError::Timestamp(raw.get().chars().take(40).collect()))
}

fn from_raw<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Result<T, SkipReason> {
    serde_json::from_str(raw.get()).map_err(|error| SkipReason::Schema(cut(error.to_string())))
}

/// The description of a log, or else its URL, or else its place among its operator's logs.
fn name_of(raw: Raw<'_>, number: usize) -> String {
    let names = serde_json::from_str::<RawNames<'_>>(raw.get()).ok();
    names
        .into_iter()
        .flat_map(|names| [names.description, names.url, names.submission_url])
        .flatten()
        .find_map(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .unwrap_or_else(|| format!("log {}", number.saturating_add(1)))
}

/// A name that is cut where it is too long, and then counted.
fn shorten(name: String, shortened: &mut usize) -> String {
    let length = name.len();
    let name = cut(name);
    if name.len() != length {
        *shortened = shortened.saturating_add(1);
    }
    name
}

/// Text that ends with `…` where it is longer than a name may be.
fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_NAME) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn json_reason(error: BodyError) -> String {
    match error {
        BodyError::Json(reason) => reason,
        other => other.to_string(),
    }
}
