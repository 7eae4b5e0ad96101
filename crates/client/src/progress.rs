//! The progress of a client in its stream: what it must save to resume without loss.

use serde::{Deserialize, Serialize};

use crate::gaps::{Gap, OpenGap};

/// The progress since the last time it was taken. It is saved together with what was received, in
/// one step, so that both always agree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The offset of the last message of the stream that is accounted for; none if the server does
    /// not number its messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The server that the offset belongs to: its address, without secrets and parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The id of the stream that the offset belongs to, if the server has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Box<str>>,
    /// Gaps found since the last progress, and earlier ones of which more has become known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Number of older gaps since the last progress that are not in `gaps`, because there were too
    /// many.
    #[serde(skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// The newest gap, as long as the logs' indexes may still show its size: a client that is killed
    /// meanwhile continues to measure it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenGap>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde requires")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Progress {
    /// Reports whether a later progress with an offset says all that this one says.
    #[must_use]
    pub const fn is_superseded(&self) -> bool {
        self.gaps.is_empty() && self.unlisted == 0
    }
}

/// The state that a client resumes from.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The last offset; none for a new client, or if the server does not number its messages.
    pub offset: Option<u64>,
    /// The id of the stream that the offset belongs to.
    pub stream: Option<Box<str>>,
    /// True if entries were received before.
    pub has_entries: bool,
    /// True if the offset belongs to another server than the one requested now.
    pub is_other_server: bool,
    /// The name of the server requested now, see [`Address::name`](crate::Address::name).
    pub server: String,
    /// True if the server leaves messages out on purpose: those that match no filter, or
    /// certificates without names.
    pub is_filtered: bool,
    /// The gap whose size was not known yet.
    pub open: Option<OpenGap>,
    /// True if a new client starts with the oldest message that the server has.
    pub from_oldest: bool,
}
