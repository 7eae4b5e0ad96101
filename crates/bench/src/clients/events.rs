//! The lines of JSON in which a client program reports its progress on standard output.

use serde_json::{Value, json};

/// The key of an event's name.
pub(crate) const EVENT: &str = "event";
/// The event of a client program that fails; its `error` says why.
pub(crate) const FAILED: &str = "failed";

/// Reports an event with its values, a JSON object.
pub(crate) fn emit(event: &str, mut values: Value) {
    values[EVENT] = event.into();
    println!("{values}");
}

/// Reports the error of a client program, if it has one, and returns it.
pub(crate) fn reporting(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    if let Err(error) = &outcome {
        emit(FAILED, json!({ "error": format!("{error:#}") }));
    }
    outcome
}
