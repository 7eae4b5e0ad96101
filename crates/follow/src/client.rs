//! HTTP GET as a log reader needs it: paced per host, bounded in time and size, honest in errors.
//!
//! HTTP/1.1 with as many connections as requests are under way, because operators limit each
//! connection rather than each client.

mod addresses;
mod body;
mod retry_after;

use std::net::IpAddr;
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

use self::addresses::{Addresses, PrivateAddress, Resolver};
use self::retry_after::retry_after;
use crate::breaker::Backoff;
use crate::budget::{Budget, Lease, Share};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::pace::{HostSnapshot, Kind, Paces};

/// Requests under way at most, to all hosts together.
const REQUESTS: usize = 256;
/// Bytes of bodies held at most, unless [`Client::with_body_bytes`] says otherwise.
const BODY_BYTES: usize = 64 << 20;
/// What one log may hold of them, as a part. The smallest useful part is that of a few pages.
const SHARES: usize = 4;
const LEAST_SHARE: usize = 4 << 20;
/// Bytes of small bodies held at most: heads, proofs, issuers, lists. They are counted by themselves, so
/// that pages do not keep a log's head from being read.
const SMALL_BODY_BYTES: usize = 8 << 20;
/// Bodies bounded by less are small.
const SMALL: usize = 2 << 20;
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
    /// Too much is held already of other answers.
    #[error("{url}: no room for the answer (ct_log.in_flight_bytes)")]
    NoRoom {
        /// What was asked for.
        url: String,
    },
    /// A log list, or what a name means, leads to a private address.
    #[error(
        "{url}: {address} is a private address, which a log of a list may not have unless \
         ct_log.allow_private_addresses is set"
    )]
    PrivateAddress {
        /// What was asked for.
        url: String,
        /// Where it is.
        address: IpAddr,
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

    /// Whether the answer was larger than could be taken, so that asking for less helps.
    #[must_use]
    pub const fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }

    /// Whether the answer did not come in time: because it is too much, or because the log fails.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Unanswered { .. })
    }

    /// How long an answer was waited for in vain.
    pub(crate) const fn waited(&self) -> Duration {
        match self {
            Self::Unanswered { waited, .. } => *waited,
            Self::Timeout { .. } => Duration::MAX,
            _ => Duration::ZERO,
        }
    }

    /// Whether other answers left no room for this one, which says nothing of the log.
    pub(crate) const fn is_no_room(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }

    /// Whether it is a failure of the log or of the way to it, which may pass.
    const fn is_failure(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500,
            Self::TooLarge { .. } | Self::NoRoom { .. } | Self::PrivateAddress { .. } => false,
            _ => true,
        }
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
    share: Arc<Share>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    paces: Paces,
    intervals: Intervals,
    requests: Semaphore,
    bodies: Budget,
    small_bodies: Budget,
    addresses: Arc<Addresses>,
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

/// An answer and what it holds of the budget.
struct Fetched {
    /// `None` when nothing has changed since what is remembered.
    headers: Option<HeaderMap>,
    body: Bytes,
    lease: Lease,
}

impl Client {
    /// `user_agent` should name product, version and a contact: several operators give clients
    /// that do a larger share. `timeout` bounds a whole request, body included.
    ///
    /// # Errors
    /// When the TLS machinery or the proxy settings of the environment cannot be used.
    pub fn new(user_agent: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        let addresses = Addresses::with_proxies();
        let resolver = Arc::new(Resolver(Arc::clone(&addresses)));
        let builder = || {
            reqwest::Client::builder()
                .user_agent(user_agent)
                .http1_only()
                .dns_resolver(Arc::clone(&resolver))
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
        let shared = Shared {
            http,
            paces: Paces::default(),
            intervals: Intervals::default(),
            requests: Semaphore::new(REQUESTS),
            bodies: Budget::new(BODY_BYTES),
            small_bodies: Budget::new(SMALL_BODY_BYTES),
            addresses,
            callers: AtomicU64::new(1),
            timeout,
        };
        Ok(Self::around(shared))
    }

    fn around(shared: Shared) -> Self {
        let caller = Arc::new(Caller::new(0, None, Arc::default()));
        let share = Arc::new(share_of(&shared.bodies));
        Self { shared: Arc::new(shared), caller, share }
    }

    /// The same client, which has asked nobody yet.
    fn anew(&self, intervals: Intervals, body_bytes: usize) -> Self {
        let shared = &self.shared;
        Self::around(Shared {
            http: shared.http.clone(),
            paces: Paces::default(),
            intervals,
            requests: Semaphore::new(REQUESTS),
            bodies: Budget::new(body_bytes),
            small_bodies: Budget::new(SMALL_BODY_BYTES),
            addresses: Arc::clone(&shared.addresses),
            callers: AtomicU64::new(1),
            timeout: shared.timeout,
        })
    }

    /// Sets whether logs of lists may have private addresses.
    pub fn allow_private_addresses(&self, allow: bool) {
        self.shared.addresses.trust_all(allow);
    }

    /// Has the host of this URL be one that may have private addresses, because the operator has named
    /// it.
    pub(crate) fn trust(&self, url: &str) {
        self.shared.addresses.trust(url);
    }

    /// Reports whether the host of a URL may have private addresses.
    #[cfg(test)]
    pub(crate) fn trusts(&self, url: &str) -> bool {
        self.shared.addresses.may_be_private(url)
    }

    /// Whether the host of a URL has none but private addresses, as far as can be told now.
    pub(crate) async fn has_private_host(url: &str) -> bool {
        addresses::has_private_host(url).await
    }

    /// The same client, which leaves these times between requests.
    #[must_use]
    pub fn with_intervals(&self, intervals: Intervals) -> Self {
        self.anew(intervals, self.shared.bodies.total())
    }

    /// The same client, which holds so many bytes of pages at most, from their first byte until they
    /// are published; the largest answer is excepted.
    #[must_use]
    pub fn with_body_bytes(&self, bytes: usize) -> Self {
        self.anew(self.shared.intervals.clone(), bytes)
    }

    /// The handle of a log of this operator at this URL, which pauses by itself: for as long as an
    /// answer asks, or else as `backoff` says. `failure` says whether the log fails.
    pub(crate) fn for_log(
        &self,
        operator: &str,
        url: &str,
        backoff: Backoff,
        failure: Arc<Failure>,
    ) -> Self {
        let id = self.shared.callers.fetch_add(1, Ordering::Relaxed);
        self.shared.paces.of(host_of(url)).at_least(self.shared.intervals.of(operator));
        let caller = Arc::new(Caller::new(id, Some(backoff), failure));
        let share = Arc::new(share_of(&self.shared.bodies));
        Self { shared: Arc::clone(&self.shared), caller, share }
    }

    /// How every host is being asked, by host.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostSnapshot> {
        self.shared.paces.snapshots()
    }

    /// Bytes held at the moment: of answers being read, and of pages until they are published.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.shared.bodies.used() + self.shared.small_bodies.used()
    }

    /// How many answers this log has given in full.
    pub(crate) fn answers(&self) -> u64 {
        self.caller.answers()
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
        let (body, lease) = self.get_page(url, limit).await?;
        Ok(body::holding(body, lease))
    }

    /// As [`get`](Self::get), with what the body holds of the budget apart, to travel with what is made
    /// of it.
    pub(crate) async fn get_page(
        &self,
        url: &str,
        limit: usize,
    ) -> Result<(Bytes, Lease), FetchError> {
        let Fetched { body, lease, .. } = self.fetch(url, limit, None).await?;
        Ok((body, lease))
    }

    /// As [`get`](Self::get), but what was had before is not sent again while it has not changed.
    pub(crate) async fn get_again(
        &self,
        url: &str,
        limit: usize,
        remembered: &mut Option<Remembered>,
    ) -> Result<Bytes, FetchError> {
        let fetched = self.fetch(url, limit, remembered.as_ref()).await?;
        match (fetched.headers, &*remembered) {
            (None, Some(remembered)) => Ok(remembered.body.clone()),
            (headers, _) => {
                let body = body::holding(fetched.body, fetched.lease);
                *remembered = headers.and_then(|headers| Remembered::new(&headers, &body));
                Ok(body)
            }
        }
    }

    async fn fetch(
        &self,
        url: &str,
        limit: usize,
        remembered: Option<&Remembered>,
    ) -> Result<Fetched, FetchError> {
        let outcome = self.fetch_once(url, limit, remembered).await;
        if outcome.as_ref().is_err_and(FetchError::is_failure) {
            self.caller.failed();
        }
        outcome
    }

    async fn fetch_once(
        &self,
        url: &str,
        limit: usize,
        remembered: Option<&Remembered>,
    ) -> Result<Fetched, FetchError> {
        self.check_address(url)?;
        let caller = &self.caller;
        let pace = self.shared.paces.of(host_of(url));
        let kind = if limit < SMALL { Kind::Small } else { Kind::Page };
        let turn = loop {
            caller.wait().await;
            let turn = pace.turn(caller.id, kind).await;
            // Another request of the log may have been refused while this one waited.
            if self.paused_for().is_none() {
                break turn;
            }
        };
        let (bodies, share) = match kind {
            Kind::Small => (&self.shared.small_bodies, None),
            Kind::Page => (&self.shared.bodies, Some(&*self.share)),
        };
        let reserved = bodies.reserve(caller.expected(limit), share);
        let mut lease = body::room(url, reserved).await?;
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
            return Ok(Fetched { headers: None, body: Bytes::new(), lease });
        }
        if !status.is_success() {
            return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() });
        }
        let headers = response.headers().clone();
        let patience = caller.patience(self.shared.timeout);
        let parts = body::Parts { response, limit, patience };
        let Some(body) = parts.read(url, bodies, &mut lease).await? else {
            return Err(self.unanswered(url, sent, patience));
        };
        caller.received(limit, body.len());
        lease.set(body.len());
        Ok(Fetched { headers: Some(headers), body, lease })
    }

    /// Refuses a URL that names a private address which it may not.
    fn check_address(&self, url: &str) -> Result<(), FetchError> {
        let refused =
            |PrivateAddress(address)| FetchError::PrivateAddress { url: url.to_owned(), address };
        self.shared.addresses.check(url).map_err(refused)
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

/// What one log may hold of a budget.
fn share_of(bodies: &Budget) -> Share {
    Share::new((bodies.total() / SHARES).max(LEAST_SHARE).min(bodies.total()))
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
    async fn a_transport_error_says_the_cause_and_no_layers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let closed = format!("http://{}/", listener.local_addr().expect("bound"));
        drop(listener);
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
