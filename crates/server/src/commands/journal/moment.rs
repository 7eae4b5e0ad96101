//! Places in a journal as a command line gives them: an offset, a time, or a time ago.

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use journal::Directory;

/// A place in a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Place {
    /// The entry at this offset, or the next one.
    Offset(u64),
    /// The first entry seen at this time or later, in milliseconds since 1970.
    Time(u64),
}

/// Reads a place.
///
/// # Errors
/// If the text is none.
pub(in crate::commands) fn place(text: &str, now: u64) -> anyhow::Result<Place> {
    match text.strip_prefix('@') {
        Some(offset) => {
            let offset = offset.parse().with_context(|| format!("{text:?} is not an offset"))?;
            Ok(Place::Offset(offset))
        }
        None => Ok(Place::Time(millis(text, now)?)),
    }
}

/// Returns the offset of the first entry at a place; none if all are before it.
///
/// # Errors
/// If the text is no place, or the journal cannot be read.
pub(super) fn offset(journal: &Directory, text: &str, now: u64) -> anyhow::Result<Option<u64>> {
    match place(text, now)? {
        Place::Offset(offset) => Ok(Some(offset)),
        Place::Time(time) => Ok(journal.at_time(time)?),
    }
}

/// Reads a time, or a time before `now`, in milliseconds since 1970.
fn millis(text: &str, now: u64) -> anyhow::Result<u64> {
    if let Some(span) = span(text) {
        return Ok(now.saturating_sub(span));
    }
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(seconds.saturating_mul(1000));
    }
    let Ok(time) = text.parse::<Timestamp>() else {
        bail!(
            "{text:?} is no place in a journal: give a time (2026-11-29T22:30:00Z, or Unix seconds), \
             a time ago (7d, 12h, 30m, 90s), or an offset (@1764403200000123)"
        );
    };
    Ok(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

/// Reads a time span in milliseconds.
fn span(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        'd' => 86_400_u64,
        'h' => 3600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds)?.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_times_ago_are_read() {
        let now = 1_780_000_000_000;
        for (text, expected) in [
            ("7d", now - 604_800_000),
            ("90s", now - 90_000),
            ("0m", now),
            ("99999999d", 0),
            ("1780000000", now),
            ("2026-05-28T20:26:40Z", now),
            ("2026-05-28T22:26:40+02:00", now),
        ] {
            assert_eq!(millis(text, now).expect("a time"), expected, "{text}");
        }
        for text in ["yesterday", "", "d", "-1d", "2026-05-28"] {
            let error = millis(text, now).expect_err("no time");
            assert!(error.to_string().contains("is no place in a journal"), "{text}");
        }
    }
}
