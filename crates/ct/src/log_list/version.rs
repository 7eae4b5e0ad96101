//! The version of a log list.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// `major.minor`, compared as numbers: 9.100 is before 10.2, 10.2 before 10.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Before the dot.
    pub major: u64,
    /// After the dot; 0 where there is none.
    pub minor: u64,
}

/// The text is not `major.minor` or `major`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not major.minor")]
pub struct ParseVersionError(pub(super) String);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        match (number(major), number(minor)) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(ParseVersionError(text.chars().take(40).collect())),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}
