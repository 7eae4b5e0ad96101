//! Access control: connection limits, rate limits and tokens.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::de::blank_is_default;

/// The limits on connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimit {
    /// True if `max_connections` and `per_ip_limit` apply.
    pub enabled: bool,
    /// Maximum number of streams at a time, at least 1.
    pub max_connections: u64,
    /// Maximum number of streams of one address (IPv6: one /64); 0 or none for any number.
    pub per_ip_limit: Option<u64>,
    /// Maximum number of connections that are not streams, at least 16; further ones wait.
    pub max_pending: u64,
    /// Maximum number of these of one address (IPv6: one /64), at least 1; further ones are closed.
    pub max_pending_per_ip: u64,
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self {
            enabled: false,
            max_connections: 10_000,
            per_ip_limit: Some(100),
            max_pending: 8192,
            max_pending_per_ip: 2048,
        }
    }
}

/// The limits on requests, which begin streams or use the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// True if requests are limited.
    pub enabled: bool,
    /// Size of the token bucket in requests: Free, 1 to 1,000,000.
    #[serde(alias = "max_tokens")]
    pub free_max_tokens: f64,
    /// Requests a second added to the bucket: Free, more than 0.
    #[serde(alias = "refill_rate")]
    pub free_refill_rate: f64,
    /// Additional requests in each burst window while the bucket is empty: Free.
    #[serde(alias = "burst")]
    pub free_burst: f64,
    /// Size of the token bucket in requests: Standard.
    pub standard_max_tokens: f64,
    /// Requests a second added to the bucket: Standard.
    pub standard_refill_rate: f64,
    /// Additional requests in each burst window while the bucket is empty: Standard.
    pub standard_burst: f64,
    /// Size of the token bucket in requests: Premium.
    pub premium_max_tokens: f64,
    /// Requests a second added to the bucket: Premium.
    pub premium_refill_rate: f64,
    /// Additional requests in each burst window while the bucket is empty: Premium.
    pub premium_burst: f64,
    /// Length of the sliding window in seconds, 1 to 86,400.
    pub window_seconds: u64,
    /// Maximum number of requests of a Free client in any such window; other tiers in proportion.
    pub window_max_requests: u64,
    /// Length of the burst window in seconds, 1 to 86,400.
    pub burst_window_seconds: u64,
    /// Maximum number of clients remembered, 100 to 10,000,000.
    pub max_clients: u64,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            enabled: false,
            free_max_tokens: 100.0,
            free_refill_rate: 10.0,
            free_burst: 20.0,
            standard_max_tokens: 500.0,
            standard_refill_rate: 50.0,
            standard_burst: 100.0,
            premium_max_tokens: 2000.0,
            premium_refill_rate: 200.0,
            premium_burst: 400.0,
            window_seconds: 60,
            window_max_requests: 1000,
            burst_window_seconds: 10,
            max_clients: 50_000,
        }
    }
}

/// The accepted tokens, by tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// True if a token is required.
    pub enabled: bool,
    /// Tokens of the tier Free.
    #[serde(deserialize_with = "blank_is_default")]
    pub tokens: Tokens,
    /// Tokens of the tier Standard.
    #[serde(deserialize_with = "blank_is_default")]
    pub standard_tokens: Tokens,
    /// Tokens of the tier Premium.
    #[serde(deserialize_with = "blank_is_default")]
    pub premium_tokens: Tokens,
    /// The request header that holds the token.
    pub header_name: String,
    /// True if `?token=` is read where that header is absent.
    pub query_token: bool,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            enabled: false,
            tokens: Tokens::default(),
            standard_tokens: Tokens::default(),
            premium_tokens: Tokens::default(),
            header_name: "Authorization".to_owned(),
            query_token: false,
        }
    }
}

/// Tokens, each in plain text or as `sha256:` and its hex SHA-256. Not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(Vec<String>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} hidden)", self.0.len())
    }
}

impl<T: Into<String>> FromIterator<T> for Tokens {
    fn from_iter<I: IntoIterator<Item = T>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }
}

impl Tokens {
    /// Reports whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the SHA-256 of each valid token; the configuration's bounds ensure that all are.
    pub fn hashes(&self) -> impl Iterator<Item = ct::Hash> {
        self.0.iter().filter_map(|token| hash(token))
    }
}

/// The prefix of a token's hash.
const HASHED: &str = "sha256:";

/// Returns the SHA-256 of the token in a text; `None` if it is not a valid one.
fn hash(text: &str) -> Option<ct::Hash> {
    let Some(hex) = text.strip_prefix(HASHED) else {
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        return is_token.then(|| ct::sha256(text.as_bytes()));
    };
    let digits = hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    bytes.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// Reports whether a text can be a token or the hash of one.
pub(crate) fn is_token(text: &str) -> bool {
    hash(text).is_some()
}

/// Reads a network: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical().into()))
}

/// Reports whether a text can be the name of a request header: a token of RFC 9110.
pub(crate) fn is_header_name(text: &str) -> bool {
    let is_token_char =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_its_hash_are_equivalent() {
        let hex = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";
        let cases = [
            ("token".to_owned(), true),
            (format!("sha256:{hex}"), true),
            (format!("sha256:{}", hex.to_uppercase()), true),
            (format!("sha256:{hex}00"), false),
            (format!("sha256:{}", hex.replacen('3', "+", 1)), false),
            ("sha256:3c4".to_owned(), false),
            ("sha256:".to_owned(), false),
            ("two words".to_owned(), false),
            ("caf\u{e9}".to_owned(), false),
            (String::new(), false),
        ];
        for (text, is_one) in cases {
            let expected = is_one.then(|| ct::sha256(b"token"));
            assert_eq!(hash(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn tokens_are_hidden_in_debug_output() {
        let auth = Auth { tokens: ["s3cret"].into_iter().collect(), ..Auth::default() };
        let shown = format!("{auth:?}");
        assert!(shown.contains("Tokens(1 hidden)") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn networks() {
        let cases = [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            (" 10.1.2.3 ", Some("10.1.2.3/32")),
            ("::ffff:10.1.2.3", Some("10.1.2.3/32")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("::1", Some("::1/128")),
            ("10.0.0.0/33", None),
            ("localhost", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = network(text).map(|network| network.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
    }
}
