//! Access control: allow-list, tokens, rates and connection limits.
//!
//! [`Guard`] holds the state: slots in use and the recent requests of clients, both bounded. A
//! [`Policy`] says what is allowed. It is made once for each configuration and given to every check,
//! so that new limits apply at once, no request history is lost and nobody is disconnected.

mod address;
mod answer;
mod auth;
mod local;
mod policy;
mod rate;
mod slots;

use std::net::IpAddr;
use std::sync::{Arc, Once, Weak};

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{Extensions, HeaderMap, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use feed::Owner;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::address::ClientKey;
use self::answer::Refusal;
use self::auth::{Shown, Tier};
pub use self::policy::{Policy, PolicyError};
use self::rate::{Accounts, Key, Limit, Standing, Verdict};
use self::slots::{Full, Slot, SlotLimits, Slots};
use crate::metrics::guard::{GuardMetrics, Reason, TierLabel};

/// The clients' connections and recent requests.
#[derive(Debug)]
pub struct Guard {
    /// Streams.
    streams: Arc<Slots>,
    /// Connections without a stream.
    pending: Arc<Slots>,
    accounts: Mutex<Accounts>,
    metrics: GuardMetrics,
    /// Logs the first peer that names another client and is not a trusted proxy.
    first_untrusted: Once,
}

/// The other end of a connection. Each of its requests carries it.
#[derive(Debug, Clone)]
pub struct Peer {
    address: IpAddr,
    pending: Arc<Pending>,
}

/// A connection's slot among those without a stream. A stream on the connection gives it up when its
/// first bytes are to be sent, and takes it again when it ends.
#[derive(Debug)]
pub struct Pending {
    slots: Arc<Slots>,
    client: ClientKey,
    slot: Mutex<Option<Slot>>,
}

/// The permission of a request to begin a stream; it ends with the request unless that begins one.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    slot: Arc<Slot>,
    peer: Peer,
}

/// The slot of a stream, taken while it runs.
#[derive(Debug)]
pub(super) struct StreamSlot {
    _slot: Arc<Slot>,
    /// The connection's slot among those without a stream; gone once the connection has ended.
    pending: Weak<Pending>,
    begun: bool,
}

impl Peer {
    /// A peer at this address, with its slot.
    #[must_use]
    pub fn new(address: IpAddr, pending: Pending) -> Self {
        Self { address, pending: Arc::new(pending) }
    }
}

/// Returns the address that a request comes from, beyond the trusted proxies.
pub(super) fn client_address(
    policy: &Policy,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Option<IpAddr> {
    let peer = extensions.get::<Peer>()?;
    Some(address::client(peer.address, headers, &policy.proxies))
}

impl Admission {
    /// Returns the client whose request it is.
    pub(super) fn owner(&self) -> Owner {
        Owner(self.slot.client().number())
    }

    /// Returns the slot for a stream that is about to begin.
    pub(super) fn into_slot(self) -> StreamSlot {
        StreamSlot { _slot: self.slot, pending: Arc::downgrade(&self.peer.pending), begun: false }
    }
}

impl StreamSlot {
    /// Begins the stream: its connection counts as one from now on. Not before its first bytes are
    /// asked for: a request answered without a body would otherwise escape every limit.
    pub(super) fn begin(&mut self) {
        if !self.begun
            && let Some(pending) = self.pending.upgrade()
        {
            self.begun = true;
            drop(pending.slot.lock().take());
        }
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        if self.begun
            && let Some(pending) = self.pending.upgrade()
        {
            // Counted whatever the limits: the connection is there.
            let slot = pending.slots.take(pending.client, SlotLimits::NONE).ok();
            *pending.slot.lock() = slot;
        }
    }
}

impl Guard {
    /// Begins without clients.
    #[must_use]
    pub fn new(metrics: GuardMetrics) -> Self {
        Self {
            streams: Arc::default(),
            pending: Arc::default(),
            accounts: Mutex::new(Accounts::new(Instant::now())),
            metrics,
            first_untrusted: Once::new(),
        }
    }

    /// Logs once that a proxy may be missing in `trusted_proxies`: then all its clients count as one.
    fn note_untrusted(&self, policy: &Policy, peer: IpAddr, headers: &HeaderMap) {
        if policy.trusts_nobody || !address::is_untrusted(peer, headers, &policy.proxies) {
            return;
        }
        self.first_untrusted.call_once(|| {
            tracing::warn!(
                %peer,
                "ignoring X-Forwarded-For from a peer that is not in trusted_proxies; if it is \
                 your proxy, add it there, or all its clients share the limits of one address"
            );
        });
    }

    /// Resolves once one more connection may be accepted.
    pub async fn room(&self, policy: &Policy) {
        let most = policy.pending.total;
        if self.pending.in_use() >= most {
            self.metrics.accept_pauses.inc();
            tracing::warn!(
                limit = most,
                "new connections are waiting: connection_limit.max_pending is reached"
            );
            self.pending.room(most).await;
        }
    }

    /// Takes a slot for a connection just accepted; none where its address has too many already.
    /// Trusted proxies are not limited.
    #[must_use]
    pub fn pending(&self, policy: &Policy, peer: IpAddr) -> Option<Pending> {
        let mut limits = policy.pending;
        // The listener has waited for room.
        limits.total = u64::MAX;
        if policy.proxies.contain(peer.to_canonical()) {
            limits.per_client = u64::MAX;
        }
        let client = ClientKey::from(peer);
        let slot = self.pending.take(client, limits).ok();
        if slot.is_none() {
            self.metrics.pending_per_ip_rejected.inc();
            tracing::debug!(
                "closed a connection: its address has reached connection_limit.max_pending_per_ip"
            );
        }
        let slots = Arc::clone(&self.pending);
        slot.map(|slot| Pending { slots, client, slot: Mutex::new(Some(slot)) })
    }

    /// Decides whether a request may be served, and returns the standing of its client.
    fn admit(
        &self,
        policy: &Policy,
        peer: &Peer,
        request: &Request<Body>,
    ) -> (Option<Standing>, Result<ClientKey, Refusal>) {
        self.note_untrusted(policy, peer.address, request.headers());
        let address = address::client(peer.address, request.headers(), &policy.proxies);
        if !policy.allowed.is_empty() && !policy.allowed.contain(address) {
            self.metrics.address_rejected.inc();
            return (None, Err(Refusal::Forbidden));
        }
        let client = ClientKey::from(address);
        let shown = policy.auth.read(request.headers(), request.uri().query());
        let (tier, key, rejected) = match shown {
            Shown::Token(tier, hash) => (tier, Key::Token(hash), None),
            Shown::Wrong => (Tier::Free, Key::Address(client), Some("wrong")),
            Shown::Nothing => {
                let missing = policy.auth.is_required().then_some("missing");
                (Tier::Free, Key::Address(client), missing)
            }
        };
        let (standing, charged) = self.charge(policy, tier, key);
        let outcome = match (charged, rejected) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), Some(reason)) => {
                self.metrics.auth_rejected.get_or_create(&Reason { reason }).inc();
                Err(Refusal::Unauthorized { header: policy.auth.header().clone() })
            }
            (Ok(()), None) => {
                let tier = TierLabel { tier: tier.name() };
                self.metrics.admitted.get_or_create(&tier).inc();
                Ok(client)
            }
        };
        (standing, outcome)
    }

    /// Takes one request from an account.
    fn charge(
        &self,
        policy: &Policy,
        tier: Tier,
        key: Key,
    ) -> (Option<Standing>, Result<(), Refusal>) {
        let Some(rates) = &policy.rates else { return (None, Ok(())) };
        let now = Instant::now();
        let mut accounts = self.accounts.lock();
        let (verdict, forgotten) =
            accounts.ask(key, rates.of(tier), rates.max_clients, rates.horizon, now);
        self.metrics.clients.set(i64::try_from(accounts.len()).unwrap_or(i64::MAX));
        drop(accounts);
        if forgotten > 0 {
            self.metrics.clients_forgotten.inc_by(forgotten as u64);
            tracing::warn!(
                clients = forgotten,
                "rate_limit.max_clients is reached: dropping the request history of the least \
                 recently seen clients"
            );
        }
        match verdict {
            Verdict::Allowed { standing, by_burst } => {
                self.metrics.burst_used.inc_by(by_burst.into());
                (Some(standing), Ok(()))
            }
            Verdict::Refused { standing, limit, wait } => {
                let reason = match limit {
                    Limit::Bucket => "token_bucket",
                    Limit::Window => "sliding_window",
                };
                self.metrics.rate_limit_rejected.get_or_create(&Reason { reason }).inc();
                (Some(standing), Err(Refusal::TooOften { limit, wait }))
            }
        }
    }

    /// Takes a slot for a stream of a client.
    fn take_slot(
        &self,
        policy: &Policy,
        client: ClientKey,
        peer: Peer,
    ) -> Result<Admission, Refusal> {
        match self.streams.take(client, policy.streams) {
            Ok(slot) => Ok(Admission { slot: Arc::new(slot), peer }),
            Err(full) => {
                let rejected = match full {
                    Full::Total => &self.metrics.connection_limit_rejected,
                    Full::Client => &self.metrics.per_ip_limit_rejected,
                };
                rejected.inc();
                Err(Refusal::TooMany)
            }
        }
    }
}

/// The state of the middleware: the guard, and the policy of the configuration in use.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) guard: Arc<Guard>,
    pub(super) policy: Arc<Policy>,
}

/// Passes the requests that may use the API, each with its client as an [`Owner`].
pub(super) async fn requests(
    State(Gate { guard, policy }): State<Gate>,
    Extension(peer): Extension<Peer>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let (standing, admitted) = guard.admit(&policy, &peer, &request);
    let response = match admitted {
        Ok(client) => {
            request.extensions_mut().insert(Owner(client.number()));
            next.run(request).await
        }
        Err(refusal) => refuse(refusal),
    };
    with_standing(response, standing.as_ref())
}

/// Passes the requests that may read metrics.
pub(super) async fn metrics(
    State(Gate { guard, policy }): State<Gate>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    if policy.metrics.include(peer.address, request.headers()) {
        return next.run(request).await;
    }
    guard.metrics.address_rejected.inc();
    refuse(Refusal::Forbidden)
}

/// Passes the requests that may read what is only for the operator, behind one of the other gates.
pub(super) async fn operator(
    State(Gate { guard, policy }): State<Gate>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let Some(reason) = local::problem(&policy, peer.address, &request) else {
        return next.run(request).await;
    };
    guard.metrics.address_rejected.inc();
    refuse(Refusal::NotTheOperator { reason })
}

/// Passes the requests that may begin a stream, each with an [`Admission`].
pub(super) async fn streams(
    State(Gate { guard, policy }): State<Gate>,
    Extension(peer): Extension<Peer>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let (standing, admitted) = guard.admit(&policy, &peer, &request);
    let admitted = admitted.and_then(|client| guard.take_slot(&policy, client, peer));
    let response = match admitted {
        Ok(admission) => {
            request.extensions_mut().insert(admission);
            next.run(request).await
        }
        Err(refusal) => refuse(refusal),
    };
    with_standing(response, standing.as_ref())
}

fn refuse(refusal: Refusal) -> Response {
    tracing::debug!(?refusal, "a request was refused");
    refusal.into_response()
}

fn with_standing(mut response: Response, standing: Option<&Standing>) -> Response {
    if let Some(standing) = standing {
        answer::insert_standing(response.headers_mut(), standing);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Config;

    #[test]
    fn a_connection_is_pending_until_a_stream_begins_and_again_when_it_ends() {
        let guard = Guard::new(GuardMetrics::default());
        let mut config = Config::default();
        config.connection_limit.max_pending_per_ip = 1;
        let policy = Policy::compile(&config).expect("compiles");
        let address = IpAddr::from([192, 0, 2, 1]);
        let peer = Peer::new(address, guard.pending(&policy, address).expect("room"));
        let in_use = || (guard.pending.in_use(), guard.streams.in_use());
        let hold =
            || guard.take_slot(&policy, address.into(), peer.clone()).expect("room").into_slot();

        // One whose body is never read, as with HEAD.
        let held = hold();
        assert_eq!(in_use(), (1, 1));
        drop(held);
        assert_eq!(in_use(), (1, 0));

        let mut held = hold();
        held.begin();
        held.begin();
        assert_eq!(in_use(), (0, 1));
        let another = guard.pending(&policy, address).expect("room");
        drop(held);
        assert_eq!(in_use(), (2, 0), "whatever the limit");
        assert!(guard.pending(&policy, address).is_none());
        drop(another);

        // One that ends with its connection.
        let mut held = hold();
        held.begin();
        drop(peer);
        drop(held);
        assert_eq!(in_use(), (0, 0));
    }

    #[tokio::test]
    async fn a_request_has_its_client_also_behind_a_trusted_proxy() {
        let trusted_proxies = vec!["192.0.2.0/24".to_owned()];
        let config = Config { trusted_proxies, ..Config::default() };
        let policy = Arc::new(Policy::compile(&config).expect("compiles"));
        let guard = Arc::new(Guard::new(GuardMetrics::default()));
        let address = IpAddr::from([192, 0, 2, 1]);
        let peer = Peer::new(address, guard.pending(&policy, address).expect("room"));
        let owner = async |Extension(Owner(number)): Extension<Owner>| number.to_string();
        let mut routes = axum::Router::new()
            .route("/", axum::routing::get(owner))
            .layer(axum::middleware::from_fn_with_state(Gate { guard, policy }, requests))
            .layer(Extension(peer));
        let request = Request::get("/").header("x-forwarded-for", "198.51.100.7");
        let request = request.body(Body::empty()).expect("a request");
        let response = tower_service::Service::call(&mut routes, request).await.expect("routed");
        let body = axum::body::to_bytes(response.into_body(), 100).await.expect("a body");
        let client = ClientKey::from(IpAddr::from([198, 51, 100, 7]));
        assert_eq!(body, client.number().to_string());
    }
}
