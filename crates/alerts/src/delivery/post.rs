//! A request to a webhook, and its answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ctclient::{Addresses, PrivateAddress, Resolver, retry_after};
use reqwest::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use reqwest::{Certificate, Response, StatusCode, redirect};
use sinks::Secret;
use url::Url;

use super::mail::roots;
use super::receiver::{Outcome, causes, start_of};
use super::signature::{HEADER, sign};
use super::webhook::{Webhook, WebhookError};
use crate::alert::Alert;

/// A receiver that asks for a longer pause than this gets this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Bytes from which a part of a URL by itself is taken for a secret.
const SECRET_BYTES: usize = 8;
/// Bytes of a secret by which its start is recognised at the end of a text.
const START_BYTES: usize = 4;

/// A webhook that can be sent to. It follows no redirects, and does not connect to private addresses
/// unless they are allowed, however the name of its host resolves.
#[derive(Debug)]
pub(super) struct Post {
    webhook: Webhook,
    url: Url,
    secrets: Secrets,
    http: reqwest::Client,
}

/// The texts of which an answer that is shown must have none.
struct Secrets(Vec<Vec<u8>>);

impl Post {
    /// Prepares a webhook.
    pub(super) fn new(webhook: Webhook) -> Result<Self, WebhookError> {
        let url = Url::parse(webhook.url.reveal()).map_err(WebhookError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Scheme { scheme: url.scheme().to_owned() });
        }
        let addresses = Addresses::with_proxies();
        if webhook.may_be_private {
            addresses.trust(url.as_str());
        }
        addresses.check(url.as_str()).map_err(WebhookError::Private)?;
        let resolver = Arc::new(Resolver(addresses));
        let http = client(|| {
            reqwest::Client::builder()
                .redirect(redirect::Policy::none())
                .dns_resolver(Arc::clone(&resolver))
                .timeout(webhook.timeout)
                .http1_only()
        });
        let http = http.map_err(WebhookError::Client)?;
        let secrets = Secrets::of(&url, webhook.key.as_ref().map(Secret::reveal));
        Ok(Self { webhook, url, secrets, http })
    }

    /// Returns the URL as it is shown.
    pub(super) fn shown(&self) -> String {
        self.webhook.shown()
    }

    /// Sends an alert once.
    pub(super) async fn send(&self, alert: &Alert) -> Outcome {
        let body = match self.webhook.format.body(alert) {
            Ok(body) => body,
            Err(error) => return Outcome::Refused { reason: error.to_string() },
        };
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, self.webhook.format.content_type())
            .header(USER_AGENT, concat!("certstream-server/", env!("CARGO_PKG_VERSION")))
            .header("idempotency-key", &alert.id);
        if let Some(key) = &self.webhook.key {
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            request = request.header(HEADER, sign(key.reveal().as_bytes(), time, &body));
        }
        match request.body(body).send().await {
            Ok(response) => outcome(response, &self.secrets).await,
            // The URL of a webhook may be a secret.
            Err(error) => Outcome::Later { reason: reason(&error.without_url()), after: None },
        }
    }
}

impl Secrets {
    /// Returns those of a webhook: its URL without the host, its parts, and the key.
    fn of(url: &Url, key: Option<&str>) -> Self {
        let query = url.query().unwrap_or_default();
        let parts = url.path().split('/').chain(query.split(['&', '=']));
        let parts = parts.filter(|part| part.len() >= SECRET_BYTES);
        let password = url.password().unwrap_or_default();
        let path = if url.path() == "/" { "" } else { url.path() };
        let whole = [path, query, password, key.unwrap_or_default()];
        let texts = parts.chain(whole).filter(|text| !text.is_empty());
        let decoded = |text: &str| {
            // One name, without a value.
            let text = text.replace('=', "%3d").replace('&', "%26").replace('+', "%2b");
            let pair = url::form_urlencoded::parse(text.as_bytes()).next();
            pair.map_or_else(String::new, |(name, _)| name.to_lowercase())
        };
        let mut secrets = Vec::new();
        for text in texts {
            for form in [text.to_lowercase(), decoded(text)] {
                if !form.is_empty() {
                    secrets.push(form.into_bytes());
                }
            }
        }
        Self(secrets)
    }

    /// Reports whether a text, which may be the start of a longer one, has one of them.
    fn are_in(&self, text: &str) -> bool {
        // JSON may have `\/`.
        let text = text.to_lowercase().replace('\\', "").into_bytes();
        self.0.iter().any(|secret| {
            let is_inside = text.windows(secret.len()).any(|window| window == secret);
            let starts = START_BYTES..secret.len();
            is_inside
                || starts
                    .into_iter()
                    .any(|end| secret.get(..end).is_some_and(|start| text.ends_with(start)))
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Makes a client, with the certificates of [`roots`] if it finds none in the system.
fn client(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
    builder().build().or_else(|error| {
        tracing::warn!(%error, "no CA certificates in the system, using the built-in ones");
        let roots = roots();
        let roots = roots.iter().filter_map(|root| Certificate::from_der(root).ok());
        builder().tls_certs_only(roots).build()
    })
}

async fn outcome(mut response: Response, secrets: &Secrets) -> Outcome {
    let status = response.status();
    if status.is_success() {
        return Outcome::Accepted;
    }
    let after = retry_after(response.headers(), SystemTime::now(), LONGEST_PAUSE);
    let mut reason = format!("it answers {status}");
    if status.is_redirection() {
        let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
        let target = target.and_then(|target| Url::parse(target).ok());
        let target = target
            .map_or_else(String::new, |url| format!(" to {}", url.origin().ascii_serialization()));
        reason.push_str(&format!(", a redirect{target}; redirects are not followed"));
    } else if let Ok(Some(start)) = response.chunk().await {
        let start = String::from_utf8_lossy(&start);
        // Many servers repeat the request.
        let shown = if secrets.are_in(&start) { "(hidden)".to_owned() } else { start_of(&start) };
        reason.push_str(&format!(": {shown}"));
    }
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused { reason },
        _ => Outcome::Later { reason, after },
    }
}

/// Returns an error in words.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        if let Some(PrivateAddress(address)) = error.downcast_ref() {
            return format!("its host has the private address {address}, which is not allowed");
        }
        cause = error.source();
    }
    causes(error)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_answer_that_repeats_a_secret_is_hidden() {
        let url = "https://u:pa55@hooks.example/services/T0/SeCrEt-1%2B2?a=1&token=abcdefgh";
        let secrets = Secrets::of(&Url::parse(url).unwrap(), Some("k3y"));
        let hidden = [
            "no POST /services/T0/SeCrEt-1%2B2",
            r#"{"path":"\/services\/T0\/SeCrEt-1%2B2"}"#,
            "no route for secret-1%2b2 here",
            "no route for SeCrEt-1+2 here",
            "no services",
            "bad ?a=1&token=abcdefgh",
            "bad token abcdefgh.",
            "wrong password pa55",
            "not signed with k3y",
            // The rest comes later.
            "no route for /services/T0/SeC",
            "no route for SeCrEt-",
        ];
        for text in hidden {
            assert!(secrets.are_in(text), "{text}");
        }
        for text in ["", "busy", "no /T0", "a/b/c", "try again at https://hooks.example/"] {
            assert!(!secrets.are_in(text), "{text}");
        }
        let plain = Secrets::of(&Url::parse("https://hooks.example/").unwrap(), None);
        assert!(!plain.are_in("POST / is not allowed"));
        assert_eq!(format!("{secrets:?}"), "(hidden)");
    }

    #[test]
    fn a_client_that_cannot_be_made_is_made_with_the_built_in_certificates() {
        let calls = Cell::new(0);
        let made = client(|| {
            calls.set(calls.get() + 1);
            let agent = if calls.get() == 1 { "no\nheader" } else { "agent" };
            reqwest::Client::builder().user_agent(agent)
        });
        assert!(made.is_ok(), "{made:?}");
        assert_eq!(calls.get(), 2);
    }
}
