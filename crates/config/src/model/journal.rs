//! The journal.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::values::ByteSize;

/// The journal: what was published, on disk. It exists if [`Config::data_dir`](crate::Config::data_dir)
/// is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// The moment at which something published survives a loss of power.
    pub sync: JournalSync,
    /// Bytes of all its files.
    pub max_bytes: ByteSize,
    /// Age at which entries are deleted; none for no limit.
    pub max_age: Option<Span>,
    /// Bytes of a file, of which the oldest is deleted as a whole.
    pub segment_bytes: ByteSize,
    /// Bytes of the files that remember which domains were seen.
    pub first_seen_max_bytes: ByteSize,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            sync: JournalSync::Interval,
            max_bytes: ByteSize::new(10 * ByteSize::GIB),
            max_age: None,
            segment_bytes: ByteSize::new(64 * ByteSize::MIB),
            first_seen_max_bytes: ByteSize::new(4 * ByteSize::GIB),
        }
    }
}

/// The moment at which what the journal has is synced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalSync {
    /// Before it is sent to clients.
    Batch,
    /// Once a second.
    #[default]
    Interval,
}

/// A span of time in whole seconds, written `7d`, `36h`, `30m`, `90s` or `90`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

/// The units of spans, in seconds, the largest first.
const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A text that is no span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a span of time such as 7d, 36h or 30m")]
pub struct ParseSpanError(String);

impl Span {
    /// Returns the length.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        let error = || ParseSpanError(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let unit = if unit.is_empty() { "s" } else { unit };
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(*seconds).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole days and less, as people write them.
        let units = UNITS.iter().skip(1);
        let (unit, seconds) = units
            .copied()
            .find(|(_, seconds)| self.0 > 0 && self.0.is_multiple_of(*seconds))
            .unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(Self(seconds)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_are_written_in_the_largest_that_fits() {
        for (text, seconds, written) in [
            ("7d", 604_800, "7d"),
            ("36h", 129_600, "36h"),
            ("48h", 172_800, "2d"),
            ("30m", 1_800, "30m"),
            ("90s", 90, "90s"),
            ("90", 90, "90s"),
            ("0", 0, "0s"),
            ("2w", 1_209_600, "14d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.get().as_secs(), span.to_string().as_str()), (seconds, written));
        }
        for text in ["", "d", "-1d", "1.5h", "yesterday", "7 days", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
