//! Log lines about the entries and requests of one log, one of each kind a minute.

use std::fmt::Display;

use ctclient::{Defects, Findings, LeafMismatch};

use crate::status::throttle::Throttle;

/// The throttles of one log's lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    mismatch: Throttle,
    leaf_index: Throttle,
    undecodable: Throttle,
    malformed: Throttle,
    no_room: Throttle,
}

/// Returns the first of these defects, and the number of lines not written, if a line is due.
fn due<'a, T>(throttle: &Throttle, defects: &'a Defects<T>) -> Option<(u64, &'a T, u64)> {
    let (index, defect) = defects.first.as_ref()?;
    Some((*index, defect, throttle.pass(defects.count)?))
}

impl Lines {
    /// Logs the defects of entries.
    pub(crate) fn findings(&self, log: &str, findings: &Findings) {
        if let Some((index, LeafMismatch { precertificate, issuer }, silenced)) =
            due(&self.mismatch, &findings.leaf_mismatches)
        {
            let what = match (precertificate, issuer) {
                (true, true) => "precertificate and issuer",
                (true, false) => "precertificate",
                _ => "issuer",
            };
            tracing::warn!(log, index, what, silenced, "not what the entry's leaf was made of");
        }
        if let Some((index, found, silenced)) = due(&self.leaf_index, &findings.wrong_leaf_indexes)
        {
            let found = match found {
                Ok(Some(found)) => found.to_string(),
                Ok(None) => "none".to_owned(),
                Err(error) => error.to_string(),
            };
            tracing::warn!(
                log,
                index,
                found,
                silenced,
                "the index in a leaf differs from its position"
            );
        }
        if let Some((index, error, silenced)) = due(&self.undecodable, &findings.undecodable) {
            let line = "entry could not be decoded; its bytes are passed on unchanged";
            tracing::warn!(log, index, %error, silenced, "{line}");
        }
        if let Some((index, error, silenced)) = due(&self.malformed, &findings.malformed) {
            let line = "malformed entry; its certificate is passed on without its chain";
            tracing::warn!(log, index, %error, silenced, "{line}");
        }
        if let Some((_, length)) = findings.cut_chains.first {
            tracing::warn!(log, length, "chain cut");
        }
    }

    /// Logs that a response was not read because others fill the budget. That is no failure of the
    /// log, and the request is repeated.
    pub(crate) fn no_room(&self, log: &str, error: &impl Display) {
        if let Some(silenced) = self.no_room.pass(1) {
            tracing::warn!(log, %error, silenced, "the log waits until other responses are \
                                                   published");
        }
    }
}
