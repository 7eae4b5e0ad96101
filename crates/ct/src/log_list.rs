//! Lists of logs, schema version 3 (`https://www.gstatic.com/ct/log_list/v3/log_list_schema.json`), as
//! Chrome, Apple and SSLMate publish them.
//!
//! Each log is read alone: one that is malformed costs itself and is reported in
//! [`LogList::skipped`]. Keys that are not known are ignored. The list's own signature is verified
//! over the exact bytes with [`PublicKey::verify_sha256`](crate::signature::PublicKey::verify_sha256)
//! and [`CHROME_KEY_PEM`], before parsing.

mod read;
mod url;
mod version;

pub use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::url::origin;
pub use self::version::{ParseVersionError, Version};
use crate::signature::KeyError;
use crate::{Hash, LogId};

/// The key that signs Chrome's log lists, `log_list.sig`: RSA-4096, PKCS#1 v1.5 over SHA-256.
pub const CHROME_KEY_PEM: &str = include_str!("log_list_pubkey.pem");

/// The longest list that is read, in bytes. Those published are below 300 kB.
pub const MAX_LIST_BYTES: usize = 1 << 20;

/// A list of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogList {
    /// The list's version, which only grows; some lists have none.
    pub version: Option<Version>,
    /// The time of the list; some lists have none.
    pub timestamp: Option<Timestamp>,
    /// The logs, in the list's order. No two have the same id.
    pub logs: Vec<ListedLog>,
    /// The parts of the list that are not in `logs`, with reasons.
    pub skipped: Vec<Skipped>,
    /// Names of logs and operators that were cut, because they are longer than 120 characters.
    pub shortened: usize,
}

/// A log as a list describes it. Its id has been recomputed from its key, and the key can verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLog {
    /// The name of its operator, never empty.
    pub operator: String,
    /// Its name in the list; logs under test often have none.
    pub description: Option<String>,
    /// Its identity.
    pub log_id: LogId,
    /// The DER `SubjectPublicKeyInfo` of its key;
    /// [`PublicKey::from_spki`](crate::signature::PublicKey::from_spki) reads it without error.
    pub key: Vec<u8>,
    /// The maximum merge delay in seconds, where the list says.
    pub mmd: Option<u64>,
    /// Its protocol and where it is.
    pub kind: LogKind,
    /// Its state; logs under test often have none.
    pub state: Option<State>,
    /// Since when it is in that state, where the list says.
    pub state_since: Option<Timestamp>,
    /// Which certificates it accepts, by their `notAfter`; `None` means all.
    pub temporal_interval: Option<TemporalInterval>,
    /// Its purpose.
    pub log_type: LogType,
}

/// The protocol of a log and its URL prefixes, which are `http` or `https`, without query, and end in
/// a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogKind {
    /// RFC 6962.
    Rfc6962 {
        /// The prefix of `ct/v1/get-sth`.
        url: String,
    },
    /// static-ct-api (c2sp.org/static-ct-api).
    StaticCt {
        /// The prefix for submitting certificates; the [`origin`] derives from it.
        submission_url: String,
        /// The prefix of `checkpoint` and `tile/...`, for everything that is read.
        monitoring_url: String,
    },
}

/// The state of a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Asked to be included.
    Pending,
    /// Included, not yet trusted by all clients.
    Qualified,
    /// In use.
    Usable,
    /// Frozen: its tree must be, and stay, the final one.
    ReadOnly {
        /// The last head, where the list tells it.
        final_tree_head: Option<FinalTreeHead>,
    },
    /// No longer in use; it may still answer.
    Retired,
    /// Refused, or thrown out; it may still answer.
    Rejected,
    /// A state not known here, by its name.
    Unknown(String),
}

/// The tree a read-only log ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FinalTreeHead {
    /// The number of its leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A span of `notAfter` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TemporalInterval {
    /// The first time in it.
    pub start_inclusive: Timestamp,
    /// The first time after it.
    pub end_exclusive: Timestamp,
}

/// The purpose of a log: `log_type`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogType {
    /// Production: `prod`, and where the list says nothing.
    #[default]
    Prod,
    /// A test: `test`.
    Test,
    /// Mirrors and the like, which issue no SCTs that count: `monitoring_only`.
    MonitoringOnly,
    /// A type not known here, by its name.
    Unknown(String),
}

/// A log, or all logs of an operator, left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The operator's name, where it has one.
    pub operator: Option<String>,
    /// The log's description, or else its URL, or else its place in the list.
    pub what: String,
    /// The reason for leaving it out.
    pub why: SkipReason,
}

/// A reason for leaving out a part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SkipReason {
    /// The operator has no name, or an empty one.
    #[error("the operator has no name")]
    UnnamedOperator,
    /// The JSON has not the shape of a log or an operator: a field is missing or of another type.
    #[error("not of the schema: {0}")]
    Schema(String),
    /// `key` is not base64.
    #[error("the key is not standard base64")]
    KeyBase64,
    /// The key cannot verify signatures.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// `log_id` is not that of the key.
    #[error("the log id is that of another key: this one's is {of_key}")]
    LogId {
        /// The id of the log with this key.
        of_key: LogId,
    },
    /// Not an absolute `http` or `https` URL that can be a prefix.
    #[error("{0:?} is not an http or https URL without credentials, query and fragment")]
    Url(String),
    /// The URL has more bytes than any log's.
    #[error("its URL has {0} bytes, at most 512 are read")]
    LongUrl(usize),
    /// A placeholder for old software, under example.com: there is no such log.
    #[error("a placeholder under example.com, not a log")]
    Placeholder,
    /// A time is not RFC 3339.
    #[error("{0:?} is not an RFC 3339 time")]
    Time(String),
    /// The interval has no time in it.
    #[error("the temporal interval ends before it begins")]
    Interval,
    /// `state` does not name exactly one state.
    #[error("the state is {0} states instead of one")]
    States(usize),
    /// The final root hash is not the base64 of 32 bytes.
    #[error("the final root hash is not the base64 of 32 bytes")]
    FinalRoot,
    /// A log with the same id comes before.
    #[error("a log with the same id comes before")]
    Duplicate,
}

/// An error that makes a whole log list unreadable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Longer than [`MAX_LIST_BYTES`].
    #[error("a log list of {0} bytes is longer than {MAX_LIST_BYTES}")]
    TooLong(usize),
    /// A web page instead: a proxy or front end reporting some error.
    #[error("an HTML page instead of a log list: {0}")]
    Html(String),
    /// Not JSON, or not an object.
    #[error("not a JSON log list: {0}")]
    Json(String),
    /// A list of schema version 2, which has neither version nor timestamp.
    #[error("a log list of schema version 2; use one of version 3")]
    Version2,
    /// There is no list of operators.
    #[error("not a log list: it has no operators")]
    NoOperators,
    /// The version is not `major.minor`.
    #[error("the list's version {0}")]
    Version(#[from] ParseVersionError),
    /// `log_list_timestamp` is not RFC 3339, nor a number of milliseconds.
    #[error("the list's timestamp {0} is not RFC 3339")]
    Timestamp(String),
}

impl LogList {
    /// Reads a list.
    ///
    /// # Errors
    /// If the bytes are no list of schema version 3. What is wrong with single logs is no error but
    /// is listed in [`skipped`](Self::skipped).
    pub fn parse(bytes: &[u8]) -> Result<Self, ListError> {
        read::list(bytes)
    }
}

#[cfg(test)]
mod tests;
