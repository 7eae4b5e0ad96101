//! Editions of log lists, and the reasons why one is not used.

use ct::log_list::{ListError, LogList, Timestamp, Version};
use ct::signature::SignatureError;
use ctclient::FetchError;
use serde::{Deserialize, Serialize};

use super::as_text;

/// The reason why there is no (new) log list.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The list could not be fetched.
    #[error("log list: {0}")]
    Fetch(#[from] FetchError),
    /// The list was fetched, its signature was not.
    #[error("log list {url}: cannot fetch its signature: {source}")]
    NoSignature {
        /// The list.
        url: String,
        /// The reason.
        source: FetchError,
    },
    /// The signature is not that of the key.
    #[error("log list {url}: the signature does not verify: {source}")]
    Signature {
        /// The list.
        url: String,
        /// The result of the check.
        source: SignatureError,
    },
    /// The file is not a log list of version 3.
    #[error("log list {url}: {source}")]
    List {
        /// The list.
        url: String,
        /// The error.
        source: ListError,
    },
    /// The list is older than the one in use.
    #[error("log list {url}: {offered} is older than {current}, which is in use")]
    RolledBack {
        /// The list.
        url: String,
        /// The edition just fetched.
        offered: Edition,
        /// The edition in use.
        current: Edition,
    },
}

/// The edition of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// Its version, which only grows.
    #[serde(with = "as_text")]
    pub version: Option<Version>,
    /// Time of the edition.
    #[serde(with = "as_text")]
    pub timestamp: Option<Timestamp>,
}

impl Edition {
    pub(super) const fn of(list: &LogList) -> Self {
        Self { version: list.version, timestamp: list.timestamp }
    }

    /// Reports whether version or time has gone back.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let version = self.version.zip(other.version).is_some_and(|(a, b)| a < b);
        let timestamp = self.timestamp.zip(other.timestamp).is_some_and(|(a, b)| a < b);
        version || timestamp
    }
}

impl std::fmt::Display for Edition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some(version) => write!(f, "version {version}")?,
            None => f.write_str("a list without version")?,
        }
        self.timestamp.map_or(Ok(()), |timestamp| write!(f, " of {timestamp}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(version: &str, timestamp: &str) -> Edition {
        Edition { version: version.parse().ok(), timestamp: timestamp.parse().ok() }
    }

    #[test]
    fn neither_version_nor_time_may_go_back() {
        let current = edition("9.100", "2026-05-29T13:42:48Z");
        for (version, timestamp, before) in [
            ("9.100", "2026-05-29T13:42:48Z", false),
            ("10.2", "2026-05-30T00:00:00Z", false),
            ("9.99", "2026-05-30T00:00:00Z", true),
            ("9.101", "2026-05-29T13:42:47Z", true),
            ("9.2", "2026-05-29T13:42:48Z", true),
            ("9.101", "", false),
            ("", "2026-05-01T00:00:00Z", true),
        ] {
            let offered = edition(version, timestamp);
            assert_eq!(offered.is_before(&current), before, "{offered}");
        }
        assert_eq!(current.to_string(), "version 9.100 of 2026-05-29T13:42:48Z");
    }
}
