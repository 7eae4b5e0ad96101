//! Translation of the keys of other servers to settings of ours.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::COMPAT_KEYS;
use super::{CompatKey, Support, find};
use crate::kind::Kind;
use crate::model::Config;
use crate::table;
use crate::table::suggest;
use crate::tree;

/// Sections that only another server has: unknown keys in them are mistakes.
const THEIRS: [&str; 4] = ["webserver", "general", "stream_processing", "nats"];
/// Sections of certstream-server-go, which distinguish its files.
const GO: [&str; 3] = ["webserver", "general", "stream_processing"];
const RUST: [&str; 6] = ["protocols", "streams", "ct_log", "custom_logs", "static_logs", "nats"];
/// The default file of certstream-server-go's positions.
const CT_INDEX: &str = "./ct_index.json";

/// A value that a variable of another server has.
#[derive(Debug, Clone)]
pub(crate) struct CompatValue {
    pub(crate) key: &'static CompatKey,
    pub(crate) value: Value,
}

/// The values of variables that only other servers have.
#[derive(Debug, Clone, Default)]
pub(crate) struct OtherVariables {
    /// The values without a setting of ours of the same name.
    pub(crate) values: Vec<CompatValue>,
    /// A variable of certstream-server-go's own sections that is set.
    pub(crate) of_go: Option<&'static str>,
}

/// The reason for the profile of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProfileOrigin {
    /// No profile is set.
    #[default]
    Default,
    /// `compat_profile` is set.
    Set,
    /// It follows from this section or variable of certstream-server-go.
    ImpliedByGo(String),
}

/// An invalid value or key of another server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompatProblem {
    /// The key as in the file, or the variable.
    pub(crate) key: String,
    /// The key whose place is reported, if it is another one: that of an unknown key, which is in
    /// the message.
    pub(crate) place_of: Option<String>,
    pub(crate) message: String,
    /// True if it comes from a variable, not from the file.
    pub(crate) by_variable: bool,
}

impl CompatProblem {
    fn in_file(key: &str, message: String) -> Self {
        Self { key: key.to_owned(), place_of: None, message, by_variable: false }
    }
}

/// The outcome of a translation.
#[derive(Debug)]
pub(crate) struct Translated {
    /// The configuration, without invalid parts.
    pub(crate) config: Config,
    pub(crate) profile: ProfileOrigin,
    pub(crate) problems: Vec<CompatProblem>,
}

/// Translates the keys of other servers in a file and in variables. `contents` is the file's contents.
/// Keys that do nothing are added to the warnings.
pub(crate) fn translate(
    config: &Config,
    mut contents: Value,
    variables: &OtherVariables,
    warnings: &mut Vec<String>,
) -> Translated {
    let mut problems: Vec<CompatProblem> = check_form(&contents).into_iter().collect();
    check_known(&contents, &mut problems);
    let in_file = contents.clone();
    for CompatValue { key, value } in &variables.values {
        put(&mut contents, key.key, value.clone());
    }
    let mut ours = tree::of(config);
    let profile = imply_profile(&in_file, variables, &mut ours);
    let mut ignored: Vec<(&'static str, String)> = Vec::new();
    for key in COMPAT_KEYS.iter().filter(|key| !matches!(key.support, Support::Honoured)) {
        for (shown, value) in tree::select(&contents, key.key) {
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
            match translate_value(key, value, &in_file, by_variable) {
                Err(message) => {
                    let known = |problem: &CompatProblem| problem.key.starts_with(&shown);
                    if !problems.iter().any(known) {
                        problems.push(CompatProblem {
                            by_variable,
                            ..CompatProblem::in_file(&shown, message)
                        });
                    }
                }
                Ok(Outcome::Nothing) => {}
                Ok(Outcome::Ignored) => ignored.push((key.note, shown)),
                Ok(Outcome::Sets(to, value)) => tree::set(&mut ours, to, value),
            }
        }
    }
    apply_recovery(&contents, &mut ours);
    warn_of_ignored(&ignored, warnings);
    let config = Config::deserialize(ours).unwrap_or_else(|error| {
        problems.push(CompatProblem::in_file("", error.to_string()));
        Config::default()
    });
    Translated { config, profile, problems }
}

/// The outcome of one value of another server.
enum Outcome {
    Nothing,
    Ignored,
    Sets(&'static str, Value),
}

fn translate_value(
    key: &CompatKey,
    value: &Value,
    in_file: &Value,
    by_variable: bool,
) -> Result<Outcome, String> {
    if !key.kind.allows(value) {
        return Err(is_not(value, &key.kind));
    }
    match key.support {
        Support::Honoured => Ok(Outcome::Nothing),
        Support::Refused(is_on) if is_on(value) => {
            Err(format!("{}is not supported: {}", quoted(value), key.note))
        }
        Support::Refused(_) => Ok(Outcome::Nothing),
        Support::Accepted => Ok(Outcome::Ignored),
        Support::Mapped(to, with) => {
            let Some(value) = with(value) else { return Ok(Outcome::Nothing) };
            if !by_variable && has(in_file, to) {
                return Err(format!("{to} sets the same; omit one of them"));
            }
            match table::find(to).filter(|setting| !setting.kind.allows(&value)) {
                Some(setting) => Err(is_not(&value, &setting.kind)),
                None => Ok(Outcome::Sets(to, value)),
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

/// Returns a value that can be quoted, and a space: a section or a list of them may contain
/// anything.
fn quoted(value: &Value) -> String {
    let holds_sections = |items: &Vec<Value>| items.iter().any(|item| !item.is_string());
    match value {
        Value::Object(_) => String::new(),
        Value::Array(items) if holds_sections(items) => String::new(),
        value => format!("{value} "),
    }
}

/// Sets the profile and duplicates of certstream-server-go for its configurations, unless they are
/// set. A file with our own sections is not one of them, whatever variables are set.
fn imply_profile(in_file: &Value, variables: &OtherVariables, ours: &mut Value) -> ProfileOrigin {
    let is_set = |key: &str| in_file.get(key).is_some_and(|value| !value.is_null());
    let section = GO.iter().copied().find(|key| is_set(key)).map(|key| format!("{key}:"));
    let ours_too = RUST.iter().any(|key| is_set(key));
    let variable = if ours_too { None } else { variables.of_go.map(str::to_owned) };
    let profile_is_set = is_set("compat_profile");
    let Some(why) = section.or(variable) else {
        return if profile_is_set { ProfileOrigin::Set } else { ProfileOrigin::Default };
    };
    if !is_set("dedup") {
        tree::set(ours, "dedup.enabled", false.into());
    }
    if profile_is_set {
        return ProfileOrigin::Set;
    }
    tree::set(ours, "compat_profile", "go".into());
    ProfileOrigin::ImpliedByGo(why)
}

/// Returns a word: `off` without quotes is false in YAML.
fn word(kind: Kind, value: &Value) -> Value {
    match kind {
        Kind::Choice(words) if *value == Value::Bool(false) && words.contains(&"off") => {
            "off".into()
        }
        _ => value.clone(),
    }
}

/// Checks that a file has the keys of one server only.
fn check_form(contents: &Value) -> Option<CompatProblem> {
    let first =
        |keys: &[&'static str]| keys.iter().copied().find(|key| contents.get(key).is_some());
    let (go, rust) = (first(&GO)?, first(&RUST)?);
    let message = format!(
        "this is a section of certstream-server-go, but {rust} is a section of this server and \
         of certstream-server-rust: use the keys of one server in a file. docs/peers.md lists \
         the key for each; settings without a key in certstream-server-go can be set by \
         variables and flags"
    );
    Some(CompatProblem::in_file(go, message))
}

/// Checks that a section of another server has only its keys.
fn check_known(contents: &Value, problems: &mut Vec<CompatProblem>) {
    for (name, value) in THEIRS.iter().filter_map(|name| Some((*name, contents.get(*name)?))) {
        check_value(name, name, value, problems);
    }
}

fn check_value(key: &str, shown: &str, value: &Value, problems: &mut Vec<CompatProblem>) {
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

/// Returns the problem of a value that is neither a section nor at a known key; `None` where it
/// sets nothing.
fn not_known(key: &str, shown: &str, value: &Value) -> Option<CompatProblem> {
    let names = suggest::names_in(key);
    if !names.is_empty() {
        let message = format!("expected a section with {}", names.join(", "));
        return (!value.is_null()).then(|| CompatProblem::in_file(shown, message));
    }
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let outer = shown.rsplit_once('.').map_or("", |(outer, _)| outer);
    let message = suggest::unknown_key(section, name);
    let place_of = Some(shown.to_owned());
    Some(CompatProblem { place_of, ..CompatProblem::in_file(outer, message) })
}

fn is_list_of_maps(key: &str) -> bool {
    let item = format!("{key}[].");
    COMPAT_KEYS.iter().any(|known| known.key.starts_with(&item))
}

/// Applies `general.recovery`: positions are read from certstream-server-go's file, which is not
/// changed, and saved in one of ours beside it.
fn apply_recovery(contents: &Value, ours: &mut Value) {
    let recovery = contents.pointer("/general/recovery");
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

/// Adds one warning for all keys that do nothing for the same reason.
fn warn_of_ignored(ignored: &[(&'static str, String)], warnings: &mut Vec<String>) {
    let mut warned: Vec<&str> = Vec::new();
    for (note, _) in ignored {
        if warned.contains(note) {
            continue;
        }
        warned.push(note);
        let keys = ignored.iter().filter(|(other, _)| other == note);
        let mut keys: Vec<_> = keys.map(|(_, key)| key.as_str()).collect();
        keys.dedup();
        let verb = if keys.len() == 1 { "does" } else { "do" };
        warnings.push(format!("{} {verb} nothing here: {note}", keys.join(", ")));
    }
}

fn has(contents: &Value, key: &str) -> bool {
    !tree::select(contents, key).is_empty()
}

/// Sets a value at a key, and creates its sections.
fn put(contents: &mut Value, key: &str, value: Value) {
    let mut place = contents;
    for name in key.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Some(fields) = place.as_object_mut() else { return };
        place = fields.entry(name).or_insert(Value::Null);
    }
    *place = value;
}
