//! Gaps: places in the stream where messages are missing, and how many.

use serde::{Deserialize, Serialize};

use crate::dedup::Mark;

/// Most gaps that are listed at once; older ones are only counted.
pub const MAX_LISTED: usize = 1_000;

/// Messages that the server had and this client has not received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The time at which it was found, ms since the Unix epoch. It identifies the gap: no two gaps
    /// of a stream have the same, and a later gap with the same time replaces the earlier one.
    pub at: u64,
    /// The last offset before it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// The reason in a word: the server's, or how the gap was noticed.
    pub reason: String,
    /// Number of missing messages; none if it is unknown.
    #[serde(default)]
    pub missing: Option<u64>,
    /// The source of that number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// The source of the size of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The server reported it.
    Server,
    /// The offsets, which have no holes while a server runs.
    Offsets,
    /// The indexes of all logs that had no holes before: the difference between the last one before
    /// the gap and the first one after it.
    Indexes,
}

/// A gap whose size the logs' indexes may still show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenGap {
    /// The gap.
    pub gap: Gap,
    /// The positions of the logs from which nothing has been received since.
    pub marks: Vec<Mark>,
    /// Number of messages missing from the other logs.
    pub missing: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_a_gap_is_stable() {
        let (reason, missing) = ("test".to_owned(), Some(2));
        let gap = Gap { at: 1, after: None, reason, missing, proof: Some(Proof::Indexes) };
        let json = serde_json::to_string(&gap).unwrap();
        assert_eq!(json, r#"{"at":1,"reason":"test","missing":2,"proof":"indexes"}"#);
        assert_eq!(serde_json::from_str::<Gap>(&json).unwrap(), gap);
    }
}
