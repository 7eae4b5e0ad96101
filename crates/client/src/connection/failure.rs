//! Failures of a connection, in words.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use tokio_tungstenite::tungstenite::Error as WsError;

use crate::text::shown;
use crate::tls;

/// The longest message that is received at all. Longer ones than
/// [`MAX_MESSAGE_BYTES`](wire::decode::MAX_MESSAGE_BYTES) are counted and not read.
pub(super) const MAX_RECEIVED: usize = 64 << 20;
/// The longest time in which a connection is made.
pub(super) const CONNECT: Duration = Duration::from_secs(20);
/// The longest time without any data: every server answers pings.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// The reason for a lost or refused connection.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server refuses the request.
    #[error("the server returned {status}{}{advice}", with_colon(.said))]
    Refused {
        /// The status.
        status: StatusCode,
        /// The text of the response.
        said: String,
        /// Advice for the user.
        advice: &'static str,
        /// The pause that the server requests, if any.
        retry_after: Option<Duration>,
    },
    /// TLS failed.
    #[error("{0}")]
    Tls(String),
    /// The network failed.
    #[error("{0}")]
    Network(String),
    /// The proxy, or the way to it, failed.
    #[error("no connection through the proxy {proxy}: {said}")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// The reason.
        said: String,
    },
    /// A message is longer than the limit of what is received.
    #[error("a message is longer than {} MiB", MAX_RECEIVED >> 20)]
    TooLong,
    /// The server has closed the connection.
    #[error("the server has closed the connection{}", with_colon(.0))]
    Closed(String),
    /// Nothing was received.
    #[error("no data for {} s, not even a pong", IDLE.as_secs())]
    Idle,
    /// The server refuses the request, perhaps because of parameters that only certstream-server
    /// needs.
    #[error("the server refuses the request; trying again without parameters that it may not know")]
    Extras,
    /// The server reads nothing.
    #[error("the server reads nothing, not even pings")]
    NotReading,
    /// No connection in time.
    #[error("no connection within {} s", CONNECT.as_secs())]
    Timeout,
}

fn with_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl Failure {
    /// Reports whether the server may be refusing a parameter that it does not know.
    pub(super) fn is_about_parameters(&self) -> bool {
        let odd = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::URI_TOO_LONG];
        matches!(self, Self::Refused { status, .. } if odd.contains(status))
    }

    /// Reports whether another attempt with the same request cannot succeed.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status, .. }
            if status.is_client_error()
                && ![StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status))
    }

    /// Returns the pause that the server requests before the next attempt, if any.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<WsError> for Failure {
    fn from(error: WsError) -> Self {
        match error {
            WsError::Http(response) => refused(&response),
            WsError::Capacity(_) => Self::TooLong,
            WsError::WriteBufferFull(_) => Self::NotReading,
            WsError::Tls(error) => Self::Tls(error.to_string()),
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::Closed(String::new()),
            WsError::Io(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                match inner {
                    Some(inner) => Self::Tls(tls::explain(inner)),
                    None => Self::Network(error.to_string()),
                }
            }
            other => Self::Network(other.to_string()),
        }
    }
}

/// Returns a response's text without the reason phrase, which the status already contains.
fn without_reason(said: &str, status: StatusCode) -> &str {
    let rest = status.canonical_reason().and_then(|reason| said.strip_prefix(reason));
    rest.map_or(said, |rest| rest.trim_start_matches(':').trim())
}

fn refused(response: &http::Response<Option<Vec<u8>>>) -> Failure {
    let status = response.status();
    let advice = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "; does it require a token? (CERTSTREAM_TOKEN or --token-file)"
        }
        StatusCode::NOT_FOUND => "; is the path in --url right?",
        StatusCode::BAD_REQUEST => "; are the filters right?",
        StatusCode::OK => "; this is not the WebSocket of a certstream server",
        status if status.is_redirection() => "; give the address it redirects to as --url",
        _ => "",
    };
    let body = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default());
    let requested = response.headers().get(http::header::RETRY_AFTER);
    let retry_after = requested.and_then(|value| pause(value.to_str().ok()?.trim()));
    Failure::Refused {
        status,
        said: shown(without_reason(body.trim(), status)),
        advice,
        retry_after,
    }
}

/// Reads the pause in `Retry-After`: a number of seconds, or a date.
fn pause(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        assert_eq!(pause("7"), Some(Duration::from_secs(7)));
        let later = SystemTime::now() + Duration::from_secs(90);
        let requested = pause(&httpdate::fmt_http_date(later)).unwrap();
        assert!(
            (Duration::from_secs(60)..=Duration::from_secs(90)).contains(&requested),
            "{requested:?}"
        );
        assert_eq!(pause("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(pause("soon"), None);
    }
}
