//! A configuration written as YAML, in the order of the table.

use serde_json::Value;

use crate::model::Config;
use crate::table::{SECTIONS, SETTINGS, Section, Setting};
use crate::tree;

/// The text in place of a secret.
const HIDDEN: &str = "(hidden)";

/// Writes the whole configuration, with secrets hidden. Without secrets it can be read back.
pub(crate) fn print(config: &Config) -> String {
    let tree = tree::of(config);
    SECTIONS.iter().map(|section| print_section(section, &tree)).collect()
}

fn print_section(section: &Section, tree: &Value) -> String {
    let settings = section.settings().flat_map(|setting| {
        let values = tree::select(tree, setting.key);
        let is_line = |(key, _): &(String, &Value)| key == setting.key;
        values.into_iter().filter(is_line).map(|(_, value)| line(setting, value))
    });
    let lines: String = settings.collect();
    if lines.starts_with(' ') { format!("{}:\n{lines}", section.name) } else { lines }
}

/// Writes one setting at its indentation.
pub(crate) fn line(setting: &Setting, value: &Value) -> String {
    let indent = if setting.key.contains('.') { "  " } else { "" };
    let mut shown = value.clone();
    if setting.secret {
        hide(&mut shown);
    }
    for item in shown.as_array_mut().into_iter().flatten().filter(|item| item.is_object()) {
        hide_fields(setting, item);
    }
    format!("{indent}{}: {}\n", setting.name(), flow(&shown))
}

/// Hides the secret fields of an item of a list.
fn hide_fields(list: &Setting, item: &mut Value) {
    for field in SETTINGS.iter().filter(|field| field.secret && field.section() == list.key) {
        if let Some(value) = item.get_mut(field.name()) {
            hide(value);
        }
    }
}

/// Replaces a value that is not empty.
fn hide(value: &mut Value) {
    let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if !is_empty {
        *value = Value::from(HIDDEN);
    }
}

/// Writes a value on one line: JSON is YAML, and plain words need no quotes.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

/// Reports whether every version of YAML reads the text, without quotes, as itself.
fn is_plain(text: &str) -> bool {
    const TAKEN: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.replacen("://", "", 1).chars().all(is_word)
        && !TAKEN.iter().any(|taken| text.eq_ignore_ascii_case(taken))
        && !text.starts_with("0x")
        && text.parse::<f64>().is_err()
}
