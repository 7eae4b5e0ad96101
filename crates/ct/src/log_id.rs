//! The id of a log: SHA-256 of its public key.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::encoding::{hash_from_base64, to_base64};
use crate::{Hash, sha256};

/// Names a log: SHA-256 of its public key's DER `SubjectPublicKeyInfo` (RFC 6962 section 3.2).
///
/// This, never a URL or a description, is a log's identity. Written as standard base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub Hash);

/// The text is not the base64 of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a log id is the standard base64 of 32 bytes (44 characters)")]
pub struct ParseLogIdError;

impl LogId {
    /// The id of the log whose key has this DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn of_key(spki_der: &[u8]) -> Self {
        Self(sha256(spki_der))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&to_base64(&self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

impl FromStr for LogId {
    type Err = ParseLogIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hash_from_base64(text).map(Self).ok_or(ParseLogIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        let text = "sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4=";
        let log_id: LogId = text.parse().unwrap();
        assert!(log_id.0.starts_with(&[0xb2, 0x1e, 0x05]));
        assert_eq!(log_id.to_string(), text);
        assert_eq!(format!("{log_id:?}"), format!("LogId({text})"));
        for none in [
            "",
            "AAAA",
            &text.replace('=', "A"),
            &text.replace('+', "-"),
            &text.replace("4=", "5="),
        ] {
            assert_eq!(none.parse::<LogId>(), Err(ParseLogIdError), "{none}");
        }
    }
}
