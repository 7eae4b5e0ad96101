//! The identity of a log: its URL, its protocol, and the key that verifies it.

use std::path::Path;
use std::str::FromStr;

use ct::LogId;
use ct::log_list::{ListedLog, LogKind};
use ct::signature::PublicKey;
use record::Protocol;
use url::Url;

use crate::http::disk;

/// A log that can be read.
#[derive(Debug, Clone)]
pub struct Log {
    /// Name: the description in the log list, or the configured one.
    pub name: String,
    /// Operator; empty if unknown.
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
    /// For a tiled log without checkpoint that answers RFC 6962 too: the base of those requests, like
    /// `url`. Its heads, and entries that are not yet in a full tile, are read there.
    pub api_url: Option<String>,
    /// True if the tiles were made of an RFC 6962 log, whose leaves do not have their index.
    pub is_converted: bool,
    /// The most entries of a request, if this log's differs from the common setting.
    pub batch_size: Option<u64>,
    /// The longest wait between head requests in milliseconds, if this log's differs.
    pub poll_interval_ms: Option<u64>,
}

/// The reason why a configured log cannot be read.
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
        /// The error.
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
    /// Makes a log of an entry in a v3 log list.
    ///
    /// # Errors
    /// If the key or URL in the list cannot be used; the list's other logs are not affected.
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
            is_converted: false,
            batch_size: None,
            poll_interval_ms: None,
        })
    }

    /// Makes a reader's log of a listed one whose tiles lie in a folder, as those of a static-ct log
    /// below its monitoring prefix, or in zips: `path` is the folder, a zip, or a folder of zips.
    ///
    /// # Errors
    /// If its key cannot be used.
    pub fn on_disk(listed: &ListedLog, path: &Path) -> Result<Self, LogError> {
        let log = Self::from_list(listed)?;
        let submission = match &listed.kind {
            LogKind::Rfc6962 { url } => url,
            LogKind::StaticCt { submission_url, .. } => submission_url,
        };
        Ok(Self {
            url: disk::base_url(path),
            protocol: Protocol::StaticCt,
            is_converted: log.protocol == Protocol::Rfc6962,
            origin: Some(ct::log_list::origin(submission).to_owned()),
            ..log
        })
    }

    /// Reports whether this is the same log, at whatever URL: by id, if both are known.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.id.zip(other.id).map_or_else(|| self.url == other.url, |(one, two)| one == two)
    }

    /// Reports whether reading this log takes the same requests and checks as reading `other`.
    #[must_use]
    pub fn is_read_as(&self, other: &Self) -> bool {
        let what = |log: &Self| (log.id, log.protocol, log.url.clone(), log.origin.clone());
        what(self) == what(other)
    }

    /// Reports whether two configured logs have the same settings.
    #[must_use]
    pub fn is_followed_as(&self, other: &Self) -> bool {
        let what = |log: &Self| {
            let names = [log.name.clone(), log.operator.clone()];
            (names, log.key.is_some(), log.api_url.clone(), log.batch_size, log.poll_interval_ms)
        };
        self.is_read_as(other) && what(self) == what(other)
    }

    /// Sets the RFC 6962 interface of a tiled log without checkpoint to `url`.
    ///
    /// # Errors
    /// If the URL cannot be used.
    pub fn with_api(self, url: &str) -> Result<Self, LogError> {
        let api_url = Some(base_url(&self.name, url)?);
        Ok(Self { api_url, ..self })
    }

    /// Makes a configured log. `key` is the base64 of its DER public key; without one the log is
    /// followed but its signatures are not verified.
    ///
    /// # Errors
    /// If URL, key or id cannot be used or do not agree.
    pub fn configured(
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
            is_converted: false,
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
        let log = Log::configured(Protocol::Rfc6962, "a", "http://127.0.0.1:6962/log/", None, None)
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
            let error = Log::configured(Protocol::StaticCt, "x", url, key, id).expect_err(url);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
