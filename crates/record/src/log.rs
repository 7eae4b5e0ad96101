//! The log table: which log a [`LogNumber`] stands for.

use std::fmt;

use ct::LogId;

use crate::entry::LogNumber;

/// The protocol by which a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 6962: `get-sth`, `get-entries`.
    Rfc6962,
    /// static-ct-api (c2sp.org/static-ct-api): a checkpoint and tiles.
    StaticCt,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rfc6962 => "rfc6962",
            Self::StaticCt => "static-ct",
        })
    }
}

/// A log as messages name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogIdentity {
    /// SHA-256 of its public key, if the key is known. Two logs with different ids are different logs.
    pub id: Option<LogId>,
    /// The base of every read, without trailing slash. It identifies a log without an id.
    pub url: String,
    /// Its description in the log list, or the configured name.
    pub name: String,
    /// The organisation that runs it; empty if not known.
    pub operator: String,
    /// Its protocol.
    pub protocol: Protocol,
}

impl LogIdentity {
    /// Reports whether both are the same log: the ids decide if both are known, otherwise the URLs.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.id.zip(other.id).map_or_else(|| self.url == other.url, |(one, two)| one == two)
    }
}

/// A row of the log table: a new log under the next free number, or a changed identity of a log that
/// has one (a new name or URL, or an id that was not known before).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChange {
    /// The log's number.
    pub number: LogNumber,
    /// Its identity from now on.
    pub identity: LogIdentity,
}
