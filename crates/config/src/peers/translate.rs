//! From the keys of other servers to settings of ours.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::PEER_KEYS;
use super::{Fate, PeerKey, find};
use crate::kind::Kind;
use crate::model::Config;
use crate::suggest;
use crate::table;
use crate::tree;

/// Sections that only another server has: what stands in them is known or wrong.
const THEIRS: [&str; 4] = ["webserver", "general", "stream_processing", "nats"];
/// What tells the two forms of a file apart.
const GO: [&str; 3] = ["webserver", "general", "stream_processing"];
const RUST: [&str; 6] = ["protocols", "streams", "ct_log", "custom_logs", "static_logs", "nats"];
/// Where certstream-server-go keeps its positions unless told otherwise.
const CT_INDEX: &str = "./ct_index.json";

/// A value that a variable of another server has.
#[derive(Debug, Clone)]
pub(crate) struct PeerValue {
    pub(crate) key: &'static PeerKey,
    pub(crate) value: Value,
}

/// What variables say that only other servers have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Theirs {
    /// The values without a setting of ours of the same name.
    pub(crate) values: Vec<PeerValue>,
    /// A variable of certstream-server-go's own sections that is set.
    pub(crate) of_go: Option<&'static str>,
}

/// Why messages follow the profile they follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProfileOrigin {
    /// Nothing says which.
    #[default]
    Default,
    /// `compat_profile` is set.
    Set,
    /// Because of this section or variable of certstream-server-go.
    ImpliedByGo(String),
}

/// Something that another server's key says and that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PeerProblem {
    /// The key, as a reader of the file says it; the variable where it is one.
    pub(crate) key: String,
    /// The key whose place counts, where it is another one: that of an unknown key, which is in the
    /// message.
    pub(crate) place_of: Option<String>,
    pub(crate) message: String,
    /// Whether a variable says it, not the file.
    pub(crate) by_variable: bool,
}

impl PeerProblem {
    fn in_file(key: &str, message: String) -> Self {
        Self { key: key.to_owned(), place_of: None, message, by_variable: false }
    }
}

/// What came of other servers' words.
#[derive(Debug)]
pub(crate) struct Translated {
    /// The configuration, without what cannot be.
    pub(crate) config: Config,
    pub(crate) profile: ProfileOrigin,
    pub(crate) problems: Vec<PeerProblem>,
}

/// What a file and variables say in other servers' words, put in its place. `said` is the file as it
/// stands. What does nothing is added to the warnings.
pub(crate) fn translate(
    config: &Config,
    mut said: Value,
    theirs: &Theirs,
    warnings: &mut Vec<String>,
) -> Translated {
    let mut problems: Vec<PeerProblem> = check_form(&said).into_iter().collect();
    check_known(&said, &mut problems);
    let in_file = said.clone();
    for PeerValue { key, value } in &theirs.values {
        put(&mut said, key.key, value.clone());
    }
    let mut ours = tree::of(config);
    let profile = imply(&in_file, theirs, &mut ours);
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
            if value.is_null() || value == "" {
                continue;
            }
            match settle(key, value, &in_file, by_variable) {
                Err(message) => {
                    let known = |problem: &PeerProblem| problem.key.starts_with(&shown);
                    if !problems.iter().any(known) {
                        problems.push(PeerProblem {
                            by_variable,
                            ..PeerProblem::in_file(&shown, message)
                        });
                    }
                }
                Ok(Settled::Nothing) => {}
                Ok(Settled::Idle) => idle.push((key.note, shown)),
                Ok(Settled::Means(to, value)) => tree::set(&mut ours, to, value),
            }
        }
    }
    recover(&said, &mut ours);
    say_what_is_idle(&idle, warnings);
    let config = Config::deserialize(ours).unwrap_or_else(|error| {
        problems.push(PeerProblem::in_file("", error.to_string()));
        Config::default()
    });
    Translated { config, profile, problems }
}

/// What one value of another server comes to.
enum Settled {
    Nothing,
    Idle,
    Means(&'static str, Value),
}

fn settle(
    key: &PeerKey,
    value: &Value,
    in_file: &Value,
    by_variable: bool,
) -> Result<Settled, String> {
    if !key.kind.allows(value) {
        return Err(is_not(value, &key.kind));
    }
    match key.fate {
        Fate::Honoured => Ok(Settled::Nothing),
        Fate::Refused(is_on) if is_on(value) => {
            Err(format!("{}is not offered: {}", quoted(value), key.note))
        }
        Fate::Refused(_) => Ok(Settled::Nothing),
        Fate::Accepted => Ok(Settled::Idle),
        Fate::Mapped(to, with) => {
            let Some(value) = with(value) else { return Ok(Settled::Nothing) };
            if !by_variable && has(in_file, to) {
                return Err(format!("{to} says the same; leave one of them out"));
            }
            match table::find(to).filter(|setting| !setting.kind.allows(&value)) {
                Some(setting) => Err(is_not(&value, &setting.kind)),
                None => Ok(Settled::Means(to, value)),
            }
        }
    }
}

fn is_not(value: &Value, kind: &Kind) -> String {
    match quoted(value).as_str() {
        "" => format!("expected {kind}"),
        value => format!("{value}is not {kind}"),
    }
}

/// A value that can be quoted, and a space: a section or a list of them may hold anything.
fn quoted(value: &Value) -> String {
    let holds_sections = |items: &Vec<Value>| items.iter().any(|item| !item.is_string());
    match value {
        Value::Object(_) => String::new(),
        Value::Array(items) if holds_sections(items) => String::new(),
        value => format!("{value} "),
    }
}

/// Who comes from certstream-server-go gets its messages, unless they say otherwise. A file in our
/// own sections is not one of its, whatever variables are set.
fn imply(in_file: &Value, theirs: &Theirs, ours: &mut Value) -> ProfileOrigin {
    let is_said = |key: &str| in_file.get(key).is_some_and(|value| !value.is_null());
    let section = GO.iter().copied().find(|key| is_said(key)).map(|key| format!("{key}:"));
    let ours_too = RUST.iter().any(|key| is_said(key));
    let variable = theirs.of_go.filter(|_| !ours_too).map(str::to_owned);
    let profile_is_set = is_said("compat_profile");
    let Some(why) = section.or(variable) else {
        return if profile_is_set { ProfileOrigin::Set } else { ProfileOrigin::Default };
    };
    if !is_said("dedup") {
        tree::set(ours, "dedup.enabled", false.into());
    }
    if profile_is_set {
        return ProfileOrigin::Set;
    }
    tree::set(ours, "compat_profile", "go".into());
    ProfileOrigin::ImpliedByGo(why)
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
fn check_form(said: &Value) -> Option<PeerProblem> {
    let first = |keys: &[&'static str]| keys.iter().copied().find(|key| said.get(key).is_some());
    let (go, rust) = (first(&GO)?, first(&RUST)?);
    let message = format!(
        "this is a section of certstream-server-go, and {rust} is one of ours and of \
         certstream-server-rust: a file has the keys of one of them. docs/peers.md says which key of \
         ours stands for each; what certstream-server-go has no key for can also be set by a \
         variable or a flag"
    );
    Some(PeerProblem::in_file(go, message))
}

/// What stands in a section of another server has to be one of its keys.
fn check_known(said: &Value, problems: &mut Vec<PeerProblem>) {
    for (name, value) in THEIRS.iter().filter_map(|name| Some((*name, said.get(*name)?))) {
        check_value(name, name, value, problems);
    }
}

fn check_value(key: &str, shown: &str, value: &Value, problems: &mut Vec<PeerProblem>) {
    let is_known = find(key).is_some() || !suggest::names_in(key).is_empty();
    match value {
        Value::Object(fields) if is_known && find(key).is_none() => {
            for (name, value) in fields {
                let (key, shown) = (format!("{key}.{name}"), format!("{shown}.{name}"));
                check_value(&key, &shown, value, problems);
            }
        }
        Value::Array(items) if is_list_of_maps(key) => {
            for (index, item) in items.iter().enumerate() {
                let (key, shown) = (format!("{key}[]"), format!("{shown}[{index}]"));
                check_value(&key, &shown, item, problems);
            }
        }
        _ if find(key).is_some() => {}
        _ => problems.extend(not_known(key, shown, value)),
    }
}

/// Why a value that is neither a section nor at a key has no place here; none where it says nothing.
fn not_known(key: &str, shown: &str, value: &Value) -> Option<PeerProblem> {
    let names = suggest::names_in(key);
    if !names.is_empty() {
        let message = format!("expected a section with {}", names.join(", "));
        return (!value.is_null()).then(|| PeerProblem::in_file(shown, message));
    }
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let outer = shown.rsplit_once('.').map_or("", |(outer, _)| outer);
    let message = suggest::unknown_key(section, name);
    let place_of = Some(shown.to_owned());
    Some(PeerProblem { place_of, ..PeerProblem::in_file(outer, message) })
}

fn is_list_of_maps(key: &str) -> bool {
    let item = format!("{key}[].");
    PEER_KEYS.iter().any(|known| known.key.starts_with(&item))
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
