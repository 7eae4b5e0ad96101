//! The configuration as a tree of JSON values, in which settings are found by key; and as YAML.

pub(crate) mod yaml;

use serde_json::Value;

use crate::model::Config;

/// Returns the tree of a configuration. Every setting has a place in it, `null` where it is not
/// set.
pub(crate) fn of(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

/// Returns the value of a setting; for a setting of list items, that of each item, under its
/// numbered key.
pub(crate) fn select<'a>(tree: &'a Value, key: &str) -> Vec<(String, &'a Value)> {
    let Some((list, field)) = key.split_once("[].") else {
        return tree
            .pointer(&pointer(key))
            .map(|value| (key.to_owned(), value))
            .into_iter()
            .collect();
    };
    let items = tree.pointer(&pointer(list)).and_then(Value::as_array);
    let numbered = items.into_iter().flatten().enumerate();
    numbered
        .filter_map(|(index, item)| {
            Some((format!("{list}[{index}].{field}"), item.pointer(&pointer(field))?))
        })
        .collect()
}

/// Puts a value in the place of a setting that is not one of a list's items.
pub(crate) fn set(tree: &mut Value, key: &str, value: Value) {
    if let Some(place) = tree.pointer_mut(&pointer(key)) {
        *place = value;
    }
}

/// Reports whether a file sets a key.
pub(crate) fn has(contents: &Value, key: &str) -> bool {
    select(contents, key).iter().any(|(_, value)| !value.is_null())
}

/// Returns the place of a setting outside lists as a JSON pointer.
pub(crate) fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}
