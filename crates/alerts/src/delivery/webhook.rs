//! A webhook as an operator describes it.

use std::fmt;
use std::time::Duration;

use ctclient::PrivateAddress;
use sinks::Secret;
use thiserror::Error;
use url::Url;

use super::body::Format;

/// A webhook. Its URL may be a secret, as that of Slack is, so only its host is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The URL that alerts are sent to.
    pub url: Secret,
    /// The form of their bodies.
    pub format: Format,
    /// The key that requests are signed with.
    pub key: Option<Secret>,
    /// Time for a whole request.
    pub timeout: Duration,
    /// True if the host may have a private address.
    pub may_be_private: bool,
}

impl Webhook {
    /// Describes a webhook with a JSON body, unsigned, with ten seconds for a request, at a public address.
    #[must_use]
    pub const fn new(url: Secret) -> Self {
        let timeout = Duration::from_secs(10);
        Self { url, format: Format::Json, key: None, timeout, may_be_private: false }
    }

    /// Returns the URL as it is shown: without path and credentials.
    #[must_use]
    pub fn shown(&self) -> String {
        let url = Url::parse(self.url.reveal()).ok();
        let origin = url.map(|url| url.origin().ascii_serialization());
        origin.unwrap_or_else(|| "(not a URL)".to_owned())
    }

    /// Returns a warning about a webhook that can be used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let is_plain = self.url.reveal().get(..5).is_some_and(|s| s.eq_ignore_ascii_case("http:"));
        is_plain.then(|| {
            format!(
                "alerts are sent to {} without encryption: anyone on the way can read them; use https",
                self.shown()
            )
        })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, format, key, timeout, may_be_private } = self;
        f.debug_struct("Webhook")
            .field("url", &self.shown())
            .field("format", format)
            .field("key", key)
            .field("timeout", timeout)
            .field("may_be_private", may_be_private)
            .finish()
    }
}

/// A webhook that cannot be used.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// The URL is none.
    #[error(
        "the URL of the webhook cannot be read ({0}); give one such as https://example.com/alerts"
    )]
    NotAUrl(url::ParseError),
    /// The URL is one of something else.
    #[error("the URL of the webhook begins with {scheme:?}; use https")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The host is a private address.
    #[error("{0}: webhooks are sent to public addresses, unless private ones are allowed for it")]
    Private(PrivateAddress),
    /// The client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(reqwest::Error),
}
