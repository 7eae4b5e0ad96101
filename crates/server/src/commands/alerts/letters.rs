//! The list of dead letters.

use alerts::delivery::{DeadLetter, DeadLetters};
use anyhow::Context as _;
use config::AlertFilter;

use super::output;

/// Returns the text of the newest dead letters, the newest first.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn list(letters: &DeadLetters, filter: &AlertFilter) -> anyhow::Result<String> {
    let path = letters.path().display().to_string();
    let (read, unreadable) = letters.read().with_context(|| path.clone())?;
    let wanted =
        |letter: &&DeadLetter| filter.rule.as_ref().is_none_or(|rule| *rule == letter.alert.rule);
    let wanted = read.iter().rev().filter(wanted).take(filter.limit);
    let lines = wanted.map(|letter| line(letter, filter.json));
    let mut text = lines.collect::<serde_json::Result<String>>()?;
    if text.is_empty() && !filter.json {
        text.push_str("no alert that did not arrive\n");
    }
    if unreadable > 0 {
        logging::print_warning(&format!("{path}: {unreadable} lines cannot be read"));
    }
    Ok(text)
}

fn line(letter: &DeadLetter, json: bool) -> serde_json::Result<String> {
    if json {
        return Ok(serde_json::to_string(letter)? + "\n");
    }
    let state = format!("{}: {}", letter.receiver, letter.reason);
    Ok(output::line(&letter.alert, &state))
}
