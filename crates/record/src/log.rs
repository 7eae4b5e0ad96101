//! The log table: which log a [`LogNumber`] stands for.

use std::fmt;

use ct::LogId;
use ct::tile::{TILE_WIDTH, Tile, TileKind};

use crate::entry::LogNumber;

/// Entries of a full tile.
const FULL_TILE: u16 = 256;

/// The protocol by which a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 6962: `get-sth`, `get-entries`.
    Rfc6962,
    /// static-ct-api (c2sp.org/static-ct-api): a checkpoint and tiles.
    StaticCt,
}

impl Protocol {
    /// Returns the URL at which anyone can read the entry of the log at `base`, which has no slash at
    /// its end. In tiles it is that of the full tile that contains the entry, or will.
    #[must_use]
    pub fn entry_url(self, base: &str, index: u64) -> String {
        match self {
            Self::Rfc6962 => format!("{base}/ct/v1/get-entries?start={index}&end={index}"),
            Self::StaticCt => {
                let (index, width) = (index / TILE_WIDTH, FULL_TILE);
                format!("{base}/{}", Tile { kind: TileKind::Data, index, width })
            }
        }
    }

    /// Returns the number that the encoding of a log's identity has for the protocol. Numbers are
    /// never reused.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Rfc6962 => 0,
            Self::StaticCt => 1,
        }
    }

    /// Returns the protocol with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Rfc6962, Self::StaticCt].into_iter().find(|known| known.number() == number)
    }
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
