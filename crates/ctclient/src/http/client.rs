//! The HTTP client: one request at a time of one log, with its pace, its pause and its room in memory.
//!
//! HTTP/1.1 with as many connections as requests are under way, because operators limit each
//! connection rather than each client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::redirect;
use reqwest::{Certificate, RequestBuilder, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::addresses::{self, Addresses, PrivateAddress, Resolver, host_of};
use super::body;
use super::budget::{Budget, Lease, Share};
use super::caller::Caller;
use super::disk::{self, Stored};
use super::error::{FetchError, transport};
use super::intervals::Intervals;
use super::pace::{HostSnapshot, Kind, Paces};
use super::remembered::Remembered;
use super::retry_after::{LONGEST, retry_after};
use super::zips::Zips;
use crate::backoff::Backoff;
use crate::failure::Failure;

/// The most requests in flight, to all hosts together.
const REQUESTS: usize = 256;
/// The most bytes of bodies in memory, unless [`Client::with_body_bytes`] sets another bound.
const BODY_BYTES: usize = 64 << 20;
/// The fraction of them that one log may use. The smallest useful share is that of a few pages.
const SHARES: usize = 4;
const LEAST_SHARE: usize = 4 << 20;
/// The most bytes of small bodies in memory: heads, proofs, issuers, lists. They are counted
/// separately, so that pages do not prevent a log's head from being read.
const SMALL_BODY_BYTES: usize = 8 << 20;
/// Bodies bounded by less are small.
const SMALL: usize = 2 << 20;
/// Idle connections kept to a host: more than a host's logs need while they do not grow. Each keeps
/// the buffer that its largest response needed.
const IDLE_CONNECTIONS: usize = 4;
/// The time for which they are kept: requests to a log in use are more frequent.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// The HTTP client shared by all readers, as one log's reader sees it: a handle, cheap to clone.
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
    zips: Arc<Zips>,
    /// Bounds a whole request.
    timeout: Duration,
}

/// A response and its bytes in the budget.
struct Fetched {
    /// `None` if the response is unchanged since the remembered one.
    headers: Option<HeaderMap>,
    body: Bytes,
    lease: Lease,
}

impl Client {
    /// Makes a client. `user_agent` should name product, version and a contact: several operators give clients
    /// that do a larger share. `timeout` bounds a whole request, body included.
    ///
    /// # Errors
    /// If TLS or the proxy settings of the environment cannot be used.
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
            zips: Arc::default(),
            timeout,
        };
        Ok(Self::around(shared))
    }

    fn around(shared: Shared) -> Self {
        let caller = Arc::new(Caller::new(0, None, Arc::default()));
        let share = Arc::new(share_of(&shared.bodies));
        Self { shared: Arc::new(shared), caller, share }
    }

    /// Makes a client with the same connections and new paces and budgets.
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
            zips: Arc::clone(&shared.zips),
            timeout: shared.timeout,
        })
    }

    /// Sets whether logs of lists may have private addresses.
    pub fn allow_private_addresses(&self, allow: bool) {
        self.shared.addresses.trust_all(allow);
    }

    /// Permits private addresses for the host of this URL, because the operator has named it.
    pub fn trust(&self, url: &str) {
        self.shared.addresses.trust(url);
    }

    /// Reports whether the host of this URL may have private addresses.
    #[must_use]
    pub fn may_be_private(&self, url: &str) -> bool {
        self.shared.addresses.may_be_private(url)
    }

    /// Reports whether the host of a URL resolves to private addresses only.
    pub async fn has_private_host(url: &str) -> bool {
        addresses::has_private_host(url).await
    }

    /// Returns a client with these intervals between requests.
    #[must_use]
    pub fn with_intervals(&self, intervals: Intervals) -> Self {
        self.anew(intervals, self.shared.bodies.total())
    }

    /// Returns a client with this bound on bytes of pages, from their first byte until they are
    /// published; the largest response may exceed it.
    #[must_use]
    pub fn with_body_bytes(&self, bytes: usize) -> Self {
        self.anew(self.shared.intervals.clone(), bytes)
    }

    /// Returns the handle of a log of this operator at this URL, which pauses by itself: for as long as
    /// a response asks, or else as `backoff` says. `failure` is the log's present failure.
    #[must_use]
    pub fn for_log(
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

    /// Returns another handle of the same log, with a share of its own of the bytes in memory: what it
    /// holds keeps no other handle from reading.
    #[must_use]
    pub fn with_own_share(&self) -> Self {
        let share = Arc::new(share_of(&self.shared.bodies));
        Self { shared: Arc::clone(&self.shared), caller: Arc::clone(&self.caller), share }
    }

    /// Returns the pace of each host, by host.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostSnapshot> {
        self.shared.paces.snapshots()
    }

    /// Returns the bytes in memory: of responses being read, and of pages until they are dropped.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.shared.bodies.used() + self.shared.small_bodies.used()
    }

    /// Returns the number of whole responses of this log.
    pub(crate) fn answers(&self) -> u64 {
        self.caller.answers()
    }

    /// Returns the rest of the pause that this log asked for.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        let until = self.caller.paused_until()?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Returns the requests a second that the host of a URL gets, if it has objected to more.
    #[must_use]
    pub fn rate_of(&self, url: &str) -> Option<f64> {
        self.shared.paces.of(host_of(url)).snapshot(host_of(url)).rate
    }

    /// Fetches `url`, of which at most `limit` bytes are read after decompression.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn get(&self, url: &str, limit: usize) -> Result<Bytes, FetchError> {
        let (body, lease) = self.get_page(url, limit).await?;
        Ok(body::holding(body, lease))
    }

    /// Fetches like [`get`](Self::get), and returns the body's lease separately, to travel with the
    /// entries made of it.
    pub(crate) async fn get_page(
        &self,
        url: &str,
        limit: usize,
    ) -> Result<(Bytes, Lease), FetchError> {
        let Fetched { body, lease, .. } = self.fetch(url, limit, None).await?;
        Ok((body, lease))
    }

    /// Fetches like [`get`](Self::get), but an unchanged response is not sent again.
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
        if let Some(stored) = Stored::of_url(url) {
            return self.read_stored(url, stored, limit).await;
        }
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

    /// Reads a file in place of a response; there is no pace to keep.
    async fn read_stored(
        &self,
        url: &str,
        stored: Stored,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let body = disk::read(url, stored, &self.shared.zips, limit).await?;
        let (bodies, share) = if limit < SMALL {
            (&self.shared.small_bodies, None)
        } else {
            (&self.shared.bodies, Some(&*self.share))
        };
        let lease = body::room(url, bodies.reserve(body.len(), share)).await?;
        Ok(Fetched { headers: Some(HeaderMap::new()), body: body.into(), lease })
    }

    /// Refuses a URL with a private address that is not permitted.
    fn check_address(&self, url: &str) -> Result<(), FetchError> {
        let refused =
            |PrivateAddress(address)| FetchError::PrivateAddress { url: url.to_owned(), address };
        self.shared.addresses.check(url).map_err(refused)
    }

    /// Waits for a response to begin, for as long as the log may take.
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

    /// Returns the error of a request that was cancelled after `waited` without a response.
    fn unanswered(&self, url: &str, sent: Instant, waited: Duration) -> FetchError {
        self.caller.unanswered(sent);
        let url = url.to_owned();
        if waited >= self.shared.timeout {
            return FetchError::Timeout { url };
        }
        FetchError::Unanswered { url, waited }
    }

    /// Returns the error of a response that asks for fewer requests, and begins the log's pause.
    fn refusal(&self, url: &str, response: &Response, sent: Instant) -> Option<FetchError> {
        let status = response.status();
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return None;
        }
        let asked = retry_after(response.headers(), SystemTime::now(), LONGEST);
        if status == StatusCode::TOO_MANY_REQUESTS || asked.is_some() {
            self.caller.refused(sent, asked);
        }
        let (url, status) = (url.to_owned(), status.as_u16());
        Some(FetchError::Limited { url, status, retry_after: asked })
    }
}

/// Returns the share of one log.
fn share_of(bodies: &Budget) -> Share {
    Share::new((bodies.total() / SHARES).max(LEAST_SHARE).min(bodies.total()))
}

/// Returns the root certificates of Mozilla's programme, as of the build.
fn built_in_roots() -> Vec<Certificate> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    roots.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}

/// Follows redirects within the origin only: a log's responses count because of their origin.
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
