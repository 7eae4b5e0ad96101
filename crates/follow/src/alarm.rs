//! What a log has said that cannot be true, kept until somebody has looked at it.

use std::time::{SystemTime, UNIX_EPOCH};

use ctclient::AlarmKind;
use serde::{Deserialize, Serialize};

/// Alarms of one log that are kept; of more the number is known.
pub(crate) const MOST_ALARMS: usize = 16;

/// Something a log has to explain. It stays, across restarts too, until it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What was found.
    pub kind: AlarmKind,
    /// When, Unix seconds.
    pub at: u64,
    /// In words.
    pub text: String,
    /// The entries from this index on are not proved, ...
    pub first: u64,
    /// ... up to this one, which is not among them.
    pub end: u64,
    /// The folder with the evidence, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// The time, Unix seconds.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
