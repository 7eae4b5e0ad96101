//! A request to a webhook, and its answer.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ctclient::{Addresses, PrivateAddress, Resolver, retry_after};
use reqwest::header::{CONTENT_TYPE, LOCATION, USER_AGENT};
use reqwest::{Response, StatusCode, redirect};
use url::Url;

use super::receiver::{Outcome, causes, start_of};
use super::signature::{HEADER, sign};
use super::webhook::{Webhook, WebhookError};
use crate::alert::Alert;

/// A receiver that asks for a longer pause than this gets this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A webhook that can be sent to. It follows no redirects, and does not connect to private addresses
/// unless they are allowed, however the name of its host resolves.
#[derive(Debug)]
pub(super) struct Post {
    webhook: Webhook,
    url: Url,
    http: reqwest::Client,
}

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
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .dns_resolver(Arc::new(Resolver(addresses)))
            .timeout(webhook.timeout)
            .http1_only()
            .build()
            .map_err(WebhookError::Client)?;
        Ok(Self { webhook, url, http })
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
            Ok(response) => outcome(response).await,
            // The URL of a webhook may be a secret.
            Err(error) => Outcome::Later { reason: reason(&error.without_url()), after: None },
        }
    }
}

async fn outcome(mut response: Response) -> Outcome {
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
        reason.push_str(&format!(": {}", start_of(&String::from_utf8_lossy(&start))));
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
