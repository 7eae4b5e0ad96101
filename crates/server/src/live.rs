//! The configuration in use, which can be replaced while the server runs.
//!
//! Configuration and routes are one value, replaced in one step. A request takes the routes once, at
//! its start, and with them the [`Shared`] that they were built on; so whatever it looks at, and
//! however long it lasts, it sees one configuration from start to end.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use axum::Router;

use crate::http::guard::Policy;
use crate::http::{self, Shared};
use config::Config;

/// A handle on the configuration in use; clones see the same.
#[derive(Debug, Clone)]
pub struct Live(Arc<ArcSwap<Current>>);

/// A handle that does not keep the server's connections waited for.
#[derive(Debug, Clone)]
pub struct WeakLive(Weak<ArcSwap<Current>>);

/// Which listener a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The server's.
    Public,
    /// The metrics' own.
    Metrics,
}

impl Port {
    /// Returns the name of the task that accepts its connections.
    #[must_use]
    pub const fn task(self) -> &'static str {
        match self {
            Self::Public => "accept",
            Self::Metrics => "accept_metrics",
        }
    }
}

#[derive(Debug)]
struct Current {
    shared: Shared,
    public: Router,
    metrics: Router,
}

impl Current {
    fn new(shared: Shared) -> Self {
        let public = http::router(shared.clone());
        Self { public, metrics: http::metrics::router(shared.clone()), shared }
    }
}

impl Live {
    /// Begins with the configuration of `shared`.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Current::new(shared))))
    }

    /// The configuration at this moment. Whoever asks twice may get two; a request has its own in
    /// [`Shared::config`].
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.load().shared.config)
    }

    /// Who is served at this moment: the configuration, compiled.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.0.load().shared.policy)
    }

    /// The routes that a request which begins now is answered by.
    pub fn router(&self, port: Port) -> Router {
        let current = self.0.load();
        match port {
            Port::Public => current.public.clone(),
            Port::Metrics => current.metrics.clone(),
        }
    }

    /// What the requests that begin now share.
    #[must_use]
    pub fn shared(&self) -> Shared {
        self.0.load().shared.clone()
    }

    /// What begins from now on sees this configuration, and the policy made of it.
    pub fn replace(&self, config: Config, policy: Policy) {
        let (config, policy) = (Arc::new(config), Arc::new(policy));
        let shared = Shared { config, policy, ..self.shared() };
        self.0.store(Arc::new(Current::new(shared)));
    }

    /// A handle that can outlive the server.
    #[must_use]
    pub fn downgrade(&self) -> WeakLive {
        WeakLive(Arc::downgrade(&self.0))
    }
}

impl WeakLive {
    /// The handle, while the server runs.
    #[must_use]
    pub fn upgrade(&self) -> Option<Live> {
        self.0.upgrade().map(Live)
    }
}
