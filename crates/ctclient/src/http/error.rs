//! Failures of a request.

use std::net::IpAddr;
use std::time::Duration;

use super::addresses::{PrivateAddress, host_of};

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// 429 or 503: the host wants fewer requests.
    #[error("{url}: too many requests (status {status}){}", wait_text(*.retry_after))]
    Limited {
        /// The requested URL.
        url: String,
        /// The status code.
        status: u16,
        /// The pause the host asked for.
        retry_after: Option<Duration>,
    },
    /// Any other status that is not success.
    #[error("{url}: status {status}")]
    Status {
        /// The requested URL.
        url: String,
        /// The status code.
        status: u16,
    },
    /// An HTML page instead of data, as front ends send while the log is down.
    #[error("{url}: an HTML page instead of data")]
    Html {
        /// The requested URL.
        url: String,
    },
    /// The body is larger than any honest response.
    #[error("{url}: the body is larger than {limit} bytes")]
    TooLarge {
        /// The requested URL.
        url: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// The response was not complete within the time limit.
    #[error("{url}: no complete response within the time limit (ct_log.request_timeout_secs)")]
    Timeout {
        /// The requested URL.
        url: String,
    },
    /// No bytes of a response came for much longer than this log usually takes.
    #[error("{url}: no data for {:.1} s, much longer than usual", waited.as_secs_f64())]
    Unanswered {
        /// The requested URL.
        url: String,
        /// The time without a response.
        waited: Duration,
    },
    /// The body cannot be decompressed, for example because the connection ended early.
    #[error("{url}: the compressed body cannot be read: {reason}")]
    Compression {
        /// The requested URL.
        url: String,
        /// The error.
        reason: String,
    },
    /// Other responses fill the budget.
    #[error("{url}: no memory left for the response (ct_log.in_flight_bytes)")]
    NoRoom {
        /// The requested URL.
        url: String,
    },
    /// A log of a list has a private address.
    #[error(
        "{url}: {address} is a private address, which logs from a list may not use unless \
         ct_log.allow_private_addresses is set"
    )]
    PrivateAddress {
        /// The requested URL.
        url: String,
        /// The address.
        address: IpAddr,
    },
    /// No connection, a broken one or a TLS failure.
    #[error("{url}: {reason}")]
    Transport {
        /// The requested URL.
        url: String,
        /// The chain of causes.
        reason: String,
    },
}

fn wait_text(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(", retry after {} s", wait.as_secs()))
}

impl FetchError {
    /// Returns the pause that the server asked for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Reports whether the response was too large, so that a smaller request helps.
    #[must_use]
    pub const fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }

    /// Reports whether the response did not come in time: because it is too large, or the log fails.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unanswered { .. })
    }

    /// Returns the time spent waiting for a response that did not come.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        match self {
            Self::Unanswered { waited, .. } => *waited,
            Self::Timeout { .. } => Duration::MAX,
            _ => Duration::ZERO,
        }
    }

    /// Reports whether other responses left no room for this one, which says nothing about the log.
    #[must_use]
    pub const fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }

    /// Reports whether the log or the network failed, which may pass.
    pub(super) const fn is_failure(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500,
            Self::TooLarge { .. } | Self::NoRoom { .. } | Self::PrivateAddress { .. } => false,
            _ => true,
        }
    }

    /// Reports whether the requested resource does not exist.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }
}

/// Converts an HTTP client error: lists its causes in one line, because the outermost is only "error
/// sending request" and hides the refused connection below.
pub(super) fn transport(url: &str, error: &reqwest::Error) -> FetchError {
    if error.is_timeout() && !error.is_connect() {
        return FetchError::Timeout { url: url.to_owned() };
    }
    // Where in the library it happened, which says nothing to an operator.
    const LAYERS: [&str; 3] = ["error sending request", "client error (", "tcp connect error"];
    let mut reason = String::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(PrivateAddress(address)) = error.downcast_ref() {
            return FetchError::PrivateAddress { url: url.to_owned(), address: *address };
        }
        let text = match error.to_string() {
            text if text == "dns error" => format!("DNS lookup of {} failed", host_of(url)),
            text => text,
        };
        let is_layer = LAYERS.iter().any(|layer| text.starts_with(layer));
        let says_nothing = is_layer && error.source().is_some();
        if !says_nothing && !reason.contains(&text) {
            if !reason.is_empty() {
                reason.push_str(": ");
            }
            reason.push_str(&text);
        }
        cause = error.source();
    }
    if error.is_decode() {
        return FetchError::Compression { url: url.to_owned(), reason };
    }
    FetchError::Transport { url: url.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transport_error_names_the_cause_only() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let closed = format!("http://{}/", listener.local_addr().expect("bound"));
        drop(listener);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let error = client.get(&closed).send().await.expect_err("the port is closed");
        let said = transport(&closed, &error).to_string();
        assert!(said.starts_with(&format!("{closed}: Connection refused")), "{said}");
    }
}
