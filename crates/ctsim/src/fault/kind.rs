//! The ways to misbehave, and which requests each of them can change.

use std::time::Duration;

use ct::leaf::EntryType;

use crate::Endpoint;
use crate::http::call::Call;

/// One way to misbehave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Answers with this status and a short text.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The value of a `Retry-After` field: seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// Answers with an HTML page, as a captive portal (200) or a broken front end (502) does.
    Html {
        /// The HTTP status code.
        code: u16,
    },
    /// Sends the client elsewhere, with status 302.
    Redirect {
        /// The value of the `Location` field.
        location: String,
    },
    /// Closes the connection without an answer.
    HangUp,
    /// Answers, as it would have otherwise, after this time.
    Delay(Duration),
    /// Spoils the answer on its way.
    Body(BodyFault),
    /// Answers get-entries and data tiles with another page than it should.
    Page(PageFault),
    /// Answers get-sth and checkpoint with another head than it should.
    Head(HeadFault),
    /// Shows another log, which has this one's first entries and then its own: heads, entries, tiles
    /// and proofs of the fork fit together and its heads are really signed. In the scope of heads alone
    /// it is a split view: the entries stay those of the log.
    Fork {
        /// The number of entries that both have in common.
        shared: u64,
    },
    /// Has no partial tiles: they are answered with 404.
    PartialGone,
    /// Answers with another issuer's certificate than the one named.
    WrongIssuer,
}

/// Corruption of a response in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// The connection breaks in the middle of the body.
    Cut,
    /// The body ends early, and the length in the header says the same.
    Truncated,
    /// The body is a JSON object that says nothing of what was asked for.
    Foreign,
    /// The body is compressed and says so, asked for or not.
    Gzip,
    /// The body is compressed and does not say so.
    GzipUnmarked,
    /// The body is compressed, says so, and ends early.
    GzipTruncated,
    /// Spaces follow until the body has so many bytes: JSON bears that, nothing else does.
    Padded {
        /// The length of the body.
        bytes: usize,
    },
    /// The body comes in sixteen parts, each after this time.
    Dribble(Duration),
}

/// Corruption of a page of entries. An `index` says which entry; `None` is the first of the
/// response that can be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFault {
    /// No entries, or no bytes.
    Empty,
    /// Fewer than asked for.
    Short {
        /// The largest number of entries.
        most: u64,
    },
    /// The page ends where an index is a multiple of this number, as those of many front ends do.
    Aligned {
        /// Such as 32 or 1000.
        to: u64,
    },
    /// More than asked for.
    Long {
        /// The number of additional entries.
        by: u64,
    },
    /// A bit of the leaf is another one.
    FlipLeaf {
        /// Which entry.
        index: Option<u64>,
    },
    /// A bit of the key of a precertificate's issuer, which no tree hash covers, is another one; in a
    /// static log a bit of the issuer's name.
    FlipChain {
        /// Which entry.
        index: Option<u64>,
    },
    /// A bit of the precertificate as submitted, which no tree hash covers, is another one.
    FlipPrecertificate {
        /// Which entry.
        index: Option<u64>,
    },
    /// The first two entries of the answer have changed places.
    Swapped,
    /// The leaf of a static log says that it has another index.
    WrongIndex {
        /// Which entry.
        index: Option<u64>,
    },
    /// The entry is of a type that nobody knows.
    UnknownType {
        /// Which entry.
        index: Option<u64>,
    },
    /// The data beside the leaf is missing: in an RFC 6962 log `extra_data` is empty, in a static
    /// log the fingerprints are cut to no whole number.
    NoChain {
        /// Which entry.
        index: Option<u64>,
    },
    /// The issuer is in the chain over and over.
    LongChain {
        /// Which entry.
        index: Option<u64>,
        /// The number of repetitions, at most 2,000.
        certificates: u16,
    },
}

/// Corruption of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// A head of the past, really signed: as a front end that lags behind sends it, or a log which no
    /// longer signs.
    Stale {
        /// By how many entries it is smaller than the newest head.
        behind: u64,
        /// By how much it is older.
        age: Duration,
    },
    /// A head of the future, really signed, whose last entries are unavailable so far.
    Ahead {
        /// By how many entries it is larger than the newest head.
        by: u64,
    },
    /// A bit of the signature is another one.
    BadSignature,
    /// The head of another log, signed by that.
    OtherLog,
    /// A checkpoint with another origin, signed by the log.
    WrongOrigin,
    /// A checkpoint with sixteen signatures: GREASE, witnesses, and among them the log's.
    ManySignatures,
}

impl Fault {
    /// Reports whether it can change the response to this request; `None` is a request for the log
    /// list.
    pub(super) fn concerns(&self, endpoint: Endpoint, call: Option<&Call>) -> bool {
        use Endpoint::{Checkpoint, DataTile, GetEntries, GetSth, Issuer};
        match self {
            Self::Status { .. }
            | Self::Html { .. }
            | Self::Redirect { .. }
            | Self::HangUp
            | Self::Delay(_)
            | Self::Body(_) => true,
            Self::Head(HeadFault::WrongOrigin | HeadFault::ManySignatures) => {
                endpoint == Checkpoint
            }
            Self::Head(_) => matches!(endpoint, GetSth | Checkpoint),
            Self::Page(fault) => {
                let pages: &[_] = match fault {
                    PageFault::WrongIndex { .. } => &[DataTile],
                    _ => &[GetEntries, DataTile],
                };
                let meant = |index| call.is_some_and(|call| call.entries().contains(&index));
                pages.contains(&endpoint) && fault.index().is_none_or(meant)
            }
            Self::Fork { .. } => !matches!(endpoint, Issuer | Endpoint::GetRoots),
            Self::PartialGone => matches!(call, Some(Call::Tile(tile)) if !tile.is_full()),
            Self::WrongIssuer => endpoint == Issuer,
        }
    }
}

impl PageFault {
    /// The one entry it is to happen to.
    pub(crate) const fn index(&self) -> Option<u64> {
        match self {
            Self::Empty
            | Self::Short { .. }
            | Self::Aligned { .. }
            | Self::Long { .. }
            | Self::Swapped => None,
            Self::FlipLeaf { index }
            | Self::FlipChain { index }
            | Self::FlipPrecertificate { index }
            | Self::WrongIndex { index }
            | Self::UnknownType { index }
            | Self::NoChain { index }
            | Self::LongChain { index, .. } => *index,
        }
    }

    /// Reports whether it can happen to an entry of this type.
    pub(crate) fn fits(&self, entry_type: EntryType) -> bool {
        let of_precertificates =
            matches!(self, Self::FlipPrecertificate { .. } | Self::FlipChain { .. });
        !of_precertificates || entry_type == EntryType::Precert
    }
}
