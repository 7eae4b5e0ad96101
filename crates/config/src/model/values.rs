//! Values that are more than a number or a text, each with its one spelling in files, variables
//! and flags.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// A number of bytes, written `1048576` or `1MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// The start of a log without a saved position, written `head`, `zero` or an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At the tree head first seen: only new entries.
    #[default]
    Head,
    /// At this entry; `zero` is index 0, the whole log.
    Index(u64),
}

/// The format of the server's own log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text each, for people.
    #[default]
    Text,
    /// One JSON object each, for log collectors.
    Json,
}

/// The server whose messages are imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompatProfile {
    /// CaliDog's certstream-server, the original.
    #[default]
    Calidog,
    /// certstream-server-go.
    Go,
    /// certstream-server-rust.
    Rust,
}

/// A server whose metric names are shown too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsCompat {
    /// certstream-server-go.
    Go,
    /// certstream-server-rust.
    Rust,
}

/// The definition of a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DedupMode {
    /// Identical bytes: a precertificate and its final certificate are both sent.
    #[default]
    Certificate,
    /// Also a precertificate and the certificate made from it: the first to come is sent.
    Linked,
}

/// The handling of a checkpoint with an invalid signature, of certstream-server-rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureMode {
    /// It is not used.
    #[default]
    Enforce,
    /// It is used with a warning; not here.
    Warn,
}

/// The handling of a state file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateRecovery {
    /// It is set aside, and all logs start anew.
    #[default]
    Fresh,
    /// The server does not start.
    Fail,
}

/// The handling of a log that leaves the log list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovedLogPolicy {
    /// It is read to its end and no further.
    #[default]
    Stop,
    /// It is followed as before.
    Keep,
}

/// The source of a static-ct-api log's tree size, written `checkpoint`, `get_sth` or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeSizeSource {
    /// From its checkpoint.
    Checkpoint,
    /// From `get-sth` of RFC 6962 at the log's own URL.
    GetSth,
    /// From `get-sth` of RFC 6962 at this URL.
    Url(String),
}

/// Milliseconds between requests, by operator; written `name=ms,name=ms`, in a file also as a map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorIntervals(BTreeMap<String, u64>);

/// The handling of entries that do not match the log's signed tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// Only proved entries are sent; a log that raises an alarm stops.
    Enforce,
    /// Entries that cannot be proved are sent too, and raise an alarm.
    #[default]
    Report,
    /// Nothing is checked.
    Off,
}

/// The times at which a client gets heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeartbeatMode {
    /// After an interval in which nothing else was sent.
    #[default]
    Idle,
    /// On connecting and every interval after it.
    Always,
    /// Never.
    Off,
}

/// The handling of a client that reads too slowly for the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowClient {
    /// It misses messages and continues.
    #[default]
    Drop,
    /// It is notified of the number missed, and disconnected.
    Disconnect,
}

/// The state of a log in the v3 log list
/// (`www.gstatic.com/ct/log_list/v3/log_list_schema.json`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogState {
    /// Applied for inclusion.
    Pending,
    /// Accepted; not yet relied on by every client.
    Qualified,
    /// Relied on.
    Usable,
    /// Takes no more submissions; can still be read.
    Readonly,
    /// No longer relied on.
    Retired,
    /// Not accepted.
    Rejected,
}

impl ByteSize {
    /// One kibibyte, 1024 bytes.
    pub const KIB: u64 = 1 << 10;
    /// One mebibyte, 1024 KiB.
    pub const MIB: u64 = 1 << 20;
    /// One gibibyte, 1024 MiB.
    pub const GIB: u64 = 1 << 30;

    /// Returns a size of so many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The units of a size, largest first; the first three are the ones written.
const UNITS: [(&str, u64); 7] = [
    ("GiB", ByteSize::GIB),
    ("MiB", ByteSize::MIB),
    ("KiB", ByteSize::KIB),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit =
            UNITS.iter().take(3).find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        match unit {
            Some((name, bytes)) => write!(f, "{}{name}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The text is neither a number of bytes nor a number with a unit.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a size such as 1048576 or 16MiB")]
pub struct ParseByteSizeError(String);

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseByteSizeError(text.to_owned());
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let bytes = if unit.is_empty() {
            1
        } else {
            let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.map(|(_, bytes)| *bytes).ok_or_else(error)?
        };
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(bytes).map(Self).ok_or_else(error)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText {
            expected: "a size such as 1048576 or 16MiB",
            value: PhantomData,
        })
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("head"),
            Self::Index(0) => f.write_str("zero"),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// The text is none of `head`, `zero` and an index.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not head, zero or an entry's index")]
pub struct ParseStartError(String);

impl FromStr for Start {
    type Err = ParseStartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "head" => Ok(Self::Head),
            "zero" => Ok(Self::Index(0)),
            index => index.parse().map(Self::Index).map_err(|_| ParseStartError(text.to_owned())),
        }
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText {
            expected: "head, zero or an entry's index",
            value: PhantomData,
        })
    }
}

impl fmt::Display for TreeSizeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "checkpoint",
            Self::GetSth => "get_sth",
            Self::Url(url) => url,
        })
    }
}

/// The text is none of `checkpoint`, `get_sth` and a URL.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not checkpoint, get_sth or a URL")]
pub struct ParseTreeSizeSourceError(String);

impl FromStr for TreeSizeSource {
    type Err = ParseTreeSizeSourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "checkpoint" => Ok(Self::Checkpoint),
            "get_sth" => Ok(Self::GetSth),
            url if is_http_url(url) => Ok(Self::Url(url.to_owned())),
            _ => Err(ParseTreeSizeSourceError(text.to_owned())),
        }
    }
}

impl Serialize for TreeSizeSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TreeSizeSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText {
            expected: "checkpoint, get_sth or an http or https URL",
            value: PhantomData,
        })
    }
}

/// Reports whether a text is an absolute http or https URL.
pub(crate) fn is_http_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

impl OperatorIntervals {
    /// The longest interval: an hour.
    pub const MAX_MS: u64 = 3_600_000;

    /// Returns the operators and their milliseconds.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, ms)| (name.as_str(), *ms))
    }

    /// Adds an operator. Punctuation in names does not matter; separators are left out.
    fn insert(&mut self, name: &str, ms: u64) -> Result<(), ParseOperatorIntervalsError> {
        let name = name.replace([',', '='], " ");
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() || ms > Self::MAX_MS || self.0.insert(name, ms).is_some() {
            return Err(ParseOperatorIntervalsError);
        }
        Ok(())
    }
}

impl fmt::Display for OperatorIntervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, ms)) in self.0.iter().enumerate() {
            let comma = if position > 0 { "," } else { "" };
            write!(f, "{comma}{name}={ms}")?;
        }
        Ok(())
    }
}

/// The text is not `name=milliseconds`, separated by commas, each name once.
#[derive(Debug, thiserror::Error)]
#[error("not operators with milliseconds such as Google=100,DigiCert=50")]
pub struct ParseOperatorIntervalsError;

impl FromStr for OperatorIntervals {
    type Err = ParseOperatorIntervalsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut intervals = Self::default();
        for item in text.split(',').filter(|item| !item.trim().is_empty()) {
            let (name, ms) = item.rsplit_once('=').ok_or(ParseOperatorIntervalsError)?;
            let ms = ms.trim().parse().map_err(|_| ParseOperatorIntervalsError)?;
            intervals.insert(name, ms)?;
        }
        Ok(intervals)
    }
}

impl Serialize for OperatorIntervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OperatorIntervals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMap;
        impl<'de> Visitor<'de> for TextOrMap {
            type Value = OperatorIntervals;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of operators and milliseconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut intervals = OperatorIntervals::default();
                while let Some((name, ms)) = map.next_entry::<String, u64>()? {
                    intervals.insert(&name, ms).map_err(de::Error::custom)?;
                }
                Ok(intervals)
            }
        }
        deserializer.deserialize_any(TextOrMap)
    }
}

/// Reads a value from its text; in YAML a plain number is the text of that number.
///
/// The text is parsed within the visit, so that an error has the place of the value.
struct FromText<T> {
    expected: &'static str,
    value: PhantomData<T>,
}

impl<T: FromStr> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::custom(format_args!("expected {}", self.expected)))
    }
}
