//! From the keys of other servers to settings of ours.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::PEER_KEYS;
use super::{Fate, PeerKey, find};
use crate::config::kind::Kind;
use crate::config::model::Config;
use crate::config::table;
use crate::config::tree;

/// Sections that only another server has: what stands in them is known or wrong.
const THEIRS: [&str; 4] = ["webserver", "general", "stream_processing", "nats"];
/// What tells the two forms of a file apart.
const GO: [&str; 3] = ["webserver", "general", "stream_processing"];
const RUST: [&str; 6] = ["protocols", "streams", "ct_log", "custom_logs", "static_logs", "nats"];
/// Where certstream-server-go keeps its positions unless told otherwise.
const CT_INDEX: &str = "./ct_index.json";

/// A value that a variable of another server has.
#[derive(Debug, Clone)]
pub(in crate::config) struct PeerValue {
    pub(in crate::config) key: &'static PeerKey,
    pub(in crate::config) value: Value,
}

/// Something that another server's key says and that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct PeerProblem {
    /// The key, as a reader of the file says it; the variable where it is one.
    pub(in crate::config) key: String,
    pub(in crate::config) message: String,
    /// Whether a variable says it, not the file.
    pub(in crate::config) by_variable: bool,
}

/// What a file and variables say in other servers' words, put in its place. `said` is the file as it
/// stands. What does nothing is added to the warnings.
pub(in crate::config) fn translate(
    config: &Config,
    mut said: Value,
    variables: &[PeerValue],
    warnings: &mut Vec<String>,
) -> Result<Config, PeerProblem> {
    check_form(&said)?;
    check_known(&said)?;
    let in_file = said.clone();
    for PeerValue { key, value } in variables {
        put(&mut said, key.key, value.clone());
    }
    let mut ours = tree::of(config);
    let mut idle: Vec<(&'static str, String)> = Vec::new();
    for key in PEER_KEYS.iter().filter(|key| !matches!(key.fate, Fate::Honoured)) {
        for (shown, value) in tree::select(&said, key.key) {
            let value = &word(key.kind, value);
            let by_variable = tree::select(&in_file, key.key)
                .iter()
                .all(|(_, old)| word(key.kind, old) != *value);
            let shown = match key.env {
                Some(name) if by_variable => name.to_owned(),
                _ => shown,
            };
            let problem =
                |message: String| PeerProblem { key: shown.clone(), message, by_variable };
            if value.is_null() || value == "" {
                continue;
            }
            if !key.kind.allows(value) {
                return Err(problem(format!("{value} is not {}", key.kind)));
            }
            match key.fate {
                Fate::Honoured => {}
                Fate::RefusedUnless(is_on, is_idle) if is_on(value) && is_idle(&ours) => {
                    idle.push((key.note, shown));
                }
                Fate::Refused(is_on) | Fate::RefusedUnless(is_on, _) if is_on(value) => {
                    return Err(problem(format!("{value} is not offered: {}", key.note)));
                }
                Fate::Refused(_) | Fate::RefusedUnless(..) => {}
                Fate::Accepted => idle.push((key.note, shown)),
                Fate::Mapped(to, with) => {
                    let Some(value) = with(value) else { continue };
                    if !by_variable && has(&in_file, to) {
                        return Err(problem(format!("{to} says the same; leave one of them out")));
                    }
                    let setting = table::find(to).filter(|setting| !setting.kind.allows(&value));
                    if let Some(setting) = setting {
                        return Err(problem(format!("{value} is not {}", setting.kind)));
                    }
                    tree::set(&mut ours, to, value);
                }
            }
        }
    }
    recover(&said, &mut ours);
    say_what_is_idle(&idle, warnings);
    Config::deserialize(ours).map_err(|error| PeerProblem {
        key: String::new(),
        message: error.to_string(),
        by_variable: false,
    })
}

/// `off` without quotes is false in YAML.
fn word(kind: Kind, value: &Value) -> Value {
    match kind {
        Kind::Choice(words) if *value == Value::Bool(false) && words.contains(&"off") => {
            "off".into()
        }
        _ => value.clone(),
    }
}

/// A file has the form of one server.
fn check_form(said: &Value) -> Result<(), PeerProblem> {
    let first = |keys: &[&'static str]| keys.iter().copied().find(|key| said.get(key).is_some());
    let (Some(go), Some(rust)) = (first(&GO), first(&RUST)) else { return Ok(()) };
    Err(PeerProblem {
        key: go.to_owned(),
        message: format!(
            "this is a section of certstream-server-go, and {rust} is one of ours and of \
             certstream-server-rust: a file has the keys of one of them. docs/peers.md says which \
             key of ours stands for each; what certstream-server-go has no key for can also be set \
             by a variable or a flag"
        ),
        by_variable: false,
    })
}

/// What stands in a section of another server has to be one of its keys.
fn check_known(said: &Value) -> Result<(), PeerProblem> {
    let sections = THEIRS.iter().filter_map(|name| Some((*name, said.get(*name)?)));
    for (name, value) in sections {
        check_value(name, name, value)?;
    }
    Ok(())
}

fn check_value(key: &str, shown: &str, value: &Value) -> Result<(), PeerProblem> {
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            check_value(&format!("{key}.{name}"), &format!("{shown}.{name}"), value)
        }),
        Value::Array(items) if is_list_of_maps(key) => {
            items.iter().enumerate().try_for_each(|(index, item)| {
                check_value(&format!("{key}[]"), &format!("{shown}[{index}]"), item)
            })
        }
        _ if value.is_null() || find(key).is_some() => Ok(()),
        _ => {
            let section = key.rsplit_once('.').map_or("", |(section, _)| section);
            let message = match names_in(key) {
                names if names.is_empty() => {
                    format!("unknown key, expected one of {}", names_in(section).join(", "))
                }
                names => format!("{value} is not a section with {}", names.join(", ")),
            };
            Err(PeerProblem { key: shown.to_owned(), message, by_variable: false })
        }
    }
}

fn is_list_of_maps(key: &str) -> bool {
    let item = format!("{key}[].");
    PEER_KEYS.iter().any(|known| known.key.starts_with(&item))
}

/// The names that a section of another server can have.
fn names_in(section: &str) -> Vec<&'static str> {
    let rest = |key: &'static str| key.strip_prefix(section)?.strip_prefix('.');
    let names = PEER_KEYS.iter().filter_map(|known| rest(known.key));
    let mut names: Vec<_> =
        names.map(|rest| rest.split(['.', '[']).next().unwrap_or(rest)).collect();
    names.dedup();
    names
}

/// `general.recovery`: positions are read from certstream-server-go's file, which stays as it is, and
/// kept in one of ours beside it.
fn recover(said: &Value, ours: &mut Value) {
    let recovery = said.pointer("/general/recovery");
    let field = |name: &str| recovery?.get(name);
    if field("enabled").and_then(Value::as_bool) != Some(true) {
        return;
    }
    let index = field("ct_index_file").and_then(Value::as_str).filter(|path| !path.is_empty());
    let index = Path::new(index.unwrap_or(CT_INDEX));
    let mut state = index.with_extension("").into_os_string();
    state.push(".state.json");
    for (key, path) in [("import_index", index), ("state_file", &*PathBuf::from(state))] {
        tree::set(ours, &format!("ct_log.{key}"), path.to_string_lossy().into());
    }
}

/// One line for all keys that do nothing for the same reason.
fn say_what_is_idle(idle: &[(&'static str, String)], warnings: &mut Vec<String>) {
    let mut said: Vec<&str> = Vec::new();
    for (note, _) in idle {
        if said.contains(note) {
            continue;
        }
        said.push(note);
        let keys = idle.iter().filter(|(other, _)| other == note);
        let mut keys: Vec<_> = keys.map(|(_, key)| key.as_str()).collect();
        keys.dedup();
        let verb = if keys.len() == 1 { "does" } else { "do" };
        warnings.push(format!("{} {verb} nothing here: {note}", keys.join(", ")));
    }
}

fn has(said: &Value, key: &str) -> bool {
    !tree::select(said, key).is_empty()
}

/// Puts a value at a key, making the sections it stands in.
fn put(said: &mut Value, key: &str, value: Value) {
    let mut place = said;
    for name in key.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(fields) = place.as_object_mut() else { return };
        place = fields.entry(name).or_insert(Value::Null);
    }
    *place = value;
}
