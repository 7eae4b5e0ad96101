//! Conversions of other servers' values to ours; `None` where one sets nothing.

use serde_json::{Value, json};

/// Returns the value unchanged; blank means "not set" to certstream-server-go.
pub(super) fn same(value: &Value) -> Option<Value> {
    (value != "").then(|| value.clone())
}

/// Returns nothing, for a key that is read together with others.
pub(super) const fn with_others(_: &Value) -> Option<Value> {
    None
}

pub(super) fn seconds(value: &Value) -> Option<Value> {
    Some(value.as_u64()?.saturating_mul(1000).into())
}

pub(super) fn drop_old_logs(value: &Value) -> Option<Value> {
    value.as_bool().map(|drop| if drop { "stop" } else { "keep" }.into())
}

/// `general.additional_logs` and `general.additional_tiled_logs`: `url`, `operator`, `description`.
pub(super) fn logs(value: &Value) -> Option<Value> {
    let log = |item: &Value| {
        let text = |field: &str| item.get(field)?.as_str().filter(|text| !text.is_empty());
        let url = text("url").unwrap_or_default();
        let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let name = text("description").unwrap_or(&url).to_owned();
        json!({ "name": name, "url": url, "operator": text("operator") })
    };
    Some(value.as_array()?.iter().map(log).collect())
}

/// `general.excluded_logs`: `operator` or `url`.
pub(super) fn excluded(value: &Value) -> Option<Value> {
    let what = |item: &Value| {
        let fields = ["operator", "url"].into_iter().filter_map(|field| item.get(field)?.as_str());
        fields.filter(|text| !text.is_empty()).map(Value::from).collect::<Vec<_>>()
    };
    Some(value.as_array()?.iter().flat_map(what).collect())
}

pub(super) fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}

/// Reports whether a word is anything but `off`.
pub(super) fn is_not_off(value: &Value) -> bool {
    value.as_str().is_some_and(|word| word != "off")
}
