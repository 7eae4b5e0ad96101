//! Alarms: contradictions of a log, kept until an operator acknowledges them.

use std::time::{SystemTime, UNIX_EPOCH};

use ctclient::AlarmKind;
use record::LogNumber;
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

impl Alarm {
    /// Returns the alarm as it is committed, of the log with this number.
    #[must_use]
    pub fn to_record(&self, log: LogNumber) -> record::Alarm {
        let Self { kind, at, text, first, end, evidence } = self.clone();
        record::Alarm { log, kind, at, text, first, end, evidence }
    }
}

impl From<&record::Alarm> for Alarm {
    fn from(alarm: &record::Alarm) -> Self {
        let record::Alarm { kind, at, text, first, end, evidence, .. } = alarm.clone();
        Self { kind, at, text, first, end, evidence }
    }
}

/// Returns the time, Unix seconds.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
