//! Alarms: contradictions of a log, kept until an operator acknowledges them.

use std::time::{SystemTime, UNIX_EPOCH};

use ctclient::AlarmKind;
use serde::{Deserialize, Serialize};

/// The most alarms of one log that are kept; further ones are counted.
pub(crate) const MOST_ALARMS: usize = 16;

/// A contradiction of a log. It stays, across restarts too, until it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The kind of the contradiction.
    pub kind: AlarmKind,
    /// Time of the finding, Unix seconds.
    pub at: u64,
    /// The finding in words.
    pub text: String,
    /// The first entry that is not proved.
    pub first: u64,
    /// The index after the last entry that is not proved.
    pub end: u64,
    /// The folder with the evidence, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// Returns the time, Unix seconds.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
