//! Alarms: contradictions of a log, kept until an operator acknowledges them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ctclient::{AlarmKind, Evidence};
use record::LogNumber;
use serde::{Deserialize, Serialize};

use crate::page::Notice;
use crate::queue::Pages;
use crate::status::LogStatus;

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

/// Writes the evidence to a folder, if there is one, and raises the alarm: returns once it is committed.
pub(crate) async fn raise(
    status: &Arc<LogStatus>,
    pages: &Pages,
    folder: Option<PathBuf>,
    evidence: Evidence,
) {
    let Evidence { kind, at, text, entries, .. } = &evidence;
    let mut alarm = Alarm {
        kind: *kind,
        at: *at,
        text: text.clone(),
        first: entries.start,
        end: entries.end,
        evidence: None,
    };
    let log = &status.log.name;
    if let Some(folder) = folder {
        let written = tokio::task::spawn_blocking(move || evidence.write(&folder)).await;
        match written.map_err(std::io::Error::other).flatten() {
            Ok(folder) => alarm.evidence = Some(folder.display().to_string()),
            Err(error) => tracing::error!(log, %error, "cannot save the evidence"),
        }
    }
    let Alarm { kind, text, first, end, evidence, .. } = &alarm;
    let evidence = evidence.as_deref().unwrap_or(
        "none is saved: neither verification_evidence_dir nor data_dir nor ct_log.state_file is set, \
         or it cannot be written",
    );
    tracing::error!(
        log,
        %kind,
        text,
        first,
        end,
        evidence,
        "VERIFICATION ALARM; after investigating it, run: certstream-server logs ack {log:?}"
    );
    status.raise(alarm.clone());
    // Nothing more is read before it is committed. If the publisher has ended, the next page finds out.
    if pages.notify(status, Notice::Alarm(alarm)).await.is_err() {
        tracing::warn!(log, "the alarm could not be committed");
    }
}

/// Returns the time, Unix seconds.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
