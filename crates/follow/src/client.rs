//! HTTP GET as a log reader needs it: paced per host, bounded in time and size, honest in errors.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect;
use reqwest::{Certificate, Response, StatusCode};

use crate::pace::Paces;

/// A server that asks for a longer pause than this gets this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// 429 or 503: the host wants to be asked less often.
    #[error("{url}: asked too often (status {status}){}", wait_text(*.retry_after))]
    Limited {
        /// What was asked for.
        url: String,
        /// The status code.
        status: u16,
        /// The pause the host asked for.
        retry_after: Option<Duration>,
    },
    /// Any other status that is not success.
    #[error("{url}: status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status code.
        status: u16,
    },
    /// A page for people where data were expected, as front ends send when the log is down.
    #[error("{url}: an HTML page instead of data")]
    Html {
        /// What was asked for.
        url: String,
    },
    /// The body is larger than any honest answer.
    #[error("{url}: the body is larger than {limit} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// The answer did not come whole within the time limit.
    #[error("{url}: no whole answer within the time limit (ct_log.request_timeout_secs)")]
    Timeout {
        /// What was asked for.
        url: String,
    },
    /// No connection, a broken one or a TLS failure.
    #[error("{url}: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// The chain of causes.
        reason: String,
    },
}

fn wait_text(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(", retry after {} s", wait.as_secs()))
}

impl FetchError {
    /// The pause the server asked for, if it did.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the answer was more than could be taken, so that asking for less may help.
    #[must_use]
    pub const fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Timeout { .. })
    }

    /// Whether the thing asked for does not exist there.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }
}

/// The HTTP client all followers share.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    paces: Paces,
}

impl Client {
    /// `user_agent` should name product, version and a contact: several operators give clients
    /// that do a larger share. `timeout` bounds a whole request, body included.
    ///
    /// # Errors
    /// When the TLS machinery or the proxy settings of the environment cannot be used.
    pub fn new(user_agent: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(user_agent)
                .connect_timeout(Duration::from_secs(10))
                .timeout(timeout)
                .pool_idle_timeout(Duration::from_secs(90))
                .redirect(redirect::Policy::custom(same_origin_only))
        };
        let http = builder().build().or_else(|error| {
            // The usual cause: a small container without the package ca-certificates.
            tracing::warn!(%error, "no CA certificates in the system, using the built-in ones");
            builder().tls_certs_only(built_in_roots()).build()
        })?;
        Ok(Self { http, paces: Paces::default() })
    }

    /// Fetches `url`, of which at most `limit` bytes are read after decompression.
    ///
    /// # Errors
    /// As [`FetchError`] lists.
    pub async fn get(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        let pace = self.paces.of(host_of(url));
        let _turn = pace.turn().await;
        let response = self.http.get(url).send().await.map_err(|error| transport(url, &error))?;
        let status = response.status();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            if status == StatusCode::TOO_MANY_REQUESTS {
                pace.limited();
            }
            return Err(FetchError::Limited {
                url: url.to_owned(),
                status: status.as_u16(),
                retry_after: retry_after(response.headers(), SystemTime::now()),
            });
        }
        pace.answered();
        if !status.is_success() {
            return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() });
        }
        if is_html(response.headers()) {
            return Err(FetchError::Html { url: url.to_owned() });
        }
        read_body(url, response, limit).await
    }
}

/// The root certificates of Mozilla's programme, as of the build.
fn built_in_roots() -> Vec<Certificate> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    roots.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}

async fn read_body(url: &str, mut response: Response, limit: usize) -> Result<Bytes, FetchError> {
    let announced = response.content_length().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut body = BytesMut::with_capacity(announced.min(limit));
    while let Some(part) = response.chunk().await.map_err(|error| transport(url, &error))? {
        if body.len() + part.len() > limit {
            return Err(FetchError::TooLarge { url: url.to_owned(), limit });
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// A redirect may not leave the origin: a log's answers count because of where they come from.
fn same_origin_only(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same_origin =
        attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if !same_origin {
        return attempt.error("redirected to another host");
    }
    if attempt.previous().len() > 5 {
        return attempt.error("too many redirects");
    }
    attempt.follow()
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

fn is_html(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// `Retry-After` in both its forms, seconds and HTTP date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// The causes of an HTTP client error in one line, because the outermost says only "error sending
/// request" and hides the refused connection below.
fn transport(url: &str, error: &reqwest::Error) -> FetchError {
    if error.is_timeout() && !error.is_connect() {
        return FetchError::Timeout { url: url.to_owned() };
    }
    let mut reason = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !reason.contains(&text) && !text.starts_with("error sending request") {
            if !reason.is_empty() {
                reason.push_str(": ");
            }
            reason.push_str(&text);
        }
        cause = error.source();
    }
    FetchError::Transport { url: url.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT").expect("a date");
        let cases = [
            ("7", Some(7)),
            ("99999", Some(300)),
            ("Sun, 22 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn hosts_keep_their_port() {
        assert_eq!(host_of("https://a.example/b/c"), "a.example");
        assert_eq!(host_of("http://127.0.0.1:80"), "127.0.0.1:80");
    }
}
