//! Which log: its identity, where to read it, and how to check what it says.

use std::fmt;
use std::str::FromStr;

use ct::LogId;
use ct::log_list::{ListedLog, LogKind};
use ct::signature::PublicKey;
use url::Url;

/// The read protocol of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// A log that can be followed.
#[derive(Debug, Clone)]
pub struct Log {
    /// What people call it: the description in the log list, or the name given by hand.
    pub name: String,
    /// Who runs it; empty where that is not known.
    pub operator: String,
    /// The base of every read, with scheme and without trailing slash: the log URL (RFC 6962) or
    /// the monitoring prefix (static-ct-api). It also names the log in the state file.
    pub url: String,
    /// The read protocol.
    pub protocol: Protocol,
    /// SHA-256 of the log's public key, where the key is known.
    pub id: Option<LogId>,
    /// The key that signs tree heads; without it no signature can be checked.
    pub key: Option<PublicKey>,
    /// The origin line of the log's checkpoints (static-ct-api only).
    pub origin: Option<String>,
    /// Where a tiled log answers RFC 6962 too, and has no checkpoint: the base of those requests,
    /// as `url`. Its heads, and what is not yet in a whole tile, are read there.
    pub api_url: Option<String>,
    /// Most entries to ask for at once, where this log's differs from the common setting.
    pub batch_size: Option<u64>,
    /// Longest wait between head requests in milliseconds, where this log's differs.
    pub poll_interval_ms: Option<u64>,
}

/// Why a log named by hand cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The URL does not parse or is not http(s).
    #[error("log {name:?}: url {url:?} is not an http or https URL")]
    Url {
        /// The log's name.
        name: String,
        /// The value given.
        url: String,
    },
    /// The key is not a base64 DER public key that can be used.
    #[error("log {name:?}: key is not the base64 of a DER public key (P-256 or RSA): {reason}")]
    Key {
        /// The log's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The id is not 32 bytes of base64, or is not the hash of the key.
    #[error("log {name:?}: log id {id:?} does not agree with its key")]
    Id {
        /// The log's name.
        name: String,
        /// The value given.
        id: String,
    },
}

impl Log {
    /// A log as a v3 log list names it.
    ///
    /// # Errors
    /// When the key or URL in the list cannot be used; the list's other logs do not care.
    pub fn from_list(listed: &ListedLog) -> Result<Self, LogError> {
        let (protocol, url, origin) = match &listed.kind {
            LogKind::Rfc6962 { url } => (Protocol::Rfc6962, url, None),
            LogKind::StaticCt { submission_url, monitoring_url } => (
                Protocol::StaticCt,
                monitoring_url,
                Some(ct::log_list::origin(submission_url).to_owned()),
            ),
        };
        let name = listed.description.clone().unwrap_or_else(|| url.clone());
        let key = PublicKey::from_spki(&listed.key)
            .map_err(|error| LogError::Key { name: name.clone(), reason: error.to_string() })?;
        Ok(Self {
            url: base_url(&name, url)?,
            name,
            operator: listed.operator.clone(),
            protocol,
            id: Some(listed.log_id),
            key: Some(key),
            origin,
            api_url: None,
            batch_size: None,
            poll_interval_ms: None,
        })
    }

    /// Whether this is the same log, wherever it is read: the id decides, where both are known.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.id.zip(other.id).map_or_else(|| self.url == other.url, |(one, two)| one == two)
    }

    /// Whether a follower of this log would do the same as one of `other`.
    #[must_use]
    pub fn is_read_as(&self, other: &Self) -> bool {
        let what = |log: &Self| (log.id, log.protocol, log.url.clone(), log.origin.clone());
        what(self) == what(other)
    }

    /// Whether everything that matters to following it by hand is the same.
    #[must_use]
    pub fn is_followed_as(&self, other: &Self) -> bool {
        let what = |log: &Self| {
            let names = [log.name.clone(), log.operator.clone()];
            (names, log.key.is_some(), log.api_url.clone(), log.batch_size, log.poll_interval_ms)
        };
        self.is_read_as(other) && what(self) == what(other)
    }

    /// A tiled log without checkpoint, whose RFC 6962 interface is at `url`.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn with_api(self, url: &str) -> Result<Self, LogError> {
        let api_url = Some(base_url(&self.name, url)?);
        Ok(Self { api_url, ..self })
    }

    /// A log named by hand. `key` is the base64 of its DER public key; without one the log is
    /// followed but its signatures cannot be checked.
    ///
    /// # Errors
    /// When URL, key or id cannot be used or do not agree.
    pub fn by_hand(
        protocol: Protocol,
        name: &str,
        url: &str,
        key: Option<&str>,
        expected_id: Option<&str>,
    ) -> Result<Self, LogError> {
        let key_error = |reason: String| LogError::Key { name: name.to_owned(), reason };
        let spki = key
            .map(|text| base64_simd::STANDARD.decode_to_vec(text))
            .transpose()
            .map_err(|error| key_error(error.to_string()))?;
        let public_key = spki
            .as_deref()
            .map(PublicKey::from_spki)
            .transpose()
            .map_err(|error| key_error(error.to_string()))?;
        let key_id = spki.as_deref().map(LogId::of_key);
        let id = match (key_id, expected_id.map(|text| (text, LogId::from_str(text)))) {
            (key_id, None) => key_id,
            (None, Some((_, Ok(id)))) => Some(id),
            (Some(of_key), Some((_, Ok(id)))) if of_key == id => Some(id),
            (_, Some((text, _))) => {
                return Err(LogError::Id { name: name.to_owned(), id: text.to_owned() });
            }
        };
        Ok(Self {
            name: name.to_owned(),
            operator: String::new(),
            url: base_url(name, url)?,
            protocol,
            id,
            key: public_key,
            origin: None,
            api_url: None,
            batch_size: None,
            poll_interval_ms: None,
        })
    }
}

fn base_url(name: &str, url: &str) -> Result<String, LogError> {
    let error = || LogError::Url { name: name.to_owned(), url: url.to_owned() };
    let parsed = Url::parse(url).map_err(|_| error())?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return Err(error());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_loses_its_trailing_slash() {
        let log = Log::by_hand(Protocol::Rfc6962, "a", "http://127.0.0.1:6962/log/", None, None)
            .expect("usable");
        assert_eq!(log.url, "http://127.0.0.1:6962/log");
        assert!(log.id.is_none());
    }

    #[test]
    fn unusable_values_are_named() {
        let cases = [
            ("ftp://a.example/", None, None, "not an http"),
            ("nonsense", None, None, "not an http"),
            ("https://a.example", Some("%%%"), None, "key is not"),
            ("https://a.example", Some("AAAA"), None, "key is not"),
            ("https://a.example", None, Some("AAAA"), "does not agree"),
        ];
        for (url, key, id, expected) in cases {
            let error = Log::by_hand(Protocol::StaticCt, "x", url, key, id).expect_err(url);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
