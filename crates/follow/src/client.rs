//! HTTP GET as a log reader needs it: paced per host, bounded in time and size, honest in errors.
//!
//! HTTP/1.1 with as many connections as requests are under way, because operators limit each
//! connection rather than each client.

mod body;
mod retry_after;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::redirect;
use reqwest::{Certificate, RequestBuilder, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::retry_after::retry_after;
use crate::breaker::Backoff;
use crate::budget::Budget;
use crate::caller::Caller;
use crate::pace::{HostSnapshot, Paces};

/// Requests under way at most, to all hosts together.
const REQUESTS: usize = 256;
/// Bytes of bodies held at most, unless [`Client::with_body_bytes`] says otherwise.
const BODY_BYTES: usize = 64 << 20;
/// Connections to a host that are kept while nobody uses them: more than a host's logs need where
/// they stand still. Each keeps the buffer that its largest answer needed.
const IDLE_CONNECTIONS: usize = 4;
/// How long they are kept: a log in use is asked more often than that.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

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
    /// No answer began, or it did not go on, for much longer than this log usually takes.
    #[error("{url}: nothing came for {:.1} s, much longer than usual", waited.as_secs_f64())]
    Unanswered {
        /// What was asked for.
        url: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The body's compression is broken, as when the connection ended early.
    #[error("{url}: the compressed body cannot be read: {reason}")]
    Compression {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
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
        matches!(self, Self::TooLarge { .. } | Self::Timeout { .. } | Self::Unanswered { .. })
    }

    /// Whether the thing asked for does not exist there.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410, .. })
    }
}

/// The HTTP client all followers share, as one of them sees it: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    paces: Paces,
    intervals: Intervals,
    requests: Semaphore,
    bodies: Budget,
    callers: AtomicU64,
    /// Bounds a whole request.
    timeout: Duration,
}

/// The fixed time between two requests to a host that the configuration asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    /// For every host; zero for none.
    pub default: Duration,
    /// For the hosts of these operators instead. Case and punctuation of names do not matter.
    pub by_operator: Vec<(String, Duration)>,
}

impl Intervals {
    fn of(&self, operator: &str) -> Duration {
        let wanted = plain(operator);
        let named = self.by_operator.iter().find(|(name, _)| plain(name) == wanted);
        named.map_or(self.default, |(_, interval)| *interval)
    }
}

/// A name's letters and digits, in lower case.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// An answer that can be asked for again without being sent again (RFC 9110 section 13).
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    body: Bytes,
    validator: (HeaderName, HeaderValue),
}

impl Remembered {
    /// `None` when the answer carries nothing by which it could be recognised.
    fn new(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let etag = headers.get(ETAG).map(|tag| (IF_NONE_MATCH, tag.clone()));
        let validator =
            etag.or_else(|| headers.get(LAST_MODIFIED).map(|at| (IF_MODIFIED_SINCE, at.clone())))?;
        // A copy of its own, which holds nothing of the budget.
        Some(Self { body: Bytes::copy_from_slice(body), validator })
    }
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
                .http1_only()
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .connect_timeout(Duration::from_secs(10))
                .timeout(timeout)
                .pool_idle_timeout(IDLE_CONNECTION)
                .redirect(redirect::Policy::custom(same_origin_only))
        };
        let http = builder().build().or_else(|error| {
            // The usual cause: a small container without the package ca-certificates.
            tracing::warn!(%error, "no CA certificates in the system, using the built-in ones");
            builder().tls_certs_only(built_in_roots()).build()
        })?;
        Ok(Self::around(http, Intervals::default(), BODY_BYTES, timeout))
    }

    fn around(
        http: reqwest::Client,
        intervals: Intervals,
        body_bytes: usize,
        timeout: Duration,
    ) -> Self {
        let shared = Shared {
            http,
            paces: Paces::default(),
            intervals,
            requests: Semaphore::new(REQUESTS),
            bodies: Budget::new(body_bytes),
            callers: AtomicU64::new(1),
            timeout,
        };
        Self { shared: Arc::new(shared), caller: Arc::new(Caller::new(0, None)) }
    }

    /// The same client, which leaves these times between requests.
    #[must_use]
    pub fn with_intervals(&self, intervals: Intervals) -> Self {
        let shared = &self.shared;
        Self::around(shared.http.clone(), intervals, shared.bodies.total(), shared.timeout)
    }

    /// The same client, which holds so many bytes of bodies at most, the last one excepted.
    #[must_use]
    pub fn with_body_bytes(&self, bytes: usize) -> Self {
        let shared = &self.shared;
        Self::around(shared.http.clone(), shared.intervals.clone(), bytes, shared.timeout)
    }

    /// The handle of a log of this operator at this URL, which pauses by itself: for as long as an
    /// answer asks, or else as `backoff` says.
    pub(crate) fn for_log(&self, operator: &str, url: &str, backoff: Backoff) -> Self {
        let id = self.shared.callers.fetch_add(1, Ordering::Relaxed);
        self.shared.paces.of(host_of(url)).at_least(self.shared.intervals.of(operator));
        let caller = Arc::new(Caller::new(id, Some(backoff)));
        Self { shared: Arc::clone(&self.shared), caller }
    }

    /// How every host is being asked, by host.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostSnapshot> {
        self.shared.paces.snapshots()
    }

    /// Bytes of bodies held at the moment.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.shared.bodies.used()
    }

    /// How much longer this log is left alone because it asked for that.
    pub(crate) fn paused_for(&self) -> Option<Duration> {
        let until = self.caller.paused_until()?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Fetches `url`, of which at most `limit` bytes are read after decompression.
    ///
    /// # Errors
    /// As [`FetchError`] lists.
    pub async fn get(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        Ok(self.fetch(url, limit, None).await?.1)
    }

    /// As [`get`](Self::get), but what was had before is not sent again while it has not changed.
    pub(crate) async fn get_again(
        &self,
        url: &str,
        limit: usize,
        remembered: &mut Option<Remembered>,
    ) -> Result<Bytes, FetchError> {
        let (headers, body) = self.fetch(url, limit, remembered.as_ref()).await?;
        match (headers, &*remembered) {
            (None, Some(remembered)) => Ok(remembered.body.clone()),
            (headers, _) => {
                *remembered = headers.and_then(|headers| Remembered::new(&headers, &body));
                Ok(body)
            }
        }
    }

    /// Headers and body; no headers when nothing has changed since `remembered`.
    async fn fetch(
        &self,
        url: &str,
        limit: usize,
        remembered: Option<&Remembered>,
    ) -> Result<(Option<HeaderMap>, Bytes), FetchError> {
        let caller = &self.caller;
        let pace = self.shared.paces.of(host_of(url));
        let turn = loop {
            caller.wait().await;
            let turn = pace.turn(caller.id).await;
            // Another request of the log may have been refused while this one waited.
            if self.paused_for().is_none() {
                break turn;
            }
        };
        let mut lease = self.shared.bodies.reserve(caller.expected(limit)).await;
        // Only a bound: the semaphore is never closed.
        let _one = self.shared.requests.acquire().await.ok();
        let sent = Instant::now();
        let mut request = self.shared.http.get(url);
        if let Some(Remembered { validator: (name, value), .. }) = remembered {
            request = request.header(name, value);
        }
        let response = self.answer(url, request, sent).await?;
        let status = response.status();
        if let Some(error) = self.refusal(url, &response, sent) {
            if status == StatusCode::TOO_MANY_REQUESTS {
                turn.limited();
            }
            return Err(error);
        }
        turn.answered();
        caller.answered();
        if status == StatusCode::NOT_MODIFIED && remembered.is_some() {
            return Ok((None, Bytes::new()));
        }
        if !status.is_success() {
            return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() });
        }
        let headers = response.headers().clone();
        let patience = caller.patience(self.shared.timeout);
        let bodies = &self.shared.bodies;
        let parts = body::Parts { response, limit, patience };
        let Some(body) = parts.read(url, bodies, &mut lease).await? else {
            return Err(self.unanswered(url, sent, patience));
        };
        caller.received(limit, body.len());
        Ok((Some(headers), body::holding(body, lease)))
    }

    /// Waits for an answer to begin, for as long as the log may be expected to take.
    async fn answer(
        &self,
        url: &str,
        request: RequestBuilder,
        sent: Instant,
    ) -> Result<Response, FetchError> {
        let waited = self.caller.patience(self.shared.timeout);
        let Ok(answer) = tokio::time::timeout(waited, request.send()).await else {
            return Err(self.unanswered(url, sent, waited));
        };
        let answer = answer.map_err(|error| transport(url, &error))?;
        self.caller.began(Instant::now() - sent);
        Ok(answer)
    }

    /// The error of a request that was given up after nothing had come for so long.
    fn unanswered(&self, url: &str, sent: Instant, waited: Duration) -> FetchError {
        self.caller.unanswered(sent);
        let url = url.to_owned();
        if waited >= self.shared.timeout {
            return FetchError::Timeout { url };
        }
        FetchError::Unanswered { url, waited }
    }

    /// The error of an answer that asks for fewer requests, after the log's pause has begun.
    fn refusal(&self, url: &str, response: &Response, sent: Instant) -> Option<FetchError> {
        let status = response.status();
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return None;
        }
        let asked = retry_after(response.headers(), SystemTime::now());
        if status == StatusCode::TOO_MANY_REQUESTS || asked.is_some() {
            self.caller.refused(sent, asked);
        }
        let (url, status) = (url.to_owned(), status.as_u16());
        Some(FetchError::Limited { url, status, retry_after: asked })
    }
}

/// The root certificates of Mozilla's programme, as of the build.
fn built_in_roots() -> Vec<Certificate> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    roots.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
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

/// The host of a URL, with its port where it has one.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

/// The causes of an HTTP client error in one line, because the outermost says only "error sending
/// request" and hides the refused connection below.
fn transport(url: &str, error: &reqwest::Error) -> FetchError {
    if error.is_timeout() && !error.is_connect() {
        return FetchError::Timeout { url: url.to_owned() };
    }
    // Where in the library it happened, which says nothing to an operator.
    const LAYERS: [&str; 3] = ["error sending request", "client error (", "tcp connect error"];
    let mut reason = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let text = match error.to_string() {
            text if text == "dns error" => format!("DNS lookup of {} failed", host_of(url)),
            text => text,
        };
        let is_layer = LAYERS.iter().any(|layer| text.starts_with(layer));
        if !reason.contains(&text) && !(is_layer && error.source().is_some()) {
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
    async fn a_transport_error_says_the_cause_and_no_layers() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let closed = format!("http://{}/", closed.local_addr().expect("bound"));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let error = client.get(&closed).send().await.expect_err("nobody answers");
        let said = transport(&closed, &error).to_string();
        assert!(said.starts_with(&format!("{closed}: Connection refused")), "{said}");
    }

    #[test]
    fn hosts_keep_their_port() {
        assert_eq!(host_of("https://a.example/b/c"), "a.example");
        assert_eq!(host_of("http://127.0.0.1:80"), "127.0.0.1:80");
    }

    #[test]
    fn intervals_are_found_however_the_operator_is_written() {
        let (default, special) = (Duration::from_millis(25), Duration::from_secs(1));
        let by_operator = vec![("lets-encrypt".to_owned(), special)];
        let intervals = Intervals { default, by_operator };
        assert_eq!(intervals.of("Let's Encrypt"), special);
        assert_eq!(intervals.of("Google"), default);
    }
}
